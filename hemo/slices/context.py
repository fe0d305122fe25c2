"""What is around a slice: its stack, its neighbours in the order of positions, its other labels."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hemo.labels import LABELS


def label_table(index: pd.DataFrame, rows: NDArray[np.integer]) -> NDArray[np.int8]:
    """Return the labels of some rows of a store's index, (n, labels) as in `LABELS`; -1 where unknown."""
    return index[list(LABELS)].to_numpy(np.int8)[rows]


def whole_stacks(stack: NDArray[np.integer], at_most: int) -> Iterator[NDArray[np.intp]]:
    """Yield the rows of a store in order, whole stacks at a time.

    Parameters
    ----------
    stack
        The stack of every slice as a number (see `SliceStore.stack`).
    at_most
        Rows at a time; a stack that has more comes by itself.

    Examples
    --------
    >>> [rows.tolist() for rows in whole_stacks(np.array([0, 0, 1, 1, 1, 2]), at_most=3)]
    [[0, 1], [2, 3, 4], [5]]
    """
    rows = np.arange(len(stack))
    borders = np.r_[np.flatnonzero(np.r_[True, stack[1:] != stack[:-1]])[: len(stack)], len(stack)]
    start = 0
    for border, following in pairwise(borders):
        if following - start > at_most and border > start:
            yield rows[start:border]
            start = border
    if start < len(stack):
        yield rows[start:]


def neighbour_rows(stack: NDArray[np.integer], rows: NDArray[np.integer], reach: int) -> NDArray[np.intp]:
    """Return the rows around some rows, from the lowest neighbour to the highest.

    At the ends of a stack the last slice stands in for those beyond it.

    Parameters
    ----------
    stack
        The stack of every slice as a number; a stack's slices follow each other in the order of their
        positions.
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
    >>> neighbour_rows(np.array([0, 0, 1]), np.array([0, 1, 2]), 1).tolist()
    [[0, 0, 1], [0, 1, 1], [2, 2, 2]]
    """
    starts = np.flatnonzero(np.r_[True, stack[1:] != stack[:-1]])
    ends = np.r_[starts[1:], len(stack)] - 1
    run = np.searchsorted(starts, rows, side="right") - 1
    around = np.asarray(rows)[:, None] + np.arange(-reach, reach + 1)
    return np.clip(around, starts[run][:, None], ends[run][:, None]).astype(np.intp)
