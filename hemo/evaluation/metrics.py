"""Metrics of a binary classifier, on data as they are or under many weightings of patients at once.

One implementation serves both: the point value is the metric under weights of one, a bootstrap draw is the
metric under the number of times that each patient was drawn. Slices are sorted once; a draw then costs a
cumulative sum.
"""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hemo.evaluation.calibration import Recalibration
from hemo.labels import LABELS

Draws = dict[str, NDArray[np.float64]]
"""A metric's name to its value in each draw, (draws,)."""

FIXED: Final = (0.80, 0.90)
"""Specificities at which recall is read off the ROC curve, and recalls at which specificity is."""

METRICS: Final = (
    "accuracy",
    "precision",
    "recall",
    "specificity",
    "npv",
    "f1",
    "balanced_accuracy",
    "auc",
    "average_precision",
    "brier",
    "log_loss",
    "calibration_slope",
    "calibration_intercept",
    "recall_at_specificity_80",
    "recall_at_specificity_90",
    "specificity_at_recall_80",
    "specificity_at_recall_90",
    "unsure_share",
)

_EPSILON: Final = float(np.finfo(np.float64).eps)
"""Probabilities are clipped by it for the log loss, as scikit-learn does."""


def compute(
    truth: ArrayLike, probability: ArrayLike, threshold: ArrayLike, negative_below: ArrayLike | None = None
) -> dict[str, float]:
    """Return all of `METRICS`.

    Parameters
    ----------
    truth
        0 or 1, (n,).
    probability
        Of class 1, (n,).
    threshold
        Operating point, one for all or one a row: the decision is `probability >= threshold`.
    negative_below
        Of triage, one for all or one a row: below it the answer is negative, and from it to the threshold
        unsure. The threshold where None.

    Returns
    -------
    dict
        NaN where a metric is undefined: recall, balanced accuracy and the ranking metrics (AUC, average
        precision, recall at a specificity, ...) without positives; specificity and the ranking metrics
        without negatives; precision where nothing is called positive, NPV where everything is, F1 where
        there is neither a positive nor a call; calibration where there is one class or a threshold
        separates the two.

    Notes
    -----
    `average_precision` is the step-wise sum (no interpolation), `recall_at_specificity_80` the highest
    recall of any threshold whose specificity is at least 0.80, `specificity_at_recall_80` the highest
    specificity of any threshold whose recall is at least 0.80. Under triage, recall, specificity and what
    is made of them are of the decision at the upper threshold: an unsure positive counts as not found, an
    unsure negative as no alarm; precision and NPV are of the positive and the negative answers alone, and
    `unsure_share` says how many got neither (3x2 tables: Simel et al., "Intermediate, indeterminate, and
    uninterpretable diagnostic test results", Medical Decision Making 7:107, 1987). Slope and intercept: see
    `hemo.evaluation.calibration.Recalibration`.

    Examples
    --------
    >>> found = compute(truth=[1, 1, 0, 0], probability=[0.9, 0.4, 0.6, 0.1], threshold=0.5)
    >>> found["recall"], found["specificity"], found["auc"]
    (0.5, 0.5, 0.75)
    """
    truth = np.asarray(truth)
    arranged = Arranged.of(truth, probability, threshold, np.zeros(len(truth), np.int64), negative_below)
    return {name: float(values[0]) for name, values in arranged.draws(np.ones((1, 1), np.int32)).items()}


@dataclass(frozen=True)
class Arranged:
    """Predictions arranged for weighting by patient: sums a patient, and both classes in order."""

    sums: NDArray[np.float64]
    """True, false positives; false, true negatives; squared errors; log losses; false, true negative answers
    of triage: (patients, 8)."""
    recalibration: Recalibration
    positives: NDArray[np.int64]
    """Patient of each positive slice, by falling probability, (positives,)."""
    negatives: NDArray[np.int64]
    """Patient of each negative slice, by falling probability, (negatives,)."""
    negatives_above: NDArray[np.int64]
    """For each positive slice, how many negatives have a higher probability."""
    negatives_from: NDArray[np.int64]
    """For each positive slice, how many negatives have the same probability or a higher one."""
    positives_from: NDArray[np.int64]
    """For each positive slice, how many positives have the same probability or a higher one."""
    positives_above: NDArray[np.int64]
    """For each negative slice, how many positives have a higher probability."""

    @classmethod
    def of(
        cls,
        truth: ArrayLike,
        probability: ArrayLike,
        threshold: ArrayLike,
        patient: NDArray[np.int64],
        negative_below: ArrayLike | None = None,
    ) -> Self:
        """Arrange predictions; `patient` numbers the patient of each slice from 0, (n,)."""
        truth = np.asarray(truth).astype(bool)
        probability = np.asarray(probability, np.float64)
        called = probability >= np.asarray(threshold, np.float64)
        cleared = ~called if negative_below is None else probability < np.asarray(negative_below, np.float64)
        clipped = np.clip(probability, _EPSILON, 1 - _EPSILON)
        rows = np.stack(
            [
                truth & called,
                ~truth & called,
                truth & ~called,
                ~truth & ~called,
                (probability - truth) ** 2,
                -np.log(np.where(truth, clipped, 1 - clipped)),
                truth & cleared,
                ~truth & cleared,
            ],
            axis=1,
            dtype=np.float64,
        )
        patients = int(patient.max(initial=-1)) + 1
        sums = np.array([np.bincount(patient, column, patients) for column in rows.T], np.float64).T
        order = np.argsort(-probability, kind="stable")
        positive, negative = order[truth[order]], order[~truth[order]]
        # Searching the rising, negated probabilities: "left" counts those strictly above, "right" ties as
        # well.
        above, below = -probability[positive], -probability[negative]
        return cls(
            sums=sums,
            recalibration=Recalibration.of(truth, probability, patient),
            positives=patient[positive],
            negatives=patient[negative],
            negatives_above=np.searchsorted(below, above, "left"),
            negatives_from=np.searchsorted(below, above, "right"),
            positives_from=np.searchsorted(above, above, "right"),
            positives_above=np.searchsorted(above, below, "left"),
        )

    def draws(self, counts: NDArray[np.int32]) -> Draws:
        """Return every metric of `METRICS` under each weighting.

        Parameters
        ----------
        counts
            Weight of each patient, int32 (draws, patients).
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            result = self._decisions(counts) | self._ranking(counts)
        slope, intercept = self.recalibration.draws(counts)
        result |= {"calibration_slope": slope, "calibration_intercept": intercept}
        return {name: result[name] for name in METRICS}

    def _decisions(self, counts: NDArray[np.int32]) -> Draws:
        """Return what follows from sums a patient: the decisions' metrics and the losses."""
        tp, fp, fn, tn, squared, logs, missed, cleared = (counts.astype(np.float64) @ self.sums).T
        total = tp + fp + fn + tn
        recall, specificity = tp / (tp + fn), tn / (tn + fp)
        return {
            "accuracy": (tp + tn) / total,
            "precision": tp / (tp + fp),
            "recall": recall,
            "specificity": specificity,
            "npv": cleared / (missed + cleared),
            "f1": 2 * tp / (2 * tp + fp + fn),
            "balanced_accuracy": (recall + specificity) / 2,
            "brier": squared / total,
            "log_loss": logs / total,
            "unsure_share": (fn + tn - missed - cleared) / total,
        }

    def _ranking(self, counts: NDArray[np.int32]) -> Draws:
        """Return what follows from the order of the slices."""
        weight = counts[:, self.positives].astype(np.float64)
        positives, negatives = cumulated(counts, self.positives), cumulated(counts, self.negatives)
        all_positive = positives[:, -1].astype(np.float64)
        all_negative = negatives[:, -1].astype(np.float64)
        above, from_here = negatives[:, self.negatives_above], negatives[:, self.negatives_from]
        found = positives[:, self.positives_from]
        misordered = (weight * (above + from_here)).sum(axis=1) / 2
        precision = found / np.maximum(found + from_here, 1)
        defined = np.where((all_positive > 0) & (all_negative > 0), 1.0, np.nan)
        result = {
            "auc": 1 - misordered / (all_positive * all_negative),
            "average_precision": (weight * precision).sum(axis=1) / all_positive * defined,
        }
        row = np.arange(len(counts))
        for fixed in FIXED:
            # The first negative that may not be called: the threshold lies just above it.
            limit = (1 - fixed) * all_negative * (1 + 1e-9)
            first = (negatives[:, 1:] <= limit[:, None]).sum(axis=1)
            allowed = np.append(self.positives_above, len(self.positives))[first]
            result[f"recall_at_specificity_{fixed * 100:.0f}"] = (
                positives[row, allowed] / all_positive * defined
            )
            # The last positive that has to be called: the threshold is its probability.
            limit = fixed * all_positive * (1 - 1e-9)
            last = (positives[:, 1:] < limit[:, None]).sum(axis=1)
            wrong = np.append(self.negatives_from, 0)[last]
            result[f"specificity_at_recall_{fixed * 100:.0f}"] = (
                1 - negatives[row, wrong] / all_negative
            ) * defined
        return result


def cumulated(counts: NDArray[np.int32], patient: NDArray[np.int64]) -> NDArray[np.int32]:
    """Return the weight of the first k slices, k from 0 to n: int32 (draws, n + 1)."""
    result = np.zeros((len(counts), len(patient) + 1), np.int32)
    np.cumsum(counts[:, patient], axis=1, out=result[:, 1:])
    return result


def rsna_slice_losses(truth: ArrayLike, probability: ArrayLike) -> NDArray[np.float64]:
    """Return each slice's share in the weighted log loss of the RSNA 2019 competition, float64 (n,).

    Parameters
    ----------
    truth, probability
        Columns in the order of `hemo.labels.LABELS`, (n, 6).

    Returns
    -------
    array
        Mean of the labels' log losses, in which `any` counts 2 and each other 1, of 7. Probabilities are
        clipped to [1e-15, 1 - 1e-15].

    Raises
    ------
    ValueError
        If the shapes are not (n, 6) and equal.

    Notes
    -----
    Source: evaluation page of the Kaggle competition "RSNA Intracranial Hemorrhage Detection" (2019).
    """
    truth = np.asarray(truth).astype(bool)
    probability = np.asarray(probability, np.float64)
    if truth.shape != probability.shape or truth.shape[1:] != (len(LABELS),):
        raise ValueError(f"shapes {truth.shape} and {probability.shape}: should both be (n, {len(LABELS)})")
    clipped = np.clip(probability, 1e-15, 1 - 1e-15)
    losses = -np.log(np.where(truth, clipped, 1 - clipped))
    weights = np.where(np.array(LABELS) == "any", 2.0, 1.0)
    return np.average(losses, axis=1, weights=weights)


def rsna_weighted_log_loss(truth: ArrayLike, probability: ArrayLike) -> float:
    """Return the weighted log loss of the RSNA 2019 competition: the mean of `rsna_slice_losses`.

    Examples
    --------
    >>> epidural = [[1, 1, 0, 0, 0, 0]]  # and so is any
    >>> round(rsna_weighted_log_loss(epidural, [[0.9, 0.8, 0.1, 0.1, 0.1, 0.1]]), 3)
    0.122
    """
    return float(rsna_slice_losses(truth, probability).mean())
