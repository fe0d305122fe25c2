"""Find the head in a slice and leave table and headrest out."""

from functools import cache
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from hemo.imaging.raw import RawSlice

TISSUE_HU: Final = -300
"""Between air or foam (below -700) and fat (above -150)."""

TISSUE_GRAY: Final = 12
"""In a windowed image the air is black; a few levels are the noise of JPEG."""

GRID_HU: Final = 64
GRID_GRAY: Final = 128
"""The head is looked for on about this many rows: tables and headrests vanish under a 3x3 opening there."""

GAP: Final = 5
"""Pieces of a windowed image are joined over gaps of less than this on the grid: fat and air between a face
and the rest of its head are black there, and would part them on one slice and not on the next."""

SMALLEST: Final = 0.02
"""A component below this part of the image is no head."""

MARGIN: Final = 1.04
SHORTEST_MM: Final = 150.0
SHORTEST_PART: Final = 0.4
"""The box never gets smaller than this, so that the vertex is not blown up to a head's size."""

Box = tuple[int, int, int, int]
"""Top, left, bottom and right in pixels; it may reach beyond the image."""


@cache
def _square(side: int) -> NDArray[np.uint8]:
    return np.ones((side, side), np.uint8)


def head_box(raw: RawSlice) -> Box:
    """Return the square that holds the head.

    The largest connected piece of tissue, after an opening that removes thin things and, in windowed images,
    joining what lies close together. The square may reach
    beyond the image. Where no head is found, the whole image is returned.
    """
    height, width = raw.pixels.shape[:2]
    whole = (0, 0, height, width)
    plane = raw.pixels if raw.pixels.ndim == 2 else raw.pixels[..., 0]
    step = max(1, round(height / (GRID_HU if raw.hu else GRID_GRAY)))
    coarse = plane[step // 2 :: step, step // 2 :: step]
    if min(coarse.shape) < 3:  # nothing that long and thin has a head in it
        return whole
    tissue = (coarse > (TISSUE_HU - raw.offset if raw.hu else TISSUE_GRAY)).view(np.uint8)
    grown = 0 if raw.hu else GAP // 2
    # The second half of the opening and the joining are one: to grow by one square and then by another.
    tissue = cv2.dilate(cv2.erode(tissue, _square(3)), _square(3 + 2 * grown))
    outlines, _ = cv2.findContours(tissue, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    areas = [cv2.contourArea(outline) for outline in outlines]
    if not areas or max(areas) < SMALLEST * tissue.size:
        return whole
    left, top, columns, rows = cv2.boundingRect(outlines[areas.index(max(areas))])
    left, top, columns, rows = left + grown, top + grown, columns - 2 * grown, rows - 2 * grown
    shortest = SHORTEST_MM / raw.spacing[0] if raw.spacing else SHORTEST_PART * min(height, width)
    half = round(max(max(rows, columns) * step * MARGIN, shortest) / 2)
    if 2 * half >= max(height, width):
        return whole
    middle_row, middle_column = round((top + rows / 2) * step), round((left + columns / 2) * step)
    return middle_row - half, middle_column - half, middle_row + half, middle_column + half


def cut(pixels: NDArray[Any], box: Box, fill: float) -> NDArray[Any]:
    """Return the part of an image in a box, made square; what lies beyond the image is `fill`."""
    top, left, bottom, right = box
    height, width = pixels.shape[:2]
    inside = pixels[max(top, 0) : min(bottom, height), max(left, 0) : min(right, width)]
    above, below = max(-top, 0), max(bottom - height, 0)
    before, behind = max(-left, 0), max(right - width, 0)
    missing = (bottom - top) - (right - left)
    before, behind = before + max(missing, 0) // 2, behind + (max(missing, 0) + 1) // 2
    above, below = above + max(-missing, 0) // 2, below + (max(-missing, 0) + 1) // 2
    if not (above or below or before or behind):
        return inside
    return cv2.copyMakeBorder(
        inside, above, below, before, behind, cv2.BORDER_CONSTANT, value=(fill, fill, fill, fill)
    )
