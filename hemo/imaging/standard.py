"""One look for pictures of heads, whatever window, polarity or page they come in, however they are turned.

What a picture's gray means is not in the file. But within a skull lies brain, most of which is as dense in
one head as in the next: its median and its spread say which gray is which.
"""

from typing import Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from hemo.imaging.skull import AIR, BONE, Mask, head_and_brain

WINDOW: Final = (40.0, 120.0)
"""Level and width in which HU are shown, in which brain has about `MEDIAN` and `SPREAD`."""

MEDIAN: Final = 118.0
SPREAD: Final = 12.6
"""Gray levels: the median of brain, and its robust standard deviation, smoothed. They are medians of 1,871
slices of CT-ICH, which show the window 40/120; by slice they differ by 5% and 17% (robust deviations)."""

SMOOTHED: Final = 1 / 197
"""Deviation of the Gaussian before the spread is taken, in sides of the slice: noise must not count."""

STEEPEST: Final = (0.45, 3.0)
"""Least and most by which contrast is multiplied: beyond is no window in which a brain is seen."""

BLACK: Final = 3
WHITE: Final = 250
"""Gray levels up to which a pixel is black or from which it is white, JPEG's losses included: it stays so."""

PAGE: Final = 200
"""Gray level from which a border is a page or a frame, or air where gray is inverted."""

BORDER: Final = 0.95
"""Part of a row or column that is as bright as that, where it belongs to a border."""

LEAST: Final = 0.3
"""Part of height and width that borders leave, or else they are none."""

ROUND: Final = 1.08
"""Ratio of the brain's axes below which it is too round to tell which way is up."""

FULL: Final = 0.35
"""Part of a slice that is brain above the base of the skull, where its long axis is that of the head."""

TURNED: Final = (8.0, 35.0)
"""Degrees from which a head is turned upright, and up to which its long axis is taken for the way up."""


class Look(NamedTuple):
    """What a slice looks like.

    Attributes
    ----------
    median, spread
        Of the brain's gray, in levels.
    tilt
        Degrees by which the head is turned.
    head
        What belongs to the head, and a few pixels around it, bool (size, size).
    """

    median: float
    spread: float
    tilt: float
    head: Mask


def freed(gray: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a picture without white page or frame around it, and with air black where it was white.

    Parameters
    ----------
    gray
        (height, width).

    Returns
    -------
    array
        uint8, of the same shape: what was page is black.
    """
    top, left, bottom, right = _inside(gray)
    part = gray[top:bottom, left:right]
    inverted = _is_inverted(part)
    if not inverted and part.shape == gray.shape:
        return gray
    found = np.zeros_like(gray)
    found[top:bottom, left:right] = 255 - part if inverted else part
    return found


def _inside(gray: NDArray[np.uint8]) -> tuple[int, int, int, int]:
    """Return top, left, bottom and right of what lies within a picture's white borders."""
    height, width = gray.shape
    bright = gray >= PAGE
    top, bottom = _ends(bright.mean(axis=1) >= BORDER)
    left, right = _ends(bright[top:bottom].mean(axis=0) >= BORDER) if bottom > top else (0, 0)
    if left or right < width:  # corners of a frame count once its sides are gone
        top, bottom = _ends(bright[:, left:right].mean(axis=1) >= BORDER)
    if bottom - top < LEAST * height or right - left < LEAST * width:
        return 0, 0, height, width
    return top, left, bottom, right


def _ends(border: NDArray[np.bool_]) -> tuple[int, int]:
    """Return first and last line, exclusive, between borders; 0 and 0 where all is border."""
    lines = np.flatnonzero(~border)
    return (int(lines[0]), int(lines[-1]) + 1) if len(lines) else (0, 0)


def _is_inverted(part: NDArray[np.uint8]) -> bool:
    """Tell by its corners, where air lies, whether a picture shows black as white."""
    rows, columns = max(part.shape[0] // 16, 1), max(part.shape[1] // 16, 1)
    corners = [part[:rows, :columns], part[:rows, -columns:], part[-rows:, :columns], part[-rows:, -columns:]]
    return float(np.median([np.median(corner) for corner in corners])) >= PAGE


def look(image: NDArray[np.uint8]) -> Look:
    """Return what a slice that is cut to the head looks like, uint8 (size, size).

    Where no brain is found, as in a face, it is that of what is neither black nor white in the head; where
    there is hardly anything, that of brain in `WINDOW`.
    """
    head, brain = head_and_brain(image)
    near = cv2.dilate(head.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    inner = cv2.erode(brain.astype(np.uint8), np.ones((7, 7), np.uint8)) > 0
    if inner.mean() < 0.02:
        inner = head & (image > AIR) & (image < BONE)
    if inner.sum() < 100:
        return Look(MEDIAN, SPREAD, 0.0, near)
    values = cv2.GaussianBlur(image.astype(np.float32), (0, 0), SMOOTHED * max(image.shape))[inner]
    median = float(np.median(values))
    # 1.4826 makes the median absolute deviation of a normal distribution its standard deviation.
    spread = max(1.4826 * float(np.median(np.abs(values - median))), 1.0)
    return Look(median, spread, _tilt(brain), near)


def _tilt(brain: NDArray[np.bool_]) -> float:
    """Return the degrees by which the brain's long axis is turned, 0 where it is too round to tell."""
    if brain.mean() < FULL:
        return 0.0
    rows, columns = np.nonzero(brain)
    spread, axes = np.linalg.eigh(np.cov(columns, rows))
    tilt = float(np.degrees(np.arctan2(axes[0, 1], axes[1, 1])))
    tilt = (tilt + 90) % 180 - 90
    return 0.0 if np.sqrt(spread[1] / max(spread[0], 1e-6)) < ROUND else tilt


def levels(seen: Look) -> NDArray[np.uint8]:
    """Return what each gray level becomes, uint8 (256,): brain has `MEDIAN` and `SPREAD` then.

    Examples
    --------
    >>> levels(Look(70.0, 7.56, 0.0, np.ones((8, 8), bool)))[[0, 70, 100, 255]].tolist()
    [0, 118, 168, 255]
    """
    contrast = float(np.clip(SPREAD / seen.spread, *STEEPEST))
    gray = np.arange(256, dtype=np.float64)
    found = np.clip(MEDIAN + contrast * (gray - seen.median), 0, 255)
    found[: BLACK + 1], found[WHITE:] = 0, 255
    return np.rint(found).astype(np.uint8)


def upright(image: NDArray[np.uint8], seen: Look) -> NDArray[np.uint8]:
    """Return the head alone, uint8 (size, size), turned upright where it is clearly turned.

    Text, table and holder around it are black then.
    """
    image = np.where(seen.head, image, np.uint8(0))
    if not TURNED[0] <= abs(seen.tilt) <= TURNED[1]:
        return image
    middle = ((image.shape[1] - 1) / 2, (image.shape[0] - 1) / 2)
    matrix = cv2.getRotationMatrix2D(middle, -seen.tilt, 1.0)
    return np.asarray(cv2.warpAffine(image, matrix, image.shape[::-1]), np.uint8)
