"""Windows: a range of HU shown as 0 to 255."""

import re
from functools import lru_cache
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from hemo.errors import HemoError
from hemo.imaging.raw import AIR

GRAY: Final = "gray"
"""The name of a channel that is taken as it comes, already windowed by whoever made the image."""

WINDOWS: Final[dict[str, tuple[float, float]]] = {
    "brain": (40.0, 80.0),
    "subdural": (80.0, 200.0),
    "bone": (600.0, 2800.0),
}
"""Level and width in HU, as the winners of the RSNA 2019 challenge used them."""

HALVES_UP: Final = 1e-4
"""Gray that makes OpenCV round halves up: of itself it rounds them to even."""


def window(name: str) -> tuple[float, float]:
    """Return level and width of a window by its name, or of one written as `LEVEL/WIDTH`.

    `gray`, asked of an image in HU, is the brain window: what such images usually are.

    Raises
    ------
    HemoError
        For an unknown name or a width that is not positive.

    Examples
    --------
    >>> window("subdural")
    (80.0, 200.0)
    >>> window("40/380")
    (40.0, 380.0)
    """
    if name == GRAY:
        return WINDOWS["brain"]
    if name in WINDOWS:
        return WINDOWS[name]
    match = re.fullmatch(r"(-?\d+(?:\.\d+)?)/(\d+(?:\.\d+)?)", name)
    if match is None or float(match[2]) <= 0:
        known = ", ".join([*WINDOWS, GRAY])
        raise HemoError(f"{name}: unknown window: use {known}, or LEVEL/WIDTH in HU such as 40/380")
    return float(match[1]), float(match[2])


def clipped(pixels: NDArray[Any], level: float, width: float, offset: int = 0) -> tuple[NDArray[Any], float]:
    """Return HU clipped to a window, from 0 at its lower bound, and the value at its upper bound.

    HU are `pixels + offset`; where there is an offset, what is below `AIR` counts as `AIR`. Whole HU come as
    uint16 spread over most of its range, so that averaging them loses nothing that shows; others as float32.
    """
    if steps := _whole_steps(pixels.dtype, level, width, offset):
        bottom, top, base, spread = steps
        result = pixels.clip(bottom, top).view(np.uint16)
        # Differences and products that wrap in 16 bits come out exact, since the result fits.
        if base:
            result -= base
        result *= spread
        return result, width * int(spread)
    low, high = level - width / 2, level + width / 2
    hu = pixels.astype(np.float32) + np.float32(offset)
    return np.clip(hu, max(low, AIR) if offset else low, high) - np.float32(low), width


@lru_cache
def _whole_steps(
    dtype: np.dtype[Any], level: float, width: float, offset: int
) -> tuple[Any, Any, Any, Any] | None:
    """Return how `clipped` treats whole HU of a type: lowest and highest number, what is taken off, factor.

    None where 16 bits do not do.
    """
    kind = dtype.type
    low, high = level - width / 2, level + width / 2
    if not (kind in (np.int16, np.uint16) and low.is_integer() and high.is_integer() and width <= 65_535):
        return None
    bottom = int(max(low, AIR) if offset else low) - offset
    top = min(int(high) - offset, 32_767)
    if not (-32_768 if kind is np.int16 else 0) <= bottom < top:
        return None
    spread = 65_535 // int(width)
    spread -= spread % 64 if spread >= 64 else 0  # means of 64 numbers are then exact
    base = (int(low) - offset) % 65_536
    if base * spread % 65_536 == 0:  # it wraps away by itself, as 1024 of most scans does: a pass less
        base = 0
    return kind(bottom), kind(top), np.uint16(base), np.uint16(spread)


def to_uint8(values: NDArray[Any], top: float) -> NDArray[np.uint8]:
    """Return values from 0 to `top` as 0 to 255, rounded to nearest, halves up."""
    flat = cv2.convertScaleAbs(values.reshape(1, -1), alpha=255 / top, beta=HALVES_UP)
    return np.asarray(flat, np.uint8).reshape(values.shape)


def apply_window(hu: NDArray[Any], level: float, width: float) -> NDArray[np.uint8]:
    """Show a window of HU as 0 to 255: the bounds level ± width / 2 become 0 and 255.

    Parameters
    ----------
    hu
        HU of any shape, int16 or float.
    level, width
        The window's centre and extent in HU.

    Returns
    -------
    array
        uint8, of the same shape.

    Examples
    --------
    >>> apply_window(np.array([-1000, 0, 40, 60, 80, 1000]), level=40, width=80).tolist()
    [0, 0, 128, 191, 255, 255]
    """
    return to_uint8(*clipped(hu, level, width))
