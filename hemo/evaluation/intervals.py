"""95% intervals that respect patients."""

from collections.abc import Sequence
from typing import Final, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hemo.evaluation.metrics import METRICS, Arranged, Draws
from hemo.evaluation.predictions import deals
from hemo.evaluation.resampling import codes, patient_counts

Scale = Literal["share", "positive", "real", "difference"]
"""Values a metric can take: [0, 1], [0, inf), any, [-1, 1]."""

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

_NORMAL: Final = 1.959963984540054
"""Two-sided 95% quantile of the normal distribution."""


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
    `hemo.evaluation.operating_point.threshold_interval`. For the method see `interval`.

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
    models = {"auc": auc_error(float(values["auc"].mean()), positive, len(truth) - positive)}
    rows = []
    for name in metrics:
        low, high = interval(
            values[name], drawn[name], patients[name], _SCALES.get(name, "share"), models.get(name, 0.0)
        )
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


def interval(
    values: float | NDArray[np.float64],
    draws: NDArray[np.float64],
    patients: int,
    scale: Scale,
    model: float = 0.0,
) -> tuple[float, float]:
    """Return a metric's 95% interval from its bootstrap draws.

    Parameters
    ----------
    values
        The metric on the data; of several deals in each, (deals,): the interval is their mean's.
    draws
        The metric in each draw of patients, (draws,) or (deals, draws); undefined ones (NaN) are left out.
    patients
        How many patients carry the metric.
    scale
        Where the metric lives: the interval stays there.
    model
        Standard error that a model gives to a metric (see `auc_error`).

    Returns
    -------
    low, high
        NaN where the metric is undefined.

    Notes
    -----
    Standard error and degrees of freedom are those of `error`, and the interval is Student's (Cameron and
    Miller, "A practitioner's guide to cluster-robust inference", Journal of Human Resources 50:317, 2015), on
    the log odds of a share (Pepe, "The statistical evaluation of medical tests for classification and
    prediction", 2003, section 5.2) and the logarithm of a positive metric, carried back.

    Where a share is 0 or 1, all draws agree or one patient is all there is, the draws say little of other
    patients: then it is Wilson's interval (Journal of the American Statistical Association 22:209, 1927)
    with patients as units, which is conservative: a share that varies between patients never varies by more
    than p(1 - p).

    Where a model's error is larger than the draws', the variance is the mean of both. An AUC near 1 hangs on
    the few positives that lie low: where chance left them out the AUC is high and the draws agree, and in
    simulations of studies their interval alone held true AUCs of 0.97 to 0.99 only 84 to 91 times in 100,
    with the model's 95 to 98 (`benchmarks/bench_study_statistics.py`).

    Percentiles of the draws were tried and left. In simulations with strongly alike slices, true recalls of
    0.6 to 0.95 and AUCs of 0.84 to 0.93, percentiles held the truth 46 to 95 times in 100, percentiles
    expanded for few patients 48 to 97, and this interval 92 to 98 with 8 to 40 positive patients and 97 to
    100 with 4.

    Examples
    --------
    >>> draws = np.random.default_rng(0).normal(0.8, 0.05, 2000)
    >>> low, high = interval(0.8, draws, patients=12, scale="share")
    >>> print(f"{low:.2f} to {high:.2f}")
    0.66 to 0.89
    """
    from scipy import stats

    value = float(np.mean(values))
    found = error(values, draws, patients, model)
    if found is None:
        return np.nan, np.nan
    spread, freedom = found
    if not spread or (scale == "share" and value in (0, 1)):
        return _widest(value, patients, scale)
    reach = spread * float(stats.t.ppf(0.975, freedom))
    if scale == "share":
        odds = np.exp(np.minimum(reach / (value * (1 - value)), 700.0))
        return value / (value + (1 - value) * odds), value * odds / (value * odds + 1 - value)
    if scale == "positive" and value > 0:
        factor = np.exp(np.minimum(reach / value, 700.0))
        return value / factor, value * factor
    if scale == "difference":
        return max(-1.0, value - reach), min(1.0, value + reach)
    return value - reach, value + reach


def error(
    values: float | NDArray[np.float64], draws: NDArray[np.float64], patients: int, model: float = 0.0
) -> tuple[float, float] | None:
    """Return the standard error of a metric, or of its mean over deals, and the degrees of freedom.

    Parameters
    ----------
    values, draws, patients, model
        As in `interval`.

    Returns
    -------
    error, freedom
        0 and 0 where the draws say nothing (they agree, or one patient is all there is); None where the
        metric is undefined.

    Notes
    -----
    Of one deal it is the standard deviation of the draws, times sqrt(G / (G - 1)) for G patients, with G - 1
    degrees of freedom.

    Of R deals it is that of a metric averaged over readers in a study of several readers and many cases, both
    of which are random (Obuchowski and Rockette, Communications in Statistics B 24:285, 1995; with a
    bootstrap of cases, Gallas et al., Communications in Statistics A 38:2586, 2009): deals are the readers,
    patients the cases. To the variance of the mean in draws of patients, who are the same in every deal, that
    of the deals' values is added, over R. What single patients explain of the latter is in both, so that the
    interval is rather too wide; that is wanted, as what all deals share, the patients learned from, is in
    neither. Degrees of freedom are Satterthwaite's (Biometrics Bulletin 2:110, 1946), of G - 1 and R - 1: few
    deals that differ give wide intervals.
    """
    values, draws = np.atleast_1d(values), np.atleast_2d(draws)
    draws = draws[:, np.isfinite(draws).all(axis=0)]
    if not np.isfinite(values).all() or not draws.shape[1] or not patients:
        return None
    mean = draws.mean(axis=0)
    by_patients, by_deals = float(mean.std()), 0.0
    repeats = len(values)
    if repeats > 1:
        by_deals = float(values.std(ddof=1)) / np.sqrt(repeats)
    if patients < 2 or max(by_patients, by_deals) < 1e-12:
        return 0.0, 0.0
    by_patients = float(np.sqrt(max(by_patients**2, (by_patients**2 + model**2) / 2)))
    by_patients *= float(np.sqrt(patients / (patients - 1)))
    if not by_deals:
        return by_patients, patients - 1
    total = by_patients**2 + by_deals**2
    freedom = total**2 / (by_patients**4 / (patients - 1) + by_deals**4 / (repeats - 1))
    return float(np.sqrt(total)), float(freedom)


def auc_error(auc: float, positives: int, negatives: int) -> float:
    """Return the standard error of an AUC of so many independent scores, were they exponential.

    Hanley and McNeil, "The meaning and use of the area under a receiver operating characteristic (ROC)
    curve", Radiology 143:29, 1982; in Newcombe's form, with the mean number of either class ("Confidence
    intervals for an effect size measure based on the Mann-Whitney statistic, part 2", Statistics in Medicine
    25:559, 2006). 0 where the AUC is undefined.

    Examples
    --------
    >>> round(auc_error(0.97, positives=60, negatives=340), 4)
    0.0122
    """
    if not np.isfinite(auc):
        return 0.0
    mean = (positives + negatives) / 2
    spread = 1 + (mean - 1) * ((1 - auc) / (2 - auc) + auc / (1 + auc))
    return float(np.sqrt(auc * (1 - auc) * spread / (positives * negatives)))


def _widest(value: float, patients: int, scale: Scale) -> tuple[float, float]:
    """Return what patients as units can say at most, when the draws say nothing."""
    if scale == "share":
        return wilson(value, patients)
    if scale == "difference":
        # The difference of two shares is that of their mapping to [0, 1], twice as wide.
        low, high = wilson((value + 1) / 2, patients)
        return 2 * low - 1, 2 * high - 1
    return np.nan, np.nan


def wilson(share: float, units: int) -> tuple[float, float]:
    """Return Wilson's 95% interval of a share seen in so many independent units.

    Examples
    --------
    >>> low, high = wilson(1.0, units=3)  # all of three patients
    >>> print(f"{low:.2f} to {high:.2f}")
    0.44 to 1.00
    """
    spread = _NORMAL**2 / units
    centre = (share + spread / 2) / (1 + spread)
    half = np.sqrt(spread * share * (1 - share) + spread**2 / 4) / (1 + spread)
    return max(0.0, centre - half), min(1.0, centre + half)
