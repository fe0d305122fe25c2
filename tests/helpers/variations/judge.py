"""Whether hemo reads a variation right, excludes it with a true reason, or is wrong."""

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.imaging import Excluded, RawSlice, Reduction, read_parts, reduce
from hemo.imaging.raw import AIR
from tests.helpers.variations.kinds import Variation

REDUCTION = Reduction(size=48, windows=("gray",), crop=False)


def judge(variation: Variation) -> tuple[str, str]:
    """Return ("read", ""), ("excluded", reason), or ("wrong", what is)."""
    try:
        parts = read_parts(variation.data, variation.name, hu_offset=variation.hu_offset)
    except Excluded as excluded:
        parts = [excluded]
    except Exception as error:
        return "wrong", f"traceback: {error!r}"
    reasons = [str(part) for part in parts if isinstance(part, Excluded)]
    if reasons:
        for reason in reasons:
            if not any(re.search(pattern, reason) for pattern in variation.reasons):
                return "wrong", f"excluded as '{reason}', which is not so"
        return "excluded", reasons[0]
    if variation.must:
        return "wrong", f"read, though {' or '.join(variation.reasons)}"
    slices = [part for part in parts if isinstance(part, RawSlice)]
    if fault := _differs(variation, slices):
        return "wrong", fault
    return _reduced(variation, slices)


def _differs(variation: Variation, slices: list[RawSlice]) -> str:
    if len(slices) != len(variation.slices):
        return f"{len(slices)} slices, not {len(variation.slices)}"
    for number, (one, truth) in enumerate(zip(slices, variation.slices, strict=True)):
        if one.hu == variation.gray:
            return f"slice {number}: {'HU' if one.hu else 'gray'}, which it is not"
        if fault := difference(one.pixels, truth, variation.tolerance):
            return f"slice {number}: {fault}"
        if variation.positions and abs(one.position - variation.positions[number]) > 1e-2:
            return f"slice {number}: at {one.position}, not {variation.positions[number]}"
    return ""


def difference(pixels: NDArray[Any], truth: NDArray[Any], tolerance: float) -> str:
    """Return how pixels differ from the truth, "" where they do not."""
    if pixels.shape != truth.shape:
        return f"{pixels.shape}, not {truth.shape}"
    right = truth if truth.dtype == np.uint8 else np.maximum(truth, AIR)
    off = np.abs(pixels.astype(np.float64) - right)
    if tolerance and off.mean() <= tolerance:
        return ""
    wrong = np.count_nonzero(off > 0.01)
    return f"{wrong} of {off.size} pixels differ, by up to {off.max():g}" if wrong else ""


def _reduced(variation: Variation, slices: list[RawSlice]) -> tuple[str, str]:
    """Compare what is read for a reduction with what is read in full and reduced then."""
    reduction = Reduction(**{**REDUCTION.__dict__, "hu_offset": variation.hu_offset})
    for one, other in zip(slices, read_parts(variation.data, variation.name, reduction), strict=True):
        if isinstance(other, Excluded):
            return "wrong", f"read in full, but excluded for a reduction: {other}"
        if not np.array_equal(reduce(one, reduction), reduce(other, reduction)):
            return "wrong", "reduces otherwise than it reads"
    return "read", ""
