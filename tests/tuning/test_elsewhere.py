"""Tuning's workers where only a cluster knows whether they live."""

import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from optuna.trial import TrialState

from hemo import cluster
from hemo.cluster import Cluster
from hemo.tuning import processes
from hemo.tuning import storage as storages
from hemo.tuning.trial import CREW, WORKER
from hemo.tuning.worker import DRIVER, SILENCE, work_elsewhere
from tests.tuning.conftest import spec_of_study

PLACE = Cluster("dask://elsewhere:1")
NOBODY: Any = SimpleNamespace(sync=lambda trials: [])


@pytest.fixture
def spec(world):
    return spec_of_study(world, budget={"trials": 3})


def study_of(spec):
    return storages.load_study(storages.open_storage(spec.url), spec.study)


class Losing(ThreadPoolExecutor):
    """Loses the first worker in the middle of a trial, as a cluster does that kills it."""

    lost = 0

    def submit(self, function, /, *words, **named):
        if self.lost:
            return super().submit(function, *words, **named)
        self.lost += 1
        study = study_of(function.function.args[0])
        trial = study.ask()
        trial.set_user_attr(CREW, words[0])
        trial.set_user_attr(WORKER, "elsewhere:1@1.00")
        future: Future[None] = Future()
        future.set_exception(RuntimeError("its jobs all ended without a result"))
        return future


@pytest.mark.parametrize("kind", [ThreadPoolExecutor, Losing])
def test_a_study_ends_with_its_budget_whoever_is_lost_and_tells_its_workers(spec, kind, monkeypatch, capsys):
    @contextmanager
    def pool(place, workers):
        with kind(workers) as executor:
            yield executor

    monkeypatch.setattr(cluster, "pool", pool)
    monkeypatch.setattr(processes, "LOOK", 0.05)
    study = study_of(spec)
    list(processes.run(spec, study, NOBODY, PLACE))
    assert len(storages.counted(study.trials)) == 3
    assert study.user_attrs[DRIVER] == 0
    assert not [trial for trial in study.trials if trial.state == TrialState.RUNNING]
    lost = [trial for trial in study.trials if trial.state == TrialState.FAIL]
    assert len(lost) == (kind is Losing)
    assert ("died: its jobs all ended" in capsys.readouterr().err) == (kind is Losing)


def test_a_worker_whose_parent_shows_no_sign_of_life_begins_no_trial(spec):
    study = study_of(spec)
    for seen in (0, time.time() - 2 * SILENCE):
        study.set_user_attr(DRIVER, seen)
        work_elsewhere(spec, 0, "crew")
    assert {trial.state for trial in study.trials} == {TrialState.WAITING}


def test_a_job_that_is_begun_again_ends_the_trial_of_its_first_begin_and_no_other(spec):
    study = study_of(spec)
    for name in ("crew", "another"):
        trial = study.ask()
        trial.set_user_attr(CREW, name)
        trial.set_user_attr(WORKER, "elsewhere:1@1.00")
    work_elsewhere(spec, 0, "crew")  # without a parent, it begins no further one
    assert [trial.state for trial in study.trials[:2]] == [TrialState.FAIL, TrialState.RUNNING]
