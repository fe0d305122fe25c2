"""What is around a slice: its stack, its neighbours in the order of positions, its other labels."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hemo.labels import LABELS, STUDY_LABELS, UNLABELLED


def label_table(index: pd.DataFrame, rows: NDArray[np.integer]) -> NDArray[np.int8]:
    """Return the labels of some rows of a store's index, (n, labels) as in `LABELS`; -1 where unknown."""
    return index[list(LABELS)].to_numpy(np.int8)[rows]


def study_truth(
    index: pd.DataFrame, rows: NDArray[np.integer], labels: Sequence[str] = LABELS
) -> NDArray[np.int8] | None:
    """Return what tables of studies say of the stacks of some rows, which families take for studies.

    Parameters
    ----------
    index
        A store's index.
    rows
        Row numbers, whole stacks of them.
    labels
        Which of the labels.

    Returns
    -------
    array or None
        int8 (stacks, labels), by rising stack: 0, 1, or -1 where no table says anything, or says 0 where a
        slice is labelled 1: then the slices teach. None where no table of studies was read at all.

    Examples
    --------
    >>> said = {"study_any": [1, 1, 0, 0], "any": [-1, -1, 0, 1], "stack": [0, 0, 1, 2]}
    >>> study_truth(pd.DataFrame(said), np.arange(4), ["any"]).tolist()
    [[1], [0], [-1]]
    """
    if not any(name in index for name in STUDY_LABELS):
        return None
    slices = index[list(labels)].to_numpy(np.int8)[rows]
    names = [STUDY_LABELS[LABELS.index(label)] for label in labels]
    said = index.reindex(columns=names, fill_value=UNLABELLED).to_numpy(np.int8)[rows]
    _, first, code = np.unique(index["stack"].to_numpy()[rows], return_index=True, return_inverse=True)
    shown = np.zeros((len(first), len(labels)), bool)
    np.logical_or.at(shown, code, slices == 1)
    return np.where((said[first] == 0) & shown, np.int8(UNLABELLED), said[first])


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
