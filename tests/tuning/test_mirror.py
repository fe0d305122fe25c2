import json

import mlflow
import numpy as np
import optuna
import pytest
from mlflow.entities import ViewType
from optuna.trial import TrialState, create_trial

from hemo import tracking
from hemo.tuning.mirror import STATUS, Mirror
from hemo.tuning.trial import FAULT, RESULT

TAGS = {"study": "bleeding/ann/any", "study_id": "1", "family": "ann", "label": "any"}
STATES = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)


def trial_of(number: int, state: TrialState, epochs: int = 3) -> optuna.trial.FrozenTrial:
    result = {
        "params": {"C": 1.0, "layers": [4, 2]},
        "figures": {"auc": 0.7, "seconds": 2.0} if state == TrialState.COMPLETE else {},
        "folds": {0: 0.6, 1: float("nan")},
        "epochs": [{"loss": 1.0 / (epoch + 1), "val_loss": 1.0} for epoch in range(epochs)],
        "same_as": None,
        "reason": "worse after fold 1" if state == TrialState.PRUNED else "",
    }
    attrs = {RESULT: json.dumps(result)}
    if state == TrialState.FAIL:
        attrs = {FAULT: "ValueError: no"}
    trial = create_trial(state=state, value=0.7 if state == TrialState.COMPLETE else None, user_attrs=attrs)
    trial.number = number
    return trial


@pytest.fixture
def place(world) -> tuple[str, str]:
    """An experiment and the run of a study in it."""
    experiment = tracking.experiment_id("bleeding")
    return experiment, tracking.client().create_run(experiment).info.run_id


def mirror_of(place: tuple[str, str], tags: dict[str, str]) -> Mirror:
    experiment, parent = place
    return Mirror(experiment, parent, tags)


def runs_of(experiment: str) -> dict[int, mlflow.entities.Run]:
    found = tracking.client().search_runs([experiment], "tags.stage = 'trial'", ViewType.ACTIVE_ONLY)
    numbers = [int(run.data.tags["trial"]) for run in found]
    assert len(set(numbers)) == len(numbers)
    return dict(zip(numbers, found, strict=True))


def test_runs_have_the_trials_true_states(place):
    trials = [trial_of(number, state) for number, state in enumerate(STATES)]
    mirror_of(place, TAGS).sync(trials)
    runs = runs_of(place[0])
    assert [runs[n].info.status for n in range(3)] == ["FINISHED", "KILLED", "FAILED"]
    assert [runs[n].data.tags["state"] for n in range(3)] == [state.name for state in STATES]
    assert runs[1].data.tags["reason"] == "worse after fold 1"
    assert runs[2].data.tags["reason"] == "ValueError: no"
    assert {run.data.tags["mlflow.parentRunId"] for run in runs.values()} == {place[1]}


def test_a_pruned_trial_has_curves_but_no_final_figure(place):
    mirror_of(place, TAGS).sync([trial_of(0, TrialState.COMPLETE), trial_of(1, TrialState.PRUNED)])
    complete, pruned = (run.data for run in runs_of(place[0]).values())
    complete, pruned = sorted((complete, pruned), key=lambda data: data.tags["trial"])
    assert complete.metrics["val/auc"] == 0.7
    assert set(pruned.metrics) == {"epoch/loss", "epoch/val_loss", "fold/objective"}
    assert complete.params == {"hp.C": "1.0", "hp.layers": "[4, 2]"}


def test_all_epochs_of_a_trial_go_in_one_call(place, monkeypatch):
    calls = []
    mirror = mirror_of(place, TAGS)
    real = mirror._client.log_batch

    def counted(*given, **words):
        calls.append(given)
        return real(*given, **words)

    monkeypatch.setattr(mirror._client, "log_batch", counted)
    mirror.sync([trial_of(0, TrialState.COMPLETE, epochs=50)])
    assert len(calls) == 1
    history = tracking.client().get_metric_history(runs_of(place[0])[0].info.run_id, "epoch/loss")
    assert [metric.step for metric in history] == list(range(50))
    assert all(np.isfinite(metric.value) for metric in history)


def test_trials_that_wait_or_run_have_no_run_yet(place):
    trials = [trial_of(0, TrialState.RUNNING), trial_of(1, TrialState.WAITING)]
    assert mirror_of(place, TAGS).sync(trials) == []
    assert runs_of(place[0]) == {}


@pytest.mark.parametrize("step", ["log_batch", "set_terminated"])
def test_a_run_whose_writer_died_is_finished_at_the_next_start(place, monkeypatch, step):
    class Killed(BaseException):
        pass

    def die(*_args, **_words):
        raise Killed

    mirror = mirror_of(place, TAGS)
    trials = [trial_of(number, state) for number, state in enumerate(STATES)]
    mirror.sync(trials[:1])
    with monkeypatch.context() as patch:
        patch.setattr(mirror._client, step, die)
        with pytest.raises(Killed):
            mirror.sync(trials)
    mirror_of(place, TAGS).sync(trials)
    assert {n: run.info.status for n, run in runs_of(place[0]).items()} == {
        trial.number: STATUS[trial.state] for trial in trials
    }


def test_runs_of_an_earlier_start_hang_below_the_present_one(place):
    trials = [trial_of(0, TrialState.COMPLETE)]
    mirror_of(place, TAGS).sync(trials)
    later = tracking.client().create_run(place[0]).info.run_id
    mirror = Mirror(place[0], later, TAGS)
    assert mirror.sync(trials) == []
    assert runs_of(place[0])[0].data.tags["mlflow.parentRunId"] == later


def test_runs_of_a_deleted_study_of_the_same_name_are_left_alone(place):
    trials = [trial_of(0, TrialState.COMPLETE)]
    mirror_of(place, TAGS).sync(trials)
    assert mirror_of(place, {**TAGS, "study_id": "2"}).sync(trials) == trials


def test_of_two_runs_for_one_trial_one_is_kept(place):
    one, two = mirror_of(place, TAGS), mirror_of(place, TAGS)
    for mirror in (one, two):
        mirror.sync([trial_of(0, TrialState.COMPLETE)])
    two.look()
    assert list(runs_of(place[0])) == [0]
