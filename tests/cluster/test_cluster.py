import os
import time
from pathlib import Path
from typing import Any

import mlflow
import pytest

from hemo import cluster, config, pipeline
from hemo.cluster import Cluster, check_word, dask_workers, slurm_jobs
from hemo.config.cluster import Slurm
from hemo.errors import HemoError
from hemo.executors import THREAD_WORDS
from hemo.runs.steps import train_all
from hemo.tuning import storage
from tests.cluster import small_slurm, tasks


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    programs = small_slurm.install(tmp_path / "slurm")
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    monkeypatch.setattr(slurm_jobs, "LOOK", 0.1)
    monkeypatch.setattr(slurm_jobs, "ASK", 0.3)
    asked = Slurm(cores=1, memory=1)
    return Cluster("slurm", tmp_path / "store.jobs", asked.directives("tasks", 10**9), asked.prologue)


@pytest.mark.parametrize(
    "word", ["slrum", "dask://", "dask://host", "dask://:8786", "dask://host:99999", "tcp://h:1"]
)
def test_a_word_that_names_no_cluster_is_refused(word):
    with pytest.raises(HemoError, match=r"give slurm, or dask://HOST:PORT"):
        check_word(word)


def test_without_a_cluster_tasks_are_done_here():
    assert list(cluster.run_all(None, tasks.double, [1, 2], 1)) == [(1, 2), (2, 4)]


def test_each_task_is_a_job_and_what_it_raises_comes_back(slurm):
    answers = dict(cluster.run_all(slurm, tasks.double, [1, 2, 5], 2))
    assert (answers[1], answers[2]) == (2, 4)
    assert isinstance(answers[5], ValueError)
    assert not slurm.folder.exists()


def test_a_task_that_kills_its_jobs_fails_alone_after_three_of_them_and_names_their_log(slurm):
    answers: dict[int, Any] = dict(cluster.run_all(slurm, tasks.double, [3, 4], 2))
    assert answers[4] == 8
    assert "all ended without a result" in str(answers[3])
    logs = list(slurm.folder.glob("*/*_log.err"))
    assert len(logs) == slurm_jobs.ATTEMPTS
    assert any(str(log) in str(answers[3]) for log in logs)


def test_what_nobody_asks_for_any_more_is_cancelled(slurm, tmp_path):
    answers: Any = cluster.run_all(slurm, tasks.slow_but_for_the_first, [0, 1, 2, 3], 2)
    assert next(answers) == (0, 0)
    answers.close()
    end = time.monotonic() + 10  # a job ends a moment after its result is there
    while list((tmp_path / "slurm" / "jobs").iterdir()):
        assert time.monotonic() < end
        time.sleep(0.1)
    assert not slurm.folder.exists()


def test_jobs_of_a_process_that_was_killed_are_cancelled_by_the_next(slurm, tmp_path):
    left = slurm.folder / "gone"
    left.mkdir(parents=True)
    (left / slurm_jobs.DRIVER).write_text(f"{os.uname().nodename}:999999@1.00")
    (left / "4711_submitted.pkl").write_bytes(b"")
    (tmp_path / "slurm" / "jobs" / "4711").touch()
    assert dict(cluster.run_all(slurm, tasks.double, [1], 1)) == {1: 2}
    assert not left.exists()
    assert not (tmp_path / "slurm" / "jobs" / "4711").exists()


def test_a_machine_without_slurm_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(HemoError, match="no sbatch and srun on PATH"):
        list(cluster.run_all(Cluster("slurm", tmp_path), tasks.double, [1], 1))


def test_what_slurm_refuses_is_said(slurm, tmp_path):
    refusing = tmp_path / "slurm" / "bin" / "sbatch"
    lines = ("echo 'sbatch: error: invalid partition specified: gpu' >&2", "echo 'Try --help' >&2", "exit 1")
    refusing.write_text("\n".join(["#!/bin/bash", *lines, ""]))
    ((_, fault),) = cluster.run_all(slurm, tasks.double, [1], 1)
    assert isinstance(fault, HemoError)
    assert "invalid partition" in str(fault)


def test_a_worker_of_other_code_is_refused_but_where_any_will_do(monkeypatch):
    there, anywhere = cluster.elsewhere(tasks.double), cluster.elsewhere(tasks.double, any_code=True)
    assert there(2) == 4
    monkeypatch.setattr(cluster, "git_commit", lambda: "0123456789")
    with pytest.raises(HemoError, match="runs other code .*let all use one environment and one checkout"):
        there(2)
    assert anywhere(2) == 4


def test_what_jobs_wait_for_is_said():
    assert slurm_jobs._waiting(["None", ""]) == ""
    assert slurm_jobs._waiting(["Priority", "None"]) == "a job waits in Slurm's queue (Priority)"
    assert "2 jobs wait in Slurm's queue (Priority, Resources)" in slurm_jobs._waiting(
        ["Resources", "Priority"]
    )


def test_at_its_time_limit_a_task_is_queued_again_as_it_is():
    work = slurm_jobs.Work(tasks.double, (2,))
    assert work.checkpoint().result() == 4


def test_a_dask_cluster_does_tasks_and_gives_back_what_they_raise(monkeypatch):
    from distributed import LocalCluster

    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    with LocalCluster(
        n_workers=1, threads_per_worker=3, processes=False, dashboard_address=None, protocol="tcp"
    ) as running:
        word = running.scheduler_address.replace("tcp://", "dask://")
        answers = dict(cluster.run_all(Cluster(word), tasks.double, [1, 5], 1))
        assert answers[1] == 2
        assert isinstance(answers[5], ValueError)
        assert cluster.size(Cluster(word), 99) == 3
        running.scale(0)
        running.sync(running._correct_state)
        monkeypatch.setattr(dask_workers, "PATIENCE", 1)
        with pytest.raises(HemoError, match="it has no workers"):
            list(cluster.run_all(Cluster(word), tasks.double, [1], 1))


def test_a_dask_scheduler_that_is_not_there_is_said(monkeypatch):
    monkeypatch.setattr(dask_workers, "ANSWERS", 1)
    with pytest.raises(HemoError, match="no Dask scheduler answers"):
        list(cluster.run_all(Cluster("dask://127.0.0.1:9"), tasks.double, [1], 1))


def test_an_experiment_says_what_its_jobs_ask_for():
    asked = {
        "memory": "4 GB",
        "slurm": {"partition": "gpu", "gpus": 1, "cores": 3, "options": {"account": "x"}},
    }
    place = config.load(None, asked, cluster="slurm", store="data/s").place
    assert place is not None
    assert place.folder == Path("data/s.jobs").absolute()
    found = place.directives
    assert (found["partition"], found["gpus-per-node"], found["mem"], found["account"]) == (
        "gpu",
        1,
        "6G",
        "x",
    )
    assert found["requeue"] is True
    assert f"export {THREAD_WORDS[0]}=3" in place.prologue


def test_no_cluster_on_the_command_line_stands_above_the_files():
    assert config.load(None, {"cluster": "slurm"}, cluster="none").place is None


@pytest.mark.parametrize("uri", ["sqlite:///runs.db", "mlruns"])
def test_a_cluster_refuses_a_tracking_store_that_is_a_file_of_one_machine(uri, monkeypatch):
    monkeypatch.setattr(mlflow, "get_tracking_uri", lambda: uri)
    with pytest.raises(HemoError, match="a file of one machine, which a cluster cannot share"):
        train_all([], "0", "", 1, lambda outcomes, _: outcomes, Cluster("slurm"))


def test_a_cluster_refuses_a_database_of_studies_that_is_a_file():
    with pytest.raises(HemoError, match=r"workers of a cluster cannot share it: give --storage postgresql"):
        storage.check_shared("sqlite:///optuna.db")


def test_what_a_cluster_lacks_is_said_before_data_are_made_for_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = config.load(None, {"store": "made/store"}, cluster="slurm")
    monkeypatch.setattr(mlflow, "get_tracking_uri", lambda: "sqlite:///runs.db")
    with pytest.raises(HemoError, match="a file of one machine, which a cluster cannot share"):
        pipeline.run_experiment(settings, None)
    monkeypatch.setattr(mlflow, "get_tracking_uri", lambda: "https://runs")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(HemoError, match="no sbatch and srun on PATH"):
        pipeline.run_experiment(settings, None)
    assert not [*tmp_path.iterdir()]
