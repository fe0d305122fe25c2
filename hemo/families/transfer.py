"""Transfer learning: a backbone trained on photographs, frozen, with a linear or dense head for blood."""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from hemo.errors import HemoError
from hemo.families._backbones import ARCHITECTURES, backbone, load_backbone, save_backbone
from hemo.families._checks import check_choices, check_images, check_positive, check_truth
from hemo.families._embedding import embed
from hemo.families._saved import load_arrays, load_state, save_state
from hemo.families.base import Family, Images, OnEpoch, Truth

if TYPE_CHECKING:
    import optuna


Layer = tuple[NDArray[np.float64], NDArray[np.float64]]

LEAST_SIZE = 32
"""Pixels a side, of which the backbones leave one position."""


class Transfer:
    """Logistic regression, or a network of one hidden layer, on standardised features of a frozen backbone.

    Parameters
    ----------
    params
        The family's parameters, defaults included.
    seed
        Of the backbone's weights, where none are given, and of the hidden layer's first weights.

    Attributes
    ----------
    backbone_ : Backbone
        The frozen network.
    layers_ : list of (weights, bias), ndarrays of float64
        From the features (the means of the k maps, then their maxima) to the logit: one layer, or two with
        rectified units between them.
    image_shape_ : tuple of int
        Height, width and channels of the training slices.
    n_parameters : int
        Weights of backbone and head.
    convergence_ : dict
        `converged` and `iterations` of the head's fit.
    """

    _on_disk = False
    """Whether features are kept in files: where it was fitted, it predicts slices of the same data, in other
    folds and studies again; where it was loaded, in service say, slices leave no file."""

    def __init__(self, params: Mapping[str, Any], seed: int = 0) -> None:
        self.params = dict(params)
        self.seed = seed
        choices = {"class_weight": ("none", "balanced"), "backbone": tuple(ARCHITECTURES)}
        check_choices(params, {**choices, "mirrored": (False, True)})
        check_positive(params, ("size", "C", "tol", "max_iter"))
        if params["size"] < LEAST_SIZE:
            raise HemoError(f"parameter size: {params['size']} is too small: give {LEAST_SIZE} or more")
        if type(params["hidden"]) is not int or params["hidden"] < 0:
            raise HemoError(f"parameter hidden: '{params['hidden']}': give units, 0 for a linear head")

    @property
    def n_parameters(self) -> int:
        """Number of weights, known once fitted."""
        head = sum(weights.size + bias.size for weights, bias in self.layers_)
        return self.backbone_.network.count_params() + head

    def fit(
        self,
        images: Images,
        y: Truth,
        validation: tuple[Images, Truth] | None = None,
        on_epoch: OnEpoch | None = None,
    ) -> Self:
        """Fit the head on slices; `validation` and `on_epoch` are not used: there are no epochs to stop."""
        check_images(images)
        truth = check_truth(y, len(images))
        p = self.params
        self.backbone_ = backbone(p["backbone"], p["weights"], self.seed)
        self._on_disk = p["weights"] != "none"
        features = self._features(images)
        center, deviation = features.mean(axis=0), features.std(axis=0)
        # What varies by rounding alone must not be enlarged.
        deviation[deviation <= 1e-6 * np.abs(center)] = 1
        layers, iterations, converged = self._fit_head((features - center) / deviation, truth)
        self.convergence_ = {"converged": float(converged), "iterations": float(iterations)}
        self.image_shape_ = tuple(images.shape[1:])
        weights, bias = layers[0][0] / deviation[:, None], layers[0][1]
        self.layers_ = [(weights, bias - center @ weights), *layers[1:]]
        return self

    def _fit_head(self, x: NDArray[np.float64], truth: NDArray[np.int8]) -> tuple[list[Layer], int, bool]:
        """Return layers, iterations and whether they sufficed."""
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import LogisticRegression
        from sklearn.neural_network import MLPClassifier
        from sklearn.utils.class_weight import compute_sample_weight

        p = self.params
        weight = None if p["class_weight"] == "none" else p["class_weight"]
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            if p["hidden"]:
                # alpha / 2 times the squared weights stand against the sum of losses: as 1 / C below.
                dense = MLPClassifier(
                    (p["hidden"],), solver="lbfgs", alpha=1 / p["C"], tol=p["tol"], max_iter=p["max_iter"],
                    random_state=self.seed,
                )  # fmt: skip
                dense.fit(x, truth, sample_weight=compute_sample_weight(weight, truth))
                layers = list(zip(dense.coefs_, dense.intercepts_, strict=True))
                iterations = dense.n_iter_
            else:
                linear = LogisticRegression(
                    C=p["C"], tol=p["tol"], max_iter=p["max_iter"], class_weight=weight
                )
                linear.fit(x, truth)
                layers, iterations = [(linear.coef_.T, linear.intercept_)], int(linear.n_iter_.max())
        stopped = any(issubclass(warning.category, ConvergenceWarning) for warning in caught)
        return layers, iterations, not stopped

    def _features(self, images: Images) -> NDArray[np.float64]:
        p = self.params
        return embed(self.backbone_, images, p["size"], self._on_disk, p["mirrored"]).astype(float)

    def _logit(self, features: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the logit of each row of features, (n,), and its slopes along the features, (n, 2 k)."""
        weights, bias = self.layers_[0]
        first = features @ weights + bias
        if len(self.layers_) == 1:
            return first[:, 0], np.broadcast_to(weights[:, 0], features.shape)
        output, last = self.layers_[1]
        active = first > 0
        return (first * active) @ output[:, 0] + last[0], (active * output[:, 0]) @ weights.T

    def predict_proba(self, images: Images) -> NDArray[np.float64]:
        """Return the probability of class 0 and 1, float64 (n, 2)."""
        from scipy.special import expit

        check_images(images, self.image_shape_)
        positive = expit(self._logit(self._features(images))[0])
        return np.column_stack((1 - positive, positive))

    def attribution(self, images: Images) -> NDArray[np.float32]:
        """Return the class activation map of the logit, float32 (n, height, width), enlarged to the slice.

        A map's mean speaks from everywhere, its maximum from where it is reached (B. Zhou et al., "Learning
        deep features for discriminative localization", 2016): what speaks for blood is kept.
        """
        check_images(images, self.image_shape_)
        slopes = self._logit(self._features(images))[1].astype(np.float32)
        looked = self._evidence(images, slopes)
        if self.params["mirrored"]:
            looked += self._evidence(images[:, :, ::-1], slopes)[:, :, ::-1]
            looked /= 2
        return looked

    def _evidence(self, images: Images, slopes: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return what speaks for blood in slices whose logits have these slopes along the features."""
        import tensorflow as tf

        result = np.empty((len(images), *self.image_shape_[:2]), np.float32)
        for index in range(len(images)):
            maps = self.backbone_.maps(images[index : index + 1], self.params["size"])
            mean_weights, max_weights = np.split(slopes[index], 2)
            peak = tf.cast(maps == tf.reduce_max(maps, (1, 2), keepdims=True), tf.float32)
            peak /= tf.reduce_sum(peak, (1, 2), keepdims=True)
            share = maps * (mean_weights / (maps.shape[1] * maps.shape[2]) + max_weights * peak)
            evidence = tf.nn.relu(tf.reduce_sum(share, axis=-1, keepdims=True))
            result[index] = tf.image.resize(evidence, self.image_shape_[:2])[0, ..., 0]
        return result

    def save(self, folder: Path) -> None:
        """Write head and backbone, as NumPy arrays and JSON."""
        save_backbone(self.backbone_, folder / "backbone.npz")
        np.savez(folder / "head.npz", *(array for layer in self.layers_ for array in layer))
        save_state(self, folder)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
        classifier, state = load_state(cls, folder)
        classifier.backbone_ = load_backbone(state["params"]["backbone"], folder / "backbone.npz")
        parts = load_arrays(folder / "head.npz")
        classifier.layers_ = list(zip(parts[::2], parts[1::2], strict=True))
        return classifier


def suggest(trial: "optuna.Trial") -> dict[str, Any]:
    """Draw the size at which the backbone sees slices, the head's units and penalty, and classes' weights."""
    return {
        "hidden": trial.suggest_categorical("hidden", (0, 16, 64)),
        "size": trial.suggest_categorical("size", (128, 192, 256)),
        "C": trial.suggest_float("C", 1e-6, 1.0, log=True),
        "class_weight": trial.suggest_categorical("class_weight", ("none", "balanced")),
    }


FAMILY = Family(
    name="transfer",
    title="Frozen backbone",
    defaults={
        "backbone": "lite0",
        "weights": "imagenet",
        "size": 256,
        "mirrored": False,
        "hidden": 0,
        "C": 1e-3,
        "class_weight": "none",
        "tol": 1e-4,
        "max_iter": 1000,
    },
    build=Transfer,
    suggest=suggest,
    classifier=lambda: Transfer,
    tensorflow=True,
    default_trial={"hidden": 0, "size": 256, "C": 1e-3, "class_weight": "none"},
    tiny={"weights": "none", "size": 96, "C": 1.0},
)
