"""Transfer learning: a backbone trained on photographs, frozen, with a linear head for blood."""

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from hemo.families._checks import check_choices, check_images, check_positive, check_truth
from hemo.families._embedding import backbone, embed, load_backbone, save_backbone
from hemo.families.base import Family, Images, OnEpoch, Truth

if TYPE_CHECKING:
    import optuna


class Transfer:
    """Logistic regression on standardised features of EfficientNet-Lite0.

    Parameters
    ----------
    params
        The family's parameters, defaults included.
    seed
        Of the backbone's weights, where none are given.

    Attributes
    ----------
    backbone_ : Backbone
        The frozen network.
    weights_ : ndarray of float64, (2 k,)
        Change of the logit per unit of each feature: the means of the k maps, then their maxima.
    intercept_ : float
        The logit where all features are zero.
    image_shape_ : tuple of int
        Height, width and channels of the training slices.
    n_parameters : int
        Weights of backbone and head.
    convergence_ : dict
        `converged` and `iterations` of the head's fit.
    """

    def __init__(self, params: Mapping[str, Any], seed: int = 0) -> None:
        self.params = dict(params)
        self.seed = seed
        check_choices(params, {"class_weight": ("none", "balanced")})
        check_positive(params, ("size", "C", "tol", "max_iter"))

    @property
    def n_parameters(self) -> int:
        """Number of weights, known once fitted."""
        return self.backbone_.network.count_params() + len(self.weights_) + 1

    def fit(
        self,
        images: Images,
        y: Truth,
        validation: tuple[Images, Truth] | None = None,
        on_epoch: OnEpoch | None = None,
    ) -> Self:
        """Fit the head on slices; `validation` and `on_epoch` are not used: there are no epochs to stop."""
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import LogisticRegression

        check_images(images)
        truth = check_truth(y, len(images))
        p = self.params
        self.backbone_ = backbone(p["weights"], self.seed)
        # Slices that are only predicted, in service say, leave no file.
        features = embed(self.backbone_, images, p["size"], on_disk=p["weights"] != "none").astype(float)
        center, deviation = features.mean(axis=0), features.std(axis=0)
        # What varies by rounding alone must not be enlarged.
        deviation[deviation <= 1e-6 * np.abs(center)] = 1
        head = LogisticRegression(
            C=p["C"],
            tol=p["tol"],
            max_iter=p["max_iter"],
            class_weight=None if p["class_weight"] == "none" else p["class_weight"],
        )
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            head.fit((features - center) / deviation, truth)
        stopped = any(issubclass(warning.category, ConvergenceWarning) for warning in caught)
        self.convergence_ = {"converged": float(not stopped), "iterations": float(head.n_iter_.max())}
        self.image_shape_ = tuple(images.shape[1:])
        self.weights_ = head.coef_[0] / deviation
        self.intercept_ = float(head.intercept_[0] - self.weights_ @ center)
        return self

    def predict_proba(self, images: Images) -> NDArray[np.float64]:
        """Return the probability of class 0 and 1, float64 (n, 2)."""
        from scipy.special import expit

        check_images(images, self.image_shape_)
        features = embed(self.backbone_, images, self.params["size"]).astype(float)
        positive = expit(features @ self.weights_ + self.intercept_)
        return np.column_stack((1 - positive, positive))

    def attribution(self, images: Images) -> NDArray[np.float32]:
        """Return the class activation map of the logit, float32 (n, height, width), enlarged to the slice.

        A map's mean speaks from everywhere, its maximum from where it is reached (B. Zhou et al., "Learning
        deep features for discriminative localization", 2016): what speaks for blood is kept.
        """
        import tensorflow as tf

        check_images(images, self.image_shape_)
        mean_weights, max_weights = np.split(self.weights_.astype(np.float32), 2)
        result = np.empty((len(images), *self.image_shape_[:2]), np.float32)
        for index in range(len(images)):
            maps = self.backbone_.maps(images[index : index + 1], self.params["size"])
            peak = tf.cast(maps == tf.reduce_max(maps, (1, 2), keepdims=True), tf.float32)
            peak /= tf.reduce_sum(peak, (1, 2), keepdims=True)
            share = maps * (mean_weights / (maps.shape[1] * maps.shape[2]) + max_weights * peak)
            evidence = tf.nn.relu(tf.reduce_sum(share, axis=-1, keepdims=True))
            result[index] = tf.image.resize(evidence, self.image_shape_[:2])[0, ..., 0]
        return result

    def save(self, folder: Path) -> None:
        """Write head and backbone, as NumPy arrays and JSON."""
        save_backbone(self.backbone_, folder / "backbone.npz")
        np.savez(folder / "head.npz", weights=self.weights_)
        state = {
            "params": self.params,
            "seed": self.seed,
            "intercept": self.intercept_,
            "image_shape": self.image_shape_,
            "convergence": self.convergence_,
        }
        (folder / "transfer.json").write_text(json.dumps(state, indent=1))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
        state = json.loads((folder / "transfer.json").read_text())
        classifier = cls(state["params"], state["seed"])
        classifier.backbone_ = load_backbone(folder / "backbone.npz")
        with np.load(folder / "head.npz", allow_pickle=False) as arrays:
            classifier.weights_ = arrays["weights"]
        classifier.intercept_ = state["intercept"]
        classifier.image_shape_ = tuple(state["image_shape"])
        classifier.convergence_ = state["convergence"]
        return classifier


def suggest(trial: "optuna.Trial") -> dict[str, Any]:
    """Draw the size at which the backbone sees slices, and the head's strength and weights of the classes."""
    return {
        "size": trial.suggest_categorical("size", (128, 192, 256)),
        "C": trial.suggest_float("C", 1e-6, 1.0, log=True),
        "class_weight": trial.suggest_categorical("class_weight", ("none", "balanced")),
    }


FAMILY = Family(
    name="transfer",
    title="Frozen EfficientNet-Lite0",
    defaults={
        "weights": "published",
        "size": 256,
        "C": 1e-3,
        "class_weight": "none",
        "tol": 1e-4,
        "max_iter": 1000,
    },
    build=Transfer,
    suggest=suggest,
    classifier=lambda: Transfer,
    tensorflow=True,
    first={"size": 256, "C": 1e-3, "class_weight": "none"},
    tiny={"weights": "none", "size": 96, "C": 1.0},
)
