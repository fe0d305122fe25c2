"""Ways from the scores of a study's slices to numbers that describe the study."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hemo.errors import HemoError
from hemo.evaluation.calibration import logit

Values = NDArray[np.float64]

RANKS: Final = (1, 2, 3, 5, 8)
"""Ranks of the sorted scores that the learned pooling sees: at 5 mm, 8 slices are 4 cm."""


def _highest(scores: Values) -> Values:
    return scores.max(keepdims=True)


def _total(weighed: Values) -> Values:
    return weighed.sum(keepdims=True)


def _top(count: int, scores: Values) -> Values:
    return np.sort(scores)[-count:].mean(keepdims=True)


def _noisy_or(scores: Values) -> Values:
    """Return the log odds that any slice is positive, if slices erred independently."""
    none = -np.logaddexp(0, scores).sum()  # logarithm of the probability that no slice is positive
    return np.array([np.log(-np.expm1(min(none, -1e-12))) - none])


def _described(scores: Values) -> Values:
    """Return sorted scores, their mean, the longest run of raised ones, and where the highest lies."""
    ordered = np.sort(scores)[::-1]
    ranks = [ordered[min(rank, len(ordered)) - 1] for rank in RANKS]
    raised = scores > np.median(scores) + 1
    borders = np.flatnonzero(np.diff(np.r_[False, raised, False].astype(int)))
    run = float((borders[1::2] - borders[::2]).max(initial=0))
    place = float(scores.argmax()) / max(len(scores) - 1, 1)
    smoothed = np.convolve(np.pad(scores, 1, mode="edge"), np.ones(3) / 3, mode="valid")
    return np.array([*ranks, smoothed.max(), scores.mean(), np.log1p(run), abs(place - 0.5)])


@dataclass(frozen=True)
class Pooling:
    """A way from the scores of a study's slices to the study's.

    Attributes
    ----------
    name
        In records and tables.
    words
        For people, as in "a study's probability is ...".
    describe
        From the log odds of a study's slices, (n,) in the order of position, to numbers, (k,).
    learned
        Whether the numbers are weighed by a logistic regression; else there is one, which is the score.
    attended
        Whether slices are told from each other by the classifier's own attention, which it needs: the
        numbers to describe are then the log odds weighed by it.
    """

    name: str
    words: str
    describe: Callable[[Values], Values]
    learned: bool = False
    attended: bool = False


POOLINGS: Final[tuple[Pooling, ...]] = (
    Pooling(
        "attention",
        "the classifier's own: its slices' log odds, weighed by its attention",
        _total,
        attended=True,
    ),
    Pooling("max", "the largest of its slices'", _highest),
    Pooling("top 2", "the mean of its 2 highest slices'", partial(_top, 2)),
    Pooling("top 3", "the mean of its 3 highest slices'", partial(_top, 3)),
    Pooling("top 5", "the mean of its 5 highest slices'", partial(_top, 5)),
    Pooling("noisy or", "that any slice is positive, if slices erred independently", _noisy_or),
    Pooling(
        "model",
        "a logistic regression on its highest slices', their mean, how many are raised in a row, and where",
        _described,
        learned=True,
    ),
)
"""The ways that are tried, the simplest first: of equal ones it is taken.

What a classifier says of studies itself comes first: nothing is left to fit.
"""


def describe(
    probability: NDArray[np.floating], study: NDArray[Any], attention: Values | None = None
) -> dict[str, NDArray[np.float64]]:
    """Return the numbers of each study by the name of each of `POOLINGS`, (studies, k).

    Parameters
    ----------
    probability, study
        Of slices, (n,); those of a study in the order of their positions. Studies come in the order in which
        they appear; the numbers of one depend on its slices alone.
    attention
        The classifier's attention to each slice, (n,), where it has one; without, what needs it is left out.
    """
    tried = [pooling for pooling in POOLINGS if attention is not None or not pooling.attended]
    return {pooling.name: of_studies(pooling, probability, study, attention) for pooling in tried}


def named(name: str) -> Pooling:
    """Return the pooling of a name.

    Raises
    ------
    HemoError
        If there is none.
    """
    found = next((one for one in POOLINGS if one.name == name), None)
    if found is None:
        raise HemoError(f"{name}: unknown way to a study's score: made by a newer hemo? update it")
    return found


def of_studies(
    pooling: Pooling, probability: NDArray[np.floating], study: NDArray[Any], attention: Values | None
) -> NDArray[np.float64]:
    """Return the numbers of each study by one pooling, (studies, k): parameters as in `describe`."""
    scores = logit(probability)
    if pooling.attended:
        scores = scores * _shares(study, attention)
    code, names = pd.factorize(np.asarray(study, object))
    order = np.argsort(code, kind="stable")
    parts = np.split(scores[order], np.cumsum(np.bincount(code, minlength=len(names)))[:-1])
    return np.array([pooling.describe(part) for part in parts])


def _shares(study: NDArray[Any], attention: Values | None) -> Values:
    """Return attention as shares of each study, (n,): one of several stacks has it once for each."""
    if attention is None:
        raise HemoError("a study's score by attention: the classifier gave none: update hemo")
    code = pd.factorize(np.asarray(study, object))[0]
    return attention / np.maximum(np.bincount(code, attention), 1e-12)[code]
