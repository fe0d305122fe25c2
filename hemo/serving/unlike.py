"""When not to believe an answer: slices unlike those that a classifier learned from.

A classifier answers whatever it is shown: a photograph, a bone window, a negative. So a dozen numbers that
people can name are kept of what it learned from, and a slice far outside of them is unsure.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from hemo.errors import HemoError
from hemo.slices.store import SliceStore

if TYPE_CHECKING:
    from hemo.families.base import Images
    from hemo.imaging import Reduction

Values = NDArray[np.float64]

SIDE: Final = 64
"""Pixels a side of what is described: a head's shape, and still its noise."""

AIR: Final = 12
"""Gray up to which a pixel is no tissue, as where the head is looked for (`hemo.imaging.crop`)."""

WHITE: Final = 250

QUANTILE: Final = 0.005
MARGIN: Final = 0.2
"""A slice is outside where a number lies below the lowest `QUANTILE` of what was learned from, or above the
highest, by more than `MARGIN` of what lies between."""

FARTHEST: Final = 0.995
"""Quantile of the distances of slices of patients that were left out, beyond which one is far."""

FEWEST: Final = 10
"""Patients below which nothing is said: what is usual is not known."""

FOLDS: Final = 5

MOST: Final = 2000
"""Slices that are described, evenly over a store: more say little new."""

HEAD = "no head seen"
GRAY = "gray levels unlike those it learned from (another window?)"
SHARP = "sharpness or noise unlike what it learned from"
SHAPE = "shapes unlike those it learned from (turned, or not a head?)"
FAR = "unlike the slices it learned from"

REASONS: Final = (HEAD, HEAD, GRAY, GRAY, GRAY, GRAY, SHARP, SHARP, SHAPE, SHAPE, SHAPE, SHAPE)
"""What is wrong where a number of `describe` is outside, in their order."""


@dataclass(frozen=True)
class Learned:
    """What slices look like that a classifier learned from.

    Attributes
    ----------
    low, high
        Bounds of each number of `describe`.
    center
        Their mean.
    root
        What takes differences from the mean to independent numbers of spread 1, (k, k): its squared length
        is Mahalanobis' distance.
    limit
        Distance beyond which a slice is far.
    """

    low: Values
    high: Values
    center: Values
    root: Values
    limit: float

    def reasons(self, found: Values) -> list[str]:
        """Return for each slice why it is unlike what was learned from; "" where it is not.

        `found` are the numbers of `describe`, (n, k), of slices that were made in the same way.
        """
        outside = (found < self.low) | (found > self.high)
        far = _distance(found, self.center, self.root) > self.limit
        result = []
        for row, distant in zip(outside, far, strict=True):
            which = np.flatnonzero(row)
            if len(which):
                result.append(min((REASONS[number % len(REASONS)] for number in which), key=REASONS.index))
            else:
                result.append(FAR if distant else "")
        return result

    def to_json(self) -> dict[str, Any]:
        """Return it as what JSON holds, exact to the last bit."""
        arrays = {name: getattr(self, name).tolist() for name in ("low", "high", "center", "root")}
        return {**arrays, "limit": self.limit}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Return what `to_json` gave.

        Raises
        ------
        HemoError
            If this is none.
        """
        try:
            low, high, center, root = (
                np.array(values[name], np.float64) for name in ("low", "high", "center", "root")
            )
            return cls(low, high, center, root, float(values["limit"]))
        except (ValueError, TypeError, KeyError) as fault:
            raise HemoError(f"what slices look like: {fault}: should be what a run wrote") from fault


def fit(images: "Images", patient: Sequence[Any], reduction: "Reduction") -> Learned | None:
    """Return what slices look like; no label takes part. None where there are fewer than `FEWEST` patients.

    Parameters
    ----------
    images
        Slices as stored, uint8 (n, height, width, channels).
    patient
        Of each, (n,).
    reduction
        How they were made.

    Notes
    -----
    Mean and covariance are shrunk (Ledoit and Wolf, "A well-conditioned estimator for large-dimensional
    covariance matrices", Journal of Multivariate Analysis 88:365, 2004). The limit is a quantile of distances
    of patients that mean and covariance did not see, in folds of patients.
    """
    names, code = np.unique(np.asarray(patient, object).astype(str), return_inverse=True)
    if len(names) < FEWEST:
        return None
    found = describe(images, reduction)
    low, high = np.quantile(found, [QUANTILE, 1 - QUANTILE], axis=0)
    margin = MARGIN * (high - low) + 1e-6
    first = np.full(len(names), len(code))
    np.minimum.at(first, code, np.arange(len(code)))
    fold = np.argsort(np.argsort(first))[code] % FOLDS  # by where they stand: names do not matter
    left_out = np.empty(len(found))
    for number in range(FOLDS):
        here = fold == number
        left_out[here] = _distance(found[here], *_moments(found[~here]))
    limit = float(np.quantile(left_out, FARTHEST))
    return Learned(low - margin, high + margin, *_moments(found), limit)


@lru_cache(maxsize=4)
def of_store(folder: Path, digest: str, tested: bytes) -> Learned | None:
    """Return what the slices of a store look like (see `fit`); of one store it is found once.

    Parameters
    ----------
    folder, digest
        Of the store.
    tested
        Whether a row is tested, and so takes no part, as the bytes of bool (n,).
    """
    store = SliceStore.open(folder)
    rows = np.flatnonzero(~np.frombuffer(tested, bool))
    rows = rows[np.unique(np.linspace(0, len(rows) - 1, min(MOST, len(rows))).astype(int))]
    return fit(store.images(rows), store.index["patient"].to_numpy()[rows].tolist(), store.reduction)


def describe(images: "Images", reduction: "Reduction") -> Values:
    """Return what describes each slice: twelve numbers for each of its own windows, (n, 12 windows).

    Share of the picture that is tissue; gray of its corners; of the tissue the 10th, 50th and 90th percentile
    of gray, and how much is white; its noise and its edges; how much higher than wide it is, how alike left
    and right, top and bottom are, and how much brighter than its middle what surrounds it.
    """
    windows = len(reduction.windows)
    own = range(reduction.neighbours * windows, (reduction.neighbours + 1) * windows)
    if not len(images):
        return np.zeros((0, len(REASONS) * windows))
    return np.concatenate([_describe(images[..., channel]) for channel in own], axis=1)


def _describe(planes: NDArray[np.uint8]) -> Values:
    """Return the twelve numbers of planes, uint8 (n, height, width)."""
    small = np.stack([cv2.resize(plane, (SIDE, SIDE), interpolation=cv2.INTER_AREA) for plane in planes])
    gray = small.astype(np.float32)
    tissue = small > AIR
    share = tissue.mean((1, 2))
    corner = gray[:, (0, 1, 2, 3, 4, 5, -6, -5, -4, -3, -2, -1)][:, :, (0, 1, 2, 3, -4, -3, -2, -1)]
    across, down = np.abs(np.diff(gray, axis=2)), np.abs(np.diff(gray, axis=1))
    noise = np.stack([np.abs(cv2.Laplacian(plane, cv2.CV_32F)) for plane in gray])
    levels = _percentiles(gray, tissue, (0.1, 0.5, 0.9)) / 255
    centred = gray - gray.mean((1, 2), keepdims=True)
    power = (centred**2).mean((1, 2)) + 1
    middle, around = _RADIUS < 14, (_RADIUS >= 14) & (_RADIUS < SIDE / 2)
    return np.column_stack(
        [
            share,
            np.log1p(corner.mean((1, 2))),
            levels,
            np.log((gray >= WHITE).mean((1, 2)) + 0.01),
            np.log1p(_percentiles(noise, tissue, (0.5,))),
            np.log1p((across.mean((1, 2)) + down.mean((1, 2))) / 2),
            np.log((_extent(tissue.sum(2)) + 1) / (_extent(tissue.sum(1)) + 1)),
            (centred * centred[:, :, ::-1]).mean((1, 2)) / power,
            (centred * centred[:, ::-1]).mean((1, 2)) / power,
            (np.percentile(gray[:, around], 90, axis=1) - np.median(gray[:, middle], axis=1)) / 255,
        ]
    ).astype(np.float64)


_RADIUS: Final = np.hypot(*np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2)
"""Distance of each pixel from the middle."""


def _percentiles(values: NDArray[np.float32], inside: NDArray[np.bool_], at: Sequence[float]) -> Values:
    """Return quantiles of the values inside, (n, len(at)); 0 where nothing is inside."""
    rows = np.sort(np.where(inside, values, -1).reshape(len(values), -1), axis=1)
    count = inside.reshape(len(values), -1).sum(1)
    place = rows.shape[1] - count[:, None] + np.asarray(at) * np.maximum(count - 1, 0)[:, None]
    place = np.minimum(np.rint(place).astype(int), rows.shape[1] - 1)
    return np.maximum(np.take_along_axis(rows, place, 1), 0).astype(np.float64)


def _extent(profile: NDArray[np.integer]) -> Values:
    """Return the standard deviation of positions under profiles, (n, positions) to (n,)."""
    weight = profile / np.maximum(profile.sum(1, keepdims=True), 1)
    place = np.arange(profile.shape[1])
    mean = weight @ place
    return np.sqrt((weight * (place - mean[:, None]) ** 2).sum(1))


def _moments(found: Values) -> tuple[Values, Values]:
    """Return the center of numbers, and the root of their inverse covariance (see `Learned`)."""
    from sklearn.covariance import LedoitWolf

    spread = found.std(0) + 1e-6
    fitted = LedoitWolf().fit(found / spread)
    root = np.linalg.cholesky(fitted.precision_) / spread[:, None]
    return fitted.location_ * spread, root


def _distance(found: Values, center: Values, root: Values) -> Values:
    return np.sqrt((((found - center) @ root) ** 2).sum(1))


def of_study(reasons: Sequence[str], label: str = "") -> str:
    """Return why a study is unsure, given why each of its slices is: where more than half are; else "".

    With a label, the slices are those that speak for it.

    Examples
    --------
    >>> of_study(["", "no head seen", "no head seen"])
    'no head seen (2 of 3 slices)'
    >>> of_study(["", "no head seen"])
    ''
    """
    found = [reason for reason in reasons if reason]
    if 2 * len(found) <= len(reasons):
        return ""
    speak = f" that speak for {label}" if label else ""
    return f"{Counter(found).most_common(1)[0][0]} ({len(found)} of {len(reasons)} slices{speak})"
