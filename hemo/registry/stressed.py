"""What `hemo stress` has found of a training run: the gate and the model card ask for it."""

from dataclasses import dataclass
from typing import Final

import mlflow
import pandas as pd

from hemo import tracking

EXPERIMENT: Final = "hemo-stress"
"""The MLflow experiment of what `hemo stress` logs."""

TABLE: Final = "tables/stress.csv"
"""Where a run of it keeps its table: a row a change and metric (see `hemo.stress.measure.differences`)."""

REPORT: Final = "report/stress.html"
"""Where it keeps its page."""

COMPLETE: Final = "complete"
"""Tag of runs of it that tried all changes on all patients."""


@dataclass(frozen=True)
class Stress:
    """What was found of a training run on the patients that it has not learned from.

    Attributes
    ----------
    table
        A row a change and metric.
    complete
        Whether all changes were tried, on all patients.
    """

    table: pd.DataFrame
    complete: bool

    @property
    def worst(self) -> pd.Series | None:
        """The row of the AUC that falls most under a change that occurs in practice; None: none is there."""
        rows = self.table[
            self.table["usual"] & (self.table["metric"] == "auc") & self.table["difference"].notna()
        ]
        return None if rows.empty else rows.iloc[int(rows["difference"].to_numpy().argmin())]


def newest(run_id: str) -> Stress | None:
    """Return what the newest `hemo stress` of a training run has found, one of all changes before others.

    Raises
    ------
    DiffersError
        If its table is not as it was recorded.
    """
    experiment = mlflow.get_experiment_by_name(EXPERIMENT)
    if experiment is None:
        return None
    found = tracking.find_runs(
        experiment.experiment_id, "attributes.status = 'FINISHED'", run=run_id, out_of_sample="true"
    )
    for run in sorted(found, key=lambda one: one.tags.get(COMPLETE) != "true"):
        table = tracking.artifact(run.run_id, TABLE, pd.read_csv)
        if table is not None:
            return Stress(table, run.tags.get(COMPLETE) == "true")
    return None
