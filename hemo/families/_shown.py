"""Which window slices are shown in: another than that of the slices learned from is recognised, and undone.

What gray means is not in a picture. But within a skull lies brain, most of which is as dense in one head as
in the next: the median of its gray and its spread say whether a stack is shown as those learned from were.
One that is keeps all that its gray tells, such as age; one that is not is brought to their middle.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from hemo.families import _study
from hemo.families._feature_cache import cached_features
from hemo.families.base import Images, Slices, Studies
from hemo.imaging.skull import AIR, BONE, head_and_brain

UNLIKE: Final = 3.6
"""Distance, in standard deviations of those learned from, beyond which a stack is shown otherwise: of normal
ones 1 in 650 is. At 3 a label of CT-ICH lost 0.014 of its AUC unchanged, by two stacks that were none."""

FEW: Final = 5
"""Slices below which a stack is too short for its middle to be better known than a slice's."""

SMOOTHED: Final = 1 / 197
"""Deviation of the Gaussian before the spread is taken, in sides of the slice: noise must not count."""

STEEPEST: Final = (0.4, 2.5)
"""Least and most by which contrast is multiplied: beyond is no window in which a brain is seen."""

BLACK: Final = 3
WHITE: Final = 250
"""Gray levels up to which a pixel is black, or from which it is white, JPEG's losses included."""

STACKS: Final = 8
"""Stacks without which nobody can tell what is usual."""


@dataclass(frozen=True)
class Usual:
    """How slices are shown that were learned from.

    Attributes
    ----------
    middle
        Median of the brain's gray, and logarithm of its spread: the middle of the stacks learned from, (2,).
    stacks, slices
        Covariances of stacks' middles and of slices, (2, 2).
    """

    middle: NDArray[np.float64]
    stacks: NDArray[np.float64]
    slices: NDArray[np.float64]

    @classmethod
    def of(cls, images: Slices, study: Studies | None) -> Self | None:
        """Return how slices are shown; None where there are too few stacks to tell."""
        each, numbers = _levels(images), _study.numbers(study, len(images))
        middles = np.array([_middle(each[numbers == one]) for one in np.unique(numbers)])
        middles = middles[np.isfinite(middles).all(axis=1)]
        known = each[np.isfinite(each).all(axis=1)]
        if len(middles) < STACKS:
            return None
        return cls(np.median(middles, axis=0), _covariance(middles), _covariance(known))

    def undone(self, images: Images, study: Studies | None) -> Images:
        """Return slices as those learned from are shown: stacks that are shown otherwise are changed.

        Parameters
        ----------
        images
            uint8 (n, height, width, channels); nothing is done to slices of several channels.
        study
            The stack of each.
        """
        if images.shape[-1] != 1 or not len(images):
            return images
        each, numbers = _levels(images), _study.numbers(study, len(images))
        result = images
        for one in np.unique(numbers):
            rows = np.flatnonzero(numbers == one)
            middle = _middle(each[rows])
            covariance = self.stacks if len(rows) >= FEW else self.slices
            away = middle - self.middle
            if not np.isfinite(away).all() or away @ np.linalg.solve(covariance, away) < UNLIKE**2:
                continue
            if result is images:
                result = images.copy()
            result[rows] = _gray(middle, self.middle)[images[rows]]
        return result

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {name: getattr(self, name).tolist() for name in ("middle", "stacks", "slices")}

    @classmethod
    def from_json(cls, values: Mapping[str, Any] | None) -> Self | None:
        """Return what `to_json` described; None of None."""
        return None if values is None else cls(**{name: np.array(value) for name, value in values.items()})


def _levels(images: Slices) -> NDArray[np.float64]:
    """Return median and logarithm of the spread of each slice's brain, (n, 2); NaN where there is none."""

    def compute(some: Images) -> NDArray[np.float32]:
        return np.array([_level(image[..., 0]) for image in some], np.float32).reshape(len(some), 2)

    return cached_features(images, "levels", compute).astype(float)


def _level(image: NDArray[np.uint8]) -> tuple[float, float]:
    import cv2

    _, brain = head_and_brain(image)
    inner = cv2.erode(brain.astype(np.uint8), np.ones((7, 7), np.uint8)) > 0
    inner &= (image > AIR) & (image < BONE)
    if inner.mean() < 0.05:  # of faces and crowns it says little
        return np.nan, np.nan
    values = cv2.GaussianBlur(image.astype(np.float32), (0, 0), SMOOTHED * max(image.shape))[inner]
    median = float(np.median(values))
    # 1.4826 makes the median absolute deviation of a normal distribution its standard deviation.
    return median, float(np.log(max(1.4826 * float(np.median(np.abs(values - median))), 1.0)))


def _middle(each: NDArray[np.float64]) -> NDArray[np.float64]:
    known = each[np.isfinite(each).all(axis=1)]
    return np.median(known, axis=0) if len(known) else np.full(2, np.nan)


def _covariance(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a robust covariance without correlation, (2, 2): a gray level and a fiftieth at least."""
    spread = 1.4826 * np.median(np.abs(values - np.median(values, axis=0)), axis=0)
    return np.diag(np.maximum(spread, (1.0, 0.02)) ** 2)


def _gray(own: NDArray[np.float64], usual: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Return what each gray level becomes, uint8 (256,)."""
    contrast = float(np.clip(np.exp(usual[1] - own[1]), *STEEPEST))
    gray = np.arange(256, dtype=np.float64)
    found = np.clip(usual[0] + contrast * (gray - own[0]), 0, 255)
    found[: BLACK + 1], found[WHITE:] = 0, 255
    return np.rint(found).astype(np.uint8)
