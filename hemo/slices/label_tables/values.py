"""Values of label tables: 0, 1 or nothing, merged where a slice has several rows."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from hemo.errors import HemoError
from hemo.labels import UNLABELLED, LabelTable
from hemo.slices.label_tables.columns import NORMAL, spelled

MISSING: Final = frozenset({"", "nan", "na", "n/a", "null", "none"})
"""Texts, in small letters, that say nothing."""

_ROUNDED: Final = re.compile(r"[0-9][.,][0-9]+E\+[0-9]+", re.IGNORECASE)
"""A long number as a spreadsheet shows it: its last digits are lost."""


def binary(path: Path, column: pa.ChunkedArray, name: str) -> NDArray[np.int8]:
    """Return 0, 1 and, for what is missing, -1; refuse all else."""
    if pa.types.is_floating(column.type):
        numbers = column.to_numpy()
    else:
        text = column.to_pandas().fillna("").astype(object).str.strip().str.lower()
        text = text.where(~text.isin(MISSING), "").replace({"true": "1", "false": "0"})
        text = text.str.replace(",", ".")  # a decimal comma, where semicolons part the columns
        numbers = pd.to_numeric(text, errors="coerce").to_numpy(np.float32)
        numbers = np.where(np.isnan(numbers) & (text != "").to_numpy(), np.inf, numbers)
    missing = np.isnan(numbers)
    wrong = np.flatnonzero(~missing & (numbers != 0) & (numbers != 1))
    if len(wrong):
        row = int(wrong[0])
        value = str(column[row]).removesuffix(".0")
        raise HemoError(f"{path}: {name} is {value} in row {row + 2}: use 0 or 1, or leave it empty")
    return np.where(missing, UNLABELLED, numbers).astype(np.int8)


def texts(path: Path, table: pa.Table, name: str) -> list[str]:
    """Return the texts of a column that must not be empty."""
    values = [(value or "").strip() for value in table.column(name).to_pylist()]
    for row, value in enumerate(values):
        if not value:
            raise HemoError(f"{path}: {name} is empty in row {row + 2}: fill it or remove the row")
        if _ROUNDED.fullmatch(value):
            raise HemoError(
                f"{path}: {name} is {value} in row {row + 2}: a spreadsheet has rounded it; export the table "
                "anew with that column as text"
            )
    return values


def merged(
    path: Path, cells: NDArray[np.int64], values: NDArray[np.int8], count: int, name: Callable[[int], str]
) -> tuple[NDArray[np.int8], int]:
    """Return the value of each of `count` cells and how many rows repeated one; refuse conflicts."""
    result = np.full(count, UNLABELLED, np.int8)
    result[cells[::-1]] = values[::-1]  # of several rows the first stays
    conflict = result[cells] != values
    if conflict.any():
        first = name(int(np.flatnonzero(conflict)[0]))
        raise HemoError(
            f"{path}: {int(conflict.sum())} rows contradict an earlier one, the first {first}: "
            "remove the wrong ones"
        )
    seen = np.zeros(count, bool)
    seen[cells] = True
    return result, len(cells) - int(seen.sum())


def with_opposites(
    path: Path,
    ids: Sequence[str] | NDArray[np.object_],
    values: NDArray[np.int8],
    opposites: NDArray[np.int8],
    names: Sequence[str],
) -> NDArray[np.int8]:
    """Return labels with what columns such as No_Hemorrhage say of them; refuse contradictions.

    Parameters
    ----------
    ids
        What each row is of.
    values
        The labels, int8 (n, labels).
    opposites, names
        What the columns say, int8 (n, columns), and what they are called (see `columns.opposites`).
    """
    values = values.copy()
    some, none = (values == 1).any(axis=1), (values[:, 1:] == 0).all(axis=1) | (values[:, 0] == 0)
    for said, name in zip(opposites.T, names, strict=True):
        bleeds = (said == 0) & (spelled(name) not in NORMAL)
        wrong = ((said == 1) & some) | (bleeds & none)
        if wrong.any():
            raise HemoError(
                f"{path}: {name} contradicts the other labels in {int(wrong.sum())} rows, the first "
                f"{ids[int(np.flatnonzero(wrong)[0])]}: it is 1 exactly where there is no hemorrhage"
            )
        values[said == 1] = 0
        values[bleeds, 0] = 1
        some, none = some | bleeds, none | (said == 1)
    return values


def with_any(path: Path, table: LabelTable) -> LabelTable:
    """Fill `any` in from its subtypes where the table leaves it out, and check it where it does not."""
    given, subtypes = table.values[:, 0], table.values[:, 1:]
    some, none = (subtypes == 1).any(axis=1), (subtypes == 0).all(axis=1)
    wrong = ((given == 0) & some) | ((given == 1) & none)
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        rows = "studies" if table.of_studies else "slices"
        raise HemoError(
            f"{path}: any contradicts its subtypes for {int(wrong.sum())} {rows}, the first "
            f"{table.ids[row]}: any is 1 exactly where one of them is"
        )
    derived = np.where(some, 1, np.where(none, 0, UNLABELLED))
    values = table.values.copy()
    values[:, 0] = np.where(given == UNLABELLED, derived, given)
    return replace(table, values=values)
