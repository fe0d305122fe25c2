"""Probabilities from decision scores: Platt's sigmoid on cross-fitted scores."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float64]


def fit_sigmoid(scores: Scores, y: NDArray[np.int8]) -> tuple[float, float]:
    """Return slope and offset of the sigmoid that turns scores into probabilities.

    The targets are Platt's smoothed ones, (n1 + 1) / (n1 + 2) and 1 / (n0 + 2), which keep the slope finite
    where the scores separate the classes (J. Platt, "Probabilistic outputs for support vector machines",
    1999). The slope is not let below zero: out-of-fold scores of an unlearnable label can point the wrong
    way by chance, and must not turn the ranking around. Where all scores are equal it is zero.

    Parameters
    ----------
    scores
        Decision scores of slices that the scorer was not fitted on, (n,).
    y
        Their truth, 0 or 1, (n,).
    """
    from scipy.optimize import minimize
    from scipy.special import expit

    positives = int(y.sum())
    negatives = len(y) - positives
    target = np.where(y == 1, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    middle, spread = float(scores.mean()), float(scores.std())
    if spread <= 1e-9 * abs(middle):
        return 0.0, float(np.log((positives + 1) / (negatives + 1)))
    z = (scores - middle) / spread

    def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        slope, offset = parameters
        logit = slope * z + offset
        residual = expit(logit) - target
        value = float(np.mean(np.logaddexp(0.0, logit) - target * logit))
        return value, np.array([np.mean(residual * z), np.mean(residual)])

    start = np.array([1.0, np.log((positives + 1) / (negatives + 1))])
    bounds = [(1e-3, None), (None, None)]
    slope, offset = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x
    return float(slope / spread), float(offset - slope * middle / spread)


def cross_fitted_scores(
    matrix: NDArray[np.floating],
    y: NDArray[np.int8],
    fit: Callable[[NDArray[np.floating], NDArray[np.int8]], Callable[[NDArray[np.floating]], Scores]],
    folds: int = 3,
) -> Scores:
    """Return the score of each slice from a fit that did not see it.

    The folds are blocks of the given order, dealt per class: slices of one study stand together in a store,
    so that most neighbours share a fold. A class of one slice cannot be cross-fitted: its scores are then
    those of the fit on all.

    Parameters
    ----------
    matrix
        Features, (n, p).
    y
        Truth, 0 or 1, (n,).
    fit
        From features and truth to a function that scores features.
    folds
        Number of folds; fewer where the rarer class has fewer slices.
    """
    from sklearn.model_selection import StratifiedKFold

    folds = min(folds, int(np.bincount(y).min()))
    if folds < 2:
        return fit(matrix, y)(matrix)
    scores = np.empty(len(y))
    for train, rest in StratifiedKFold(folds).split(np.zeros(len(y)), y):
        scores[rest] = fit(matrix[train], y[train])(matrix[rest])
    return scores
