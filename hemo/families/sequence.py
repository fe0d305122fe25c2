"""A slice read between its neighbours: a linear model of the study's sequence of radiological features."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from hemo.families import _study
from hemo.families._checks import check_images
from hemo.families._estimators import CLASS_WEIGHTS, both_classes, class_weight, standardisation
from hemo.families._features import FeatureClassifier
from hemo.families._radiology import feature_bytes, keep_radiological_features
from hemo.families.base import Family, Images, Slices, Studies

if TYPE_CHECKING:
    import optuna


Line = tuple[NDArray[np.float64], float]
"""Weights of features, (k,), and what is added: together a logit."""


class Sequence(FeatureClassifier):
    """Logistic regression on the features of a slice and the mean of its neighbours'.

    Along the study it is a convolution, symmetric and three slices long: the lightest of sequence models, for
    data whose studies are counted in tens. A slice of which nothing around is known has a model of its own,
    which learned from slices without their neighbours. Fits have one optimum: the seed is not used.

    Attributes
    ----------
    weights_ : ndarray of float64, (2 k,)
        Change of the logit per unit of each of a slice's k features, then of its neighbours'.
    intercept_ : float
        The logit where all features are zero.
    alone_ : tuple of (ndarray of float64 (k,), float), or None
        The same of a slice that stands alone; None where there is none (`judges_alone`), and of classifiers
        saved before there was one.
    """

    choices: ClassVar = {"class_weight": CLASS_WEIGHTS}
    above_zero: ClassVar[tuple[str, ...]] = ("C", "max_iter")

    judges_alone: ClassVar[bool] = True
    """Whether a slice has the same features where nothing around is known: then these have a model, too."""

    alone_: Line | None = None

    def features(self, images: Slices, study: Studies | None = None) -> NDArray[np.float64]:
        """Return the features of each slice and the mean of its neighbours', float64 (n, 2 k)."""
        each = super().features(images).astype(float)
        return _study.with_neighbours(each, _study.numbers(study, len(images)))

    def keep_features(self, images: Slices) -> None:
        """Compute and keep the features of slices, where they are many."""
        keep_radiological_features(images)

    def learn(self, features: NDArray[np.floating], truth: NDArray[np.int8]) -> dict[str, float]:
        """Fit on standardised features: with the neighbours', and without."""
        (self.weights_, self.intercept_), iterations = self._line(features, truth)
        most = iterations
        if self.judges_alone:
            self.alone_, of_alone = self._line(np.hsplit(features, 2)[0], truth)
            most = max(iterations, of_alone)
        return {"converged": float(most < self.params["max_iter"]), "iterations": iterations}

    def _line(self, features: NDArray[np.floating], truth: NDArray[np.int8]) -> tuple[Line, float]:
        """Return a logistic regression on features, (n, k), and how many iterations it took."""
        from sklearn.linear_model import LogisticRegression

        p = self.params
        center, deviation = standardisation(features)
        model = LogisticRegression(C=p["C"], max_iter=p["max_iter"], class_weight=class_weight(p))
        model.fit((features - center) / deviation, truth)
        weights = model.coef_[0] / deviation
        return (weights, float(model.intercept_[0] - weights @ center)), float(model.n_iter_.max())

    def predict_alone(self, images: Images) -> NDArray[np.float64] | None:
        """Return the probability of class 0 and 1 of slices that stand alone, float64 (n, 2)."""
        from scipy.special import expit

        if self.alone_ is None:
            return None
        check_images(images, self.image_shape_)
        weights, intercept = self.alone_
        return both_classes(expit(super().features(images).astype(float) @ weights + intercept))

    def logit(self, features: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the logit of each row of features, (n,)."""
        return features @ self.weights_ + self.intercept_

    def write(self, folder: Path) -> dict[str, Any]:
        """Write the weights, as NumPy arrays and JSON."""
        if self.alone_ is None:
            np.savez(folder / "weights.npz", weights=self.weights_)
            return {"intercept": self.intercept_}
        np.savez(folder / "weights.npz", weights=self.weights_, alone=self.alone_[0])
        return {"intercept": self.intercept_, "alone": self.alone_[1]}

    def read(self, folder: Path, state: Mapping[str, Any]) -> None:
        """Read the weights."""
        with np.load(folder / "weights.npz", allow_pickle=False) as arrays:
            self.weights_ = arrays["weights"]
            self.alone_ = (arrays["alone"], state["alone"]) if "alone" in arrays else None
        self.intercept_ = state["intercept"]


def suggest(trial: "optuna.Trial") -> dict[str, Any]:
    """Draw the strength of the fit and weights of the classes."""
    return {
        "C": trial.suggest_float("C", 1e-3, 10.0, log=True),
        "class_weight": trial.suggest_categorical("class_weight", CLASS_WEIGHTS),
    }


FAMILY = Family(
    name="sequence",
    title="Linear model of slices in sequence",
    defaults={"C": 0.1, "class_weight": "none", "max_iter": 2000},
    build=Sequence,
    suggest=suggest,
    load=Sequence.load,
    default_trial={"C": 0.1, "class_weight": "none"},
    study=True,
    # Features, their neighbours' beside them, and both standardised, with what making them takes.
    slice_bytes=lambda params, shape: 10 * feature_bytes(shape),
)
