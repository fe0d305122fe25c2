"""Run a training run again from its recorded commit, data, parameters and seed, and compare predictions."""

import ast
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from mlflow.tracking import MlflowClient

from hemo import console, tracking
from hemo.errors import HemoError
from hemo.evaluation import predictions
from hemo.evaluation.protocols import Protocol
from hemo.tracking import CHANGED, Run, trained_on

TOLERANCE = 1e-6
"""Largest difference of probability that counts as the same."""


@dataclass(frozen=True)
class Reproduction:
    """How a run and its repetition agree.

    Attributes
    ----------
    slices
        Slices that both predicted; studies, where no slice was judged.
    same_slices
        Whether both predicted the same ones in the same parts and folds.
    largest
        Largest difference of probability.
    threshold_gap
        Largest difference of operating point.
    commit
        The code that ran.
    caveat
        What could not be set as it was; empty where everything could.
    """

    slices: int
    same_slices: bool
    largest: float
    threshold_gap: float
    commit: str
    caveat: str

    @property
    def reproduced(self) -> bool:
        """Whether the repetition gave the run's predictions."""
        return self.same_slices and max(self.largest, self.threshold_gap) <= TOLERANCE


def reproduce(run_id: str, store: Path | None = None) -> Reproduction:
    """Train again what a run trained, in a process and a tracking store of its own.

    Parameters
    ----------
    run_id : str
        The training run.
    store : Path, optional
        Its slice store, where it lies elsewhere now.

    Raises
    ------
    HemoError
        If it is no training run, its store or commit is not at hand, or the repetition fails.
    """
    run = _training_run(run_id)
    found = trained_on.opened(run, store) if store else trained_on.find(run)
    folder = found.folder.resolve()
    with _code(run.tags["git_commit"]) as (package, commit), tempfile.TemporaryDirectory() as scratch:
        again = _train(run, folder, package, Path(scratch))
    return _compare(run, again, commit)


def settings(run: Run, store: Path, folds: int) -> dict[str, Any]:
    """Return the experiment file that a run's parameters amount to."""
    params = run.params
    chosen = {name: _value(value) for name, value in run.resolved().items()}
    words: dict[str, Any] = {
        "name": "again",
        "store": str(store),
        "protocol": params["train.protocol"],
        "sampling": params["train.sampling"],
        "seed": int(params["train.seed"]),
        "draws": 100,
        "workers": 1,
        "families": {run.word: chosen},
    }
    if run.protocol.by_patient:
        words["operating_point"] = params["train.operating_point"]
        if "train.study_operating_point" in params:
            words["study_operating_point"] = params["train.study_operating_point"]
        if "train.calibration" in params:
            words["calibration"] = params["train.calibration"]
    elif "train.positives" in params:
        words["positives"] = int(params["train.positives"])
    if run.protocol is Protocol.CV:
        words["folds"] = folds
    if run.repeats > 1:  # code of earlier runs does not know the word
        words["repeats"] = run.repeats
    return words


def _training_run(run_id: str) -> Run:
    run = tracking.get_run(run_id)
    if run.tags.get("stage") != "train":
        raise HemoError(f"{run_id}: not a training run: give one with the tag stage=train")
    return run


@contextmanager
def _code(recorded: str) -> Iterator[tuple[Path, str]]:
    """Yield the folder that holds the package `hemo` of a commit: here, or a work tree made for it."""
    here = Path(__file__).resolve().parents[2]
    commit = recorded.removesuffix(CHANGED)
    if tracking.git_commit().removesuffix(CHANGED) == commit or commit == "unknown":
        yield here, tracking.git_commit()
        return
    scratch = Path(tempfile.mkdtemp())
    try:
        words = ["git", "-C", str(here), "worktree", "add", "--detach", str(scratch / "code"), commit]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode:
            reason = (done.stderr.strip().splitlines() or ["git failed"])[-1]
            raise HemoError(f"commit {commit[:12]} is not at hand ({reason}): fetch it, then run again")
        yield scratch / "code", commit
    finally:
        subprocess.run(
            ["git", "-C", str(here), "worktree", "remove", "--force", str(scratch / "code")],
            capture_output=True,
            check=False,
        )
        shutil.rmtree(scratch, ignore_errors=True)


def _train(run: Run, store: Path, package: Path, scratch: Path) -> Any:
    """Train in a process of its own; return the repetition's prediction table."""
    table = _judged(run.run_id)
    what, code = run.name, run.tags["git_commit"][:12]
    console.err.print(f"training {what} again, by the code of {code} ...")
    words = settings(run, store, table["fold"].nunique())
    (scratch / "again.yaml").write_text(yaml.safe_dump(words))
    uri = f"sqlite:///{scratch}/mlflow.db"
    known = ("MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID", "MLFLOW_EXPERIMENT_NAME", "MLFLOW_REGISTRY_URI")
    environment = {name: value for name, value in os.environ.items() if name not in known}
    environment |= {"PYTHONPATH": str(package), "MLFLOW_TRACKING_URI": uri}
    command = [sys.executable, "-m", "hemo", run.tags["family"], "--label", run.tags["label"]]
    done = subprocess.run(
        [*command, "--experiment", "again.yaml"],
        cwd=scratch, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise HemoError(f"training again failed: {reason}")
    client = MlflowClient(tracking_uri=uri)
    experiments = [one.experiment_id for one in client.search_experiments()]
    (again,) = client.search_runs(experiments, "tags.stage = 'train'")
    folder = scratch / "artifacts"
    folder.mkdir()

    def read(path: str) -> Any:
        return predictions.read(Path(client.download_artifacts(again.info.run_id, path, str(folder))))

    found = read(tracking.PREDICTIONS)
    return found if len(found) else read(tracking.STUDIES)


def _judged(run_id: str) -> Any:
    """Return a run's predictions of slices; of studies where no slice was judged."""
    table = tracking.load_predictions(run_id)
    studies = None if len(table) else tracking.load_studies(run_id)
    return table if studies is None else studies


def _compare(run: Run, again: Any, commit: str) -> Reproduction:
    where = ["slice_id", "repeat", "part", "fold", "truth"]
    one, again = predictions.sort(_judged(run.run_id)), predictions.sort(again)
    both = one.merge(again, on=["slice_id", "repeat"], suffixes=("", "_again"))
    recorded = run.tags["git_commit"]
    caveats = []
    if recorded.endswith(CHANGED):
        caveats.append(f"the code had changes beyond commit {recorded.removesuffix(CHANGED)[:12]}")
    if recorded == "unknown":
        caveats.append("the run does not know its commit: the code of today ran")
    if commit.endswith(CHANGED):
        caveats.append("the code of today has changes beyond its commit")

    def gap(column: str) -> float:
        return float(np.abs(both[column] - both[f"{column}_again"]).max()) if len(both) else float("nan")

    return Reproduction(
        slices=both["slice_id"].nunique(),
        same_slices=one[where].equals(again[where]),
        largest=gap("probability"),
        threshold_gap=gap("threshold"),
        commit=commit,
        caveat="; ".join(caveats),
    )


def _value(text: str) -> Any:
    """Return the value that MLflow stores as text."""
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
    return list(value) if isinstance(value, tuple) else value
