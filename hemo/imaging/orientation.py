"""Sides and directions: which turns and flips show a slice as radiologists look at it.

Patient coordinates are DICOM's: x grows to the patient's left, y to the back, z to the head (PS3.3 C.7.6.2).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hemo.imaging.raw import Excluded

STEEPEST: Final = 40.0
"""Degrees between a slice and the body's cross-section beyond which it is not axial: gantries tilt by 30."""

SKEWED: Final = 0.05
"""Largest cosine between rows and columns that rounding explains."""

Vector = tuple[float, float, float]


@dataclass(frozen=True)
class Orientation:
    """How stored pixels become a picture with the patient's right on the left and the face up.

    Attributes
    ----------
    transposed, upside_down, mirrored
        First rows and columns are exchanged, then the order of rows turned round, then that of columns.
    normal
        Vector towards the head, across the slice, of about unit length.
    """

    transposed: bool
    upside_down: bool
    mirrored: bool
    normal: Vector

    @property
    def nothing(self) -> bool:
        """Whether the pixels stay as they are."""
        return not (self.transposed or self.upside_down or self.mirrored)

    def apply(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """Return (height, width, ...) pixels turned."""
        if self.nothing:
            return pixels
        if self.transposed:
            pixels = pixels.swapaxes(0, 1)
        if self.upside_down:
            pixels = pixels[::-1]
        if self.mirrored:
            pixels = pixels[:, ::-1]
        return np.ascontiguousarray(pixels)

    def along(self, origin: Sequence[float]) -> float:
        """Return the place of a point along the normal, in its own unit; larger is nearer to the head."""
        (a, b, c), (x, y, z) = self.normal, origin
        return a * x + b * y + c * z


@lru_cache(maxsize=256)  # a series has one orientation
def orientation_of(axes: tuple[float, ...]) -> Orientation | None:
    """Return how a slice is to be turned, None where the axes say nothing.

    Rotations within the plane stay but for the nearest quarter of a turn, as tilts do.

    Parameters
    ----------
    axes
        The six numbers of ImageOrientationPatient: the directions in which columns and rows are counted.

    Raises
    ------
    Excluded
        For a slice that is not axial.

    Examples
    --------
    >>> orientation_of((1.0, 0.0, 0.0, 0.0, 1.0, 0.0)).nothing
    True
    >>> orientation_of((-1.0, 0.0, 0.0, 0.0, 1.0, 0.0)).mirrored
    True
    """
    if len(axes) != 6 or not all(map(math.isfinite, axes)):
        return None
    a, b, c, d, e, f = axes
    normal = (b * f - c * e, c * d - a * f, a * e - b * d)
    lengths = (math.hypot(a, b, c), math.hypot(d, e, f))
    if not all(0.9 < length < 1.1 for length in lengths) or abs(a * d + b * e + c * f) > SKEWED:
        return None
    refuse_steep(normal)
    transposed = abs(b) > abs(a)
    to_left, to_back = (d, b) if transposed else (a, e)
    sign = math.copysign(1.0, normal[2])
    return Orientation(
        transposed, to_back < 0, to_left < 0, (normal[0] * sign, normal[1] * sign, normal[2] * sign)
    )


def refuse_steep(normal: Vector) -> None:
    """Raise Excluded for the normal of a coronal, sagittal or steeply oblique slice."""
    x, y, z = (abs(part) for part in normal)
    tilt = math.degrees(math.atan2(math.hypot(x, y), z))
    if tilt <= STEEPEST:
        return
    if tilt > 90 - STEEPEST:
        raise Excluded(f"a {'coronal' if y > x else 'sagittal'} slice, not an axial one")
    raise Excluded(f"an oblique slice, {tilt:.0f} degrees from axial")


@lru_cache(maxsize=256)
def unit(normal: Vector) -> Vector:
    """Return a normal of length 1, to three decimals: as normals are compared."""
    length = math.hypot(*normal)
    x, y, z = (round(part / length, 3) + 0.0 for part in normal)
    return x, y, z
