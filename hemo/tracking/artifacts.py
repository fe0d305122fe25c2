"""What runs keep beside numbers: files, prediction tables, notes."""

import math
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import mlflow
import pandas as pd
from mlflow.entities import Metric
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from mlflow.utils.time import get_current_time_millis

from hemo.digests import DiffersError
from hemo.evaluation import predictions
from hemo.tracking import recorded

PREDICTIONS = "predictions/predictions.parquet"
"""Where a training run keeps its prediction table."""

STUDIES = "predictions/studies.parquet"
"""Where it keeps that of whole studies, where it has one."""

ATTENTION = "predictions/attention.parquet"
"""Where it keeps how much each slice counted in its study, of families that judge studies."""

AGREEMENT = "readers/agreement.csv"
"""Where it keeps how far the readers of its studies agree, where there were several."""

SUBGROUPS = "tables/subgroups.csv"
"""Where it keeps metrics by scanner, settings and patient, where headers say something of them."""

ANSWERS = "check/answers.npz"
"""Where it keeps some slices and what its classifier says of them, to judge the logged model by."""

DECISIONS = "gate/decisions.csv"
"""Where a promotion keeps what the gate decided: a row a label."""

T = TypeVar("T")


def log_folder(run_id: str, folder: Path, below: str = "") -> None:
    """Keep a folder's files with a run, below a folder of its artifacts."""
    MlflowClient().log_artifacts(run_id, str(folder), below or None)


def log_file(run_id: str, file: Path, below: str = "") -> None:
    """Keep a file with a run, below a folder of its artifacts."""
    MlflowClient().log_artifact(run_id, str(file), below or None)


def set_note(run_id: str, text: str) -> None:
    """Give a run its note in Markdown, which the UI shows first."""
    MlflowClient().set_tag(run_id, "mlflow.note.content", text)


def log_metrics(run_id: str, metrics: Mapping[str, float]) -> None:
    """Log final metrics in one call; those that are not defined are left out."""
    now = get_current_time_millis()
    entries = [Metric(name, value, now, 0) for name, value in metrics.items() if math.isfinite(value)]
    MlflowClient().log_batch(run_id, metrics=entries)


def artifact(run_id: str, path: str, read: Callable[[Path], T]) -> T | None:
    """Return what `read` makes of a run's artifact; None where the run has none of this path.

    Raises
    ------
    DiffersError
        If it is not as its run recorded it.
    """
    with tempfile.TemporaryDirectory() as scratch:
        try:
            file = mlflow.artifacts.download_artifacts(run_id=run_id, artifact_path=path, dst_path=scratch)
        except (OSError, MlflowException):
            return None
        return read(Path(file)) if recorded.check_file(run_id, path, Path(file)) else None


def load_studies(run_id: str) -> pd.DataFrame | None:
    """Return a run's prediction table of studies; None where it has none, as runs before it was known."""
    return artifact(run_id, STUDIES, predictions.read)


def load_predictions(run_id: str) -> pd.DataFrame:
    """Return a run's prediction table.

    Raises
    ------
    DiffersError
        If it is gone, or not as its run recorded it.
    """
    table = artifact(run_id, PREDICTIONS, predictions.read)
    if table is None:
        raise DiffersError(f"run {run_id}: {PREDICTIONS} is not to be had: {recorded.REMEDY}")
    return table
