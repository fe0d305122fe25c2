"""From the numbers a scanner stored to Hounsfield units, and whether they can be a head's."""

import math
from typing import Any, Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from hemo.imaging.plausible import BRAIN, refuse_implausible
from hemo.imaging.raw import AIR, Excluded

WRAP: Final = 4096
"""One turn of 12-bit numbers."""

WRAPPED: Final = 3072
"""Where -1024 HU lands when 12-bit numbers wrap: they hold -1024 to 3071."""

BELOW_AIR: Final = -1100
"""HU below any air: what is there was not measured."""


class Scale(NamedTuple):
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
    reaches 3,072. With the second metal may, and what lies outside a round field of view: there the middle
    of the slice decides, where brain is 35 if numbers wrapped, and 1,059 if they did not. Padding says
    nothing. Numbers that a slope multiplies are no HU, and never wrapped.
    """
    if scale.slope != 1:
        return False
    coarse = stored[::4, ::4]
    high = coarse >= WRAPPED
    if scale.padding is not None:
        high &= (coarse < scale.padding[0]) | (coarse > scale.padding[1])
    if scale.intercept > -100:
        return bool(high.any())
    if high.mean() <= 0.05:
        return False
    rows, columns = coarse.shape
    middle = coarse[rows // 4 : -(rows // 4) or None, columns // 4 : -(columns // 4) or None]
    return bool(np.median(middle) < BRAIN)


def _in_16_bits(stored: NDArray[Any], scale: Scale) -> NDArray[Any]:
    """Return unsigned numbers beyond 32,767 as what they are: negative ones that lost their sign, or large.

    Signed numbers of 16 bits that are read as unsigned ones wrap: -1000 becomes 64,536.
    """
    if stored.dtype != np.uint16 or int(stored.max()) <= 32_767:
        return stored
    signed = stored.view(np.int16)
    return signed if signed.min() >= -WRAP else stored.astype(np.int32)


def scaled(stored: NDArray[Any], scale: Scale, reduced: bool) -> tuple[NDArray[Any], int]:
    """Return pixels, and the offset that they lack to be HU: 0 unless read for a reduction alone."""
    stored = _in_16_bits(stored, scale)
    offset = plain_offset(stored, scale) if reduced else None
    return (to_hu(stored, scale), 0) if offset is None else (stored, offset)


def _measured(stored: NDArray[Any], scale: Scale) -> NDArray[Any]:
    """Return the HU, flat, of what was measured: without padding, and what lies below any air."""
    if scale.padding is not None:
        stored = stored[(stored < scale.padding[0]) | (stored > scale.padding[1])]
    hu = stored.astype(np.float32) * np.float32(scale.slope) + np.float32(scale.intercept)
    return hu[hu >= BELOW_AIR]


def reaches_air(stored: NDArray[Any], padding: tuple[float, float] | None) -> bool:
    """Tell whether numbers without a scale are HU by the air that they show.

    One number alone is no air, whatever it is: scanners fill what they do not measure with one.
    """
    hu = _measured(stored, Scale(1.0, 0.0, padding))
    air = hu[hu <= -900]
    return bool(air.size > 0.005 * stored.size and air.min() < air.max())


def refuse_without_air(stored: NDArray[Any], scale: Scale) -> None:
    """Raise `Excluded` where nothing but padding is as low as air, so that the scale cannot be right.

    Where the lowest number there can be is air, as with an intercept of -1024, `check_hu` sees enough.
    """
    if scale.intercept <= -900 or (scale.padding is None and stored.min() >= BELOW_AIR):
        return
    low = _measured(_in_16_bits(stored, scale), scale).min(initial=np.inf)
    if low > -200:
        raise Excluded(f"implausible HU: nothing but padding below {low:g}, so no air around a head")


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
        negative = stored.view(np.int16) < 0  # padding, of which nothing wrapped
        stored = (stored.astype(np.int16) - np.int16(AIR)) % np.int16(WRAP)
        stored[negative] = 0
        slope, intercept = 1.0, float(AIR)
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
    if pixels.dtype.type not in (np.int16, np.uint16):
        low, high = float(pixels.min()), float(pixels.max())
    else:  # in half the time, but blind to NaN
        low, high, _, _ = cv2.minMaxLoc(pixels)
    if offset:  # as `to_hu` would give them
        most = 32_767 + offset
        low, high = min(max(low + offset, AIR), most), min(max(high + offset, AIR), most)
    return low, high


def check_hu(pixels: NDArray[Any], offset: int = 0) -> None:
    """Raise `Excluded` where `pixels + offset` cannot be the HU of a head."""
    sample = np.ascontiguousarray(pixels[4::8, 4::8])
    if pixels.dtype.kind == "f" or not sample.size:
        sample = pixels
    low, high = _ends(sample, offset)
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
    refuse_implausible(pixels, sample, offset)
