"""From the numbers a scanner stored to Hounsfield units, and whether they can be a head's."""

import math
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from hemo.imaging.raw import AIR, Excluded

WRAP: Final = 4096
"""One turn of 12-bit numbers."""

WRAPPED: Final = 3096
"""Where -1000 HU lands when 12-bit numbers wrap."""


@dataclass(frozen=True)
class Scale:
    """How stored numbers relate to HU.

    Attributes
    ----------
    slope, intercept
        HU = stored x slope + intercept (DICOM PS3.3 C.11.1.1.2).
    padding
        Lowest and highest stored number that stands for no measurement, or None.
    unsigned12
        Whether the numbers are 12-bit unsigned, and so may have wrapped.
    """

    slope: float
    intercept: float
    padding: tuple[float, float] | None = None
    unsigned12: bool = False


def _wrapped(stored: NDArray[Any], scale: Scale) -> bool:
    """Tell whether negative HU wrapped round to the top of the 12 bits.

    Seen in the RSNA data with intercepts of 0 and about -1024. With the first, nothing but wrapped air
    reaches 3,096; with the second metal may, but never in a twentieth of a slice.
    """
    coarse = stored[::4, ::4]
    if scale.intercept > -100:
        return bool(coarse.max() >= WRAPPED)
    return bool(np.mean(coarse >= WRAPPED) > 0.05)


def plain_offset(stored: NDArray[Any], scale: Scale) -> int | None:
    """Return what stored numbers lack to be HU; None where the way there is more than a sum.

    None too where they are HU already, which want flooring at `AIR`, or of a type that could not hold it.
    """
    if stored.dtype.type not in (np.int16, np.uint16) or scale.slope != 1:
        return None
    offset = scale.intercept
    if not (offset.is_integer() and -30_000 < offset <= (-1 if stored.dtype == np.int16 else AIR)):
        return None
    if scale.padding is not None and scale.padding[1] + offset > AIR:
        return None
    return None if scale.unsigned12 and _wrapped(stored, scale) else int(offset)


def to_hu(stored: NDArray[Any], scale: Scale) -> NDArray[Any]:
    """Return HU floored at `AIR`: int16 where they are whole numbers, else float32."""
    slope, intercept = scale.slope, scale.intercept
    padded = None
    if scale.padding is not None and scale.padding[1] * slope + intercept > AIR:
        padded = (stored >= scale.padding[0]) & (stored <= scale.padding[1])
    if scale.unsigned12 and _wrapped(stored, scale):
        stored = (stored.astype(np.int16) + np.int16(1000)) % np.int16(WRAP)
        slope, intercept = 1.0, -1000.0
    whole = slope == 1 and float(intercept).is_integer() and abs(intercept) < 30_000
    if whole and stored.dtype in (np.int16, np.uint16) and intercept <= 0:
        # Clipping before the sum keeps both in 16 bits; np.clip is five times faster than np.maximum there.
        lowest = min(max(AIR - int(intercept), -32_768 if stored.dtype == np.int16 else 0), 32_767)
        hu: NDArray[Any] = np.clip(stored, stored.dtype.type(lowest), stored.dtype.type(32_767)).view(
            np.int16
        )
        if intercept:
            hu += np.int16(intercept)
    elif whole and stored.dtype.kind in "iu":
        hu = np.clip(stored.astype(np.int64) + int(intercept), AIR, 32_767).astype(np.int16)
    else:
        hu = np.maximum(
            stored.astype(np.float32) * np.float32(slope) + np.float32(intercept), np.float32(AIR)
        )
    if padded is not None:
        hu[padded] = AIR
    return hu


def _ends(pixels: NDArray[Any], offset: int) -> tuple[float, float]:
    if pixels.dtype.kind == "f":
        low, high = float(pixels.min()), float(pixels.max())
    else:  # in half the time, but blind to NaN
        low, high, _, _ = cv2.minMaxLoc(pixels)
    if offset:  # as `to_hu` would give them
        low, high = (min(max(end + offset, AIR), 32_767 + offset) for end in (low, high))
    return low, high


def check_hu(pixels: NDArray[Any], offset: int = 0) -> None:
    """Raise `Excluded` where `pixels + offset` cannot be the HU of a head."""
    low, high = _ends(pixels if pixels.dtype.kind == "f" else pixels[4::8, 4::8], offset)
    if low == high or not (low <= -200 <= high <= 20_000):
        low, high = _ends(pixels, offset)  # a few thousand pixels settle it for good slices only
    if math.isnan(low) or math.isinf(low) or math.isinf(high):
        raise Excluded("pixels that are no numbers (NaN or infinite)")
    if low == high:
        raise Excluded(f"constant image: every pixel is {low:g} HU")
    if high > 31_743:
        raise Excluded(f"implausible HU: up to {high:g}, beyond any metal")
    if low > -200:
        raise Excluded(f"implausible HU: nothing below {low:g}, so no air around a head")
    if high < -200:
        raise Excluded(f"no tissue: nothing above {high:g} HU")
