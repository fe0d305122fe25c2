"""How numbers are stored in DICOM variations: bits, signs, scales, padding, overlays."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tests.helpers.variations.kinds import Draw, Variation


def numbers(
    draw: Draw, hu: NDArray[np.int16], elements: dict[str, Any], variation: Variation, syntax: str
) -> NDArray[Any]:
    """Return stored numbers for HU, with the elements that say how they are stored."""
    bits, signed, intercept = draw.choice(
        [
            (16, 1, -1024),
            (16, 1, 0),
            (16, 0, -1024),
            (12, 0, -1024),
            (12, 1, 0),
            (13, 1, -1000),
            (15, 0, -1024),
        ]
    )
    if bits == 12:
        np.clip(hu, -1024, 2047 if signed else 3000, out=hu)
    whole = hu.astype(np.int32) - intercept
    slope = 1.0
    if bits == 16 and draw.number(0, 7) == 0:
        slope = draw.choice([2.0, 0.5])
        whole = np.round(whole / slope).astype(np.int32)
        variation.slices = [whole * slope + intercept]
    elements |= {"BitsStored": bits, "HighBit": bits - 1, "PixelRepresentation": signed}
    elements |= {"RescaleIntercept": str(intercept), "RescaleSlope": f"{slope:g}"}
    stored = whole.astype(np.int16 if signed else np.uint16)
    encoded = syntax in ("rle", "j2k", "jpegls", "lossless")
    oddity = draw.choice(["", "", "padding", "rescale", "wrapped", "bits", "overlay", "none given"])
    if encoded and oddity in ("bits", "overlay", "wrapped", "padding"):
        oddity = ""
    if oddity:
        stored = ODDITIES[oddity](draw, stored, elements, variation)
    return stored


def _padding(
    draw: Draw, stored: NDArray[Any], elements: dict[str, Any], variation: Variation
) -> NDArray[Any]:
    """Fill what lies outside a circle with a number that stands for nothing, declared or not."""
    rows, columns = stored.shape
    y, x = np.mgrid[-1 : 1 : rows * 1j, -1 : 1 : columns * 1j]
    outside = np.hypot(y, x) > 1.05
    value = draw.choice([-2000, -1500, -3024])
    stored = stored.copy()
    stored[outside] = (
        np.int16(value) if stored.dtype == np.int16 else np.array(value, np.int16).view(np.uint16)
    )
    if draw.number(0, 1):
        elements["PixelPaddingValue"] = value if stored.dtype == np.int16 else value % 65_536
    numbers = np.where(outside, value, stored.astype(np.int32))
    hu = numbers * float(elements["RescaleSlope"]) + float(elements["RescaleIntercept"])
    variation.slices = [np.where(numbers == value, -1024, hu) if "PixelPaddingValue" in elements else hu]
    variation.words.append(f"padding {value}")
    if "PixelPaddingValue" in elements and hu[outside].max() > -1024:
        variation.honest = False  # other readers take it for a measurement
    if stored.dtype == np.uint16:
        variation.honest = False
    if value < -2048 and elements["BitsStored"] == 12:
        variation.honest = False
    if draw.number(0, 2) == 0:  # and no scale, so that padding is all that looks like air
        del elements["RescaleIntercept"], elements["RescaleSlope"]
        variation.words.append("no rescale tags")
        variation.honest = False
        right = stored.dtype == np.int16 and int(stored[~outside].min()) < -900
        variation.exclude("^no rescale tags", always=not right)
    return stored


def _rescale(
    draw: Draw, stored: NDArray[Any], elements: dict[str, Any], variation: Variation
) -> NDArray[Any]:
    """Leave out one rescale tag or both, or say them badly."""
    how = draw.choice(["none", "no slope", "no intercept", "slope 0", "empty", "two intercepts", "twice"])
    if how == "twice":
        return _twice(stored, elements, variation)
    right = elements["PixelRepresentation"] == 1 and elements["RescaleIntercept"] == "0"
    right &= elements["RescaleSlope"] == "1"
    if how in ("none", "no slope"):
        del elements["RescaleSlope"]
    if how in ("none", "no intercept"):
        del elements["RescaleIntercept"]
    if how == "slope 0":
        elements["RescaleSlope"] = "0"
    if how == "empty":
        elements |= {"RescaleSlope": "", "RescaleIntercept": ""}
    if how == "two intercepts":
        elements["RescaleIntercept"] = ["-1024", "0"]
    variation.words.append(f"rescale: {how}")
    variation.honest = False
    # Only where the slope is known can the numbers themselves show that they are HU.
    variation.exclude("^RescaleSlope is 0" if how == "slope 0" else "^no rescale tags", always=not right)
    return stored


def _twice(stored: NDArray[Any], elements: dict[str, Any], variation: Variation) -> NDArray[Any]:
    """Store HU themselves under a header that adds -1024 to them once more."""
    hu = np.round(variation.slices[0]).astype(np.int32)
    elements |= {"RescaleIntercept": "-1024", "RescaleSlope": "1"}
    variation.words.append("rescale: twice")
    variation.honest = False
    variation.exclude("^implausible HU|^no tissue")
    lowest, highest = (0, 4095) if stored.dtype == np.uint16 else (-2048, 2047)
    return hu.clip(lowest, highest).astype(stored.dtype)


def _wrapped(
    draw: Draw, stored: NDArray[Any], elements: dict[str, Any], variation: Variation
) -> NDArray[Any]:
    """Write HU as numbers that lost their sign."""
    hu = np.round(variation.slices[0]).astype(np.int32).clip(-1000, 2000)
    variation.slices = [hu]
    variation.honest = False
    if draw.number(0, 1):
        intercept = draw.choice(["0", "-1024"])
        elements |= {"BitsStored": 12, "HighBit": 11, "PixelRepresentation": 0}
        elements |= {"RescaleIntercept": intercept, "RescaleSlope": "1"}
        variation.words.append(f"12 bits wrapped, intercept {intercept}")
        return (hu % 4096).astype(np.uint16)
    elements |= {"BitsStored": 16, "HighBit": 15, "PixelRepresentation": 0}
    elements |= {"RescaleIntercept": "0", "RescaleSlope": "1"}
    variation.words.append("16 bits wrapped")
    return hu.astype(np.int16).view(np.uint16)


def _bits(draw: Draw, stored: NDArray[Any], elements: dict[str, Any], variation: Variation) -> NDArray[Any]:
    """Put the stored bits elsewhere in the word, or say so of bits that are not there."""
    bits = elements["BitsStored"]
    if bits == 16:
        return stored
    high = draw.number(bits, 15)
    elements["HighBit"] = high
    variation.honest = False  # what SimpleITK and pydicom do not look at
    if draw.number(0, 1):
        variation.words.append(f"bits up to {high}")
        return (stored.view(np.uint16) << np.uint16(high + 1 - bits)).view(stored.dtype)
    variation.words.append(f"HighBit {high} is not so")
    variation.exclude("^HighBit")
    return stored


def _overlay(
    draw: Draw, stored: NDArray[Any], elements: dict[str, Any], variation: Variation
) -> NDArray[Any]:
    """Set unused bits under an overlay."""
    bits = elements["BitsStored"]
    if bits == 16:
        return stored
    bit = draw.number(bits, 15)
    # Signs of negative numbers reach into the unused bits: there an overlay replaces one.
    marked = stored.view(np.uint16) & np.uint16((1 << bits) - 1)
    marked[10:20, 10:30] |= np.uint16(1 << bit)
    variation.words.append(f"overlay in bit {bit}")
    if draw.number(0, 1):
        elements["overlay"] = bit
    return marked.view(stored.dtype)


def _unknown(
    draw: Draw, stored: NDArray[Any], elements: dict[str, Any], variation: Variation
) -> NDArray[Any]:
    """Leave out bits stored, high bit or sign, which have a usual value."""
    if elements["BitsStored"] == 16:
        del elements["HighBit"]
        variation.words.append("no HighBit")
    return stored


ODDITIES: Final = {
    "padding": _padding,
    "rescale": _rescale,
    "wrapped": _wrapped,
    "bits": _bits,
    "overlay": _overlay,
    "none given": _unknown,
}
