"""Transfer learning: a backbone trained on photographs, frozen, with a linear or dense head for blood."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from hemo.errors import HemoError
from hemo.families._architectures import ARCHITECTURES
from hemo.families._backbone_sizes import width
from hemo.families._backbones import LEAST_SIZE, backbone, load_backbone, save_backbone
from hemo.families._checks import check_counts, check_images
from hemo.families._embedding import embed
from hemo.families._estimators import CLASS_WEIGHTS, class_weight, fit_estimator, standardisation
from hemo.families._feature_cache import Features
from hemo.families._features import FeatureClassifier
from hemo.families._saved import load_arrays
from hemo.families.base import Family, Images, OnEpoch, Slices, Studies, Truth

if TYPE_CHECKING:
    import optuna


Layer = tuple[NDArray[np.float64], NDArray[np.float64]]


class Transfer(FeatureClassifier):
    """Logistic regression, or a network of one hidden layer, on standardised features of a frozen backbone.

    The seed is of the backbone's weights, where none are given, and of the hidden layer's first weights.

    Attributes
    ----------
    backbone_ : Backbone
        The frozen network.
    layers_ : list of (weights, bias), ndarrays of float64
        From the features (the means of the k maps, then their maxima) to the logit: one layer, or two with
        rectified units between them.
    n_parameters : int
        Weights of backbone and head.
    """

    choices: ClassVar = {
        "class_weight": CLASS_WEIGHTS,
        "backbone": tuple(ARCHITECTURES),
        "mirrored": (False, True),
    }
    above_zero = ("size", "C", "tol", "max_iter")

    _on_disk = False
    """Whether features are kept in files: where it was fitted, it predicts slices of the same data, in other
    folds and studies again; where it was loaded, in service say, slices leave no file."""

    def __init__(self, params: Mapping[str, Any], seed: int = 0) -> None:
        super().__init__(params, seed)
        if params["size"] < LEAST_SIZE:
            raise HemoError(f"parameter size: {params['size']} is too small: give {LEAST_SIZE} or more")
        check_counts(params, ("hidden",))

    @property
    def n_parameters(self) -> int:
        """Number of weights, known once fitted."""
        head = sum(weights.size + bias.size for weights, bias in self.layers_)
        return self.backbone_.network.count_params() + head

    def fit(
        self,
        images: Slices,
        y: Truth,
        validation: tuple[Slices, Truth] | None = None,
        on_epoch: OnEpoch | None = None,
        study: Studies | None = None,
    ) -> Self:
        """Fit the head on slices; `validation` and `on_epoch` are not used: there are no epochs to stop."""
        self._begin()
        return super().fit(images, y, validation, on_epoch, study)

    def _begin(self) -> None:
        p = self.params
        self.backbone_ = backbone(p["backbone"], p["weights"], self.seed)
        self._on_disk = p["weights"] != "none"  # others differ from seed to seed

    def keep_features(self, images: Slices) -> None:
        """Compute and keep the features of slices, where the backbone's weights are read from a file."""
        if self.params["weights"] != "none":
            self._begin()
            self._embedded(images)

    def features(self, images: Slices, study: Studies | None = None) -> NDArray[np.float64]:
        """Return the means of the backbone's maps, then their maxima, float64 (n, 2 k)."""
        return self._embedded(images).astype(float)

    def _embedded(self, images: Slices) -> Features:
        p = self.params
        return embed(self.backbone_, images, p["size"], self._on_disk, p["mirrored"])

    def learn(self, features: NDArray[np.floating], truth: NDArray[np.int8]) -> dict[str, float]:
        """Fit the head on standardised features."""
        center, deviation = standardisation(features)
        layers, iterations, converged = self._fit_head((features - center) / deviation, truth)
        weights, bias = layers[0][0] / deviation[:, None], layers[0][1]
        self.layers_ = [(weights, bias - center @ weights), *layers[1:]]
        return {"converged": float(converged), "iterations": float(iterations)}

    def _fit_head(self, x: NDArray[np.float64], truth: NDArray[np.int8]) -> tuple[list[Layer], int, bool]:
        """Return layers, iterations and whether they sufficed."""
        from sklearn.linear_model import LogisticRegression
        from sklearn.neural_network import MLPClassifier
        from sklearn.utils.class_weight import compute_sample_weight

        p = self.params
        if p["hidden"]:
            # alpha / 2 times the squared weights stand against the sum of losses: as 1 / C below.
            dense = MLPClassifier(
                (p["hidden"],), solver="lbfgs", alpha=1 / p["C"], tol=p["tol"], max_iter=p["max_iter"],
                random_state=self.seed,
            )  # fmt: skip
            weights = compute_sample_weight(class_weight(p), truth)
            _, converged = fit_estimator(dense, x, truth, sample_weight=weights)
            return list(zip(dense.coefs_, dense.intercepts_, strict=True)), dense.n_iter_, converged
        linear = LogisticRegression(
            C=p["C"], tol=p["tol"], max_iter=p["max_iter"], class_weight=class_weight(p)
        )
        _, converged = fit_estimator(linear, x, truth)
        return [(linear.coef_.T, linear.intercept_)], int(linear.n_iter_.max()), converged

    def logit(self, features: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the logit of each row of features, (n,)."""
        return self._logit_and_slopes(features)[0]

    def _logit_and_slopes(
        self, features: NDArray[np.floating]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the logit of each row of features, (n,), and its slopes along the features, (n, 2 k)."""
        weights, bias = self.layers_[0]
        first = features @ weights + bias
        if len(self.layers_) == 1:
            return first[:, 0], np.broadcast_to(weights[:, 0], features.shape)
        output, last = self.layers_[1]
        active = first > 0
        return (first * active) @ output[:, 0] + last[0], (active * output[:, 0]) @ weights.T

    def attribution(self, images: Images) -> NDArray[np.float32]:
        """Return the class activation map of the logit, float32 (n, height, width), enlarged to the slice.

        A map's mean speaks from everywhere, its maximum from where it is reached (B. Zhou et al., "Learning
        deep features for discriminative localization", 2016): what speaks for blood is kept.
        """
        check_images(images, self.image_shape_)
        slopes = self._logit_and_slopes(self.features(images))[1].astype(np.float32)
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

    def write(self, folder: Path) -> dict[str, Any]:
        """Write head and backbone, as NumPy arrays."""
        save_backbone(self.backbone_, folder / "backbone.npz")
        np.savez(folder / "head.npz", *(array for layer in self.layers_ for array in layer))
        return {}

    def read(self, folder: Path, state: Mapping[str, Any]) -> None:
        """Read head and backbone."""
        self.backbone_ = load_backbone(self.params["backbone"], folder / "backbone.npz")
        parts = load_arrays(folder / "head.npz")
        self.layers_ = list(zip(parts[::2], parts[1::2], strict=True))


def suggest(trial: "optuna.Trial") -> dict[str, Any]:
    """Draw the size at which the backbone sees slices, the head's units and penalty, and classes' weights."""
    return {
        "hidden": trial.suggest_categorical("hidden", (0, 16, 64)),
        "size": trial.suggest_categorical("size", (128, 192, 256)),
        "C": trial.suggest_float("C", 1e-6, 1.0, log=True),
        "class_weight": trial.suggest_categorical("class_weight", CLASS_WEIGHTS),
    }


def _slice_bytes(params: Mapping[str, Any], shape: tuple[int, ...]) -> int:
    """Return what features of a slice take: in float32, and in float64 as they are and standardised."""
    return (4 + 3 * 8 + 4) * 2 * width(params["backbone"])


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
    load=Transfer.load,
    tensorflow=True,
    slice_bytes=_slice_bytes,
    default_trial={"hidden": 0, "size": 256, "C": 1e-3, "class_weight": "none"},
    tiny={"weights": "none", "size": 96, "C": 1.0},
)
