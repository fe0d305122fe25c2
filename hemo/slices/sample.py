"""Which slices a classifier of one label learns from."""

import numpy as np
from numpy.typing import NDArray

from hemo.slices.split import Rows


def balanced(
    rows: Rows,
    y: NDArray[np.integer],
    any_hemorrhage: NDArray[np.integer],
    rng: np.random.Generator,
    most: int | None = None,
) -> Rows:
    """Draw as many negatives as there are positives: half with another hemorrhage, half with none.

    Where one kind of negative is short, the other fills up; where negatives are short altogether, as many
    positives are drawn as there are negatives.

    Parameters
    ----------
    rows : intp array (n,)
        Candidate rows of a store.
    y : integer array (m,)
        The label of every row of the store: 1, 0, or -1 where it is not known.
    any_hemorrhage : integer array (m,)
        The label `any` of every row of the store.
    rng : Generator
        Draws the slices.
    most : int, optional
        Draw no more positives than this.

    Returns
    -------
    intp array
        Chosen rows, in rising order; every row at most once.

    Examples
    --------
    >>> y, any_hemorrhage = np.array([1, 0, 0, 0, 0, -1]), np.array([1, 1, 0, 0, 0, 0])
    >>> rows = balanced(np.arange(6), y, any_hemorrhage, np.random.default_rng(0))
    >>> y[rows].tolist()
    [1, 0]
    """
    positive = rows[y[rows] == 1]
    negative = rows[y[rows] == 0]
    other = negative[any_hemorrhage[negative] == 1]
    none = negative[any_hemorrhage[negative] != 1]
    size = min(len(positive), len(negative), len(positive) if most is None else most)
    from_other = min(len(other), size // 2)
    from_none = min(len(none), size - from_other)
    from_other = size - from_none
    chosen = [
        rng.choice(group, count, replace=False)
        for group, count in ((positive, size), (other, from_other), (none, from_none))
    ]
    return np.sort(np.concatenate(chosen))


def natural(
    rows: Rows, y: NDArray[np.integer], any_hemorrhage: NDArray[np.integer], rng: np.random.Generator
) -> Rows:
    """Keep all labelled rows, at their natural prevalence.

    Examples
    --------
    >>> y = np.array([1, 0, -1, 0])
    >>> natural(np.arange(4), y, y, np.random.default_rng(0)).tolist()
    [0, 1, 3]
    """
    return rows[y[rows] >= 0]


SAMPLINGS = {"balanced": balanced, "natural": natural}
