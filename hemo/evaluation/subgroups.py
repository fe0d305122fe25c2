"""Metrics of groups of patients (of a scanner, of an age), and which groups are judged unlike others."""

from collections.abc import Iterator, Mapping
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hemo.evaluation import intervals, predictions

FEWEST: Final = 5
"""Tested patients of a group, below which nothing is said of it: it could be said of one of them."""

PERMUTATIONS: Final = 4999
"""Of the patients: a p of 0.0002 is the least."""

METRICS: Final = ("recall", "specificity", "auc")

TESTED: Final = {"recall": 1, "specificity": 0}
"""Metrics that are compared with the others', and the truth of what they are of: decisions do harm."""

COLUMNS: Final = (
    "unit", "attribute", "group", "metric", "value", "low", "high", "patients", "others", "p", "p_corrected",
)  # fmt: skip

DRAWS: Final = 500
"""Of the bootstrap: enough for a standard error, which is all that an interval takes from it."""

Member = tuple[str, str]
"""An attribute and the name of a group."""


def subgroups(
    tables: Mapping[str, pd.DataFrame], of_patient: pd.DataFrame, draws: int = DRAWS, seed: int = 0
) -> pd.DataFrame:
    """Return recall, specificity and AUC of each group of patients, beside those of all others.

    Parameters
    ----------
    tables
        Prediction tables of what was tested, by what their rows are: `slice`, `study`.
    of_patient
        A row a patient, a column an attribute: the patient's group; "" where it is not known.
    draws, seed
        Of the bootstrap; the seed is that of the permutations, too.

    Returns
    -------
    DataFrame
        `COLUMNS`, a row a unit, attribute, group and metric. `value` with its 95% interval `low`, `high`
        (see `hemo.evaluation.intervals`); `patients`: tested ones of the group; `others`: the metric of all
        other patients; `p`: of a difference as large where groups mean nothing, NaN for AUCs and where the
        group or all others do not carry the metric; `p_corrected`: for all comparisons of the table.

    Notes
    -----
    Patients are permuted, with all that was decided of them, against the groups: were these of no account,
    any patients might as well be their members. So slices of a patient stay together, and p is right for
    groups of few patients. The correction is of the same permutations: the share in which any comparison has
    as small a p (the single-step minP of Westfall and Young, "Resampling-based multiple testing", 1993),
    among slices and among studies, times two where there are both (Bonferroni). It knows what Holm's does
    not: that manufacturers, models and kernels say nearly the same.

    Examples
    --------
    >>> table = pd.DataFrame({
    ...     "slice_id": [f"s{row:02}" for row in range(40)], "patient": [f"p{row:02}" for row in range(40)],
    ...     "truth": 1, "probability": [0.2] * 10 + [0.8] * 30, "threshold": 0.5,
    ... })
    >>> scanner = pd.DataFrame({"model": ["old"] * 10 + ["new"] * 30}, index=table["patient"])
    >>> found = subgroups({"slice": table}, scanner)
    >>> found.loc[found["metric"] == "recall", ["group", "value", "others", "p_corrected"]]
      group  value  others  p_corrected
    0   new    1.0     0.0       0.0002
    3   old    0.0     1.0       0.0002
    """
    tables = {unit: predictions.with_deals(table) for unit, table in tables.items()}
    tested = sorted(set().union(*(table["patient"] for table in tables.values())))
    members = dict(_members(of_patient.reindex(tested).fillna("")))
    p, corrected = _p_values(tables, tested, members, seed)
    rows = []
    for number, (unit, table) in enumerate(tables.items()):
        for place, ((attribute, group), inside) in enumerate(members.items()):
            own = table["patient"].isin(inside.index[inside])
            if (patients := table.loc[own, "patient"].nunique()) < FEWEST:  # labelled by study alone
                continue
            found = intervals.bootstrap(table[own], draws, seed, METRICS).set_index("metric")
            others = intervals.bootstrap(table[~own], 1, seed, METRICS).set_index("metric")["value"]
            for metric in METRICS:
                ps = [np.nan, np.nan]
                if metric in TESTED:
                    at = (place, number * len(TESTED) + list(TESTED).index(metric))
                    ps = [float(p[at]), float(corrected[at])]
                bounds = found.loc[metric, ["value", "low", "high"]].to_numpy(float)
                rows.append((unit, attribute, group, metric, *bounds, patients, others[metric], *ps))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _members(of_patient: pd.DataFrame) -> Iterator[tuple[Member, pd.Series]]:
    """Yield attribute and name of each group of enough patients, with who is in it."""
    for attribute in of_patient:
        for group in sorted(set(of_patient[attribute]) - {""}):
            inside = of_patient[attribute] == group
            if FEWEST <= inside.sum() <= len(inside) - FEWEST:
                yield (str(attribute), group), inside


def _p_values(
    tables: Mapping[str, pd.DataFrame], patients: list[str], members: Mapping[Member, pd.Series], seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return p of each group and comparison, and corrected, (groups, units times `TESTED`)."""
    from scipy.stats import rankdata

    right, count = (np.zeros((len(patients), len(tables) * len(TESTED))) for _ in range(2))
    for number, table in enumerate(tables.values()):
        correct = (table["probability"] >= table["threshold"]) == (table["truth"] == 1)
        code = pd.Index(patients).get_indexer(pd.Index(table["patient"]))
        for place, truth in enumerate(TESTED.values()):
            of, column = (table["truth"] == truth).to_numpy(), number * len(TESTED) + place
            right[:, column] = np.bincount(code[of], correct[of], len(patients))
            count[:, column] = np.bincount(code[of], minlength=len(patients))
    inside = np.array([member.to_numpy() for member in members.values()], float).reshape(-1, len(patients))
    random = np.random.default_rng(seed)
    drawn = [_apart(inside, right, count)]
    for _ in range(PERMUTATIONS if len(inside) else 0):
        order = random.permutation(len(patients))
        drawn.append(_apart(inside, right[order], count[order]))
    apart = np.stack(drawn)
    # What a permutation leaves undefined is as good as no difference.
    ranks = rankdata(-np.round(np.nan_to_num(apart), 9), method="max", axis=0) / len(apart)
    known = np.isfinite(apart[0])
    p = np.where(known, ranks[0], np.nan)
    corrected = np.full_like(p, np.nan)
    for number in range(len(tables)):
        own = slice(number * len(TESTED), (number + 1) * len(TESTED))
        least = ranks[:, :, own].min(axis=(1, 2), where=known[:, own], initial=1.0)
        shares = np.searchsorted(np.sort(least), p[:, own], side="right") / len(least)
        corrected[:, own] = np.where(known[:, own], np.minimum(1, shares * len(tables)), np.nan)
    return p, corrected


def _apart(
    inside: NDArray[np.float64], right: NDArray[np.float64], count: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return how far the share that is right in each group is from that of all others."""
    own_right, own = inside @ right, inside @ count
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.abs(own_right / own - (right.sum(0) - own_right) / (count.sum(0) - own))
