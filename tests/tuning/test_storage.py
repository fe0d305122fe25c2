import datetime
import json
import os
import socket
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.storages import RetryHeartbeatStaleTrialCallback
from optuna.trial import TrialState, create_trial

from hemo import liveness
from hemo.config.tuning import Budget
from hemo.errors import HemoError
from hemo.tuning import processes, worker
from hemo.tuning import storage as storages
from hemo.tuning.lock import Lock
from hemo.tuning.trial import DEFAULT, EXPERIMENT, FAULT, RESULT, SETTINGS, WORKER
from hemo.tuning.worker import MOST_FAULTS, MOST_REPEATS, finished, has_room, run_trials
from tests.tuning.conftest import spec_of_study

FACTS = {"objective": "auc", "data": "one"}
GONE = f"{socket.gethostname()}:999999@1.00"


@pytest.fixture
def storage(tmp_path):
    return storages.open_storage(f"sqlite:///{tmp_path}/optuna.db")


@pytest.fixture
def study(storage):
    return storages.open_study(storage, "bleeding/logreg/any", ["maximize"], FACTS)


def ended(state=TrialState.COMPLETE, same_as=None, **attrs):
    result = {"params": {}, "figures": {}, "folds": {}, "epochs": [], "same_as": same_as, "reason": ""}
    value = 0.5 if state == TrialState.COMPLETE else None
    return create_trial(state=state, value=value, user_attrs={RESULT: json.dumps(result), **attrs})


def running(study, worker=None, age=60):
    """Add a trial that runs since `age` seconds, of a worker."""
    trial = study.ask()
    if worker:
        trial.set_user_attr(WORKER, worker)
    began = datetime.datetime.now() - datetime.timedelta(seconds=age)
    with study._storage._backend.engine.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE trials SET datetime_start = ? WHERE trial_id = ?", (str(began), trial._trial_id)
        )
    return trial.number


def test_the_database_lies_beside_mlflows(tmp_path):
    assert storages.default_url(f"sqlite:///{tmp_path}/mlflow.db") == f"sqlite:///{tmp_path}/optuna.db"


def test_a_server_of_mlflows_leaves_it_in_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert storages.default_url("http://tracking:5000") == f"sqlite:///{tmp_path}/optuna.db"


@pytest.mark.parametrize("url", ["nonsense", "nosuch://x", "sqlite:////no/such/folder/optuna.db"])
def test_a_wrong_url_is_refused_in_a_line(url):
    with pytest.raises(HemoError, match=url):
        storages.open_storage(url)


def test_sqlite_writes_ahead(storage):
    with storage.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"


def test_a_study_of_other_data_is_not_gone_on_with(storage, study):
    with pytest.raises(HemoError, match="another data"):
        storages.open_study(storage, study.study_name, ["maximize"], {**FACTS, "data": "two"})


def test_an_unknown_study_is_refused_with_the_known_ones(storage, study):
    with pytest.raises(HemoError, match="no study 'x' .known: bleeding/logreg/any"):
        storages.load_study(storage, "x")


def test_pruned_failed_and_repeated_trials_do_not_count():
    trials = [ended(), ended(TrialState.PRUNED), ended(TrialState.FAIL), ended(same_as=0)]
    assert len(storages.counted(trials)) == 1
    assert finished(trials, Budget(trials=1)) == "trials"
    assert not finished(trials, Budget(trials=2))


def test_running_trials_fill_the_budget_as_if_they_will_end_well(study):
    study.add_trial(ended())
    running(study)
    trials = study.get_trials()
    assert has_room(trials, Budget(trials=3))
    assert not has_room(trials, Budget(trials=2))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), max_size=8))
def test_spent_time_is_the_time_in_which_a_trial_ran(spans):
    zero = datetime.datetime(2026, 1, 1)
    trials = []
    for start, length in spans:
        trial = ended()
        trial.datetime_start = zero + datetime.timedelta(seconds=start)
        trial.datetime_complete = trial.datetime_start + datetime.timedelta(seconds=length)
        trials.append(trial)
    covered = {second for start, length in spans for second in range(start, start + length)}
    assert storages.spent_seconds(trials) == pytest.approx(len(covered))


def test_a_study_whose_every_trial_fails_is_given_up():
    trials = [ended(TrialState.FAIL, **{FAULT: "ValueError: no"}) for _ in range(MOST_FAULTS)]
    with pytest.raises(HemoError, match="the first by ValueError: no"):
        finished(trials, Budget(trials=5))


def test_a_study_ends_when_nothing_new_is_drawn():
    trials = [ended(), *(ended(same_as=0) for _ in range(MOST_REPEATS))]
    assert finished(trials, Budget(trials=50)) == "settings"


@pytest.mark.parametrize("worker", [GONE, None], ids=["named", "unnamed"])
def test_a_trial_whose_worker_is_gone_fails_and_is_queued_again_once(study, worker):
    number = running(study, worker)
    assert storages.recover(study) == 1
    assert storages.recover(study) == 0
    lost, again = study.get_trials()
    assert (lost.number, lost.state, again.state) == (number, TrialState.FAIL, TrialState.WAITING)
    assert RetryHeartbeatStaleTrialCallback.retry_history(again) == [number]
    assert not finished(study.get_trials(), Budget(trials=1)), "the second run has to come first"


def test_a_trial_that_is_lost_twice_is_not_run_a_third_time(study):
    for _ in range(2):
        running(study, GONE)
        storages.recover(study)
    assert [trial.state for trial in study.get_trials()] == [TrialState.FAIL] * 2


def test_a_lost_trial_that_nobody_queued_is_queued_at_the_next_look(study):
    number = running(study, GONE)
    study.tell(number, state=TrialState.FAIL)  # and its rescuer dies here
    storages.recover(study)
    assert study.get_trials()[1].state == TrialState.WAITING


def test_a_trial_that_failed_by_itself_is_not_run_again(study):
    study.add_trial(ended(TrialState.FAIL, **{FAULT: "ValueError: no"}))
    storages.recover(study)
    assert len(study.get_trials()) == 1


@pytest.mark.parametrize(
    ("worker", "age"),
    [(liveness.this_process(), 60), ("elsewhere:1@1.00", 60), (None, 0)],
    ids=["this process", "another machine", "begun without a name"],
)
def test_a_trial_that_runs_or_has_just_begun_is_left_alone(study, worker, age):
    running(study, worker, age)
    assert storages.recover(study) == 0
    assert study.get_trials()[0].state == TrialState.RUNNING


def test_a_trial_whose_named_worker_is_gone_is_lost_at_once(study):
    running(study, GONE, age=0)
    assert storages.recover(study) == 1


def test_a_second_run_bears_neither_the_first_ones_worker_nor_its_result(study):
    study.enqueue_trial({"x": 1}, user_attrs={SETTINGS: DEFAULT})
    running(study, GONE)
    study._storage.set_trial_user_attr(study.trials[0]._trial_id, RESULT, "{}")
    storages.recover(study)
    again = study.ask()
    assert again.user_attrs == {SETTINGS: DEFAULT}
    assert again.suggest_float("x", 0, 2) == 1
    assert storages.recover(study) == 0, "it runs and will name its worker"


def test_a_copy_in_memory_has_the_same_trials(study):
    for trial in (ended(), ended(TrialState.PRUNED), ended(TrialState.FAIL)):
        study.add_trial(trial)
    copy = storages.snapshot(study)
    assert [(t.number, t.state, t.user_attrs) for t in copy.trials] == [
        (t.number, t.state, t.user_attrs) for t in study.trials
    ]


def test_a_turn_is_free_when_its_holder_is_killed():
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        with Lock("name"):
            os.write(write, b"x")
            os.kill(os.getpid(), 9)
    os.read(read, 1)
    with Lock("name"):
        pass
    os.waitpid(child, 0)


def test_processes_that_open_a_fresh_database_at_once_are_not_in_each_others_way(tmp_path):
    url = f"sqlite:///{tmp_path}/optuna.db"
    code = (
        f"import sys; from hemo.tuning import storage, worker; storage.open_storage({url!r}); "
        "sys.exit('mlflow' in sys.modules)"  # which takes as long to import as all else, in every worker
    )
    opening = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(4)]
    assert [process.wait() for process in opening] == [0] * 4


def test_a_worker_whose_trial_was_taken_for_lost_goes_on(world, monkeypatch):
    spec = spec_of_study(world, budget={"trials": 3})
    real = worker.run_trial

    def sleeps(trial, *rest):
        if trial.number == 1:
            study = storages.load_study(storages.open_storage(spec.url), spec.study)
            study.tell(trial.number, state=TrialState.FAIL)
        return real(trial, *rest)

    monkeypatch.setattr(worker, "run_trial", sleeps)
    run_trials(spec, 0)
    study = storages.load_study(storages.open_storage(spec.url), spec.study)
    assert study.trials[1].state == TrialState.FAIL
    assert len(storages.counted(study.trials)) == 3


def test_a_dead_worker_that_is_not_replaced_is_counted_once():
    job: Any = SimpleNamespace(study="bleeding/sgd/any", workers=1)
    dead: Any = SimpleNamespace(is_alive=lambda: False, exitcode=1)
    crew = processes._Crew(job)
    crew._processes = [dead]
    for _ in range(processes.MOST_DEATHS + 1):  # another worker's last trial takes its time
        crew.tend(ended=0, wanted=False)
    assert crew._deaths.count == 1


def test_a_study_reaches_its_budget_exactly_and_goes_on_with_a_larger_one(world):
    spec = spec_of_study(world, budget={"trials": 3})
    run_trials(spec, 0)
    run_trials(spec, 0)
    study = storages.load_study(storages.open_storage(spec.url), spec.study)
    assert len(storages.counted(study.trials)) == 3
    assert study.trials[0].user_attrs[SETTINGS] == DEFAULT
    spec = spec_of_study(world, budget={"trials": 5})
    run_trials(spec, 0)
    study = storages.load_study(storages.open_storage(spec.url), spec.study)
    assert len(storages.counted(study.trials)) == 5
    drawn = [trial.params for trial in study.trials]
    assert len({json.dumps(params, sort_keys=True) for params in drawn}) == len(drawn)


def test_a_study_ends_with_its_seconds(world):
    spec = spec_of_study(world, budget={"seconds": 0.01})
    run_trials(spec, 0)
    study = storages.load_study(storages.open_storage(spec.url), spec.study)
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE]


def test_an_experiments_own_parameters_come_before_the_papers(world):
    spec = spec_of_study(world.model_copy(update={"families": {"logreg": {"C": 0.3}}}))
    study = storages.load_study(storages.open_storage(spec.url), spec.study)
    assert [trial.user_attrs[SETTINGS] for trial in study.trials] == [EXPERIMENT, DEFAULT]


def test_optuna_finds_the_objectives_name(study):
    assert optuna.load_study(study_name=study.study_name, storage=study._storage).metric_names == ["auc"]
