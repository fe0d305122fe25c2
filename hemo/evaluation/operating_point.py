"""The operating point: the threshold of the decision, fitted off-test by a stated rule."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from hemo.errors import HemoError
from hemo.evaluation import triage
from hemo.evaluation.cuts import Cuts
from hemo.evaluation.folds import out_of_fold
from hemo.evaluation.predictions import sort
from hemo.evaluation.resampling import codes, patient_counts
from hemo.evaluation.triage import Promise, Thresholds

RULES: Final = ("sensitivity_at_least", "specificity_at_least", "youden", "fixed", "triage")


@dataclass(frozen=True)
class OperatingPointRule:
    """How a threshold is chosen; `str` gives the word that `parse` reads.

    Attributes
    ----------
    rule
        "sensitivity_at_least": the highest threshold whose sensitivity is at least the target, which is the
        one of highest specificity. "specificity_at_least": the lowest threshold whose specificity is at
        least the target. "youden": the largest sum of sensitivity and specificity; of several, the lowest,
        as a missed hemorrhage costs more than a second look. "fixed": the target itself. "triage": two
        thresholds, so that predictive values are kept (see `hemo.evaluation.triage`).
    target
        A share in [0, 1]; None for "youden" and "triage".
    promise
        The predictive values that "triage" keeps; None for the others.
    """

    rule: str
    target: float | None = None
    promise: Promise | None = None

    def __post_init__(self) -> None:
        if self.rule not in RULES:
            raise HemoError(f"{self.rule}: unknown rule of an operating point: one of {', '.join(RULES)}")
        if self.rule == "triage":
            if self.promise is None:
                raise HemoError(f"triage: no predictive values to keep: write {triage.EXAMPLE}")
        elif self.rule == "youden":
            if self.target is not None:
                raise HemoError(f"{self}: youden has no target: write youden")
        elif self.target is None or not 0 <= self.target <= 1:
            raise HemoError(f"{self}: no target between 0 and 1: write, for example, {self.rule}:0.9")

    def __str__(self) -> str:
        if self.promise:
            return f"{self.rule}:{self.promise}"
        return self.rule if self.target is None else f"{self.rule}:{self.target:g}"

    @property
    def words(self) -> str:
        """The rule for people."""
        if self.promise:
            return self.promise.words
        said = {
            "sensitivity_at_least": f"the highest threshold whose recall is at least {self.target}",
            "specificity_at_least": f"the lowest threshold whose specificity is at least {self.target}",
            "youden": "the largest sum of recall and specificity",
            "fixed": f"{self.target}, whatever the data",
        }
        return said[self.rule]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a rule as in "sensitivity_at_least:0.9", "youden" or "triage:npv=0.97,ppv=0.9".

        Raises
        ------
        HemoError
            If the rule is unknown or its target is not a number between 0 and 1; or if a promise of triage
            is not understood.

        Examples
        --------
        >>> rule = OperatingPointRule.parse("sensitivity_at_least:0.9")
        >>> rule.target, rule.words
        (0.9, 'the highest threshold whose recall is at least 0.9')
        """
        rule, colon, target = text.partition(":")
        if rule.strip() == "triage":
            return cls("triage", promise=Promise.parse(target) if target.strip() else None)
        try:
            return cls(rule.strip(), float(target) if colon else None)
        except ValueError as fault:
            raise HemoError(
                f"{text}: target {target!r} is no number: write, for example, {rule}:0.9"
            ) from fault


def fit(truth: ArrayLike, probability: ArrayLike, rule: OperatingPointRule) -> float:
    """Return the one threshold that a rule chooses on these predictions.

    Parameters
    ----------
    truth
        0 or 1, (n,).
    probability
        Of class 1, (n,).
    rule
        The rule; for triage, which has two, see `thresholds`.

    Returns
    -------
    float
        Decisions are `probability >= threshold`. It lies halfway between the lowest probability that is
        called and the highest that is not, so that rounding changes no decision; equal probabilities are
        called together. Where all are called it is the lowest probability, where none is, just above the
        highest.

    Raises
    ------
    HemoError
        If the rule needs a class that is absent.

    Examples
    --------
    >>> rule = OperatingPointRule.parse("sensitivity_at_least:0.5")
    >>> fit(truth=[1, 1, 0, 0], probability=[0.9, 0.5, 0.6, 0.1], rule=rule)
    0.75
    """
    truth = np.asarray(truth)
    missing = [
        name
        for name, value, rules in (
            ("positive", 1, ("sensitivity_at_least", "youden")),
            ("negative", 0, ("specificity_at_least", "youden")),
        )
        if rule.rule in rules and not (truth == value).any()
    ]
    if missing:
        raise HemoError(
            f"{rule}: no {missing[0]} slice to fit it on: use fixed:0.5, or patients of both kinds"
        )
    thresholds = _fitter(truth, np.asarray(probability), np.zeros(len(truth), np.int64), rule)
    return float(thresholds(np.ones((1, 1), np.int32))[0])


def thresholds(
    truth: ArrayLike, probability: ArrayLike, patient: ArrayLike, rule: OperatingPointRule
) -> Thresholds:
    """Return both thresholds that a rule chooses; they are equal for all rules but triage.

    Parameters
    ----------
    truth, probability, patient
        Predictions, (n,) each.
    rule
        The rule.

    Raises
    ------
    HemoError
        If the rule needs a class that is absent.
    """
    if rule.promise:
        return triage.fit(truth, probability, patient, rule.promise)
    threshold = fit(truth, probability, rule)
    return Thresholds.of(threshold)


def cross_fit(
    truth: ArrayLike, probability: ArrayLike, fold: ArrayLike, rule: OperatingPointRule
) -> NDArray[np.float64]:
    """Return a threshold a row, fitted on the out-of-fold predictions of the other folds.

    No patient's own truth sets the threshold by which the patient is judged, as folds are made of patients.

    Parameters
    ----------
    truth, probability, fold
        Out-of-fold predictions, (n,) each.
    rule
        The rule. Of triage it is the upper threshold, with each row counted as a patient: to compare
        classifiers by, not to promise anything.

    Returns
    -------
    array
        float64 (n,), the same value throughout a fold.

    Raises
    ------
    HemoError
        If there is one fold only, or the other folds of one lack a class that the rule needs.

    Examples
    --------
    >>> truth, probability, fold = [1, 0, 1, 0], [0.875, 0.375, 0.75, 0.25], [0, 0, 1, 1]
    >>> cross_fit(truth, probability, fold, OperatingPointRule.parse("youden")).tolist()
    [0.5, 0.5, 0.625, 0.625]
    """

    def learn(y: NDArray, p: NDArray, here: NDArray) -> NDArray[np.float64]:
        return np.full(len(here), thresholds(y, p, np.arange(len(y)), rule).threshold)

    return out_of_fold(truth, probability, fold, learn)


def threshold_interval(
    table: pd.DataFrame, rule: OperatingPointRule, draws: int = 2000, seed: int = 0
) -> tuple[float, float, float]:
    """Return the threshold that a rule chooses on a prediction table, with its uncertainty.

    Parameters
    ----------
    table
        The predictions that the threshold is fitted on (validation or out-of-fold).
    rule
        The rule, which is not triage: its thresholds keep their promise as they are.
    draws, seed
        Of the cluster bootstrap over patients; the same seed gives the same interval.

    Returns
    -------
    value, low, high
        2.5 and 97.5 percentiles of the thresholds fitted to each draw; a threshold has no natural scale on
        which anything better than percentiles would hold. Draws that lack a needed class are left out.

    Raises
    ------
    HemoError
        If the rule needs a class that is absent.
    """
    table = sort(table)
    value = fit(table["truth"], table["probability"], rule)
    code, positive = codes(table)
    thresholds = _fitter(table["truth"].to_numpy(), table["probability"].to_numpy(), code, rule)
    chunks = [thresholds(counts) for counts in patient_counts(positive, len(table), draws, seed)]
    low, high = np.nanquantile(np.concatenate(chunks), [0.025, 0.975])
    return value, float(low), float(high)


def _fitter(
    truth: NDArray, probability: NDArray, patient: NDArray[np.int64], rule: OperatingPointRule
) -> Callable[[NDArray[np.int32]], NDArray[np.float64]]:
    """Return the function from weights (draws, patients) to thresholds (draws,), NaN where undefined."""
    found = Cuts.of(probability)
    positive, patient = truth[found.order] == 1, patient[found.order]
    cuts, candidates = found.counts, found.thresholds
    target = rule.target or 0.0

    def thresholds(counts: NDArray[np.int32]) -> NDArray[np.float64]:
        if rule.rule == "fixed":
            return np.full(len(counts), target)
        weight = counts[:, patient]
        with np.errstate(invalid="ignore"):
            sensitivity = _share(weight * positive, cuts)
            specificity = 1 - _share(weight * ~positive, cuts)
        if rule.rule == "sensitivity_at_least":
            chosen = (sensitivity < target - 1e-9).sum(axis=1)
            undefined = np.isnan(sensitivity[:, 0])
        elif rule.rule == "specificity_at_least":
            chosen = (specificity >= target - 1e-9).sum(axis=1) - 1
            undefined = np.isnan(specificity[:, 0])
        else:
            both = sensitivity + specificity
            best = both >= both.max(axis=1, keepdims=True) - 1e-9
            chosen = len(cuts) - 1 - best[:, ::-1].argmax(axis=1)
            undefined = np.isnan(both[:, 0])
        return np.where(undefined, np.nan, candidates[chosen])

    return thresholds


def _share(weight: NDArray[np.int32], cuts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the share of weight in the first k slices, for each cut k: (draws, cuts)."""
    total = np.zeros((len(weight), weight.shape[1] + 1), np.int32)
    np.cumsum(weight, axis=1, out=total[:, 1:])
    return total[:, cuts] / total[:, -1:]
