"""Epochs of a training in MLflow, as they end."""

from collections.abc import Mapping
from typing import Any

import mlflow
import numpy as np
from mlflow.entities import Metric

from hemo import tracking
from hemo.training.kept import Epochs


class LoggedEpochs(Epochs):
    """Epochs of a training, each logged to its run as it ends.

    Those of the classifier to keep are `epoch/...` by their number; those of folds, one after the other,
    `folds/...`.
    """

    def __init__(self, run_id: str) -> None:
        super().__init__()
        self._run_id = run_id

    def append(self, epoch: dict[str, float]) -> None:
        """Note an epoch and log it, in one batch."""
        super().append(epoch)
        group, step = ("epoch", int(epoch["epoch"])) if epoch["fold"] == -1 else ("folds", len(self))
        tracking.client().log_batch(self._run_id, metrics=curve(group, epoch, step))


def curve(group: str, epoch: Mapping[Any, float], step: int) -> list[Metric]:
    """Return the metrics of an epoch."""
    now = mlflow.utils.time.get_current_time_millis()
    said = {name: float(value) for name, value in epoch.items() if name not in ("repeat", "fold", "epoch")}
    return [Metric(f"{group}/{name}", value, now, step) for name, value in said.items() if np.isfinite(value)]
