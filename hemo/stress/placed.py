"""Changes of place: size, field of view, turns and flips, tilt, crop, table, padding."""

from dataclasses import replace
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from hemo.errors import HemoError
from hemo.imaging.crop import head_box
from hemo.imaging.raw import RawSlice
from hemo.phantom.scanner import STYLES
from hemo.stress.shown import as_gray, number
from hemo.stress.stack import SLICE_MM, WHITE, Pixels, Stack

TABLE_MM: Final = 3.0
"""Thickness of the shell of a head holder."""


def size(stack: Stack, value: str, _: np.random.Generator) -> Stack:
    """Save with another number of pixels, which are averaged or interpolated."""
    wanted = round(number(value, 32, 2048))
    height, width = stack.pixels.shape[1:]
    scale = wanted / max(height, width)
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    shape = (max(round(width * scale), 1), max(round(height * scale), 1))
    return stack.with_pixels(np.stack([cv2.resize(one, shape, interpolation=how) for one in stack.pixels]))


def field(stack: Stack, value: str, _: np.random.Generator) -> Stack:
    """Show a head larger (above 1) or smaller in a picture of the same size: another field of view."""
    return _warped(stack, 0.0, number(value, 0.3, 3))


def turn(stack: Stack, value: str, _: np.random.Generator) -> Stack:
    """Turn by degrees, against the clock."""
    degrees = number(value, -180, 180)
    if degrees % 90 == 0:
        return stack.with_pixels(np.rot90(stack.pixels, int(degrees) // 90 % 4, (1, 2)).copy())
    return _warped(stack, degrees, 1.0)


def flip(stack: Stack, value: str, _: np.random.Generator) -> Stack:
    """Show left as right (`sides`), or the face below (`face`)."""
    if value not in ("sides", "face"):
        raise HemoError(f"changes: '{value}' is no flip: give sides or face")
    pixels = stack.pixels
    return stack.with_pixels((pixels[:, :, ::-1] if value == "sides" else pixels[:, ::-1]).copy())


def tilt(stack: Stack, value: str, _: np.random.Generator) -> Stack:
    """Cut the head along planes tilted by degrees, the face nearer to the crown: another gantry.

    Between slices is interpolated; beyond the stack's ends the last slice stands in.
    """
    degrees = number(value, -30, 30)
    slices, height, _width = stack.pixels.shape
    away = (height / 2 - np.arange(height)) * stack.pixel_mm * np.tan(np.radians(degrees)) / SLICE_MM
    place = np.clip(np.arange(slices)[:, None] + away, 0, slices - 1)
    below = np.floor(place).astype(int)
    above, row = np.minimum(below + 1, slices - 1), np.arange(height)
    share = (place - below)[..., None].astype(np.float32)
    return stack.with_pixels((1 - share) * stack.pixels[below, row] + share * stack.pixels[above, row])


def crop(stack: Stack, value: str, _: np.random.Generator) -> Stack:
    """Cut each slice to the box of its head and a margin, in parts of the box: table and air are gone.

    Slices become squares of the size of the picture again.
    """
    stack = as_gray(stack)
    margin = number(value, 0, 0.5)
    side = max(stack.pixels.shape[1:])
    return stack.with_pixels(np.stack([_cropped(one, margin, side) for one in stack.pixels]))


def _cropped(pixels: Pixels, margin: float, side: int) -> NDArray[np.float32]:
    gray = pixels.astype(np.uint8)
    top, left, bottom, right = head_box(RawSlice(pixels=gray, hu=False))
    grown = round(margin * (bottom - top))
    top, left = max(top - grown, 0), max(left - grown, 0)
    inside = pixels[top : bottom + grown, left : right + grown]
    longest = max(inside.shape)
    square = np.zeros((longest, longest), np.float32)
    square[: inside.shape[0], : inside.shape[1]] = inside
    how = cv2.INTER_AREA if longest > side else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(square, (side, side), interpolation=how), np.float32)


def table(stack: Stack, value: str, _: np.random.Generator) -> Stack:
    """Draw a head holder behind the head: a shell of one of the phantom's scanners."""
    known = {one.name: one for one in STYLES}
    if value not in known:
        raise HemoError(f"changes: '{value}' is no scanner of the phantom: give {', '.join(known)}")
    radius, hu = known[value].holder
    height, width = stack.pixels.shape[1:]
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    # The phantom's holder is drawn around the middle of the field, below the ears.
    away = np.hypot(rows - height / 2, columns - width / 2) * stack.pixel_mm
    shell = (np.abs(away - radius) < TABLE_MM / 2) & (rows > 0.62 * height)
    low = None if stack.shown is None else stack.shown[0] - stack.shown[1] / 2
    gray = hu if low is None else np.clip((hu - low) * stack.per_hu, 0, WHITE)
    return stack.with_pixels(np.where(shell, np.maximum(stack.pixels, np.float32(gray)), stack.pixels))


def pad(stack: Stack, value: str, _: np.random.Generator) -> Stack:
    """Put black around the picture: as wide as 4:3 where that is said, else so many times as large."""
    height, width = stack.pixels.shape[1:]
    if value == "4:3":
        sides = max(round(height * 4 / 3) - width, 0)
        return _bordered(stack, 0, sides // 2, stack.air)
    times = number(value, 1, 4)
    return _bordered(stack, round(height * (times - 1) / 2), round(width * (times - 1) / 2), stack.air)


def page(stack: Stack, value: str, _: np.random.Generator) -> Stack:
    """Put white around the picture, so many times as large: as it stands on a page."""
    stack = as_gray(stack)
    height, width = stack.pixels.shape[1:]
    times = number(value, 1, 4)
    return _bordered(stack, round(height * (times - 1) / 2), round(width * (times - 1) / 2), stack.white)


def _bordered(stack: Stack, rows: int, columns: int, fill: float) -> Stack:
    around = ((0, 0), (rows, rows), (columns, columns))
    return replace(stack, pixels=np.pad(stack.pixels, around, constant_values=fill))


def _warped(stack: Stack, degrees: float, scale: float) -> Stack:
    """Turn and enlarge about the middle of the picture."""
    height, width = stack.pixels.shape[1:]
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, scale)
    pixels = stack.pixels
    if scale < 1:  # the noise of single pixels, which the smaller picture would alias
        pixels = np.stack([cv2.GaussianBlur(one, (0, 0), 0.4 / scale) for one in pixels])
    return stack.with_pixels(
        np.stack(
            [
                cv2.warpAffine(one, matrix, (width, height), flags=cv2.INTER_LINEAR, borderValue=stack.air)
                for one in pixels
            ]
        )
    )
