"""ROC, precision-recall and reliability curves with 95% bands that respect patients."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hemo.evaluation.bounds import interval
from hemo.evaluation.intervals import basis
from hemo.evaluation.metrics import Arranged, cumulated
from hemo.evaluation.predictions import deals, sort
from hemo.evaluation.resampling import codes, patient_counts

GRID: Final = np.linspace(0, 1, 101)


@dataclass(frozen=True)
class Curve:
    """A curve to draw.

    Attributes
    ----------
    line
        Its own points: see `roc_line` and `precision_recall_line`.
    band
        The curve over a grid, with `low` and `high`: see `roc` and `precision_recall`.
    """

    line: pd.DataFrame
    band: pd.DataFrame


def roc_line(table: pd.DataFrame) -> pd.DataFrame:
    """Return the ROC curve's corners: `false_positive_rate`, `recall`; none with one class only.

    Of several deals there is no such curve, but the mean over a grid: see `roc`.
    """
    from sklearn.metrics import roc_curve

    if table["truth"].nunique() < 2:
        return pd.DataFrame(columns=["false_positive_rate", "recall"])
    if len(deals(table)) > 1:
        return roc(table, draws=1)[["false_positive_rate", "recall"]]
    rate, recall, _ = roc_curve(table["truth"], table["probability"])
    return pd.DataFrame({"false_positive_rate": rate, "recall": recall})


def precision_recall_line(table: pd.DataFrame) -> pd.DataFrame:
    """Return the precision-recall curve's corners: `recall`, `precision`; none with one class only.

    Of several deals there is no such curve, but the mean over a grid: see `precision_recall`.
    """
    from sklearn.metrics import precision_recall_curve

    if table["truth"].nunique() < 2:
        return pd.DataFrame(columns=["recall", "precision"])
    if len(deals(table)) > 1:
        return precision_recall(table, draws=1)[["recall", "precision"]]
    precision, recall, _ = precision_recall_curve(table["truth"], table["probability"])
    return pd.DataFrame({"recall": recall, "precision": precision})


def roc(table: pd.DataFrame, draws: int = 2000, seed: int = 0) -> pd.DataFrame:
    """Return the ROC curve over a grid of false-positive rates; of several deals, the mean at each.

    Returns
    -------
    DataFrame
        `false_positive_rate`, `recall` (the highest of any threshold whose rate is at most that), `low`,
        `high`: 95% at each point, made monotone as the curve is. Empty with one class only.
    """

    def at(positives: NDArray, negatives: NDArray, arranged: Arranged) -> NDArray[np.float64]:
        first = np.searchsorted(negatives[1:], GRID * negatives[-1] * (1 + 1e-9), "right")
        allowed = np.append(arranged.positives_above, len(arranged.positives))[first]
        return positives[allowed] / positives[-1]

    curve = _band(table, at, draws, seed).set_axis(["recall", "low", "high"], axis=1)
    curve["low"] = np.maximum.accumulate(curve["low"])
    curve["high"] = np.minimum.accumulate(curve["high"][::-1])[::-1]
    curve.insert(0, "false_positive_rate", GRID[: len(curve)])
    return curve


def precision_recall(table: pd.DataFrame, draws: int = 2000, seed: int = 0) -> pd.DataFrame:
    """Return the precision-recall curve over a grid of recalls; of several deals, the mean at each.

    Returns
    -------
    DataFrame
        `recall`, `precision` (of the highest threshold whose recall is at least that), `low`, `high`: 95%
        at each point. Empty with one class only.
    """

    def at(positives: NDArray, negatives: NDArray, arranged: Arranged) -> NDArray[np.float64]:
        last = np.searchsorted(positives[1:], GRID * positives[-1] * (1 - 1e-9), "left")
        found, wrong = positives[arranged.positives_from[last]], negatives[arranged.negatives_from[last]]
        return found / np.maximum(found + wrong, 1)

    curve = _band(table, at, draws, seed).set_axis(["precision", "low", "high"], axis=1)
    curve.insert(0, "recall", GRID[: len(curve)])
    # At recall 0 nothing need be called: the precision of the first call is that of the smallest recall.
    return curve.iloc[1:].reset_index(drop=True)


def reliability(table: pd.DataFrame, bins: int = 10, draws: int = 2000, seed: int = 0) -> pd.DataFrame:
    """Return how often slices of like probability are positive.

    Parameters
    ----------
    table
        A prediction table; of several deals, their slices are binned together, and shares are means of
        what was observed, with intervals of patients alone.
    bins
        Groups of about equally many slices; fewer where probabilities are equal.
    draws, seed
        Of the bootstrap over patients.

    Returns
    -------
    DataFrame
        A row a bin: `probability` (mean), `share` (of positives), `low`, `high`, `slices`.
    """
    table = sort(table)
    code, positive = codes(table)
    edges = np.unique(np.quantile(table["probability"], np.linspace(0, 1, bins + 1)))
    group = np.searchsorted(edges[1:-1], table["probability"], "right")
    sums = np.zeros((2, len(positive), len(edges)))
    np.add.at(sums[0], (code, group), table["truth"].to_numpy())
    np.add.at(sums[1], (code, group), 1)
    drawn = []
    with np.errstate(invalid="ignore"):
        for counts in patient_counts(positive, len(table), draws, seed):
            drawn.append((counts @ sums[0]) / (counts @ sums[1]))
    shares = np.concatenate(drawn)
    rows = []
    for number in np.unique(group):
        members = table[group == number]
        share = float(members["truth"].mean())
        low, high = interval(share, shares[:, number], members["patient"].nunique(), "share")
        slices = members["slice_id"].nunique()
        rows.append((members["probability"].mean(), share, low, high, slices))
    return pd.DataFrame(rows, columns=["probability", "share", "low", "high", "slices"])


def _band(
    table: pd.DataFrame,
    at: Callable[[NDArray, NDArray, Arranged], NDArray[np.float64]],
    draws: int,
    seed: int,
) -> pd.DataFrame:
    """Return a curve over `GRID` and its band, in three columns; no rows with one class only.

    `at` reads the curve off the weights of the first k positive and negative slices.
    """
    if table["truth"].nunique() < 2:
        return pd.DataFrame(np.empty((0, 3)))
    values, drawn = [], []
    for deal in deals(table):
        code, positive = codes(deal)
        arranged = Arranged.of(deal["truth"], deal["probability"], deal["threshold"], code)

        def curves(counts: NDArray[np.int32], arranged: Arranged = arranged) -> list[NDArray[np.float64]]:
            positives = cumulated(counts, arranged.positives)
            negatives = cumulated(counts, arranged.negatives)
            both = (positives[:, -1] > 0) & (negatives[:, -1] > 0)
            pairs = zip(positives[both], negatives[both], strict=True)
            return [at(first, second, arranged) for first, second in pairs]

        values += curves(np.ones((1, len(positive)), np.int32))
        chunks = patient_counts(positive, len(deal), draws, seed)
        drawn.append([curve for counts in chunks for curve in curves(counts)])
    value, each = np.array(values), np.array(drawn)  # (deals, grid), (deals, draws, grid)
    patients = basis(table)["auc"]
    bounds = [interval(value[:, k], each[:, :, k], patients, "share") for k in range(len(GRID))]
    return pd.DataFrame(np.column_stack([value.mean(axis=0), bounds]))
