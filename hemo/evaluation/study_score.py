"""A study's score, learned from the scores of its slices: what a whole scan shows.

The largest slice score answers for a study only where slices are hardly ever wrong: of thirty slices one is
the largest by chance. So several poolings are tried, and the one is taken that tells most about studies that
it was not fitted on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hemo.errors import HemoError
from hemo.evaluation import calibration, poolings
from hemo.evaluation.calibration import Calibrator, expit
from hemo.evaluation.poolings import Values

FOLDS: Final = 5
"""Folds of patients in which poolings are compared, where predictions come without folds of their own."""

FEWEST: Final = 5
"""Studies of either class below which nothing is chosen."""

PENALTY: Final = 0.1
"""C of the learned pooling's logistic regression on standardised numbers: there are tens of studies."""


@dataclass(frozen=True)
class StudyScore:
    """A fitted way from the probabilities of slices to that of their study.

    Attributes
    ----------
    pooling
        Name of one of `hemo.evaluation.poolings.POOLINGS`.
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
        return poolings.named(self.pooling).words

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
        pooling = poolings.named(self.pooling)
        return self.of_described(poolings.of_studies(pooling, probability, study, attention))

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
        The studies by each pooling (see `hemo.evaluation.poolings.describe`), (studies, k).
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
    for pooling in poolings.POOLINGS:
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
    score = _learned(poolings.named(chosen), described[chosen], truth, calibrator, repeats)
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


def _learned(
    pooling: poolings.Pooling,
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
    pooling: poolings.Pooling,
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
