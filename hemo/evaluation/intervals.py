"""95% intervals that respect patients."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hemo.evaluation.bounds import Scale, auc_interval, interval
from hemo.evaluation.metrics import METRICS, Arranged, Draws
from hemo.evaluation.predictions import deals
from hemo.evaluation.resampling import codes, patient_counts

_SCALES: Final[dict[str, Scale]] = {
    "log_loss": "positive",
    "calibration_slope": "real",
    "calibration_intercept": "real",
}
"""Metrics that are no shares."""

_BASIS: Final = {
    "accuracy": "all",
    "brier": "all",
    "log_loss": "all",
    "unsure_share": "all",
    "recall": "positive",
    "specificity": "negative",
}
"""Whose patients carry a metric: with positive slices, with negative ones, all; if not named, both kinds."""


def bootstrap(
    table: pd.DataFrame, draws: int = 2000, seed: int = 0, metrics: Sequence[str] = METRICS
) -> pd.DataFrame:
    """Return metrics with 95% intervals by cluster bootstrap over patients.

    Parameters
    ----------
    table
        A prediction table of slices, or of studies; usually its part "test". Of several deals, metrics are
        means over them.
    draws, seed
        The same seed gives the same intervals, whatever the order of rows or the names of patients.
    metrics
        Names out of `METRICS`.

    Returns
    -------
    DataFrame
        A row a metric: `metric`, `value`, `low`, `high`, and `patients`: how many carry the metric (for
        recall those with a positive slice; for metrics of both classes, the fewer of those with a positive
        and with a negative slice). Value and interval are NaN where the metric is undefined (see
        `hemo.evaluation.metrics.compute`).

    Notes
    -----
    Thresholds are held at those of the table; their own uncertainty is
    `hemo.evaluation.operating_point.threshold_interval`. For the method see
    `hemo.evaluation.bounds.interval`, for that of an AUC `hemo.evaluation.bounds.auc_interval`.

    Examples
    --------
    >>> table = pd.DataFrame({
    ...     "slice_id": [f"s{row:02}" for row in range(40)],
    ...     "patient": [f"p{row // 2:02}" for row in range(40)],
    ...     "truth": [1, 0] * 20,
    ...     "probability": [0.8, 0.3, 0.4, 0.2] * 10,
    ...     "threshold": 0.5,
    ... })
    >>> bootstrap(table, metrics=["recall", "specificity"]).round(2)
            metric  value   low  high  patients
    0       recall    0.5  0.27  0.73        20
    1  specificity    1.0  0.84  1.00        20
    """
    values, drawn = draw_each(table, draws, seed)
    patients = basis(table)
    truth = deals(table)[0]["truth"]
    positive = int(truth.sum())
    rows = []
    for name in metrics:
        if name == "auc":
            counts = (positive, len(truth) - positive)
            carrying = (patients["recall"], patients["specificity"])
            low, high = auc_interval(values[name], drawn[name], counts, carrying)
        else:
            scale = _SCALES.get(name, "share")
            low, high = interval(values[name], drawn[name], patients[name], scale)
        rows.append((name, float(values[name].mean()), low, high, patients[name]))
    return pd.DataFrame(rows, columns=["metric", "value", "low", "high", "patients"])


def draw_each(table: pd.DataFrame, draws: int, seed: int) -> tuple[Draws, Draws]:
    """Return every metric of a table in each deal, (deals,), and its draws, (deals, draws).

    A draw is of the same patients in every deal, whose slices and truths are the same.
    """
    each = [draw(deal, draws, seed) for deal in deals(table)]
    values = {name: np.array([value[name] for value, _ in each]) for name in METRICS}
    return values, {name: np.stack([drawn[name] for _, drawn in each]) for name in METRICS}


def draw(table: pd.DataFrame, draws: int, seed: int) -> tuple[dict[str, float], Draws]:
    """Return every metric of a table sorted by slice id, and its bootstrap draws, (draws,) each."""
    code, positive = codes(table)
    arranged = Arranged.of(
        table["truth"], table["probability"], table["threshold"], code, table.get("negative_below")
    )
    once = arranged.draws(np.ones((1, len(positive)), np.int32))
    chunks = [arranged.draws(counts) for counts in patient_counts(positive, len(table), draws, seed)]
    values = {name: float(value[0]) for name, value in once.items()}
    return values, {name: np.concatenate([chunk[name] for chunk in chunks]) for name in METRICS}


def bootstrap_mean(
    values: NDArray[np.float64], table: pd.DataFrame, draws: int = 2000, seed: int = 0
) -> tuple[float, float, float]:
    """Return the mean of a loss a slice, with its 95% interval by cluster bootstrap over patients.

    Parameters
    ----------
    values
        Not negative, one a row of the table, (n,); of several deals (deals, n).
    table
        `patient` and `truth` of each slice, once, sorted by slice id.
    draws, seed
        As in `bootstrap`.
    """
    code, positive = codes(table)
    slices = np.bincount(code).astype(np.float64)
    each = []
    for losses in np.atleast_2d(values):
        sums = np.bincount(code, losses)
        chunks = patient_counts(positive, len(table), draws, seed)
        each.append(np.concatenate([counts @ sums / (counts @ slices) for counts in chunks]))
    found = np.atleast_2d(values).mean(axis=1)
    return float(found.mean()), *interval(found, np.stack(each), len(positive), "positive")


def basis(table: pd.DataFrame) -> dict[str, int]:
    """Return how many patients carry each metric of `METRICS`."""
    number = {
        "all": table["patient"].nunique(),
        "positive": table.loc[table["truth"] == 1, "patient"].nunique(),
        "negative": table.loc[table["truth"] == 0, "patient"].nunique(),
    }
    number["both"] = min(number["positive"], number["negative"])
    return {name: number[_BASIS.get(name, "both")] for name in METRICS}
