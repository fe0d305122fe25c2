"""Fitting fold by fold on the predictions of the other folds."""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hemo.errors import HemoError

Learn = Callable[[NDArray, NDArray, NDArray], NDArray[np.float64]]
"""From truth and probability of the other folds and the probability of this one to this one's result."""


def out_of_fold(
    truth: ArrayLike, probability: ArrayLike, fold: ArrayLike, learn: Learn
) -> NDArray[np.float64]:
    """Return, row by row, what is learned from the other folds.

    Folds are made of patients, so no patient's own truth takes part in what is learned for the patient.

    Parameters
    ----------
    truth, probability, fold
        Out-of-fold predictions, (n,) each.
    learn
        Called once a fold.

    Returns
    -------
    array
        float64 (n,).

    Raises
    ------
    HemoError
        If there are fewer than two folds.

    Examples
    --------
    >>> truth, fold = np.array([1, 0, 1, 1]), np.array([0, 0, 1, 1])
    >>> out_of_fold(truth, np.zeros(4), fold, lambda y, _, here: np.full(len(here), y.mean())).tolist()
    [1.0, 1.0, 0.5, 0.5]
    """
    truth, probability, fold = np.asarray(truth), np.asarray(probability), np.asarray(fold)
    numbers = np.unique(fold)
    if len(numbers) < 2:
        raise HemoError("fold: predictions of fewer than two folds: out-of-fold fitting needs two or more")
    result = np.empty(len(truth))
    for number in numbers:
        here = fold == number
        result[here] = learn(truth[~here], probability[~here], probability[here])
    return result
