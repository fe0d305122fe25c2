"""One look for pictures of heads: what lies around a head is taken away, and inverted gray is turned back."""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from hemo.imaging.skull import head_and_brain

WINDOW: Final = (40.0, 120.0)
"""Level and width in which HU are shown: those of CT-ICH's pictures."""

PAGE: Final = 200
"""Gray level from which a border is a page or a frame, or air where gray is inverted."""

BORDER: Final = 0.95
"""Part of a row or column that is as bright as that, where it belongs to a border."""

LEAST: Final = 0.3
"""Part of height and width that borders leave, or else they are none."""


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
    if right > left and (left or right < width):  # corners of a frame count once its sides are gone
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


def alone(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the head alone of a slice, uint8 (size, size): text, table and holder around it are black."""
    head, _ = head_and_brain(image)
    near = cv2.dilate(head.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    return np.where(near, image, np.uint8(0))
