"""A study's score, learned from the scores of its slices: what a whole scan shows.

The largest slice score answers for a study only where slices are hardly ever wrong: of thirty slices one is
the largest by chance. So several poolings are tried, and the one is taken that tells most about studies that
it was not fitted on.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hemo.errors import HemoError
from hemo.evaluation import calibration
from hemo.evaluation.calibration import Calibrator, expit, logit

Values = NDArray[np.float64]

FOLDS: Final = 5
"""Folds of patients in which poolings are compared, where predictions come without folds of their own."""

RANKS: Final = (1, 2, 3, 5, 8)
"""Ranks of the sorted scores that the learned pooling sees: at 5 mm, 8 slices are 4 cm."""

FEWEST: Final = 5
"""Studies of either class below which nothing is chosen."""

PENALTY: Final = 0.1
"""C of the learned pooling's logistic regression on standardised numbers: there are tens of studies."""


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


@dataclass(frozen=True)
class StudyScore:
    """A fitted way from the probabilities of slices to that of their study.

    Attributes
    ----------
    pooling
        Name of one of `POOLINGS`.
    calibrator
        From the pooling's score to the probability.
    center, weights, intercept
        Of a learned pooling's logistic regression; empty and 0 of the others.
    """

    pooling: str
    calibrator: Calibrator
    center: tuple[float, ...] = ()
    weights: tuple[float, ...] = ()
    intercept: float = 0.0

    @property
    def words(self) -> str:
        """How a study's probability comes about, as in "a study's probability is ..."."""
        return _pooling(self.pooling).words

    def __call__(
        self, probability: NDArray[np.floating], study: NDArray[Any], attention: Values | None = None
    ) -> Values:
        """Return the probability of each study, (studies,), in the order in which studies appear.

        Parameters
        ----------
        probability
            Of slices, (n,); those of a study in the order of their positions.
        study
            The study of each slice, (n,).
        attention
            The classifier's attention to each slice, (n,), where it has one.
        """
        return self.of_described(_describe(_pooling(self.pooling), probability, study, attention))

    def of_described(self, described: NDArray[np.float64]) -> Values:
        """Return the probability of each study from its numbers of the score's pooling, (studies, k)."""
        return self.calibrator(expit(self._raw(described)))

    def _raw(self, described: NDArray[np.float64]) -> Values:
        """Return the log odds before calibration."""
        if not self.weights:
            return described[:, 0]
        return (described - np.array(self.center)) @ np.array(self.weights) + self.intercept

    def to_json(self) -> dict[str, Any]:
        """Return the score as what JSON holds, exact to the last bit."""
        return {
            "pooling": self.pooling, "calibrator": self.calibrator.to_json(), "center": list(self.center),
            "weights": list(self.weights), "intercept": self.intercept,
        }  # fmt: skip

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Return the score that `to_json` gave.

        Raises
        ------
        HemoError
            If this is none.
        """
        try:
            return cls(
                str(values["pooling"]), Calibrator.from_json(values["calibrator"]),
                tuple(map(float, values["center"])), tuple(map(float, values["weights"])),
                float(values["intercept"]),
            )  # fmt: skip
        except (ValueError, TypeError, KeyError) as fault:
            raise HemoError(f"study score: {fault}: should be what a run wrote") from fault


@dataclass(frozen=True)
class Fitted:
    """A study's score, and what it makes of studies that it was not fitted on.

    Attributes
    ----------
    score
        Fitted on all studies.
    probability
        Of each study by a score that was fitted without its patient, but for the calibration, (studies,).
    losses
        Log loss of each pooling on such probabilities: the simplest was chosen of those that lose no more
        than chance explains.
    """

    score: StudyScore
    probability: Values
    losses: Mapping[str, float]


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
    return {pooling.name: _describe(pooling, probability, study, attention) for pooling in tried}


def fit(
    described: Mapping[str, NDArray[np.float64]],
    truth: NDArray[np.integer],
    fold: NDArray[np.integer],
    method: str = "sigmoid",
    repeats: int = 1,
) -> Fitted:
    """Choose a pooling and fit it, on predictions off-test.

    Parameters
    ----------
    described
        The studies by each pooling (see `describe`), (studies, k).
    truth, fold
        Of studies in the same order, (studies,): 0 or 1, and the fold of their patient.
    method
        Of the calibration: `sigmoid`, `isotonic`, or `none`, which leaves the pooling's score as it is.
    repeats
        How often each study is among them, as predicted in several deals of the patients: so often it counts
        as one, where studies are counted and weighed.

    Raises
    ------
    HemoError
        If fewer than `FEWEST` studies are positive, or negative.
    """
    if min(np.count_nonzero(truth == 1), np.count_nonzero(truth == 0)) < FEWEST * repeats:
        raise HemoError(f"a study's score is learned from {FEWEST} positive and as many negative studies")
    tried: dict[str, Values] = {}
    losses: dict[str, Values] = {}
    for pooling in POOLINGS:
        if pooling.name not in described:
            continue
        raw = _out_of_fold(pooling, described[pooling.name], truth, fold, repeats)
        if raw is None:
            continue
        # Poolings are compared by what they tell, not by how well they happen to be calibrated.
        losses[pooling.name] = _log_losses(truth, calibration.fit(truth, expit(raw), "sigmoid")(expit(raw)))
        tried[pooling.name] = raw
    chosen = _simplest(losses, repeats)
    raw = tried[chosen]
    calibrator = _AS_IT_IS if method == "none" else calibration.fit(truth, expit(raw), method)
    score = _learned(_pooling(chosen), described[chosen], truth, calibrator, repeats)
    return Fitted(score, calibrator(expit(raw)), {name: float(each.mean()) for name, each in losses.items()})


def folds_of(patient: Sequence[Any], score: NDArray[np.floating], count: int = FOLDS) -> NDArray[np.int64]:
    """Deal the patients of studies to at most `count` folds, (studies,): alternately, by their highest score.

    By nothing that names them, so that the same data gives the same folds under any pseudonyms.
    """
    code, names = pd.factorize(np.asarray(patient, object))
    highest = np.full(len(names), -np.inf)
    np.maximum.at(highest, code, score)
    rank = np.empty(len(names), np.int64)
    rank[np.argsort(highest, kind="stable")] = np.arange(len(names)) % count
    return rank[code]


def _pooling(name: str) -> Pooling:
    found = next((one for one in POOLINGS if one.name == name), None)
    if found is None:
        raise HemoError(f"{name}: unknown way to a study's score: made by a newer hemo? update it")
    return found


def _describe(
    pooling: Pooling, probability: NDArray[np.floating], study: NDArray[Any], attention: Values | None
) -> NDArray[np.float64]:
    """Return what describes each study, (studies, k), in the order in which they appear."""
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


def _learned(
    pooling: Pooling,
    described: NDArray[np.float64],
    truth: NDArray[np.integer],
    calibrator: Calibrator,
    repeats: int,
) -> StudyScore:
    if not pooling.learned:
        return StudyScore(pooling.name, calibrator)
    from sklearn.linear_model import LogisticRegression

    center, spread = described.mean(0), described.std(0) + 1e-9
    model = LogisticRegression(C=PENALTY / repeats, max_iter=1000).fit((described - center) / spread, truth)
    weights = model.coef_[0] / spread
    return StudyScore(
        pooling.name, calibrator, tuple(center.tolist()), tuple(weights.tolist()), float(model.intercept_[0])
    )


def _out_of_fold(
    pooling: Pooling,
    described: NDArray[np.float64],
    truth: NDArray[np.integer],
    fold: NDArray[np.integer],
    repeats: int,
) -> Values | None:
    """Return the log odds of each study by a pooling fitted without its fold; None where one cannot be."""
    if not pooling.learned:
        return described[:, 0]
    raw = np.empty(len(truth))
    for number in np.unique(fold):
        here = fold == number
        if len(np.unique(truth[~here])) < 2:
            return None
        fitted = _learned(pooling, described[~here], truth[~here], _AS_IT_IS, repeats)
        raw[here] = fitted._raw(described[here])
    return raw


_AS_IT_IS: Final = Calibrator("sigmoid")


def _simplest(losses: Mapping[str, Values], repeats: int) -> str:
    """Return the first pooling that loses no more than chance explains against the best: one standard error.

    Breiman et al., "Classification and regression trees", 1984, section 3.4.3; of the paired differences.
    """
    best = min(losses.values(), key=np.mean)
    for name, each in losses.items():
        worse = each - best
        if worse.mean() <= worse.std() / np.sqrt(len(worse) / repeats):
            return name
    raise AssertionError("the best loses nothing against itself")


def _log_losses(truth: NDArray[np.integer], probability: Values) -> Values:
    return -np.log(np.where(truth == 1, probability, 1 - probability))
