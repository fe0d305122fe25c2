"""What changes do to metrics: differences from the unchanged, paired by patient."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from hemo.evaluation import metrics, paired, predictions
from hemo.stress.changes import Change

METRICS = ("auc", "recall", "specificity")
"""What is compared: recall and specificity at the operating points that were kept."""


@dataclass(frozen=True)
class Judged:
    """What was said of slices under a change.

    Attributes
    ----------
    change
        What was done.
    table
        Prediction table of the slices that were judged.
    refused
        Slices that reading refused, by reason.
    """

    change: Change
    table: pd.DataFrame
    refused: Mapping[str, int]


def differences(unchanged: pd.DataFrame, found: list[Judged], draws: int, seed: int) -> pd.DataFrame:
    """Return how metrics differ from the unchanged on the same slices, a row a change and metric.

    Parameters
    ----------
    unchanged
        Prediction table of the slices as they are.
    found
        What was said of them under changes.
    draws, seed
        Of the bootstrap over patients; the same patients are drawn for both.

    Returns
    -------
    DataFrame
        `change`, `words`, `usual` (whether of a size that occurs in practice), `metric`, `unchanged`,
        `value`, `difference` (value less unchanged) with its 95% interval `low`, `high` (see
        `hemo.evaluation.paired.compare`), `slices` that both were judged on, `refused` slices and `reason`,
        the commonest one. Where nothing was left to judge, metrics are NaN.
    """
    rows = []
    for one in found:
        both = unchanged["slice_id"].isin(one.table["slice_id"])
        tables = {"changed": one.table, "unchanged": unchanged[both]}
        each = pd.DataFrame(np.nan, list(METRICS), ["difference", "low", "high"])
        if len(one.table):
            each = paired.compare(tables, draws, seed, METRICS, reference="unchanged").set_index("metric")
        values = {name: _values(table) for name, table in tables.items()}
        for metric in METRICS:
            rows.append(
                {
                    "change": one.change.name, "words": one.change.words, "usual": one.change.usual,
                    "metric": metric, "unchanged": values["unchanged"][metric],
                    "value": values["changed"][metric],
                    **each.loc[metric, ["difference", "low", "high"]].to_dict(),
                    "slices": one.table["slice_id"].nunique(),
                    "refused": sum(one.refused.values()),
                    "reason": max(one.refused, key=lambda reason: one.refused[reason], default=""),
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


def _values(table: pd.DataFrame) -> dict[str, float]:
    """Return metrics of a prediction table, means over the deals; NaN where there is no slice."""
    if table.empty:
        return dict.fromkeys(METRICS, np.nan)
    each = [
        metrics.compute(deal["truth"], deal["probability"], deal["threshold"])
        for deal in predictions.deals(predictions.with_deals(table))
    ]
    return {name: float(np.mean([one[name] for one in each])) for name in METRICS}
