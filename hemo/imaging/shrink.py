"""Area resampling: each target pixel is the mean over its area of the image."""

from functools import lru_cache
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

BLOCK: Final = 16
"""Target rows (or columns) that one small product of matrices makes."""


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
    array
        (size, size), of the type of `values` or float32.
    """
    side = values.shape[0]
    if side % 2 == 0 and side >= 2 * size:
        side //= 2
        values = cv2.resize(values, (side, side), interpolation=cv2.INTER_AREA)
    if side > size and side % size:
        return _means(values, size)
    return cv2.resize(values, (size, size), interpolation=cv2.INTER_AREA)


def _means(values: NDArray[Any], size: int) -> NDArray[np.float32]:
    """Return the mean over `size` x `size` equal shares of a square image, (size, size).

    By products of small matrices, first for the rows and then for the columns, on overlapping views of the
    image: in a third of the time that OpenCV takes for broken factors.
    """
    side = len(values)
    step, shares, turned = _shares(side, size)
    blocks, _, count = shares.shape
    whole, full = blocks * BLOCK, step * (blocks - 1) + count
    padded = np.empty((full, full), np.float32)
    padded[:side, :side] = values
    padded[side:] = padded[:side, side:] = 0  # to clear the margins alone takes a third of the time
    line, one = full * padded.itemsize, padded.itemsize
    bands = np.ndarray((blocks, count, full), np.float32, padded, 0, (step * line, line, one))
    rows = shares @ bands
    bands = np.ndarray((blocks, whole, count), np.float32, rows, 0, (step * one, line, one))
    result = np.empty((whole, blocks, BLOCK), np.float32)
    np.matmul(bands, turned, out=result.transpose(1, 0, 2))
    return result.reshape(whole, whole)[:size, :size]


@lru_cache(maxsize=512)
def _shares(side: int, size: int) -> tuple[int, NDArray[np.float32], NDArray[np.float32]]:
    """Return the share that each row of an image has in each target row, in bands that follow at equal steps.

    Returns
    -------
    The step from band to band in rows, the shares, (blocks, BLOCK target rows, rows of a band), and these
    with their last axes exchanged. The last band may reach beyond the image.
    """
    factor = side / size
    blocks = -(-size // BLOCK)
    edges = np.arange(size + 1) * factor
    row = np.arange(side)
    overlap = np.minimum(edges[1:, None], row + 1) - np.maximum(edges[:-1, None], row)
    step = int(BLOCK * factor)
    starts = step * np.arange(blocks)
    ends = np.ceil(np.append(edges[BLOCK::BLOCK], edges[-1])[:blocks]).astype(int)
    count = int((ends - starts).max())
    shares = np.zeros((blocks * BLOCK, max(side, starts[-1] + count)), np.float32)
    shares[:size, :side] = np.maximum(overlap, 0) / factor
    shares = shares.reshape(blocks, BLOCK, -1)
    bands = (starts[:, None] + np.arange(count))[:, None]
    shares = np.take_along_axis(shares, bands, axis=2)
    return step, shares, np.ascontiguousarray(shares.transpose(0, 2, 1))
