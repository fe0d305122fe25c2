"""Calibration: how far probabilities can be believed, and the map that makes them believable."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hemo.errors import HemoError

METHODS: Final = ("sigmoid", "isotonic")

_CLIP: Final = 1e-6
"""Probabilities nearer to 0 or 1 count as this near: a single certain slice must not decide a fit."""

_TINY: Final = 1e-15
"""When a fitted map is applied, probabilities are clipped by this only, so that they keep their order."""

_LEAST_SLOPE: Final = 1e-3
"""Of a sigmoid: out-of-fold probabilities of an unlearnable label can point the wrong way by chance, which
must not turn the order of slices around, nor may slices that all count as certain become equal."""

_STEPS: Final = 100
_LARGEST: Final = 1e3
"""A coefficient beyond this means that the classes are separated: there is no finite fit."""


def logit(probability: ArrayLike, clip: float = _CLIP) -> NDArray[np.float64]:
    """Return the log odds of probabilities, which are clipped to [clip, 1 - clip] first.

    Examples
    --------
    >>> logit([0.5, 0.9]).round(3).tolist()
    [0.0, 2.197]
    """
    clipped = np.clip(np.asarray(probability, np.float64), clip, 1 - clip)
    return np.log(clipped) - np.log1p(-clipped)


def expit(value: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the probabilities of log odds, exact in both tails."""
    small = np.exp(-np.abs(value))  # exact in both tails
    return np.where(value < 0, small, 1.0) / (1 + small)


def _fit_logistic(
    design: NDArray[np.float64], target: NDArray[np.float64], offset: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return maximum-likelihood coefficients by Newton's method with step halving; NaN where none are finite.

    `design` is (n, k), `target` in [0, 1] (n,), `offset` is added to the linear predictor (n,).
    """

    def loss(coefficients: NDArray[np.float64]) -> float:
        linear = offset + design @ coefficients
        return float((np.logaddexp(0, linear) - target * linear).sum())

    coefficients = np.zeros(design.shape[1])
    current = loss(coefficients)
    for _ in range(_STEPS):
        mean = expit(offset + design @ coefficients)
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


@dataclass(frozen=True)
class Recalibration:
    """Calibration slope and intercept, ready for weighting by patient.

    The slope is the coefficient of logit(probability) in a logistic regression of the truth (1 is ideal,
    below 1 means overconfident). The intercept is calibration-in-the-large: the constant of a logistic
    regression with logit(probability) as offset (0 is ideal, above 0 means that probabilities are too low).

    Notes
    -----
    Definitions: Van Calster et al., "Calibration: the Achilles heel of predictive analytics", BMC Medicine
    17:230, 2019. A draw takes one Newton step from the fit to all data, with the draw's own Hessian: the
    one-step bootstrap, whose error is of smaller order than the bootstrap's own (Davidson and MacKinnon,
    "Bootstrap testing in nonlinear models", International Economic Review 40:487, 1999). Under weights of
    one it is the fit itself.
    """

    slope: float
    """NaN with one class only, or where a threshold separates the classes."""
    intercept: float
    """NaN with one class only."""
    slope_sums: NDArray[np.float64]
    """Gradient and Hessian of each patient at the slope's fit, (patients, 2 + 4)."""
    intercept_sums: NDArray[np.float64]
    """Gradient and Hessian of each patient at the intercept's fit, (patients, 1 + 1)."""

    @classmethod
    def of(
        cls, truth: NDArray[np.bool_], probability: NDArray[np.float64], patient: NDArray[np.int64]
    ) -> Self:
        """Fit both; truth, probability and number of the patient of each slice, (n,) each."""
        score = logit(probability)
        both = np.stack([score, np.ones_like(score)], axis=1)
        slope, slope_sums = _fit_and_sum(both, truth, np.zeros_like(score), patient)
        intercept, intercept_sums = _fit_and_sum(both[:, 1:], truth, score, patient)
        return cls(slope, intercept, slope_sums, intercept_sums)

    def draws(self, counts: NDArray[np.int32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return slope and intercept under each weighting of patients (draws, patients), (draws,) each."""
        weights = counts.astype(np.float64)
        return self.slope + _step(weights @ self.slope_sums), self.intercept + _step(
            weights @ self.intercept_sums
        )


def _fit_and_sum(
    design: NDArray[np.float64],
    truth: NDArray[np.bool_],
    offset: NDArray[np.float64],
    patient: NDArray[np.int64],
) -> tuple[float, NDArray[np.float64]]:
    """Return the first coefficient of a logistic fit, and each patient's gradient and Hessian there."""
    width = design.shape[1]
    one_class = truth.all() or not truth.any()
    fit = np.full(width, np.nan) if one_class else _fit_logistic(design, truth.astype(np.float64), offset)
    mean = expit(offset + design @ fit)
    gradients = design * (truth - mean)[:, None]
    hessians = design[:, :, None] * design[:, None, :] * (mean * (1 - mean))[:, None, None]
    rows = np.concatenate([gradients, hessians.reshape(len(truth), width * width)], axis=1)
    return float(fit[0]), np.array([np.bincount(patient, column) for column in rows.T]).T


def _step(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the first coefficient's Newton step from summed gradients and Hessians, NaN where singular."""
    width = 1 if sums.shape[1] == 2 else 2
    hessian = sums[:, width:].reshape(-1, width, width)
    with np.errstate(invalid="ignore"):
        singular = ~(np.abs(np.linalg.det(hessian)) > 1e-12)
    step = np.linalg.solve(np.where(singular[:, None, None], np.eye(width), hessian), sums[:, :width, None])
    return np.where(singular, np.nan, step[:, 0, 0])


def _check(method: str) -> None:
    if method not in METHODS:
        raise HemoError(f"{method}: unknown calibration: {' or '.join(METHODS)}")


@dataclass(frozen=True)
class Calibrator:
    """A map from a classifier's probabilities to calibrated ones, which never turns two slices around.

    A sigmoid keeps every order, and with it the AUC; an isotonic map makes ties.

    Attributes
    ----------
    method
        "sigmoid": expit(slope * logit(probability) + intercept). "isotonic": linear between knots, level
        outside.
    slope, intercept
        Of the sigmoid.
    knots
        Of the isotonic map: probabilities before and after, in rising order.
    """

    method: str
    slope: float = 1.0
    intercept: float = 0.0
    knots: tuple[tuple[float, float], ...] = ()

    def __post_init__(self) -> None:
        _check(self.method)

    def __call__(self, probability: ArrayLike) -> NDArray[np.float64]:
        """Return calibrated probabilities, float64 of the shape given."""
        if self.method == "sigmoid":
            return expit(self.slope * logit(probability, _TINY) + self.intercept)
        before, after = np.array(self.knots).T
        return np.interp(np.asarray(probability, np.float64), before, after)

    def to_json(self) -> dict[str, Any]:
        """Return the map as what JSON holds, exact to the last bit."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Return the map that `to_json` gave.

        Raises
        ------
        HemoError
            If this is no calibrator.
        """
        try:
            knots = tuple((float(before), float(after)) for before, after in values["knots"])
            return cls(**{**values, "knots": knots})
        except (ValueError, TypeError, KeyError) as fault:
            raise HemoError(f"calibrator: {fault}: should be what a run wrote") from fault


def fit(truth: ArrayLike, probability: ArrayLike, method: str) -> Calibrator:
    """Return the calibrator fitted on predictions off-test (validation or out-of-fold).

    Parameters
    ----------
    truth
        0 or 1, (n,).
    probability
        Of class 1, (n,).
    method
        "sigmoid" (two parameters: for few positives) or "isotonic" (any rising map: for a thousand slices
        and more).

    Raises
    ------
    HemoError
        If the method is unknown, or one class is absent.

    Notes
    -----
    The sigmoid is Platt's, on the log odds of the probabilities, fitted to his smoothed targets (N+ + 1) /
    (N+ + 2) and 1 / (N- + 2), so that the fit is finite for separated classes (Platt, "Probabilistic
    outputs for support vector machines", 1999). Isotonic is scikit-learn's `IsotonicRegression`.

    Examples
    --------
    >>> truth, probability = [0, 0, 1, 0, 1] * 20, [0.5, 0.6, 0.7, 0.8, 0.9] * 20
    >>> calibrator = fit(truth, probability, "sigmoid")
    >>> calibrator([0.5, 0.9]).round(2).tolist()
    [0.09, 0.85]
    """
    _check(method)
    truth, probability = np.asarray(truth), np.asarray(probability, np.float64)
    positives, negatives = int((truth == 1).sum()), int((truth == 0).sum())
    if not positives or not negatives:
        raise HemoError(f"{method}: slices of one class only: calibrate on positives and negatives")
    if method == "sigmoid":
        design = np.stack([logit(probability), np.ones(len(probability))], axis=1)
        target = np.where(truth == 1, (positives + 1) / (positives + 2), 1 / (negatives + 2))
        slope, intercept = _fit_logistic(design, target, np.zeros(len(target)))
        if not slope >= _LEAST_SLOPE:  # NaN where all probabilities are as good as equal
            slope = _LEAST_SLOPE
            offset = slope * logit(probability, _TINY)
            intercept = _fit_logistic(design[:, 1:], target, offset)[0]
        return Calibrator("sigmoid", float(slope), float(intercept))
    from sklearn.isotonic import IsotonicRegression

    fitted = IsotonicRegression().fit(probability, truth)
    knots = zip(fitted.X_thresholds_.tolist(), fitted.y_thresholds_.tolist(), strict=True)
    return Calibrator("isotonic", knots=tuple(knots))
