"""Blood marked place by place, by trees that learned it from blood drawn into slices without any."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from hemo.errors import HemoError
from hemo.families import _marker, _study
from hemo.families._checks import check_images, check_truth
from hemo.families._estimators import CLASS_WEIGHTS
from hemo.families._feature_cache import Features, cached_features, cached_parts
from hemo.families._marker import Marker
from hemo.families._saved import load_arrays
from hemo.families.base import Family, Images, LabelTable, OnEpoch, Slices, Studies, Truth
from hemo.families.sequence import Sequence

if TYPE_CHECKING:
    import optuna

PARTS = 3
"""Markers, each of which has not seen a third of the studies, whose slices it describes for the fit."""

MARKED = 10_000
"""Slices that a marker learns from at most, drawn: a million places of them are as many as trees can use."""

BATCH = 256
"""Slices at a time, so that those between neighbours are not all held three times."""


class Lesions(Sequence):
    """A linear model of what is marked in a slice and its neighbours.

    Markers are learned first, from blood that is drawn into slices without any, so that they need no
    outlines, and no positive slice. The labels then tell what marks mean. Slices that are learned from are
    described by a marker that has not seen their study; others by all of them. What is drawn follows from the
    slices, so that all labels of the same slices share their markers: the seed is not used. Of several
    windows the first is looked at.

    Attributes
    ----------
    markers_ : list of Marker
        What marks blood in a slice.
    weights_, intercept_
        As of `sequence`. Of a slice that stands alone it says nothing: markers look at those around it.
    """

    above_zero = (*Sequence.above_zero, "trees")
    requires = ("treelite",)
    judges_alone = False  # what is marked in a slice was learned between its neighbours

    markers_: list[Marker]

    _on_disk = False
    """Whether what is marked is kept in files: where it was fitted, slices come again for each label."""

    def fit(
        self,
        images: Slices,
        y: Truth,
        validation: tuple[Slices, Truth] | None = None,
        on_epoch: OnEpoch | None = None,
        study: Studies | None = None,
        labels: LabelTable | None = None,
    ) -> Self:
        """Fit on slices of whole studies; without `labels`, slices of class 0 count as without blood."""
        check_images(images)
        truth = check_truth(y, len(images))
        self.image_shape_ = tuple(images.shape[1:])
        self._on_disk = True
        numbers = _study.numbers(study, len(images))
        without = truth == 0 if labels is None else np.asarray(labels)[:, 0] == 0
        part, around = _dealt(images, numbers), _study.around(numbers)
        self.markers_ = _learned(images, around, without, part, self.params["trees"])
        described = np.empty((len(images), _marker.NUMBERS))
        for number, marker in enumerate(self.markers_):
            own = np.flatnonzero(part == number)
            described[own] = self._described([marker], images, around[own])
        self.convergence_ = self.learn(_study.with_neighbours(described, numbers), truth)
        return self

    def features(self, images: Slices, study: Studies | None = None) -> NDArray[np.float64]:
        """Return what is marked in each slice and the mean of its neighbours', float64 (n, 2 k)."""
        numbers = _study.numbers(study, len(images))
        around = _study.around(numbers)
        return _study.with_neighbours(self._described(self.markers_, images, around), numbers)

    def _described(
        self, markers: list[Marker], images: Slices, around: NDArray[np.intp]
    ) -> NDArray[np.float64]:
        """Return what markers mark, float64 (n, k), given the rows of each slice between its neighbours."""

        def compute(triples: Images) -> Features:
            found = np.empty((len(triples), _marker.NUMBERS), np.float32)
            for row, triple in enumerate(triples):
                found[row] = _marker.marked(triple, markers)
            return found

        kind = "-".join(("lesions", *(marker.digest for marker in markers)))
        parts = [
            cached_features(_triples(images, around[start : start + BATCH]), kind, compute, self._on_disk)
            for start in range(0, max(len(around), 1), BATCH)
        ]
        return np.concatenate(parts).astype(float)

    def attribution(self, images: Images) -> NDArray[np.float32]:
        """Return the probability of blood that is marked at each place, float32 (n, height, width)."""
        from scipy.special import expit

        check_images(images, self.image_shape_)
        alone = _triples(images, _study.around(np.arange(len(images))))
        found = [expit(_marker.odds(triple, self.markers_)) for triple in alone]
        return np.reshape(np.array(found, np.float32), images.shape[:3])

    def write(self, folder: Path) -> dict[str, Any]:
        """Write weights and markers: NumPy arrays, and treelite's own format within them."""
        parts = [np.frombuffer(part, np.uint8) for marker in self.markers_ for part in marker.parts]
        np.savez(folder / "markers.npz", *parts)
        return super().write(folder)

    def read(self, folder: Path, state: Mapping[str, Any]) -> None:
        """Read weights and markers."""
        super().read(folder, state)
        parts = [part.tobytes() for part in load_arrays(folder / "markers.npz")]
        self.markers_ = [Marker.from_parts(pair) for pair in zip(parts[::2], parts[1::2], strict=True)]


def _triples(images: Slices, around: NDArray[np.intp]) -> Images:
    """Return slices between their neighbours, uint8 (n, height, width, 3), given the rows of each."""
    first = images[around.ravel()][..., 0]
    return np.moveaxis(first.reshape(*around.shape, *first.shape[1:]), 1, -1)


def _dealt(images: Slices, study: Studies) -> NDArray[np.int64]:
    """Deal studies to `PARTS` parts, (n,), by what they show: names may differ from store to store."""
    import xxhash

    names, code = np.unique(study, return_inverse=True)
    shown = [
        xxhash.xxh3_64_intdigest(np.ascontiguousarray(images[np.flatnonzero(study == name)]).data)
        for name in names
    ]
    rank = np.empty(len(names), np.int64)
    rank[np.argsort(shown, kind="stable")] = np.arange(len(names)) % min(PARTS, len(names))
    return rank[code]


def _learned(
    images: Slices, around: NDArray[np.intp], without: NDArray[np.bool_], part: NDArray[np.int64], trees: int
) -> list[Marker]:
    """Return for each part of the studies what has learned to mark blood from the others'."""
    import xxhash

    markers = []
    for number in range(part.max() + 1):
        rows = np.flatnonzero(without & ((part != number) | (part.max() == 0)))
        if len(rows) > MARKED:
            rows = np.sort(np.random.default_rng([number, len(rows)]).permutation(rows)[:MARKED])
        if not len(rows):
            raise HemoError(
                "lesions: it learns from blood drawn into slices that have none: add studies with such slices"
            )
        content = xxhash.xxh3_128(f"{trees}/{images.shape[1:]}".encode())
        for row in rows:
            content.update(np.ascontiguousarray(_triples(images, around[row : row + 1])).data)
        learn = partial(_learn, images, around[rows], trees, content.intdigest() % 2**32)
        markers.append(Marker.from_parts(cached_parts("lesions", content.hexdigest(), learn)))
    return markers


def _learn(images: Slices, around: NDArray[np.intp], trees: int, seed: int) -> list[bytes]:
    triples = (_triples(images, around[row : row + 1])[0] for row in range(len(around)))
    return _marker.learned(triples, trees, seed)


def suggest(trial: "optuna.Trial") -> dict[str, Any]:
    """Draw the strength of the linear fit, weights of the classes, and the markers' number of trees."""
    return {
        "C": trial.suggest_float("C", 1e-3, 10.0, log=True),
        "class_weight": trial.suggest_categorical("class_weight", CLASS_WEIGHTS),
        "trees": trial.suggest_int("trees", 30, 240, log=True),
    }


DEFAULTS = {"C": 0.05, "class_weight": "none", "max_iter": 2000, "trees": 120}

FAMILY = Family(
    name="lesions",
    title="Linear model of marked blood",
    defaults=DEFAULTS,
    build=Lesions,
    suggest=suggest,
    load=Lesions.load,
    default_trial={name: value for name, value in DEFAULTS.items() if name != "max_iter"},
    study=True,
    labels=True,
    slice_bytes=lambda params, shape: 64 * _marker.NUMBERS,  # what is marked in it, several times
    tiny={"trees": 20},
)
