"""Triage: two thresholds instead of one, between which a classifier says that it is not sure.

Predictive values of what it does answer are promised, with confidence, not estimated: the threshold with the
best estimate of many is the one whose luck was best.
"""

from dataclasses import dataclass
from typing import Final, NamedTuple, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from hemo.errors import HemoError
from hemo.evaluation.cuts import Cuts

CONFIDENCE: Final = 0.95
"""With which both promises hold together."""

STARTS: Final = 2
"""Places from which thresholds are tested inwards. With more, each is tested at a smaller level: in most
simulations with 150 to 2,000 studies 2 left fewer unsure than 1, 3, 4, 6 or 8."""

NEVER: Final = 2.0
"""A threshold that no probability reaches: nothing is called positive."""


class Thresholds(NamedTuple):
    """Where decisions change: negative below the one, positive at or above the other, unsure between.

    They are equal where every case is decided.
    """

    negative_below: float
    threshold: float

    @classmethod
    def of(cls, threshold: float, negative_below: float | None = None) -> Self:
        """Return a threshold with what is negative: all below it, where nothing else is said."""
        return cls(threshold if negative_below is None else negative_below, threshold)

    @property
    def words(self) -> str:
        """For people, of what is judged, as in "a study is ..."."""
        if self.negative_below == self.threshold:
            return f"positive at or above {self.threshold:.4f}"
        positive = f"positive at or above {self.threshold:.4f}" if self.threshold <= 1 else (
            "never positive (too few patients to promise it)"
        )  # fmt: skip
        negative = f"negative below {self.negative_below:.4f}" if self.negative_below > 0 else (
            "never negative (too few patients to promise it)"
        )  # fmt: skip
        return f"{negative}, {positive}, else unsure"


@dataclass(frozen=True)
class Promise:
    """Predictive values that answers shall have; `str` gives the word that `parse` reads.

    Attributes
    ----------
    npv, ppv
        Least share of negative and of positive answers that are right, in (0, 1).
    prevalence
        At which they shall be, in (0, 1); the data's own where None.
    """

    npv: float
    ppv: float
    prevalence: float | None = None

    def __post_init__(self) -> None:
        for name, value in (("npv", self.npv), ("ppv", self.ppv), ("prevalence", self.prevalence)):
            if value is not None and not 0 < value < 1:
                raise HemoError(f"triage: {name}={value:g}: should lie between 0 and 1: write {EXAMPLE}")

    def __str__(self) -> str:
        at = "" if self.prevalence is None else f",prevalence={self.prevalence:g}"
        return f"npv={self.npv:g},ppv={self.ppv:g}{at}"

    @property
    def words(self) -> str:
        """The promise for people."""
        at = "the prevalence of the data" if self.prevalence is None else f"a prevalence of {self.prevalence}"
        return (
            f"triage: at least {self.npv} of negative and {self.ppv} of positive answers are right at {at}, "
            f"both with {CONFIDENCE:.0%} confidence by patient, and what lies between is unsure"
        )

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a promise as in "npv=0.97,ppv=0.9,prevalence=0.1".

        Raises
        ------
        HemoError
            If a word is unknown, twice there or missing, or a value is no number between 0 and 1.

        Examples
        --------
        >>> Promise.parse("npv=0.97,ppv=0.9")
        Promise(npv=0.97, ppv=0.9, prevalence=None)
        """
        values: dict[str, float] = {}
        for part in text.split(","):
            name, _, value = (word.strip() for word in part.partition("="))
            if name not in ("npv", "ppv", "prevalence") or name in values:
                raise HemoError(f"triage:{text}: {part.strip()!r} is not understood: write {EXAMPLE}")
            try:
                values[name] = float(value)
            except ValueError:
                raise HemoError(f"triage:{text}: {value!r} is no number: write {EXAMPLE}") from None
        if not {"npv", "ppv"} <= set(values):
            raise HemoError(f"triage:{text}: both npv and ppv are needed: write {EXAMPLE}")
        return cls(**values)


EXAMPLE: Final = "triage:npv=0.97,ppv=0.9"


def fit(truth: ArrayLike, probability: ArrayLike, patient: ArrayLike, promise: Promise) -> Thresholds:
    """Return the thresholds nearest to each other at which a promise holds with confidence.

    Parameters
    ----------
    truth
        0 or 1, (n,).
    probability
        Of class 1, (n,).
    patient
        Of each, (n,): rows of one patient are no independent witnesses.
    promise
        What shall hold.

    Returns
    -------
    Thresholds
        `negative_below` is 0 where the data supports no negative answer, `threshold` is `NEVER` where it
        supports no positive one. Where both promises hold at the same thresholds, all are decided at the
        lowest of them, as a missed hemorrhage costs more than a second look.

    Notes
    -----
    For each side thresholds are tested from the extreme inwards, until one fails: a fixed sequence, in which
    every test may use the whole level (Angelopoulos et al., "Learn then test", 2021, section 3; Bauer,
    "Multiple testing in clinical trials", Statistics in Medicine 10:871, 1991). It errs where it passes the
    first threshold that does not keep the promise, and predictive values fall inwards. The sequence begins
    where so few are called that all have to be right, and once more at the geometric mean of that count and
    of all, each with half the level: no truth takes part in where it begins. Both sides share 1 -
    `CONFIDENCE` (Bonferroni).

    Each test is Clopper and Pearson's exact lower bound (Biometrika 26:404, 1934) of the share of those
    called that are right. Its units are patients: (sum of m)^2 / sum of m^2 for m called rows a patient
    (Kish, "Survey sampling", 1965), which is their number where each has one. That is exact for a study a
    patient, and conservative for slices, as a share that varies between patients never varies by more than
    p(1 - p).

    A stated prevalence is carried over: the odds of being right among those called are those at another
    prevalence times the ratio of the two prevalences' odds. The data's own is taken at the end of its
    exact interval that makes the promise harder, at half the level, which leaves the other half to the tests.

    Examples
    --------
    >>> truth, probability = [1] * 60 + [0] * 200, [0.9] * 60 + [0.2] * 200
    >>> fit(truth, probability, range(260), Promise(0.97, 0.9))
    Thresholds(negative_below=0.55, threshold=0.55)
    >>> fit(truth, probability, range(260), Promise(0.99, 0.9)).words
    'never negative (too few patients to promise it), positive at or above 0.5500, else unsure'
    """
    positive = np.asarray(truth) == 1
    cuts = Cuts.of(np.asarray(probability, np.float64))
    code = pd.factorize(np.asarray(patient))[0][cuts.order]
    positive = positive[cuts.order]
    stated = promise.prevalence
    called = _furthest(positive, code, cuts.counts, promise.ppv, stated)
    left = len(positive) - cuts.counts[::-1]
    cleared = _furthest(
        ~positive[::-1], code[::-1], left, promise.npv, None if stated is None else 1 - stated
    )
    upper = float(cuts.thresholds[np.searchsorted(cuts.counts, called)]) if called else NEVER
    lower = float(cuts.thresholds[::-1][np.searchsorted(left, cleared)]) if cleared else 0.0
    return Thresholds(min(lower, upper), upper)


def _furthest(
    right: NDArray[np.bool_],
    patient: NDArray[np.int64],
    ends: NDArray[np.int64],
    share: float,
    prevalence: float | None,
) -> int:
    """Return how many rows may be answered, the extreme first, so that `share` of them is right.

    `ends` are the counts that part no equal probabilities, rising from 0; `prevalence` is that of the rows
    for which the answer is right, None for the data's own.
    """
    from scipy import stats

    level = (1 - CONFIDENCE) / 2
    rows = np.arange(1, len(right) + 1)
    seen = pd.Series(patient).groupby(patient).cumcount().to_numpy()
    units = rows**2 / np.cumsum(2 * seen + 1)
    correct = units * np.cumsum(right) / rows
    if prevalence is not None:
        level /= 2
        own = float(stats.beta.isf(level, correct[-1] + 1, max(units[-1] - correct[-1], 1e-9)))
        own = min(own, 1 - 1e-9)
        odds = share / (1 - share) * own / (1 - own) / (prevalence / (1 - prevalence))
        share = odds / (1 + odds)
    level /= STARTS
    fewest = max(np.log(level) / np.log(share), 1.0)
    ends = ends[1:]
    units, correct = units[ends - 1], correct[ends - 1]
    if units.max(initial=0.0) < fewest:
        return 0
    bound = stats.beta.ppf(level, np.maximum(correct, 1e-9), units - correct + 1)
    holds = np.append(bound >= share, False)
    furthest = 0
    for start in range(STARTS):
        least = fewest * (max(units[-1], fewest) / fewest) ** (start / STARTS)
        first = int(np.argmax(units >= least))
        length = int(np.argmin(holds[first:]))
        if length:
            furthest = max(furthest, int(ends[first + length - 1]))
    return furthest
