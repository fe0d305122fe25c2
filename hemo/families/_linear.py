"""What the linear families share: pixels in, one weight a pixel out, probabilities by a sigmoid."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from hemo import memory
from hemo.errors import HemoError
from hemo.families._beyond_memory import COMPONENTS, TRIED, Components, loss_of_auc
from hemo.families._checks import check_choices, check_images, check_positive, check_truth
from hemo.families._estimators import CLASS_WEIGHTS, both_classes, fit_estimator
from hemo.families._feature_cache import in_blocks
from hemo.families._platt import cross_fitted_scores, fit_sigmoid
from hemo.families._rowspace import SCALES, Features, Scaling, feature_bytes, features
from hemo.families._saved import load_state, save_state
from hemo.families.base import Images, OnEpoch, Slices, Truth

if TYPE_CHECKING:
    import optuna

BATCH = 256


def suggest_scaling(trial: "optuna.Trial") -> dict[str, Any]:
    """Draw what every linear family has: scaling, number of principal components, weights of the classes."""
    pca = trial.suggest_categorical("pca", (False, True))
    return {
        "scale": trial.suggest_categorical("scale", ("standardise", "unit")),
        "components": trial.suggest_int("components", 8, 256, log=True) if pca else 0,
        "class_weight": trial.suggest_categorical("class_weight", CLASS_WEIGHTS),
    }


DEFAULT_SCALING: Mapping[str, Any] = {"pca": False, "scale": "standardise", "class_weight": "none"}
"""The trial parameters for which `suggest_scaling` gives the defaults."""


class LinearClassifier(ABC):
    """A linear decision on gray levels; a family gives the estimator of scikit-learn that finds it.

    Parameters
    ----------
    params
        The family's parameters, defaults included.
    seed
        Of everything drawn in the fit.

    Attributes
    ----------
    weights_ : ndarray of float64, (height * width * channels,)
        Change of the decision per gray level.
    center_ : ndarray of float64, (height * width * channels,)
        Mean gray level of each pixel in training.
    intercept_ : float
        The decision for the mean slice.
    sigmoid_ : tuple of float
        Slope and offset of the probability's logit over the decision.
    image_shape_ : tuple of int
        Height, width and channels of the training slices.
    convergence_ : dict
        `converged` and `iterations` of the fit on all slices.
    abridged_ : str
        How the fit was cut down, where all slices at once would have taken too much memory, and what that
        costs (see `hemo.families.base.Abridges`).
    """

    choices: ClassVar[Mapping[str, Sequence[Any]]] = {}
    """Parameters that are one of some values, beside those that every linear family has."""

    above_zero: ClassVar[Sequence[str]] = ()
    """Parameters that are numbers above zero."""

    calibrated: ClassVar[bool] = True
    """Whether the decision is a score without a probability, and needs Platt's sigmoid."""

    abridged_: str = ""

    cross_fit_slack: ClassVar[float] = 1.0
    """Tolerance of the fits whose scores the sigmoid is fitted on, relative to that of the fit itself."""

    def __init__(self, params: Mapping[str, Any], seed: int = 0) -> None:
        self.params = dict(params)
        self.seed = seed
        check_choices(params, {"scale": SCALES, "class_weight": CLASS_WEIGHTS, **self.choices})
        check_positive(params, self.above_zero)

    @abstractmethod
    def _estimator(self, n: int, k: int) -> Any:
        """Return the unfitted scikit-learn estimator for an (n, k) matrix."""

    def _rotation_invariant(self) -> bool:
        """Whether the fit is the same on rotated features."""
        return self.params["penalty"] in ("l2", "none")

    def fit(
        self,
        images: Slices,
        y: Truth,
        validation: tuple[Slices, Truth] | None = None,
        on_epoch: OnEpoch | None = None,
    ) -> Self:
        """Fit on slices; `validation` and `on_epoch` are not used: there are no epochs to stop."""
        check_images(images)
        if self._beyond_memory(len(images), math.prod(images.shape[1:])):
            self._fit_beyond(images, check_truth(y, len(images)))
            return self
        images = np.asarray(images)
        solution = self._fit_features(images, y, {})
        space, weights = solution.space, solution.weights
        self.weights_ = space.pixel_weights(weights, images)
        self.center_ = space.center
        # The solver's intercept is the decision at the features' origin; ours, at the mean slice.
        shift = self.weights_ @ (self.center_ - space.shift) - weights @ solution.middle
        self.intercept_ = float(solution.intercept + shift)
        return self

    def fit_predict(
        self, images: Slices, y: Truth, tested: Slices, shared: dict[Any, Any]
    ) -> NDArray[np.float64]:
        """Fit on slices and return the probability of class 1 of others, (n,): a trial of tuning.

        The probabilities are those of `fit` and `predict_proba`, without the way back to pixels.

        Parameters
        ----------
        images, y
            Slices to learn from, and their truth.
        tested
            Slices to predict.
        shared
            Kept by the caller for these very slices: what does not depend on the parameters.
        """
        from scipy.special import expit

        if self._beyond_memory(len(images), math.prod(images.shape[1:])) or not isinstance(
            tested, np.ndarray
        ):
            self.fit(images, y)
            return in_blocks(tested, lambda some: self.predict_proba(some)[:, 1])
        images = np.asarray(images)
        solution = self._fit_features(images, y, shared)
        place = ("tested", *self._feature_key())
        if place not in shared:
            shared[place] = solution.space.project(tested, images)
        decision = (shared[place] - solution.middle) @ solution.weights + solution.intercept
        slope, offset = self.sigmoid_
        return expit(slope * decision.astype(np.float64) + offset)

    def _entry_bytes(self) -> int:
        """Return what solving and calibrating take for each number of the matrix, beside that number."""
        return 4

    def _beyond_memory(self, n: int, p: int) -> bool:
        """Whether to fit on all pixels of so many slices at once would take more than there is room for."""
        rotate = self._feature_key()[1]
        making, made = feature_bytes(n, p, rotate)
        solving = self._entry_bytes() * n * (min(n, p) if rotate else p)
        return max(making, made + solving) > memory.room()

    def _fit_beyond(self, images: Slices, truth: NDArray[np.int8]) -> None:
        """Fit on as many principal components as there is room for."""
        scaling = Scaling.of(images, self.params["scale"])
        pixels = math.prod(images.shape[1:])
        most = min(memory.room() // ((4 + self._entry_bytes()) * len(images)), memory.room() // (48 * pixels))
        count = min(self.params["components"] or COMPONENTS, most)
        if count < 1:
            raise HemoError(
                f"memory: {len(images):,} slices leave no room for a single component: promise more of it"
            )
        components = Components.of(images, scaling, count, self.seed)

        def learn(one: Self, some: Slices, y: NDArray[np.int8]) -> None:
            one._learn_components(components, some, y)

        learn(self, images, truth)
        self.abridged_ = (
            f"on {count} principal components of the pixels, which keep {components.kept:.1%} of their "
            f"variance, found on {components.seen:,} of {len(images):,} slices: all pixels would take more "
            f"memory than was promised; {self._lost(images, truth, learn)}"
        )

    def _learn_components(self, components: Components, images: Slices, truth: NDArray[np.int8]) -> None:
        """Fit on slices' components, and take the weights back to pixels."""
        matrix = components(images)
        estimator, converged = self._solve(matrix, truth)
        self._note(estimator, converged)
        self._calibrate(matrix, truth)
        weights = estimator.coef_[0].astype(np.float64) @ components.axes
        intercept = float(np.ravel(estimator.intercept_)[0]) - float(weights @ components.mean)
        self._take(components.scaling, weights, intercept, images.shape[1:])

    def _take(
        self, scaling: Scaling, weights: NDArray[np.float64], intercept: float, shape: tuple[int, ...]
    ) -> None:
        """Take over the weights and the intercept of scaled pixels."""
        self.image_shape_ = tuple(shape)
        self.center_ = scaling.center
        self.weights_ = weights / scaling.divisor
        self.intercept_ = float(intercept + self.weights_ @ (scaling.center - scaling.shift))

    def _lost(
        self, images: Slices, truth: NDArray[np.int8], learn: Callable[[Self, Images, NDArray[np.int8]], None]
    ) -> str:
        """Return in words what a way to `learn` loses against a fit on all at once, on some slices."""
        if self._beyond_memory(2 * min(len(images), TRIED) // 3, math.prod(images.shape[1:])):
            return "what that costs in AUC could not be measured in that memory"

        def whole(known: Images, y: NDArray[np.int8]) -> Callable[[Images], NDArray[np.float64]]:
            return type(self)(self.params, self.seed).fit(known, y).decision_function

        def part(known: Images, y: NDArray[np.int8]) -> Callable[[Images], NDArray[np.float64]]:
            other = type(self)(self.params, self.seed)
            learn(other, known, y)
            return other.decision_function

        return loss_of_auc(images, truth, self.seed, whole, part)

    def _feature_key(self) -> tuple[str, bool]:
        # Principal components do not change with a rotation either.
        return self.params["scale"], self._rotation_invariant() or self.params["components"] > 0

    def _fit_features(self, images: Images, y: Truth, shared: dict[Any, Any]) -> "_Solution":
        """Solve on the features of the slices; sets the sigmoid and what is known of the fit."""
        check_images(images)
        truth = check_truth(y, len(images))
        key = self._feature_key()
        if key not in shared:
            shared[key] = features(images, *key)
        space = shared[key]
        matrix, axes, middle = _principal(space.matrix, self.params["components"], self.seed)
        estimator, converged = self._solve(matrix, truth)
        self._note(estimator, converged)
        self.image_shape_ = tuple(images.shape[1:])
        self._calibrate(matrix, truth)
        weights = estimator.coef_[0] if axes is None else estimator.coef_[0] @ axes
        return _Solution(space, weights, middle, float(np.ravel(estimator.intercept_)[0]))

    def _note(self, estimator: Any, converged: bool) -> None:
        self.convergence_ = {
            "converged": float(converged),
            "iterations": float(np.max(estimator.n_iter_)),
        }

    def _calibrate(self, matrix: NDArray[np.floating], truth: NDArray[np.int8]) -> None:
        """Fit the sigmoid to scores of slices by fits that did not see them."""
        self.sigmoid_ = (1.0, 0.0)
        if self.calibrated:
            slack = self.cross_fit_slack
            scores = cross_fitted_scores(
                matrix, truth, lambda m, t: self._solve(m, t, slack)[0].decision_function
            )
            self.sigmoid_ = fit_sigmoid(scores, truth)

    @property
    def n_parameters(self) -> int:
        """Number of weights and the intercept, known once it is fitted."""
        return int(np.prod(self.image_shape_)) + 1

    def _solve(
        self, matrix: NDArray[np.floating], y: NDArray[np.int8], slack: float = 1.0
    ) -> tuple[Any, bool]:
        """Return the fitted estimator and whether it converged, to `slack` times the tolerance."""
        estimator = self._estimator(*matrix.shape)
        return fit_estimator(estimator.set_params(tol=slack * estimator.tol), matrix, y)

    def decision_function(self, images: Images) -> NDArray[np.float64]:
        """Return the decision of each slice, float64 (n,)."""
        check_images(images, self.image_shape_)
        # One by one, in float64: a slice's decision must not depend on which slices come with it. One slice
        # stays in the processor's cache, several times faster than a batch; einsum starts no threads, whose
        # waiting for each other costs most where the machine is busy.
        decision = [
            np.einsum("i,i->", self._deviation(images[[row]])[0], self.weights_) for row in range(len(images))
        ]
        return np.array(decision, np.float64) + self.intercept_

    def predict_proba(self, images: Images) -> NDArray[np.float64]:
        """Return the probability of class 0 and 1, float64 (n, 2)."""
        from scipy.special import expit

        slope, offset = self.sigmoid_
        return both_classes(expit(slope * self.decision_function(images) + offset))

    def attribution(self, images: Images) -> NDArray[np.float32]:
        """Return weight times deviation from the mean slice, float32 (n, height, width).

        Summed over a slice, and with the intercept added, it is the slice's decision.
        """
        check_images(images, self.image_shape_)
        maps = np.empty((len(images), *self.image_shape_[:2]), np.float32)
        for start in range(0, len(images), BATCH):
            part = self._deviation(images[start : start + BATCH]) * self.weights_
            maps[start : start + BATCH] = part.reshape(-1, *self.image_shape_).sum(axis=3)
        return maps

    def _deviation(self, images: Images) -> NDArray[np.float64]:
        return images.reshape(len(images), -1) - self.center_

    def save(self, folder: Path) -> None:
        """Write weights and parameters, as NumPy arrays and JSON."""
        np.savez(folder / "linear.npz", weights=self.weights_, center=self.center_)
        save_state(self, folder, intercept=self.intercept_, sigmoid=self.sigmoid_)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
        classifier, state = load_state(cls, folder)
        with np.load(folder / "linear.npz", allow_pickle=False) as arrays:
            classifier.weights_, classifier.center_ = arrays["weights"], arrays["center"]
        classifier.intercept_ = state["intercept"]
        classifier.sigmoid_ = tuple(state["sigmoid"])
        return classifier


@dataclass(frozen=True)
class _Solution:
    """The decision on features: (feature - middle) @ weights + intercept."""

    space: Features
    weights: NDArray[np.floating]
    middle: NDArray[np.floating]
    intercept: float


def _principal(
    matrix: NDArray[np.float32], components: int, seed: int
) -> tuple[NDArray[np.float32], NDArray[np.float32] | None, NDArray[np.float32]]:
    """Return principal components of the rows, their axes and the mean row; for 0 components, the rows."""
    if not components:
        return matrix, None, np.zeros(matrix.shape[1], np.float32)
    from sklearn.decomposition import PCA

    pca = PCA(min(components, *matrix.shape), random_state=seed)
    return pca.fit_transform(matrix), pca.components_, pca.mean_
