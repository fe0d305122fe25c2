"""Tables of the model card: metrics with intervals, subgroups, counts, and what changes of the data cost."""

import pandas as pd

from hemo.display.numbers import ranged
from hemo.evaluation.summary import Counts, Summary

METRICS = {
    "recall": "recall (sensitivity)",
    "specificity": "specificity",
    "precision": "precision (positive predictive value)",
    "npv": "negative predictive value",
    "accuracy": "accuracy",
    "auc": "AUC",
    "average_precision": "average precision",
    "brier": "Brier score",
    "calibration_slope": "calibration slope",
    "recall_at_specificity_80": "recall at specificity 0.80",
    "unsure_share": "share left unsure",
}
"""Metrics of the card, and their names for people."""


def metrics_table(tested: Summary) -> pd.DataFrame:
    """Return a row a metric of the card, with its interval and the patients it is of."""
    names = [name for name in METRICS if tested.triaged or name != "unsure_share"]
    found = tested.metrics.set_index("metric").loc[names]
    return pd.DataFrame(
        {
            "metric": [METRICS[name] for name in names],
            "value (95% interval)": [ranged(*tested[name], "z.3f") for name in names],
            "patients": found["patients"].to_numpy(),
        }
    )


def by_extent_table(tested: Summary) -> pd.DataFrame:
    """Return a row a subgroup and metric, with intervals."""
    found = tested.by_extent
    bounds = zip(found["value"], found["low"], found["high"], strict=True)
    cells = [ranged(value, low, high, "z.3f") for value, low, high in bounds]
    return pd.DataFrame(
        {
            "subgroup": found["subgroup"],
            "metric": found["metric"],
            "value (95% interval)": cells,
            "patients": found["patients"],
        }
    )


def counts_facts(counts: Counts) -> dict[str, object]:
    """Return how many units and patients were tested, and how many of them are positive."""
    return {
        f"{counts.units} tested": counts.slices,
        "patients tested": counts.patients,
        f"positive {counts.units} tested": counts.positive_slices,
        "positive patients tested": counts.positive_patients,
    }


def falls(found: pd.DataFrame) -> pd.DataFrame:
    """Return a row a change, with the differences of metrics from the unchanged in cells.

    Parameters
    ----------
    found
        A row a change and metric: `change`, `metric`, `difference`, `low`, `high`.
    """
    bounds = found[["difference", "low", "high"]].to_numpy(float)
    cells = [ranged(difference, low, high, "+.3f") for difference, low, high in bounds]
    wide = found.assign(cell=cells).pivot(index="change", columns="metric", values="cell")
    ordered = wide.loc[list(dict.fromkeys(found["change"])), list(dict.fromkeys(found["metric"]))]
    return ordered.rename(columns={"auc": "AUC"}).rename_axis(columns=None).reset_index()
