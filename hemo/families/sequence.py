"""A slice read between its neighbours: a linear model of the study's sequence of radiological features."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from hemo.families import _study
from hemo.families._estimators import CLASS_WEIGHTS, class_weight, standardisation
from hemo.families._features import FeatureClassifier
from hemo.families._radiology import feature_bytes, keep_radiological_features
from hemo.families.base import Family, Slices, Studies

if TYPE_CHECKING:
    import optuna


class Sequence(FeatureClassifier):
    """Logistic regression on the features of a slice and the mean of its neighbours'.

    Along the study it is a convolution, symmetric and three slices long: the lightest of sequence models, for
    data whose studies are counted in tens. The fit has one optimum: the seed is not used.

    Attributes
    ----------
    weights_ : ndarray of float64, (2 k,)
        Change of the logit per unit of each of a slice's k features, then of its neighbours'.
    intercept_ : float
        The logit where all features are zero.
    """

    choices: ClassVar = {"class_weight": CLASS_WEIGHTS}
    above_zero: ClassVar[tuple[str, ...]] = ("C", "max_iter")

    def features(self, images: Slices, study: Studies | None = None) -> NDArray[np.float64]:
        """Return the features of each slice and the mean of its neighbours', float64 (n, 2 k)."""
        each = super().features(images).astype(float)
        return _study.with_neighbours(each, _study.numbers(study, len(images)))

    def keep_features(self, images: Slices) -> None:
        """Compute and keep the features of slices, where they are many."""
        keep_radiological_features(images)

    def learn(self, features: NDArray[np.floating], truth: NDArray[np.int8]) -> dict[str, float]:
        """Fit on standardised features."""
        from sklearn.linear_model import LogisticRegression

        p = self.params
        center, deviation = standardisation(features)
        model = LogisticRegression(C=p["C"], max_iter=p["max_iter"], class_weight=class_weight(p))
        model.fit((features - center) / deviation, truth)
        iterations = float(model.n_iter_.max())
        self.weights_ = model.coef_[0] / deviation
        self.intercept_ = float(model.intercept_[0] - self.weights_ @ center)
        return {"converged": float(iterations < p["max_iter"]), "iterations": iterations}

    def logit(self, features: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the logit of each row of features, (n,)."""
        return features @ self.weights_ + self.intercept_

    def write(self, folder: Path) -> dict[str, Any]:
        """Write the weights, as NumPy arrays and JSON."""
        np.savez(folder / "weights.npz", weights=self.weights_)
        return {"intercept": self.intercept_}

    def read(self, folder: Path, state: Mapping[str, Any]) -> None:
        """Read the weights."""
        with np.load(folder / "weights.npz", allow_pickle=False) as arrays:
            self.weights_ = arrays["weights"]
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
