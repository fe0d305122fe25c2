"""What a variation is, and where its choices come from."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from hemo.imaging.raw import AIR

T = TypeVar("T")


class Draw(Protocol):
    """A source of choices: seeded, or hypothesis'."""

    def choice(self, options: Sequence[T]) -> T:
        """Return one of some options."""
        ...

    def number(self, low: int, high: int) -> int:
        """Return a whole number, both ends included."""
        ...


class Seeded:
    """Choices from a seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def choice(self, options: Sequence[T]) -> T:
        return self.random.choice(options)

    def number(self, low: int, high: int) -> int:
        return self.random.randint(low, high)


@dataclass
class Variation:
    """A file, and what is right for it.

    Attributes
    ----------
    data
        The file's bytes.
    words
        What was varied, for people.
    slices
        The true slices in order: HU, or gray where `gray`, with the right on the left and the face up.
    positions
        Their true positions in mm; None where unknown.
    reasons
        Patterns of the reasons for which it may be excluded.
    must
        Whether it must be excluded.
    honest
        Whether the header says what the pixels are, so that another reader's word counts.
    gray
        Whether the slices are pictures of 8 bits.
    name, hu_offset, tolerance
        The file's name; what is said of its HU; by how much gray may differ.
    """

    data: bytes
    words: list[str]
    slices: list[NDArray[Any]]
    positions: list[float] | None = None
    reasons: list[str] = field(default_factory=list)
    must: bool = False
    honest: bool = True
    gray: bool = False
    name: str = "file"
    hu_offset: int | None = None
    tolerance: float = 0.0

    def exclude(self, *reasons: str, always: bool = True) -> None:
        """Say that it is to be excluded, or may be, for one of some reasons."""
        self.reasons += reasons
        self.must |= always


def head(draw: Draw, rows: int, columns: int) -> NDArray[np.int16]:
    """Return a slice in HU without symmetry: skull, brain, blood at the right front, a nose's bump above."""
    rng = np.random.default_rng(draw.number(0, 1 << 30))
    y, x = np.mgrid[-1 : 1 : rows * 1j, -1 : 1 : columns * 1j]
    radius = np.hypot(y / 0.7, x / 0.6)
    hu = np.full((rows, columns), -1000.0)
    hu[radius < 1] = 32
    hu[(radius > 0.86) & (radius < 0.97)] = 1100
    hu[np.hypot(y + 0.3, x + 0.25) < 0.14] = 70
    hu[np.hypot(y + 0.76, x) < 0.1] = 20
    return (hu + rng.normal(0, 4, hu.shape)).round().clip(AIR, 3000).astype(np.int16)
