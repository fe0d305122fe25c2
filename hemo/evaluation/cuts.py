"""Where decisions can be parted: between unequal probabilities."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Cuts:
    """All the ways to call those of the highest probabilities.

    Attributes
    ----------
    order
        Rows by falling probability, (n,).
    counts
        How many are called: 0, and each count that parts no equal probabilities, rising to n, (k,).
    thresholds
        For each, the threshold at or above which exactly these lie, (k,): halfway between the lowest
        probability that is called and the highest that is not, so that rounding changes no decision. Where
        all are called it is the lowest probability, where none is, just above the highest.
    """

    order: NDArray[np.intp]
    counts: NDArray[np.int64]
    thresholds: NDArray[np.float64]

    @classmethod
    def of(cls, probability: NDArray[np.float64]) -> Self:
        """Return the cuts of probabilities, (n,), of which there is at least one."""
        order = np.argsort(-probability)
        falling = probability[order]
        counts = np.append(0, np.flatnonzero(np.append(falling[:-1] != falling[1:], True)) + 1)
        called = np.append(np.inf, falling)[counts]
        left = np.append(falling, -np.inf)[counts]
        middle = (called + left) / 2
        middle[0] = np.nextafter(falling[0], np.inf)
        # The last has nothing on its left; the middle of two neighbouring floats rounds to one of them, and
        # must not be the lower one.
        return cls(order, counts, np.where(middle > left, middle, called))
