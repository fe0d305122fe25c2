"""The prediction table: what every run writes and everything after it reads."""

from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hemo.errors import HemoError
from hemo.whole import replacing

COLUMNS: Final = {
    "slice_id": "str",
    "patient": "str",
    "study": "str",
    "part": "str",
    "fold": "int16",
    "repeat": "int16",
    "truth": "int8",
    "probability": "float64",
    "threshold": "float64",
    "negative_below": "float64",
}
"""Columns of a prediction table, in order, with their dtypes.

One row a slice; where patients were dealt to folds several times, one row a slice and deal, and metrics are
means over the deals (see `deals`). `part` is "validation" or "test" (out-of-fold rows are "test"); `fold` is
-1 for a holdout; `repeat` is the deal, from 0, also where a table does not name it, as those of earlier runs;
`truth` is 0 or 1; `threshold` is the operating point applied to that row, fitted without that row's
patient: the decision is `probability >= threshold`. Under triage the answer is negative below
`negative_below` only, and unsure between the two; else they are equal, as they are where a table lacks the
column.
"""

PARTS: Final = ("validation", "test")


def validate(table: pd.DataFrame, source: str = "prediction table") -> pd.DataFrame:
    """Check a prediction table and return it with the columns and dtypes of `COLUMNS`.

    Parameters
    ----------
    table
        One row a slice and deal.
    source
        What an error names: the file or the run.

    Returns
    -------
    DataFrame
        The rows in the order given, the columns in the order of `COLUMNS`, others dropped, a fresh index.

    Raises
    ------
    HemoError
        If a column is missing, a value cannot be what it should, a slice appears twice in a part, deals are
        not of the same slices, or a patient is in two parts or folds of one: then some metric would be the
        metric of a leak.
    """
    table = with_deals(table)
    if "negative_below" not in table.columns and "threshold" in table.columns:
        table = table.assign(negative_below=table["threshold"])
    missing = [name for name in COLUMNS if name not in table.columns]
    if missing:
        raise HemoError(
            f"{source}: no column {', '.join(missing)}: a prediction table has {', '.join(COLUMNS)}"
        )
    table = table[list(COLUMNS)].reset_index(drop=True)
    empty = [name for name in COLUMNS if table[name].isna().any()]
    if empty:
        raise HemoError(f"{source}: empty values in {', '.join(empty)}: every slice needs all of them")
    try:
        table = table.astype(COLUMNS)
    except (TypeError, ValueError, OverflowError) as fault:
        raise HemoError(f"{source}: {fault}: columns should have the types {COLUMNS}") from fault
    checks = {
        "truth": table["truth"].isin([0, 1]),
        "probability": table["probability"].between(0, 1),
        "part": table["part"].isin(PARTS),
        "threshold": np.isfinite(table["threshold"]),
        "negative_below": table["negative_below"] <= table["threshold"],
    }
    wanted = {
        "truth": "0 or 1",
        "probability": "between 0 and 1",
        "part": " or ".join(PARTS),
        "threshold": "a finite number",
        "negative_below": "at most the threshold",
    }
    for name, good in checks.items():
        if not good.all():
            first = table.loc[~good, name].iloc[0]
            raise HemoError(
                f"{source}: {name} {first!r} in {int((~good).sum())} rows: should be {wanted[name]}"
            )
    repeated = table.duplicated(["slice_id", "repeat"])
    if repeated.any():
        raise HemoError(
            f"{source}: slice {table.loc[repeated, 'slice_id'].iloc[0]} twice: predict each slice once"
        )
    repeats = table["repeat"].nunique()
    if repeats > 1 and table.value_counts(["slice_id", "patient", "truth"], sort=False).ne(repeats).any():
        raise HemoError(f"{source}: deals of different slices, patients or truths: predict all in each deal")
    places = table[["patient", "repeat", "part", "fold"]].drop_duplicates()[["patient", "repeat"]]
    if places.duplicated().any():
        count = places.loc[places.duplicated(), "patient"].nunique()
        raise HemoError(f"{source}: {count} patients in more than one part or fold: split by patient")
    return table


def write(table: pd.DataFrame, path: Path) -> None:
    """Validate a prediction table and write it as Parquet; equal tables give equal bytes."""
    table = validate(table, path.name)
    with replacing(path) as partial:
        table.to_parquet(partial, index=False, compression="zstd")


def read(path: Path) -> pd.DataFrame:
    """Read and validate a prediction table.

    Raises
    ------
    HemoError
        If the file is missing, is not Parquet, or does not hold a prediction table.
    """
    try:
        table = pd.read_parquet(path)
    except FileNotFoundError as fault:
        raise HemoError(f"{path}: no such prediction table: give the file that a run wrote") from fault
    except Exception as fault:  # Arrow and pandas raise whatever they like
        raise HemoError(f"{path}: not a Parquet file: give the prediction table that a run wrote") from fault
    return validate(table, path.name)


def unsure(table: pd.DataFrame) -> NDArray[np.bool_]:
    """Return which rows are unsure: neither positive nor, under triage, below what is negative, (n,)."""
    if "negative_below" not in table:
        return np.zeros(len(table), bool)
    return table["probability"].ge(table["negative_below"]).to_numpy() & table["probability"].lt(
        table["threshold"]
    )


def sort(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows by slice id, so that no metric depends on the order of rows or names of patients."""
    keys = [name for name in ("slice_id", "repeat") if name in table]
    return table.sort_values(keys, ignore_index=True)


def with_deals(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table with the column `repeat`, 0 where it has none, as those of earlier runs."""
    return table if "repeat" in table else table.assign(repeat=np.int16(0))


def deals(table: pd.DataFrame) -> list[pd.DataFrame]:
    """Return the table of each deal, sorted by slice id: row by row they are of the same slices.

    A metric is computed in each and averaged. The mean of a slice's probabilities would be that of an
    ensemble, which ranks better than any of its classifiers, and than the one that is kept.
    """
    return [sort(part) for _, part in with_deals(table).groupby("repeat")] or [table]


def once(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the first deal: each slice once."""
    table = with_deals(table)
    return table[table["repeat"] == table["repeat"].min()]


def study_table(table: pd.DataFrame, how: str = "max") -> pd.DataFrame:
    """Return the prediction table of studies: one row a study, called by the first of its slices' ids.

    By a slice's, since studies are pseudonyms: nothing that follows from the order of rows, as the draws of
    an interval do, shall depend on a key.

    Parameters
    ----------
    table
        A prediction table of slices.
    how
        How a study's probability comes from its slices: "max" (with the slices' threshold, a study is called
        positive as soon as any slice is) or "mean".

    Returns
    -------
    DataFrame
        A prediction table, a row a study and deal; `truth` is 1 where any slice is positive. The threshold is
        the largest of its slices' (they are equal within a fold). It was fitted for slices: to choose one for
        studies, cross-fit it on this table.

    Raises
    ------
    HemoError
        If `how` is unknown.

    Examples
    --------
    >>> slices = pd.DataFrame({
    ...     "slice_id": ["a", "b", "c"],
    ...     "patient": "p",
    ...     "study": ["s", "s", "t"],
    ...     "part": "test",
    ...     "fold": -1,
    ...     "truth": [0, 1, 0],
    ...     "probability": [0.2, 0.9, 0.3],
    ...     "threshold": 0.5,
    ... })
    >>> study_table(slices)[["slice_id", "study", "truth", "probability"]]
      slice_id study  truth  probability
    0        a     s      1          0.9
    1        c     t      0          0.3
    """
    if how not in ("max", "mean"):
        raise HemoError(f"{how}: unknown aggregation of slices to studies: max or mean")
    undecided = {"negative_below": ("negative_below", "max")} if "negative_below" in table else {}
    studies = (
        with_deals(table)
        .groupby(["repeat", "study"], sort=True)
        .agg(
            slice_id=("slice_id", "min"),
            patient=("patient", "first"),
            part=("part", "first"),
            fold=("fold", "first"),
            truth=("truth", "max"),
            probability=("probability", how),
            threshold=("threshold", "max"),
            **undecided,
        )
    )
    return validate(studies.reset_index(), "study table")


def worst_errors(table: pd.DataFrame, count: int = 6) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows of the worst false negatives and of the worst false positives.

    Parameters
    ----------
    table
        A prediction table.
    count
        At most so many of each.

    Returns
    -------
    false_negatives, false_positives
        Positions in the table, farthest from the threshold first; each patient's worst slice comes before any
        second one, so that one patient does not fill the gallery. Of several deals, a slice's worst.
    """
    margin = (table["probability"] - table["threshold"]).to_numpy()
    truth = table["truth"].to_numpy() == 1
    results = []
    for wrong, badness in ((truth & (margin < 0), -margin), (~truth & (margin >= 0), margin)):
        rows = table.assign(position=np.arange(len(table)), badness=badness)[wrong]
        rows = rows.sort_values(["badness", "slice_id"], ascending=[False, True]).drop_duplicates("slice_id")
        rows = rows.assign(of_patient=rows.groupby("patient").cumcount())
        results.append(rows.sort_values("of_patient", kind="stable")["position"].to_numpy(np.int64)[:count])
    return results[0], results[1]
