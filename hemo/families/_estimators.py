"""Small steps around scikit-learn's estimators that several families take."""

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

CLASS_WEIGHTS = ("none", "balanced")
"""Choices of the parameter `class_weight`."""


def class_weight(params: Mapping[str, Any]) -> str | None:
    """Return the parameter `class_weight` in scikit-learn's words."""
    return None if params["class_weight"] == "none" else params["class_weight"]


def fit_estimator(
    estimator: Any, x: NDArray[np.floating], y: NDArray[np.int8], **more: Any
) -> tuple[Any, bool]:
    """Fit an estimator; return it, and whether it converged: scikit-learn tells by a warning."""
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        estimator.fit(x, y, **more)
    return estimator, not any(issubclass(warning.category, ConvergenceWarning) for warning in caught)


def standardisation(x: NDArray[np.floating]) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Return mean and standard deviation of each column, (k,); 1 where it varies by rounding alone."""
    center, deviation = x.mean(axis=0), x.std(axis=0)
    deviation[deviation <= 1e-6 * np.abs(center)] = 1
    return center, deviation


def both_classes(positive: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the probability of class 0 and 1, (n, 2), from that of class 1, (n,)."""
    return np.column_stack((1 - positive, positive))
