"""Changes of the scan: slice thickness, distance of slices, noise and kernel."""

from dataclasses import replace
from typing import Final

import cv2
import numpy as np

from hemo.errors import HemoError
from hemo.phantom.scanner import STYLES, quantum_noise
from hemo.stress.shown import number
from hemo.stress.stack import Stack

USUAL: Final = {one.name: one for one in STYLES}["standard"]
"""The phantom's scanner that slices are taken to be of."""


def thickness(stack: Stack, value: str, _: np.random.Generator) -> Stack:
    """Average each slice with its neighbours, so that it is so many times as thick: 2 or 3."""
    if value not in ("2", "3"):
        raise HemoError(f"changes: '{value}' is no thickness: give 2 or 3 slices")
    weights = {"2": (0.25, 0.5, 0.25), "3": (1 / 3, 1 / 3, 1 / 3)}[value]
    rows = np.arange(len(stack.pixels))
    around = (np.maximum(rows - 1, 0), rows, np.minimum(rows + 1, len(rows) - 1))
    parts = (np.float32(share) * stack.pixels[place] for share, place in zip(weights, around, strict=True))
    return stack.with_pixels(sum(parts, np.zeros_like(stack.pixels)))


def every(stack: Stack, value: str, _: np.random.Generator) -> Stack:
    """Leave every second (third, ...) slice, the first one among them."""
    step = round(number(value, 2, 5))
    return replace(stack, pixels=stack.pixels[::step], places=stack.places[::step])


def noise(stack: Stack, value: str, rng: np.random.Generator) -> Stack:
    """Add quantum noise of so many HU, with the spectrum of the phantom's usual scanner."""
    deviation = number(value, 0.1, 30) * stack.per_hu
    height, width = stack.pixels.shape[1:]
    grain = [
        quantum_noise(rng, max(height, width), stack.pixel_mm, USUAL.peak)[:height, :width]
        for _ in stack.pixels
    ]
    noisy = stack.pixels + np.float32(deviation) * np.stack(grain).astype(np.float32)
    return stack.with_pixels(np.where(stack.between, noisy, stack.pixels))


def kernel(stack: Stack, value: str, _: np.random.Generator) -> Stack:
    """Sharpen or soften as from the phantom's usual scanner to another: the point spread's deviation."""
    known = {one.name: one.blur for one in STYLES if one is not USUAL}
    if value not in known:
        raise HemoError(f"changes: '{value}' is no kernel of the phantom's: give {', '.join(known)}")
    more = known[value] ** 2 - USUAL.blur**2  # variances of point spreads add
    blurred = _blurred(stack, abs(more) ** 0.5 / stack.pixel_mm)
    if more > 0:
        return stack.with_pixels(blurred)
    return stack.with_pixels(2 * stack.pixels - blurred)  # the first term of the inverse filter's series


def _blurred(stack: Stack, pixels: float) -> np.ndarray:
    return np.stack([cv2.GaussianBlur(one, (0, 0), max(pixels, 0.2)) for one in stack.pixels])
