"""Neighbouring slices of a study, in the order of their positions."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray


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
    Row numbers, (n, 2 reach + 1); the middle column is `rows`.
    """
    code = pd.factorize(index["study"])[0]
    starts = np.flatnonzero(np.r_[True, code[1:] != code[:-1]])
    ends = np.r_[starts[1:], len(code)] - 1
    run = np.searchsorted(starts, rows, side="right") - 1
    around = np.asarray(rows)[:, None] + np.arange(-reach, reach + 1)
    return np.clip(around, starts[run][:, None], ends[run][:, None]).astype(np.intp)
