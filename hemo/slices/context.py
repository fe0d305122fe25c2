"""What is around a slice: its study, its neighbours in the order of positions, its other labels."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hemo.labels import LABELS


def study_numbers(index: pd.DataFrame, rows: NDArray[np.integer]) -> NDArray[np.intp]:
    """Return the study of some rows of a store's index as a number, (n,).

    Examples
    --------
    >>> index = pd.DataFrame({"study": ["a", "a", "b"]})
    >>> study_numbers(index, np.array([0, 2])).tolist()
    [0, 1]
    """
    return pd.factorize(index["study"])[0][rows]


def label_table(index: pd.DataFrame, rows: NDArray[np.integer]) -> NDArray[np.int8]:
    """Return all labels of some rows of a store's index, (n, 6) in the order of `LABELS`; -1: unknown."""
    return index[list(LABELS)].to_numpy(np.int8)[rows]


def whole_studies(index: pd.DataFrame, at_most: int) -> Iterator[NDArray[np.intp]]:
    """Yield the rows of a store's index in order, whole studies at a time.

    Parameters
    ----------
    index
        A study's slices follow each other.
    at_most
        Rows at a time; a study that has more comes by itself.

    Examples
    --------
    >>> index = pd.DataFrame({"study": list("aabbbc")})
    >>> [rows.tolist() for rows in whole_studies(index, at_most=3)]
    [[0, 1], [2, 3, 4], [5]]
    """
    rows = np.arange(len(index))
    code = study_numbers(index, rows)
    borders = np.r_[np.flatnonzero(np.r_[True, code[1:] != code[:-1]])[: len(index)], len(index)]
    start = 0
    for border, following in pairwise(borders):
        if following - start > at_most and border > start:
            yield rows[start:border]
            start = border
    if start < len(index):
        yield rows[start:]


def neighbour_rows(index: pd.DataFrame, rows: NDArray[np.integer], reach: int) -> NDArray[np.intp]:
    """Return the rows around some rows, from the lowest neighbour to the highest.

    At the ends of a study the last slice stands in for those beyond it.

    Parameters
    ----------
    index
        A store's index: a study's slices follow each other in the order of their positions.
    rows
        Row numbers, (n,).
    reach
        Neighbours on each side.

    Returns
    -------
    array
        Row numbers, intp (n, 2 reach + 1); the middle column is `rows`.

    Examples
    --------
    >>> index = pd.DataFrame({"study": ["a", "a", "a", "b"]})
    >>> neighbour_rows(index, np.array([0, 1, 3]), reach=1).tolist()
    [[0, 0, 1], [0, 1, 2], [3, 3, 3]]
    """
    code = pd.factorize(index["study"])[0]
    starts = np.flatnonzero(np.r_[True, code[1:] != code[:-1]])
    ends = np.r_[starts[1:], len(code)] - 1
    run = np.searchsorted(starts, rows, side="right") - 1
    around = np.asarray(rows)[:, None] + np.arange(-reach, reach + 1)
    return np.clip(around, starts[run][:, None], ends[run][:, None]).astype(np.intp)
