"""The same commands by jobs of a real Slurm, by an array, and on Dask: what they give, and what faults leave.

One after the other, in this order: they share a Slurm, an MLflow server and a database. `make test-cluster`.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import psutil
import pytest
from mlflow.tracking import MlflowClient

from hemo import cluster, tracking
from hemo.cluster import Cluster, slurm_jobs
from hemo.config.cluster import Slurm
from hemo.slices.store import SliceStore
from tests.cluster import machines, tasks

LABELS = ("any", "subdural")
FAMILIES = ("boosted", "logreg")
TRAININGS = sorted(f"{family}/{label}" for family in FAMILIES for label in LABELS)
TRIALS = 10

EXPERIMENT = """\
name: {name}
images: {data}
labels: {labels}
store: {store}
protocol: cv
folds: 3
draws: 200
reduction: {{size: 64}}
families: {families}
tuning: {{labels: [any], budget: {{trials: {trials}}}}}
workers: {workers}
slurm: {{minutes: 30, cores: 1, memory: 3}}
"""


class World:
    """Folder, environment and services of these tests, and how a command of hemo is run in them."""

    def __init__(self, folder: Path, services: machines.Services, environ: dict[str, str]) -> None:
        self.folder = folder
        self.services = services
        self.shared = {**services.environ, **environ}
        self.data = folder / "data"
        self.labels = folder / "labels.csv"

    def experiment(self, name: str, workers: int = 3, families: Sequence[str] = FAMILIES) -> Path:
        """Write an experiment file, whose store is keyed as all others, so that slices have equal names."""
        store = self.folder / name / "store"
        store.parent.mkdir(exist_ok=True)
        shutil.copy(self.folder / "key", f"{store}.key")
        os.chmod(f"{store}.key", 0o600)
        file = self.folder / f"{name}.yaml"
        words = {"name": name, "data": self.data, "labels": self.labels, "store": store}
        words["families"] = f"{{{', '.join(f'{family}: ' for family in families)}}}"
        file.write_text(EXPERIMENT.format(**words, workers=workers, trials=TRIALS))
        return file

    def begin(self, *words: object, local: bool = False) -> "subprocess.Popen[str]":
        """Begin a command of hemo."""
        mine = {"MLFLOW_TRACKING_URI": f"sqlite:///{self.folder}/here.db"} if local else self.shared
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "HEMO_"))
        }
        environ = {**kept, "PYTHONPATH": str(machines.ROOT), "HEMO_CACHE": str(self.folder / "cache"), **mine}
        return subprocess.Popen(
            [sys.executable, "-m", "hemo", *map(str, words)], cwd=self.folder, env=environ, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def run(self, *words: object, local: bool = False, status: int = 0) -> str:
        """Run a command of hemo, and return what it printed."""
        process = self.begin(*words, local=local)
        said, _ = process.communicate(timeout=400)
        assert process.returncode == status, said
        return said

    def client(self, local: bool = False) -> MlflowClient:
        for name, value in self.services.environ.items():
            os.environ[name] = value
        uri = f"sqlite:///{self.folder}/here.db" if local else self.services.environ["MLFLOW_TRACKING_URI"]
        mlflow.set_tracking_uri(uri)
        return MlflowClient(uri)

    def known(self, name: str) -> bool:
        return self.client().get_experiment_by_name(name) is not None

    def runs(self, name: str, text: str = "", local: bool = False) -> list[Any]:
        client = self.client(local)
        experiment = client.get_experiment_by_name(name)
        assert experiment
        return list(client.search_runs([experiment.experiment_id], text, max_results=1000))

    def predictions(self, name: str, local: bool = False) -> dict[str, pd.DataFrame]:
        """Return the prediction table of each finished training, by its run's name."""
        found: dict[str, pd.DataFrame] = {}
        finished = "tags.stage = 'train' and attributes.status = 'FINISHED'"
        for run in self.runs(name, finished, local):
            assert run.info.run_name not in found, "trained twice"
            found[run.info.run_name] = pd.read_parquet(
                self.client(local).download_artifacts(run.info.run_id, tracking.PREDICTIONS)
            )
        return found


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    if lacking := machines.missing():
        pytest.fail(f"not installed: {', '.join(lacking)}: apt-get install {machines.PACKAGES}")
    folder = Path(tempfile.mkdtemp(prefix="hemo-cluster-", dir="/tmp"))
    folder.chmod(0o755)  # PostgreSQL runs as another user
    try:
        with machines.services(folder / "services") as services, machines.slurm(folder / "slurm") as environ:
            found = World(folder, services, environ)
            os.environ.update(environ)
            (folder / "key").write_text("k" * 64)
            found.run(
                "phantom", "--out", found.data, "--patients", 14, "--slices", 10, "--size", 96, local=True
            )
            table = pd.read_csv(found.data / "labels.csv")
            table[table["ID"].str.endswith(LABELS)].to_csv(found.labels, index=False)
            (found.data / "labels.csv").unlink()
            yield found
    finally:
        if "HEMO_KEEP" not in os.environ:
            shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def here(world) -> dict[str, pd.DataFrame]:
    """What the same commands give without a cluster."""
    world.run("main", "--experiment", world.experiment("here"), local=True)
    found: dict[str, pd.DataFrame] = world.predictions("here", local=True)
    assert sorted(found) == TRAININGS
    return found


def alike(ours: dict[str, pd.DataFrame], theirs: dict[str, pd.DataFrame]) -> bool:
    """Return whether tables of predictions are of the same slices, folds and probabilities."""
    assert sorted(ours) == sorted(theirs)
    for name, table in ours.items():
        assert list(table["slice_id"]) == list(theirs[name]["slice_id"])
        assert np.allclose(table["probability"], theirs[name]["probability"], atol=1e-6), name
    return True


def of(tables: dict[str, pd.DataFrame], family: str) -> dict[str, pd.DataFrame]:
    """Return the tables of a family."""
    return {name: table for name, table in tables.items() if name.startswith(f"{family}/")}


def digest(world: World, name: str) -> str:
    return SliceStore.open(world.folder / name / "store").digest


def nothing_is_left(world: World, name: str, store: str = "") -> None:
    """No run that counts as running, no job, and no folder of jobs."""
    assert {run.info.status for run in world.runs(name)} <= {"FINISHED", "KILLED", "FAILED"}
    queue = subprocess.run(["squeue", "--noheader"], capture_output=True, text=True, check=True).stdout
    assert not queue.strip()
    assert not (world.folder / (store or name) / "store.jobs").exists()


def wait_for(look: Callable[[], Any], seconds: float = 200) -> Any:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := look():
            return found
        time.sleep(0.3)
    raise AssertionError("it did not come about")


def running_jobs() -> dict[str, int]:
    """Return the processes of jobs that work for some seconds already, by job."""
    found = {}
    for process in psutil.process_iter(["cmdline", "environ", "create_time"]):
        words, environ = process.info["cmdline"] or [], process.info["environ"] or {}
        works = "submitit.core._submit" in words and words[0].endswith("python") and "SLURM_PROCID" in environ
        if works and time.time() - process.info["create_time"] > 3:
            found[environ["SLURM_JOB_ID"]] = process.pid
    return found


def test_doctor_finds_all_well_and_says_what_is_not(world):
    file = world.experiment("doctor")
    assert "3 tasks done" in world.run("doctor", "--experiment", file, "--cluster", "slurm")
    said = world.run("doctor", "--experiment", file, "--cluster", "dask://127.0.0.1:9", status=2)
    assert "no Dask scheduler answers" in said


def test_main_by_jobs_of_slurm_gives_what_it_gives_here_though_one_is_killed_and_one_requeued(world, here):
    file = world.experiment("slurm", 3, ["logreg"])  # fewer fits than workers: folds are jobs as well
    command = world.begin("main", "--experiment", file, "--cluster", "slurm")
    done: list[str] = []

    def disturb() -> None:
        wait_for(lambda: (world.folder / "slurm/store/store.json").exists() or command.poll())
        job, process = next(iter(wait_for(running_jobs).items()))
        psutil.Process(process).kill()
        done.append(f"killed {job}")
        other = wait_for(lambda: {j: p for j, p in running_jobs().items() if j != job})
        requeued = next(iter(other))
        subprocess.run(["scontrol", "requeue", requeued], check=True)
        done.append(f"requeued {requeued}")

    disturbing = threading.Thread(target=disturb)
    disturbing.start()
    said, _ = command.communicate(timeout=400)
    disturbing.join()
    assert command.returncode == 0, said
    assert len(done) == 2, said
    assert "submitted again" in said
    assert digest(world, "slurm") == digest(world, "here")
    assert alike(world.predictions("slurm"), of(here, "logreg"))
    nothing_is_left(world, "slurm")


def test_a_task_that_kills_its_job_fails_alone_and_is_named(world, monkeypatch):
    asked = Slurm(cores=1, memory=1)
    place = Cluster("slurm", world.folder / "tasks.jobs", asked.directives("tasks", 10**9), asked.prologue)
    monkeypatch.setenv("PYTHONPATH", str(machines.ROOT))
    monkeypatch.setattr(slurm_jobs, "ASK", 2.0)
    answers = dict(cluster.run_all(place, tasks.double, [1, 3, 4, 5], 4))
    assert (answers[1], answers[4], str(answers[5])) == (2, 8, "no five")
    assert "all ended without a result" in str(answers[3])


def test_four_workers_of_slurm_tune_to_the_budget_though_one_is_killed_and_the_services_are_begun_anew(
    world, here
):
    file, store = world.experiment("tuned", workers=4), world.folder / "here" / "store"
    command = world.begin(
        "tune", "--experiment", file, "--store", store, "--family", "logreg", "--cluster", "slurm"
    )
    trials = "tags.stage = 'trial'"
    wait_for(lambda: (world.known("tuned") and len(world.runs("tuned", trials)) > 1) or command.poll())
    psutil.Process(next(iter(wait_for(running_jobs).values()))).kill()
    world.services.stop()
    world.services.start()
    said, _ = command.communicate(timeout=400)
    assert command.returncode == 0, said
    finished = [run for run in world.runs("tuned", trials) if run.info.status == "FINISHED"]
    # One with parameters that were run before ends at once, and does not count.
    assert len({str(sorted(run.data.params.items())) for run in finished}) == TRIALS, said
    nothing_is_left(world, "tuned", "here")


def test_an_array_of_jobs_gives_what_main_gives_here_though_a_node_fails(world, here):
    file = world.experiment("array", families=["boosted"])
    said = world.run("slurm", "--submit", "--out", "jobs", "main", "--experiment", file)
    assert said.count("submitted job") == 3
    wait_for(lambda: world.known("array") and world.runs("array", "tags.stage = 'train'"))
    queue = ["squeue", "--noheader", "--name=hemo-train", "--states=RUNNING", "--format=%N"]
    busy = subprocess.run(queue, capture_output=True, text=True, check=True).stdout.split()
    machines.kill_node(world.folder / "slurm", busy[0])
    wait_for(lambda: not subprocess.run(["squeue", "--noheader"], capture_output=True).stdout.strip(), 400)
    logs = "".join(path.read_text() for path in sorted((world.folder / "jobs/logs").glob("main-*.log")))
    # Between a node's failure and its element's second start, Slurm may take the array for ended: the last
    # job (`afterany`) then trains what is lacking. The other element is finished either way.
    assert f"of {len(LABELS)} trainings are finished" in logs, logs
    assert digest(world, "array") == digest(world, "here")
    assert alike(world.predictions("array"), of(here, "boosted"))
    nothing_is_left(world, "array")


def test_on_dask_a_killed_worker_is_made_good_and_after_its_scheduler_was_the_same_command_goes_on(
    world, here
):
    file = world.experiment("dask", families=["logreg"])
    port = machines.free_ports(1)[0]
    environ = {**os.environ, **world.shared, "PYTHONPATH": str(machines.ROOT)}
    dask = str(Path(sys.executable).with_name("dask"))

    def start() -> list["subprocess.Popen[bytes]"]:
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        return [
            subprocess.Popen([dask, *words], env=environ, cwd=world.folder, **quiet)  # type: ignore[call-overload]
            for words in (
                ["scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard"],
                ["worker", f"tcp://127.0.0.1:{port}", "--nthreads", "1", "--nworkers", "2", "--no-dashboard",
                 "--death-timeout", "5"],
            )
        ]  # fmt: skip

    words = ("main", "--experiment", file, "--cluster", f"dask://127.0.0.1:{port}")
    finished = "tags.stage = 'train' and attributes.status = 'FINISHED'"
    scheduler, workers = start()
    try:
        time.sleep(5)
        command = world.begin(*words)
        trained = "tags.stage = 'train'"
        wait_for(lambda: (world.known("dask") and world.runs("dask", trained)) or command.poll())
        # Below the one that watches over them, which starts another.
        below = psutil.Process(workers.pid).children(recursive=True)
        worker = next(one for one in below if one.cmdline()[0].startswith("dask worker ["))
        worker.kill()
        wait_for(lambda: world.runs("dask", finished) or command.poll())
        scheduler.kill()
        said, _ = command.communicate(timeout=200)
        workers.terminate()
        workers.wait(timeout=60)
        before = {run.info.run_id for run in world.runs("dask", finished)}
        scheduler, workers = start()
        time.sleep(5)
        said += world.run(*words)
    finally:
        for process in (workers, scheduler):
            process.terminate()
            process.wait(timeout=60)
    assert "trainings are finished" in said
    assert before <= {run.info.run_id for run in world.runs("dask", finished)}
    assert digest(world, "dask") == digest(world, "here")
    assert alike(world.predictions("dask"), of(here, "logreg"))
    nothing_is_left(world, "dask")
