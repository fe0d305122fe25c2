"""What families on features of slices share: a new one gives an estimator of scikit-learn, and is done."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from hemo.errors import HemoError
from hemo.families._checks import check_choices, check_images, check_positive, check_truth
from hemo.families._estimators import both_classes, fit_estimator
from hemo.families._occlusion import occlusion_map
from hemo.families._radiology import cached_radiological_features
from hemo.families._saved import load_state, save_state
from hemo.families.base import Images, OnEpoch, Slices, Studies, Truth

LEAST = 1e-12
"""Probabilities nearer to 0 or 1 have the logit of this one."""


class FeatureClassifier(ABC):
    """A classifier of features that are computed from slices: radiological ones, unless it says otherwise.

    Parameters
    ----------
    params
        The family's parameters, defaults included.
    seed
        Of everything drawn in the fit.

    Attributes
    ----------
    image_shape_ : tuple of int
        Height, width and channels of the training slices.
    convergence_ : dict
        `converged` and `iterations` of the fit.
    """

    choices: ClassVar[Mapping[str, Sequence[Any]]] = {}
    """Parameters that are one of some values; another value is refused."""

    above_zero: ClassVar[Sequence[str]] = ()
    """Parameters that are numbers above zero; another value is refused."""

    requires: ClassVar[Sequence[str]] = ()
    """Packages that a saved classifier needs, beside NumPy, SciPy, scikit-learn and those of hemo."""

    def __init__(self, params: Mapping[str, Any], seed: int = 0) -> None:
        self.params = dict(params)
        self.seed = seed
        check_choices(params, self.choices)
        check_positive(params, self.above_zero)

    def features(self, images: Slices, study: Studies | None = None) -> NDArray[np.floating]:
        """Return the features of slices, (n, k); `study` is told where the family asks for it."""
        return cached_radiological_features(images)

    @abstractmethod
    def learn(self, features: NDArray[np.floating], truth: NDArray[np.int8]) -> dict[str, float]:
        """Fit on features, (n, k), and truth, (n,); return `converged` and `iterations`."""

    @abstractmethod
    def logit(self, features: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return what speaks for class 1 in each row of features, (n,): a logit, where there is one."""

    def positive(self, features: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the probability of class 1 of each row of features, (n,)."""
        from scipy.special import expit

        return expit(self.logit(features))

    @abstractmethod
    def write(self, folder: Path) -> dict[str, Any]:
        """Write what was learned into files, without pickle; return what JSON can hold of it."""

    @abstractmethod
    def read(self, folder: Path, state: Mapping[str, Any]) -> None:
        """Take back what `write` wrote and returned."""

    def fit(
        self,
        images: Slices,
        y: Truth,
        validation: tuple[Slices, Truth] | None = None,
        on_epoch: OnEpoch | None = None,
        study: Studies | None = None,
    ) -> Self:
        """Fit on slices; `validation` and `on_epoch` are not used: there are no epochs to stop."""
        check_images(images)
        truth = check_truth(y, len(images))
        self.image_shape_ = tuple(images.shape[1:])
        self.convergence_ = self.learn(self.features(images, study), truth)
        return self

    def predict_proba(self, images: Images, study: Studies | None = None) -> NDArray[np.float64]:
        """Return the probability of class 0 and 1, float64 (n, 2)."""
        check_images(images, self.image_shape_)
        return both_classes(self.positive(self.features(images, study)))

    def attribution(self, images: Images) -> NDArray[np.float32]:
        """Return how much the logit falls when a place is covered, float32 (n, height, width)."""
        check_images(images, self.image_shape_)
        return occlusion_map(images, lambda covered: self.logit(self.features(covered)))

    def save(self, folder: Path) -> None:
        """Write the fitted classifier into an existing empty folder, without pickle."""
        save_state(self, folder, **self.write(folder))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
        classifier, state = load_state(cls, folder)
        classifier.read(folder, state)
        return classifier


class EstimatorClassifier(FeatureClassifier):
    """A classifier of features by an estimator of scikit-learn that gives probabilities, saved by skops.

    Attributes
    ----------
    estimator_ : sklearn.base.ClassifierMixin
        The fitted estimator.
    """

    requires = ("skops",)

    trusted: ClassVar[Sequence[str]] = ()
    """Types in the saved estimator, beside those that skops knows, which may be made when it is loaded."""

    estimator_: Any

    @abstractmethod
    def estimator(self) -> Any:
        """Return the unfitted estimator that `params` and `seed` ask for, or a pipeline that ends in one."""

    def learn(self, features: NDArray[np.floating], truth: NDArray[np.int8]) -> dict[str, float]:
        """Fit the estimator."""
        self.estimator_, converged = fit_estimator(self.estimator(), features, truth)
        iterations = np.max(getattr(self.estimator_, "n_iter_", 1))
        return {"converged": float(converged), "iterations": float(iterations)}

    def positive(self, features: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the probability of class 1 of each row of features, (n,)."""
        if not len(features):  # scikit-learn refuses to predict nothing
            return np.zeros(0)
        return np.asarray(self.estimator_.predict_proba(features)[:, 1], np.float64)

    def logit(self, features: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the logit of each row's probability, (n,); far from 0 it is that of `LEAST`."""
        from scipy.special import logit

        return logit(np.clip(self.positive(features), LEAST, 1 - LEAST))

    def write(self, folder: Path) -> dict[str, Any]:
        """Write the estimator as `estimator.skops`."""
        import skops.io

        path = folder / "estimator.skops"
        skops.io.dump(self.estimator_, path)
        if unknown := self._unknown_types(path):
            raise HemoError(f"{type(self).__name__}: it could not be loaded: list {unknown} in `trusted`")
        return {}

    def read(self, folder: Path, state: Mapping[str, Any]) -> None:
        """Read the estimator."""
        import skops.io

        path = folder / "estimator.skops"
        if unknown := self._unknown_types(path):
            raise HemoError(f"{path}: not loaded: {type(self).__name__} does not write {unknown}")
        self.estimator_ = skops.io.load(path, trusted=list(self.trusted))

    def _unknown_types(self, path: Path) -> str:
        from skops.io import get_untrusted_types

        return ", ".join(sorted(set(get_untrusted_types(file=path)) - set(self.trusted)))
