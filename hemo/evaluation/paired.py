"""Differences between runs on the same patients."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hemo.errors import HemoError
from hemo.evaluation.bounds import error, interval
from hemo.evaluation.intervals import basis, draw_each
from hemo.evaluation.predictions import deals, sort

PAIRED: Final = ("auc", "recall_at_specificity_80", "recall_at_specificity_90")
"""What runs are compared by: metrics that no choice of threshold can flatter."""


def compare(
    tables: Mapping[str, pd.DataFrame],
    draws: int = 2000,
    seed: int = 0,
    metrics: Sequence[str] = PAIRED,
    reference: str | None = None,
) -> pd.DataFrame:
    """Return the differences between runs, by a paired cluster bootstrap over patients.

    Parameters
    ----------
    tables
        A run's name to its prediction table; all of one label, on the same slices and deals.
    draws, seed
        Every run sees the same draws of patients. Of several deals, differences are paired within each.
    metrics
        Names out of `hemo.evaluation.metrics.METRICS`.
    reference
        The run that the others are compared with; None compares each pair.

    Returns
    -------
    DataFrame
        A row a metric and pair: `metric`, `first`, `second`, `difference` (first less second), its 95%
        interval `low`, `high`, the two-sided `p` and `p_holm`, corrected for the number of pairs of that
        metric. NaN where the metric is undefined. Intervals are each pair's own: many at once will miss
        more often than one.

    Raises
    ------
    HemoError
        If the runs are not on the same slices, deals, patients and truths, or there is no such reference.

    Notes
    -----
    Interval: see `hemo.evaluation.bounds.interval`, without transformation. p is from the same standard
    error and Student's distribution. Correction: Holm, "A simple sequentially rejective multiple test
    procedure", Scandinavian Journal of Statistics 6:65, 1979.
    """
    if reference is not None and reference not in tables:
        raise HemoError(f"{reference}: no such run to compare with: one of {', '.join(tables)}")
    tables = {name: sort(table) for name, table in tables.items()}
    require_same_slices(tables)
    found = {name: draw_each(table, draws, seed) for name, table in tables.items()}
    if reference is None:
        pairs = list(combinations(tables, 2))
    else:
        pairs = [(name, reference) for name in tables if name != reference]
    patients = basis(next(iter(tables.values()))) if tables else {}
    results = []
    for metric in metrics:
        rows = []
        for first, second in pairs:
            difference = found[first][0][metric] - found[second][0][metric]
            drawn = found[first][1][metric] - found[second][1][metric]
            low, high = interval(difference, drawn, patients[metric], "difference")
            p = _p(difference, drawn, patients[metric])
            rows.append((metric, first, second, float(difference.mean()), low, high, p))
        names = ["metric", "first", "second", "difference", "low", "high", "p"]
        result = pd.DataFrame(rows, columns=names)
        results.append(result.assign(p_holm=holm(result["p"].to_numpy(float))))
    return pd.concat(results, ignore_index=True)


def require_same_slices(tables: Mapping[str, pd.DataFrame]) -> None:
    """Check that runs are on the same slices, patients and truths; tables are sorted by slice id.

    Raises
    ------
    HemoError
        Naming the two runs and what differs.
    """
    runs = iter(tables.items())
    one, table = next(runs, ("", pd.DataFrame()))
    for other, rows in runs:
        apart = sorted(set(table["slice_id"]) ^ set(rows["slice_id"]))
        if apart:
            fault = f"{one}, {other}: {len(apart)} slices are in one run only ({apart[0]}, ...)"
            raise HemoError(f"{fault}: compare runs of one store and split")
        if len(table) != len(rows):
            counts = [len(deals(tested)) for tested in (table, rows)]
            fault = f"{one}, {other}: patients were dealt {counts[0]} times in one, {counts[1]} in the other"
            raise HemoError(f"{fault}: compare runs of one split")
        for column in ("patient", "truth"):
            differ = int((table[column] != rows[column]).sum())
            if differ:
                fault = f"{one}, {other}: {column} differs in {differ} slices"
                raise HemoError(f"{fault}: compare runs of one store and label")


def holm(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return p-values corrected by Holm's method for their number; NaN stays and does not count.

    Examples
    --------
    >>> holm(np.array([0.01, 0.04, 0.03, np.nan])).tolist()
    [0.03, 0.06, 0.06, nan]
    """
    result = np.full(len(p), np.nan)
    order = [row for row in np.argsort(p, kind="stable") if not np.isnan(p[row])]
    factors = np.arange(len(order), 0, -1)
    result[order] = np.minimum(1, np.maximum.accumulate(p[order] * factors)) if order else []
    return result


def _p(differences: NDArray[np.float64], draws: NDArray[np.float64], patients: int) -> float:
    """Return the two-sided p-value of a difference, the mean over deals; see `interval` for its parts."""
    from scipy import stats

    found = error(differences, draws, patients)
    if found is None:
        return np.nan
    difference = abs(float(differences.mean()))
    spread, freedom = found
    if not spread:
        return float(2 * stats.norm.sf(difference * np.sqrt(patients)))
    return float(2 * stats.t.sf(difference / spread, freedom))
