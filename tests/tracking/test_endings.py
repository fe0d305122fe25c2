"""What becomes of runs whose process another machine had."""

import time

import pytest
from mlflow.exceptions import MlflowException

from hemo import executors, tracking
from hemo.tracking import endings, runs


def left(experiment, parent="", name="cnn/any", **tags):
    """Make a run that a process elsewhere left open."""
    below = {"mlflow.parentRunId": parent} if parent else {}
    all_tags = {"host": "elsewhere", "process": "1@1.00", "stage": "train", **below, **tags}
    return tracking.client().create_run(experiment, tags=all_tags, run_name=name).info.run_id


def status(run_id):
    return tracking.client().get_run(run_id).info.status


def test_a_run_of_another_machine_is_closed_when_it_gives_no_sign_of_life_any_more(experiment):
    now = time.time()
    alive = left(experiment, alive=str(int(now - endings.SILENCE / 2)))
    gone = left(experiment, alive=str(int(now - 2 * endings.SILENCE)))
    unknown, odd = left(experiment), left(experiment, alive="yesterday")
    assert tracking.close_orphans(experiment) == [gone]
    assert [status(one) for one in (alive, gone, unknown, odd)] == ["RUNNING", "KILLED", "RUNNING", "RUNNING"]


def test_signs_of_life_are_given_where_other_machines_use_the_same_store(experiment, monkeypatch):
    monkeypatch.setattr(runs, "is_shared", lambda: True)
    monkeypatch.setattr(endings, "BEAT", 0.05)
    with tracking.root_run(experiment, "root", {}) as root:
        end = time.monotonic() + 20
        while endings.ALIVE not in tracking.client().get_run(root).data.tags:
            assert time.monotonic() < end
            time.sleep(0.05)
    assert time.time() - float(tracking.client().get_run(root).data.tags[endings.ALIVE]) < 60


def test_no_signs_of_life_are_given_of_runs_that_only_this_machine_sees(experiment):
    with tracking.root_run(experiment, "root", {}) as root:
        pass
    assert endings.ALIVE not in tracking.client().get_run(root).data.tags


def test_what_a_lost_worker_left_open_below_a_parent_is_closed_and_nothing_else(experiment):
    other = tracking.client().create_run(experiment).info.run_id
    with tracking.root_run(experiment, "root", {}) as root:
        lost, another = left(experiment, root), left(experiment, root, "sgd/any")
        elsewhere, load = left(experiment, other), left(experiment, root, stage="load")
        assert tracking.close_lost(experiment, root, {"cnn/any"}) == [lost]
        assert tracking.close_lost(experiment, root) == [another]
        assert {status(one) for one in (root, elsewhere, load)} == {"RUNNING"}
        assert tracking.client().get_run(lost).data.tags["ended"] == "its worker was lost"


def test_runs_of_a_stopped_process_end_as_killed_though_the_database_was_held(experiment, monkeypatch):
    search, faults = endings.MlflowClient.search_runs, [MlflowException("database is locked")]

    def held(*given, **named):
        if faults:
            raise faults.pop()
        return search(*given, **named)

    def stopped():
        with tracking.root_run(experiment, "root", {}) as root:
            left(experiment, root)
            monkeypatch.setattr(endings.MlflowClient, "search_runs", held)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert faults == []
    assert {run.info.status for run in tracking.client().search_runs([experiment])} == {"KILLED"}


def test_what_failed_behind_the_signal_was_stopped_by_it_and_what_failed_before_was_not(
    experiment, monkeypatch
):
    def stopped():
        with tracking.root_run(experiment, "root", {}) as root:
            tracking.client().set_terminated(left(experiment, root, name="before"), "FAILED")
            time.sleep(0.01)
            since = time.time()
            monkeypatch.setattr(executors, "stopped_since", lambda: since)
            tracking.client().set_terminated(left(experiment, root, name="behind"), "FAILED")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    found = {run.info.run_name: run.info.status for run in tracking.client().search_runs([experiment])}
    assert (found["before"], found["behind"]) == ("FAILED", "KILLED")
