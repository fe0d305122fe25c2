"""Where a classifier looked, laid over the slice: the same colors in every plot and page."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from hemo.display.colors import BLUE, VERMILION

LEGEND: Final = "orange speaks for blood, blue against"

STRONGEST: Final = 0.75
"""How much of the color hides the slice where the attribution is largest."""

POWER: Final = 0.7
"""Of what is less strong: below 1, so that it is seen as well."""


def overlaid(image: NDArray[np.uint8], attribution: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Return a slice under its attribution in colors, uint8 RGB (height, width, 3).

    Parameters
    ----------
    image
        The slice, uint8 gray (height, width).
    attribution
        (height, width); positive speaks for blood. It is scaled to its own largest value, whatever its sign.
    """
    scaled = attribution / max(float(np.abs(attribution).max(initial=0)), 1e-12)
    strength = np.abs(scaled)[..., None]
    towards = np.where(scaled[..., None] > 0, _rgb(VERMILION), _rgb(BLUE))
    color = 255 + strength * (towards - 255)
    opaque = STRONGEST * strength**POWER
    return np.rint((1 - opaque) * image[..., None] + opaque * color).astype(np.uint8)


def legend() -> NDArray[np.uint8]:
    """Return the colors from what speaks most against blood to what speaks most for it, over gray, RGB."""
    ramp = np.tile(np.linspace(-1, 1, 240), (16, 1))
    return overlaid(np.full(ramp.shape, 96, np.uint8), ramp)


def _rgb(color: str) -> NDArray[np.float64]:
    return np.array([int(color[place : place + 2], 16) for place in (1, 3, 5)], float)
