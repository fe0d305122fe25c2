"""A stack as it is shown before it is saved: what changes are applied to."""

from dataclasses import dataclass, replace
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from hemo.imaging.raw import AIR

FIELD_MM: Final = 230.0
"""Width of the field that a picture is taken to show where nothing says it: that of most head CT."""

SLICE_MM: Final = 5.0
"""Distance of slices where nothing says it."""

WHITE: Final = 255.0
"""The highest gray level of a picture."""

Pixels = NDArray[np.float32]


@dataclass(frozen=True)
class Stack:
    """Slices of a stack in the order of positions.

    Attributes
    ----------
    pixels
        Gray levels from 0 to 255 or HU, float32 (n, height, width).
    places
        Which slices of the unchanged stack they are, intp (n,).
    shown
        Level and width in HU of the window that gray levels show; None of HU.
    quality
        Of the JPEG that each slice is saved as last; 0: saved without loss.
    """

    pixels: Pixels
    places: NDArray[np.intp]
    shown: tuple[float, float] | None
    quality: int = 0

    @classmethod
    def of(cls, pixels: NDArray[np.generic], shown: tuple[float, float] | None) -> Self:
        """Return a stack of all slices, (n, height, width)."""
        return cls(pixels.astype(np.float32), np.arange(len(pixels)), shown)

    @property
    def air(self) -> float:
        """What lies around a head: black, or HU of air."""
        return float(AIR) if self.shown is None else 0.0

    @property
    def white(self) -> float:
        """What is drawn into a slice in white."""
        return 3000.0 if self.shown is None else WHITE

    @property
    def per_hu(self) -> float:
        """Gray levels a HU."""
        return 1.0 if self.shown is None else WHITE / self.shown[1]

    @property
    def pixel_mm(self) -> float:
        """Millimetres a pixel, of a field of `FIELD_MM`."""
        return FIELD_MM / max(self.pixels.shape[1:])

    @property
    def between(self) -> NDArray[np.bool_]:
        """Where a pixel is neither as dark nor as bright as it can be, (n, height, width)."""
        if self.shown is None:
            return self.pixels > -500
        return (self.pixels > 0) & (self.pixels < WHITE)

    def with_pixels(self, pixels: NDArray[np.floating]) -> Self:
        """Return the stack with other pixels, gray levels kept between black and white."""
        found = np.asarray(pixels, np.float32)
        if self.shown is not None:
            found = np.clip(found, 0, WHITE)
        return replace(self, pixels=found)

    def windowed(self, level: float, width: float) -> Self:
        """Return the stack as gray levels of a window.

        Of gray levels, what is black or white stays so: nobody knows what it was.
        """
        low = level - width / 2
        if self.shown is None:
            hu = self.pixels
            black = white = np.zeros(hu.shape, np.bool_)
        else:
            hu = self.shown[0] - self.shown[1] / 2 + self.pixels / self.per_hu
            black, white = self.pixels <= 0, self.pixels >= WHITE
        gray = (hu - np.float32(low)) * np.float32(WHITE / width)
        gray = np.where(white, WHITE, np.where(black, 0, gray))
        return replace(self, shown=(level, width)).with_pixels(gray)
