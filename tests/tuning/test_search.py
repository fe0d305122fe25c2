import collections
import os
import random
import signal
import threading
import time
from typing import Any

import mlflow
import numpy as np
import optuna
import pytest
from click.testing import CliRunner
from optuna.storages import RetryHeartbeatStaleTrialCallback
from optuna.study import StudyDirection
from optuna.trial import TrialState, create_trial

from hemo import liveness, tracking
from hemo.comparison.runs import compare
from hemo.config.tuning import Tuning
from hemo.errors import HemoError
from hemo.slices.store import SliceStore
from hemo.tuning import processes, results, search, terminal
from hemo.tuning import storage as storages
from hemo.tuning.mirror import STATUS
from hemo.tuning.trial import DEFAULT, FAULT, SETTINGS
from hemo.tuning.worker import run_trials
from tests.helpers.present import present
from tests.tuning.conftest import spec_of_study

pytestmark = pytest.mark.usefixtures("no_pictures")


def in_this_process(monkeypatch):
    """Run trials here in place of starting workers, which takes seconds."""

    def run(spec, study, mirror, place):
        run_trials(spec, 0)
        yield from mirror.sync(study.get_trials())

    monkeypatch.setattr(processes, "run", run)


def studies(world) -> dict[str, optuna.Study]:
    storage = storages.open_storage(storages.default_url(mlflow.get_tracking_uri()))
    names = optuna.get_all_study_names(storage)
    return {name: optuna.load_study(study_name=name, storage=storage) for name in names}


def runs(stage: str) -> list[mlflow.entities.Run]:
    experiment = tracking.experiment_id("bleeding")
    return list(tracking.client().search_runs([experiment], f"tags.stage = '{stage}'", max_results=5000))


def check_mirrored(study: optuna.Study) -> None:
    """Assert that runs and trials match one to one, in number and state."""
    found = [run for run in runs("trial") if run.data.tags["study"] == study.study_name]
    assert len(found) == len(study.trials)
    states = {int(run.data.tags["trial"]): run.info.status for run in found}
    assert states == {trial.number: STATUS[trial.state] for trial in study.trials}


def test_a_study_leaves_its_best_as_an_ordinary_run_on_test_patients_that_no_trial_saw(world, monkeypatch):
    in_this_process(monkeypatch)
    tuning = Tuning(budget={"trials": 4})
    (outcome,), failed = search.tune(world, tuning, ["logreg"], ["any"])
    assert not failed
    study = studies(world)["bleeding/logreg/any"]
    check_mirrored(study)
    assert outcome.values.gain == outcome.values.best - outcome.values.default >= 0
    (tuned,) = tracking.training_runs(tracking.experiment_id("bleeding"), tuned="true")
    plan = search.holdout_plan(world, SliceStore.open(world.store))
    assert tuned.tags["protocol"] == "holdout"
    assert tuned.tags["split_digest"] == present(plan.split).digest
    assert tuned.tags["trial"] == str(results.best_trial(study).number)
    board = compare(tracking.experiment_id("bleeding")).leaderboard
    assert list(board["family"]) == ["logreg", "logreg@tuned"], "the defaults, to compare with"
    table = tracking.load_predictions(tuned.run_id)
    part = present(plan.split).patients.set_index("patient")["part"]
    tested = table[table["part"] == "test"]["patient"]
    assert set(tested) == set(part[part == "test"].index)
    (parent,) = runs("study")
    artifacts = {f.path for f in tracking.client().list_artifacts(parent.info.run_id)}
    assert artifacts == {"best", "plots", "study.html", "trials"}
    assert parent.data.tags["best_trial"] == tuned.tags["trial"]

    # The same command goes on: nothing is left to do, and nothing is logged twice.
    search.tune(world, tuning, ["logreg"], ["any"])
    assert len(runs("study")) == 1
    assert len(tracking.training_runs(tracking.experiment_id("bleeding"))) == 2
    check_mirrored(studies(world)["bleeding/logreg/any"])


def test_the_best_settings_of_a_label_are_tried_for_the_next(world, monkeypatch):
    in_this_process(monkeypatch)
    search.tune(world, Tuning(budget={"trials": 4}), ["logreg"], ["any", "epidural"])
    found = studies(world)
    shared = {
        name: [t.user_attrs["from"] for t in study.trials if "from" in t.user_attrs]
        for name, study in found.items()
    }
    assert shared["bleeding/logreg/any"] == []
    assert shared["bleeding/logreg/epidural"] == ["any"]
    best = results.best_trial(found["bleeding/logreg/any"])
    assert best.params in [trial.params for trial in found["bleeding/logreg/epidural"].trials]


def test_a_best_that_cannot_be_trained_leaves_the_study_as_it_is(world, monkeypatch):
    in_this_process(monkeypatch)

    def train(*_):
        raise HemoError("any: no positive slice of validation")

    monkeypatch.setattr(search, "train_and_record", train)
    (outcome,), failed = search.tune(world, Tuning(budget={"trials": 1}), ["logreg"], ["any"])
    assert not failed
    assert outcome.tested.best == "none: any: no positive slice of validation"
    assert [run.info.status for run in runs("study")] == ["FINISHED"]


def test_several_objectives_make_a_pareto_study(world, monkeypatch, capsys):
    in_this_process(monkeypatch)
    tuning = Tuning(objective="recall,specificity", budget={"trials": 4})
    (outcome,), _ = search.tune(world, tuning, ["logreg"], ["any"])
    study = studies(world)["bleeding/logreg/any"]
    assert outcome.values.best == max(trial.values[0] for trial in study.trials)
    assert results.best_trial(study).number in [trial.number for trial in study.best_trials]
    storage: Any = study._storage  # Optuna's cache before the storage itself
    terminal.print_study(storage._backend, study.study_name)
    assert "Pareto front" in capsys.readouterr().out


def test_one_label_that_cannot_be_tuned_stops_no_other(world, monkeypatch):
    in_this_process(monkeypatch)
    real = search.check_learnable

    def check(training):
        if training.label == "any":
            raise HemoError("any: too few")
        real(training)

    monkeypatch.setattr(search, "check_learnable", check)
    outcomes, failed = search.tune(world, Tuning(budget={"trials": 1}), ["logreg"], ["any", "epidural"])
    assert [name for name, _ in failed] == ["bleeding/logreg/any"]
    assert [outcome.study for outcome in outcomes] == ["bleeding/logreg/epidural"]


def test_a_study_is_printed_with_its_state_and_best(world, capsys):
    spec = spec_of_study(world)
    run_trials(spec, 0)
    storage = storages.open_storage(spec.url)
    terminal.print_study(storage, spec.study)
    terminal.print_studies(storage)
    said = capsys.readouterr().out
    assert "6 complete" in said
    assert "Best parameters" in said
    found = results.values(storages.load_study(storage, spec.study))
    assert f"{found.default:.4f} by the defaults, {found.best:.4f} by the best" in said


def test_the_gain_is_positive_whether_more_or_less_is_better():
    for direction, best in ((StudyDirection.MAXIMIZE, 0.8), (StudyDirection.MINIMIZE, 0.2)):
        study = optuna.create_study(direction=direction)
        study.add_trial(create_trial(value=0.5, user_attrs={SETTINGS: DEFAULT}))
        study.add_trial(create_trial(value=best))
        found = present(results.values(study))
        assert (found.default, found.best) == (0.5, best)
        assert found.gain == pytest.approx(0.3)


def test_without_a_value_of_the_defaults_there_is_no_gain():
    study = optuna.create_study(direction="maximize")
    study.add_trial(create_trial(state=TrialState.FAIL, user_attrs={SETTINGS: DEFAULT}))
    study.add_trial(create_trial(value=0.5))
    assert np.isnan(results.values(study).gain)


def test_the_command_study_names_the_known_studies(world):
    from hemo.cli import main

    spec_of_study(world)
    result = CliRunner().invoke(main, ["study", "nosuch"])
    assert result.exit_code == 2
    assert "known: bleeding/logreg/any" in result.output


def kill_workers(study_name: str, url: str, kills: int, ended: threading.Event) -> list[int]:
    """Kill workers that run a trial, at random moments, from a thread; return the growing list of them."""
    rng = random.Random(0)
    killed: list[int] = []
    storage = storages.open_storage(url)

    def kill() -> None:
        while len(killed) < kills and not ended.is_set():
            time.sleep(rng.uniform(0, 0.2))
            try:
                study = optuna.load_study(study_name=study_name, storage=storage)
                trials = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
            except (KeyError, optuna.exceptions.StorageInternalError):  # not made yet, or its server is down
                continue
            workers = [t.user_attrs["worker"] for t in trials if "worker" in t.user_attrs]
            alive = [name for name in workers if liveness.is_alive(name)]
            if alive:
                pid = int(rng.choice(alive).rpartition(":")[2].split("@")[0])
                os.kill(pid, signal.SIGKILL)
                killed.append(pid)

    threading.Thread(target=kill, daemon=True).start()
    return killed


def check_survived(study: optuna.Study, budget: int) -> None:
    """Assert that a study came through: all trials ended, lost ones run again once, budget reached."""
    trials = study.get_trials()
    assert {trial.state for trial in trials} <= set(STATUS)
    assert len(storages.counted(trials)) == budget
    histories = [RetryHeartbeatStaleTrialCallback.retry_history(trial) for trial in trials]
    runs_again = collections.Counter(history[-1] for history in histories if history)
    for trial, history in zip(trials, histories, strict=True):
        if trial.state == TrialState.FAIL and FAULT not in trial.user_attrs:
            assert runs_again[trial.number] == (1 if len(history) < storages.RETRIES else 0)
    check_mirrored(study)


KILLS = int(os.environ.get("HEMO_TEST_KILLS", "3"))
"""Workers killed in a test; 30 take some minutes."""

SLOW = {"sgd": {"tol": 1e-12, "max_iter": 500}}
"""Trials of seconds rather than milliseconds: there is time to be killed in."""


def test_killed_workers_lose_no_trial(world):
    world = world.model_copy(update={"workers": 3, "families": SLOW})
    url = storages.default_url(mlflow.get_tracking_uri())
    ended = threading.Event()
    killed = kill_workers("bleeding/sgd/any", url, KILLS, ended)
    (outcome,), _ = search.tune(world, Tuning(budget={"trials": 3 * KILLS}), ["sgd"], ["any"])
    ended.set()
    assert killed
    check_survived(studies(world)["bleeding/sgd/any"], 3 * KILLS)
    assert outcome.trials["complete"] >= 3 * KILLS


def test_after_ctrl_c_the_same_command_goes_on(world):
    world = world.model_copy(update={"families": SLOW})
    storage = storages.open_storage(storages.default_url(mlflow.get_tracking_uri()))

    def interrupt() -> None:
        while True:
            time.sleep(0.05)
            if "bleeding/sgd/any" in optuna.get_all_study_names(storage):
                study = optuna.load_study(study_name="bleeding/sgd/any", storage=storage)
                if any(trial.state == TrialState.RUNNING for trial in study.get_trials(deepcopy=False)):
                    return signal.raise_signal(signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        search.tune(world, Tuning(budget={"trials": 500}), ["sgd"], ["any"])
    study = studies(world)["bleeding/sgd/any"]
    assert all(trial.state != TrialState.RUNNING for trial in study.trials)
    so_far = len(study.trials)
    search.tune(world, Tuning(budget={"trials": len(storages.counted(study.trials)) + 2}), ["sgd"], ["any"])
    study = studies(world)["bleeding/sgd/any"]
    assert len(study.trials) > so_far
    check_mirrored(study)
