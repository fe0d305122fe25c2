"""A slice read between its neighbours: a linear model of the study's sequence of radiological features."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from hemo.families import _study
from hemo.families._checks import check_choices, check_images, check_positive, check_truth
from hemo.families._occlusion import occlusion_map
from hemo.families._radiology import remembered_features
from hemo.families._saved import load_state, save_state
from hemo.families.base import Family, Images, OnEpoch, Studies, Truth

if TYPE_CHECKING:
    import optuna


class Sequence:
    """Logistic regression on the features of a slice and the mean of its neighbours'.

    Along the study it is a convolution, symmetric and three slices long: the lightest of sequence models, for
    data whose studies are counted in tens.

    Parameters
    ----------
    params
        The family's parameters, defaults included.
    seed
        Not used: the fit has one optimum.

    Attributes
    ----------
    weights_ : ndarray of float64, (2 k,)
        Change of the logit per unit of each of a slice's k features, then of its neighbours'.
    intercept_ : float
        The logit where all features are zero.
    image_shape_ : tuple of int
        Height, width and channels of the training slices.
    convergence_ : dict
        `converged` and `iterations` of the fit.
    """

    def __init__(self, params: Mapping[str, Any], seed: int = 0) -> None:
        self.params = dict(params)
        self.seed = seed
        check_choices(params, {"class_weight": ("none", "balanced")})
        check_positive(params, ("C", "max_iter"))

    def fit(
        self,
        images: Images,
        y: Truth,
        validation: tuple[Images, Truth] | None = None,
        on_epoch: OnEpoch | None = None,
        study: Studies | None = None,
    ) -> Self:
        """Fit on slices of whole studies; `validation` and `on_epoch` are not used: it has no epochs."""
        from sklearn.linear_model import LogisticRegression

        check_images(images)
        truth = check_truth(y, len(images))
        p = self.params
        features = _in_sequence(remembered_features(images), _study.numbers(study, len(images)))
        center, deviation = features.mean(axis=0), features.std(axis=0)
        # What varies by rounding alone must not be enlarged.
        deviation[deviation <= 1e-6 * np.abs(center)] = 1
        weight = None if p["class_weight"] == "none" else p["class_weight"]
        model = LogisticRegression(C=p["C"], max_iter=p["max_iter"], class_weight=weight)
        model.fit((features - center) / deviation, truth)
        iterations = float(model.n_iter_.max())
        self.convergence_ = {"converged": float(iterations < p["max_iter"]), "iterations": iterations}
        self.image_shape_ = tuple(images.shape[1:])
        self.weights_ = model.coef_[0] / deviation
        self.intercept_ = float(model.intercept_[0] - self.weights_ @ center)
        return self

    def _logit(self, features: NDArray[np.float32], study: Studies) -> NDArray[np.float64]:
        return _in_sequence(features, study) @ self.weights_ + self.intercept_

    def predict_proba(self, images: Images, study: Studies | None = None) -> NDArray[np.float64]:
        """Return the probability of class 0 and 1, float64 (n, 2)."""
        from scipy.special import expit

        check_images(images, self.image_shape_)
        logit = self._logit(remembered_features(images), _study.numbers(study, len(images)))
        positive = expit(logit)
        return np.column_stack((1 - positive, positive))

    def attribution(self, images: Images) -> NDArray[np.float32]:
        """Return how much the logit falls when a place is covered, float32 (n, height, width)."""
        check_images(images, self.image_shape_)
        return occlusion_map(
            images, lambda covered: self._logit(remembered_features(covered), np.arange(len(covered)))
        )

    def save(self, folder: Path) -> None:
        """Write the weights, as NumPy arrays and JSON."""
        np.savez(folder / "weights.npz", weights=self.weights_)
        save_state(self, folder, intercept=self.intercept_)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
        classifier, state = load_state(cls, folder)
        with np.load(folder / "weights.npz", allow_pickle=False) as arrays:
            classifier.weights_ = arrays["weights"]
        classifier.intercept_ = state["intercept"]
        return classifier


def _in_sequence(features: NDArray[np.float32], study: Studies) -> NDArray[np.float64]:
    """Return the features of each slice and the mean of its neighbours', float64 (n, 2 k)."""
    before, own, after = np.moveaxis(features.astype(float)[_study.around(study)], 1, 0)
    return np.hstack((own, (before + after) / 2))


def suggest(trial: "optuna.Trial") -> dict[str, Any]:
    """Draw the strength of the fit and weights of the classes."""
    return {
        "C": trial.suggest_float("C", 1e-3, 10.0, log=True),
        "class_weight": trial.suggest_categorical("class_weight", ("none", "balanced")),
    }


FAMILY = Family(
    name="sequence",
    title="Linear model of slices in sequence",
    defaults={"C": 0.1, "class_weight": "none", "max_iter": 2000},
    build=Sequence,
    suggest=suggest,
    classifier=lambda: Sequence,
    default_trial={"C": 0.1, "class_weight": "none"},
    study=True,
)
