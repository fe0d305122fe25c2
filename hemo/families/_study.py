"""Slices of a study tell of each other: the steps by which one slice's score is judged with the others'."""

import numpy as np
from numpy.typing import NDArray

from hemo.families.base import Studies

Values = NDArray[np.float64]

TOP = 3
"""Slices that speak for a study: at 5 mm apart, blood that matters is seen in as many."""


def numbers(study: Studies | None, n: int) -> Studies:
    """Return the study of each of `n` slices; where it is not known, every slice is a study of its own."""
    return np.arange(n) if study is None else np.asarray(study)


def around(study: Studies) -> NDArray[np.intp]:
    """Return the slice before each slice, itself, and the one after it, (n, 3); ends stand in for beyond."""
    from hemo.slices.context import neighbour_rows

    return neighbour_rows(np.asarray(study), np.arange(len(study)), 1)


def with_neighbours(features: Values, study: Studies) -> Values:
    """Return the features of each slice, (n, k), and beside them the mean of its neighbours', (n, 2 k)."""
    before, _, after = around(study).T
    result = np.empty((len(features), 2 * features.shape[1]))
    own, beside = np.hsplit(result, 2)
    own[:] = features
    np.add(features[before], features[after], out=beside)
    beside /= 2
    return result


def smoothed(values: Values, study: Studies, weight: float) -> Values:
    """Return the mean of each slice and its two neighbours, which weigh `weight` against the slice's 1."""
    before, own, after = values[around(study)].T
    return (weight * before + own + weight * after) / (1 + 2 * weight)


def of_study(values: Values, study: Studies) -> Values:
    """Return for each slice what its study scores, (n,): the mean of its highest `TOP` slices."""
    result = np.empty(len(values))
    for number in np.unique(study):
        here = study == number
        result[here] = np.sort(values[here])[-TOP:].mean()
    return result
