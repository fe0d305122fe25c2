"""Area resampling: each target pixel is the mean over its area of the image."""

from functools import lru_cache
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

BLOCK: Final = 8
"""Target rows that one small product of matrices makes."""


def shrink(values: NDArray[Any], size: int) -> NDArray[Any]:
    """Return the mean over each target pixel's area.

    Squares of 2x2 are averaged first where there are enough, in half the time or less: the same mean where
    the factor is even, else one that shares out the pixels at the borders by twos.

    Parameters
    ----------
    values
        A square image, (side, side). Less than `size` is interpolated linearly.

    Returns
    -------
    (size, size), of the type of `values` or float32.
    """
    side = values.shape[0]
    if side % 2 == 0 and side >= 2 * size:
        side //= 2
        values = cv2.resize(values, (side, side), interpolation=cv2.INTER_AREA)
    if side > size and side % size:
        return _mean_rows(_mean_rows(values.astype(np.float32), size).T, size).T
    return cv2.resize(values, (size, size), interpolation=cv2.INTER_AREA)


def _mean_rows(values: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    """Return the mean over `size` equal shares of the rows; twice as fast as OpenCV's for broken factors."""
    rows, weights = _bands(len(values), size)
    return (weights @ values[rows]).reshape(-1, values.shape[1])[:size]


@lru_cache(maxsize=512)
def _bands(side: int, size: int) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Return the rows that each block of target rows covers, and each row's share in each target row.

    Returns
    -------
    (blocks, n) and (blocks, BLOCK, n).
    """
    factor = side / size
    edges = np.arange(size + 1) * factor
    row = np.arange(side)
    overlap = np.minimum(edges[1:, None], row + 1) - np.maximum(edges[:-1, None], row)
    shares = np.zeros((-(-size // BLOCK) * BLOCK, side), np.float32)
    shares[:size] = np.maximum(overlap, 0) / factor
    count = min(int(BLOCK * factor) + 2, side)
    starts = np.minimum((np.arange(0, size, BLOCK) * factor).astype(np.intp), side - count)
    rows = starts[:, None] + np.arange(count)
    return rows, np.take_along_axis(shares.reshape(len(rows), BLOCK, side), rows[:, None], axis=2)
