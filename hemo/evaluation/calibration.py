"""Calibration: how far probabilities can be believed, and the map that makes them believable."""

import json
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hemo.errors import HemoError

_CLIP: Final = 1e-6
"""Probabilities nearer to 0 or 1 than this count as this near: a single certain slice must not decide a fit."""

_STEPS: Final = 100
_LARGEST: Final = 1e3
"""A coefficient of the logistic fit beyond this means that the classes are separated: there is no finite fit."""


def logit(probability: ArrayLike) -> NDArray[np.float64]:
    """Return the log odds of probabilities, which are clipped to [1e-6, 1 - 1e-6] first."""
    clipped = np.clip(np.asarray(probability, np.float64), _CLIP, 1 - _CLIP)
    return np.log(clipped) - np.log1p(-clipped)


def _expit(value: NDArray[np.float64]) -> NDArray[np.float64]:
    return 0.5 * (1 + np.tanh(0.5 * value))


def _fit_logistic(
    design: NDArray[np.float64], target: NDArray[np.float64], offset: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the maximum-likelihood coefficients by Newton's method with step halving, or NaN where none are finite.

    `design` is (n, k), `target` in [0, 1] (n,), `offset` is added to the linear predictor (n,).
    """

    def loss(coefficients: NDArray[np.float64]) -> float:
        linear = offset + design @ coefficients
        return float((np.logaddexp(0, linear) - target * linear).sum())

    coefficients = np.zeros(design.shape[1])
    current = loss(coefficients)
    for _ in range(_STEPS):
        mean = _expit(offset + design @ coefficients)
        gradient = design.T @ (target - mean)
        hessian = (design * (mean * (1 - mean))[:, None]).T @ design
        try:
            step = np.linalg.solve(hessian, gradient)
        except np.linalg.LinAlgError:
            return np.full(design.shape[1], np.nan)
        while (proposed := loss(coefficients + step)) > current + 1e-12 and np.abs(step).max() > 1e-12:
            step = step / 2
        coefficients, current = coefficients + step, proposed
        if np.abs(coefficients).max() > _LARGEST:
            break
        if np.abs(step).max() < 1e-10:
            return coefficients
    return np.full(design.shape[1], np.nan)


def recalibration_draws(
    truth: NDArray[np.float64],
    probability: NDArray[np.float64],
    patient: NDArray[np.int64],
    counts: NDArray[np.int32],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return calibration slope and intercept under each weighting of the patients.

    The slope is the coefficient of logit(probability) in a logistic regression of the truth (1 is ideal, below 1 means
    overconfident). The intercept is calibration-in-the-large: the constant of a logistic regression with
    logit(probability) as offset (0 is ideal, above 0 means that probabilities are too low).

    Parameters
    ----------
    truth, probability, patient
        Of each slice, (n,); patients are numbered from 0.
    counts
        Weight of each patient, (draws, patients).

    Returns
    -------
    slope, intercept
        (draws,) each; NaN with one class only, or where a threshold separates the classes.

    Notes
    -----
    Definitions: Van Calster et al., "Calibration: the Achilles heel of predictive analytics", BMC Medicine 17:230,
    2019. A draw takes one Newton step from the fit to all data, with the draw's own Hessian: the one-step bootstrap,
    whose error is of smaller order than the bootstrap's own (Davidson and MacKinnon, "Bootstrap testing in nonlinear
    models", International Economic Review 40:487, 1999). Under weights of one it is the fit itself.
    """
    nothing = np.full(len(counts), np.nan)
    if not 0 < truth.sum() < len(truth):
        return nothing, nothing
    score = logit(probability)
    both = np.stack([score, np.ones_like(score)], axis=1)
    results = []
    for design, offset in ((both, np.zeros_like(score)), (both[:, 1:], score)):
        fit = _fit_logistic(design, truth, offset)
        if np.isnan(fit).any():
            results.append(nothing)
            continue
        mean = _expit(offset + design @ fit)
        width = design.shape[1]
        gradients = design * (truth - mean)[:, None]
        hessians = design[:, :, None] * design[:, None, :] * (mean * (1 - mean))[:, None, None]
        rows = np.concatenate([gradients, hessians.reshape(len(score), width * width)], axis=1)
        sums = np.stack([np.bincount(patient, column, counts.shape[1]) for column in rows.T], axis=1)
        drawn = counts.astype(np.float64) @ sums
        hessian = drawn[:, width:].reshape(-1, width, width)
        singular = np.abs(np.linalg.det(hessian)) < 1e-12
        hessian[singular] = np.eye(width)
        step = np.linalg.solve(hessian, drawn[:, :width, None])[:, 0, 0]
        results.append(np.where(singular, np.nan, fit[0] + step))
    return results[0], results[1]
