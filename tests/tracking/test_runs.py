"""Runs: where they are put, how they are found again, and what becomes of those whose process died."""

import signal
import time

import mlflow
import pytest
import sqlalchemy
from mlflow.store.db import utils
from mlflow.tracking._tracking_service.utils import _get_store

from hemo import executors, tracking
from hemo.errors import HemoError
from hemo.executors import Terminated
from hemo.tracking import runs, tags
from tests.helpers.forks import forked


def launch(monkeypatch, experiment):
    """Make the run that `mlflow run` makes before it starts a command."""
    run = tracking.client().create_run(experiment)
    monkeypatch.setenv("MLFLOW_RUN_ID", run.info.run_id)
    runs._launched_run.cache_clear()
    return run.info.run_id


def test_an_experiment_is_made_once(experiment):
    assert tracking.experiment_id("made up") == experiment == tracking.find_experiment("made up")


def test_an_unknown_experiment_is_refused_with_the_known_ones(experiment):
    with pytest.raises(HemoError, match="no experiment 'another' .*known: made up"):
        tracking.find_experiment("another")


def test_a_child_run_knows_its_parent(experiment):
    with (
        tracking.root_run(experiment, "root", {}) as root,
        tracking.start_run(experiment, "child", {}, root) as child,
    ):
        pass
    run = tracking.client().get_run(child)
    assert run.data.tags["mlflow.parentRunId"] == root
    assert (run.info.run_name, run.info.status) == ("child", "FINISHED")


def test_the_machine_s_load_is_logged_during_a_root_run_and_is_none_of_its_metrics(experiment, monkeypatch):
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "0.05")
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLES_BEFORE_LOGGING", "1")
    with tracking.root_run(experiment, "root", {}) as root:
        (machine,) = tracking.find_runs(experiment, stage="load")
        until = time.monotonic() + 60
        while not load(machine.run_id) and time.monotonic() < until:
            time.sleep(0.1)
        with tracking.start_run(experiment, "short", {}, root) as short:
            time.sleep(0.3)
    assert any("cpu" in name for name in load(machine.run_id))
    assert not load(root)
    assert not load(short)
    found = tracking.client().get_run(machine.run_id)
    assert (found.info.status, found.data.tags["mlflow.parentRunId"]) == ("FINISHED", root)


def load(run):
    return [name for name in tracking.client().get_run(run).data.metrics if name.startswith("system/")]


def test_a_failure_ends_the_run_as_failed(experiment):
    with pytest.raises(ValueError, match="broken"), tracking.root_run(experiment, "root", {}) as root:
        raise ValueError("broken")
    assert tracking.client().get_run(root).info.status == "FAILED"


def test_the_run_that_mlflow_launched_in_the_experiment_becomes_the_root(experiment, monkeypatch):
    launched = launch(monkeypatch, experiment)
    with tracking.root_run(experiment, "root", {"stage": "experiment"}) as root:
        pass
    run = tracking.client().get_run(root)
    assert root == launched
    assert (run.info.run_name, run.data.tags["stage"]) == ("root", "experiment")


def test_a_run_launched_in_the_default_experiment_points_to_the_root(experiment, monkeypatch):
    launched = launch(monkeypatch, tracking.DEFAULT_EXPERIMENT)
    with tracking.root_run(experiment, "root", {}) as root:
        pass
    run = tracking.client().get_run(launched)
    assert root != launched
    assert run.info.run_name == "launch root"
    assert root in run.data.tags["mlflow.note.content"]


def test_a_run_launched_in_another_experiment_keeps_the_runs_there(experiment, monkeypatch):
    other = mlflow.create_experiment("chosen on the command line")
    launch(monkeypatch, other)
    assert tracking.experiment_id("made up") == other == tracking.find_experiment("made up")


def test_a_running_run_of_a_dead_process_is_closed_and_a_living_one_is_not(experiment):
    host = tags.process_tags()
    dead = tracking.client().create_run(experiment, tags={**host, "process": "999999999@1.0"}).info.run_id
    alive = tracking.client().create_run(experiment, tags=host).info.run_id
    unknown = tracking.client().create_run(experiment).info.run_id
    assert tracking.close_orphans(experiment) == [dead]
    status = {run: tracking.client().get_run(run).info.status for run in (dead, alive, unknown)}
    assert status == {dead: "KILLED", alive: "RUNNING", unknown: "RUNNING"}


def test_a_command_closes_what_a_killed_one_left_though_it_makes_no_experiment(experiment):
    host = {**tags.process_tags(), "process": "999999999@1.0"}
    dead = tracking.client().create_run(experiment, tags=host).info.run_id
    with tracking.run_below(experiment, "comparison", {}, None) as running:
        assert tracking.client().get_run(running).info.status == "RUNNING"
    assert tracking.client().get_run(dead).info.status == "KILLED"


def test_what_ctrl_c_or_sigterm_ends_is_killed_and_not_failed(experiment):
    def stopped() -> None:
        with (
            tracking.root_run(experiment, "root", {}) as root,
            tracking.start_run(experiment, "child", {}, root),
        ):
            raise Terminated

    with pytest.raises(Terminated):
        stopped()
    found = tracking.client().search_runs([experiment])
    names = ("root", "child", "load of the machine")
    assert {run.info.run_name: run.info.status for run in found} == dict.fromkeys(names, "KILLED")


def test_a_run_that_a_worker_was_stopped_in_making_is_killed_with_the_one_above_it(experiment):
    def stopped() -> None:
        with tracking.root_run(experiment, "root", {}) as root:
            tracking.client().create_run(experiment, tags={"mlflow.parentRunId": root}, run_name="begun")
            raise Terminated

    with pytest.raises(Terminated):
        stopped()
    (begun,) = tracking.client().search_runs([experiment], "attributes.run_name = 'begun'")
    assert begun.info.status == "KILLED"


def stop_in_the_middle_of_a_write():
    """Raise as a signal does while this process holds the database: nothing gives the connection back."""
    connection = _get_store().engine.connect()
    connection.execute(sqlalchemy.text("UPDATE experiments SET lifecycle_stage = lifecycle_stage"))
    itself = [connection]
    itself.append(itself)  # a cycle, as SQLAlchemy's sessions are
    signal.raise_signal(signal.SIGTERM)


def test_a_run_that_is_stopped_in_the_middle_of_a_write_is_killed_and_the_database_is_free(experiment):
    with pytest.raises(Terminated), executors.terminable(), tracking.root_run(experiment, "root", {}) as root:
        stop_in_the_middle_of_a_write()
    assert tracking.client().get_run(root).info.status == "KILLED"
    assert tracking.find_experiment("made up") == experiment


def test_a_signal_of_which_native_code_makes_a_fault_of_its_own_ends_the_run_as_killed(experiment):
    def trace() -> None:
        try:
            signal.raise_signal(signal.SIGTERM)
        except Terminated:
            raise ValueError("as TensorFlow does while it traces a network") from None

    with pytest.raises(Terminated), executors.terminable(), tracking.root_run(experiment, "root", {}) as root:
        trace()
    assert tracking.client().get_run(root).info.status == "KILLED"


def test_processes_that_begin_together_in_a_fresh_folder_all_find_the_experiment(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/fresh.db")
    assert forked(*[lambda: tracking.experiment_id("made up")] * 4) == [0, 0, 0, 0]
    assert tracking.find_experiment("made up")


def test_a_start_that_is_killed_as_tables_are_made_leaves_none_and_the_next_one_makes_them(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/fresh.db")

    def killed(engine):
        with engine.begin() as connection:
            connection.exec_driver_sql("CREATE TABLE registered_models (name VARCHAR(256))")
        raise Terminated

    with monkeypatch.context() as patch:
        patch.setattr(utils, "_initialize_tables", killed)
        with pytest.raises(Terminated):
            tracking.experiment_id("made up")
    assert [path.name for path in tmp_path.iterdir()] == ["fresh.db.lock"]
    assert tracking.experiment_id("made up") == tracking.experiment_id("made up")


def test_training_runs_are_found_by_their_tags_newest_first(experiment):
    for name, stage in (("one", "train"), ("trial", "trial"), ("two", "train")):
        with tracking.start_run(experiment, name, {"stage": stage, "label": "any"}):
            pass
    assert [run.name for run in tracking.training_runs(experiment, label="any")] == ["two", "one"]
    assert tracking.training_runs(experiment, label="subdural") == []


def test_a_clock_that_was_set_back_makes_no_older_run_the_newest(experiment):
    tracking.client().create_run(experiment, 4_000_000_000_000, {"stage": "train"}, "before")
    for name in ("now", "child"):
        with tracking.start_run(experiment, name, {"stage": "train", "label": "any"}) as run_id:
            assert tracking.client().get_run(run_id).info.run_name == name
    assert [run.name for run in tracking.training_runs(experiment)] == ["child", "now"]


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("postgresql://ann:secret@db:5432/runs", "postgresql://db:5432/runs"),
        ("https://ann:se/cr@t@host", "https://host"),
        ("sqlite:////home/a@b/mlflow.db", "sqlite:////home/a@b/mlflow.db"),
    ],
)
def test_messages_show_no_password_of_the_tracking_store(uri, shown, monkeypatch):
    monkeypatch.setattr(runs.mlflow, "get_tracking_uri", lambda: uri)
    assert tracking.shown_uri() == shown
