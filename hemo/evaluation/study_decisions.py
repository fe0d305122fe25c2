"""From slices' predictions to studies': a score and an operating point of their own, both off-test."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hemo.errors import HemoError
from hemo.evaluation import operating_point, poolings, study_score
from hemo.evaluation.calibration import Calibrator
from hemo.evaluation.operating_point import OperatingPointRule
from hemo.evaluation.predictions import validate
from hemo.evaluation.protocols import Protocol
from hemo.evaluation.study_score import StudyScore
from hemo.evaluation.triage import Thresholds

GROUPS: Final = 64
"""Groups of patients that are left out in turn, where each is scored by what the others teach."""


@dataclass(frozen=True)
class StudyDecided:
    """Predictions of studies with the decisions they lead to, and what the kept classifier decides by.

    Attributes
    ----------
    table
        The prediction table of studies, each called by the first of its slices' ids. Neither score nor
        threshold of a row was fitted with its patient, but for the validation rows of a holdout.
    score
        From slices to a study's probability: the kept classifier's.
    threshold
        Its operating point for studies.
    negative_below
        Below it a study is negative: the threshold, but for triage, which leaves what lies between unsure.
    losses
        Log loss of each pooling that was tried, off-test; empty where too few studies have the label to
        learn a score from, and the largest slice's stands in for it.
    """

    table: pd.DataFrame
    score: StudyScore
    threshold: float
    negative_below: float
    losses: Mapping[str, float] = field(default_factory=dict)

    def served(self) -> dict[str, Any]:
        """Return what the kept classifier decides by, as what JSON holds."""
        return {
            "score": self.score.to_json(), "threshold": self.threshold, "negative_below": self.negative_below,
        }  # fmt: skip


def decide(
    slices: pd.DataFrame,
    truth: pd.Series,
    protocol: Protocol,
    rule: OperatingPointRule,
    threshold: float | None,
    method: str = "none",
) -> StudyDecided:
    """Learn a study's score and operating point, for each study without its patient.

    Parameters
    ----------
    slices
        Predictions of all slices of studies, those of unknown truth too: `slice_id`, `study`, `patient`,
        `part`, `fold` and `probability`, and `attention` of classifiers that judge studies themselves; the
        slices of a study in the order of their positions.
    truth
        Of each study, by study (see `hemo.slices.store.SliceStore.studies`): 0, 1, or -1; studies of unknown
        truth are left out.
    protocol
        `cv`: for each of `GROUPS` groups of patients all is fitted on the others. `holdout`: on the
        validation studies.
    rule
        Of the study's operating point.
    threshold
        The slices' operating point: the study's where too few studies have the label to learn a score. None
        where no slice is labelled: then the rule is applied to the studies that there are.
    method
        Of the calibration: `none`, `sigmoid` or `isotonic`. As for slices (see `hemo.evaluation.decisions`)
        it lowers pooled ranking metrics under `cv`: on CT-ICH the AUC of `any` from 0.855 to 0.824 by fold,
        and to 0.840 by single patients.

    Notes
    -----
    By small groups and not by fold, as scores and calibrations that were fitted where there is less blood
    give lower probabilities, the more so the more patients are left out. Either way slices were predicted by
    classifiers that had not seen the patient, and no score by which a patient is judged was fitted with the
    patient's truth.
    """
    known = slices[slices["study"].map(truth).isin([0, 1])]
    studies = known.groupby("study", sort=False).agg(
        slice_id=("slice_id", "min"),
        patient=("patient", "first"),
        part=("part", "first"),
        fold=("fold", "first"),
    )
    studies = studies.assign(truth=truth.loc[studies.index])
    off_test = studies["part"] == "validation" if protocol.has_validation else studies["fold"] >= 0
    highest = known.groupby("study", sort=False)["probability"].max().to_numpy()
    if protocol.has_validation:  # they come without folds of their own
        studies["fold"] = study_score.folds_of(studies["patient"].tolist(), highest)
    described = _described(known)

    def fitted(on: NDArray[np.bool_]) -> Found:
        return _fit(
            {name: rows[on] for name, rows in described.items()}, studies[on], rule, threshold, method
        )

    kept = fitted(off_test.to_numpy())
    rounds = [(np.ones(len(studies), bool), kept)]
    if not protocol.has_validation:
        group = study_score.folds_of(studies["patient"].tolist(), highest, GROUPS)
        apart = (group == number for number in range(group.max(initial=-1) + 1))
        rounds = [(here, fitted(~here)) for here in apart]
    parts = []
    for here, (score, judged_by, _) in rounds:
        probability = score.of_described(described[score.pooling][here])
        parts.append(studies[here].assign(probability=probability, **judged_by._asdict()))
    table = pd.concat(parts).loc[studies.index].rename_axis("study").reset_index()
    if protocol.has_validation:
        table["fold"] = -1
    score, at, losses = kept
    return StudyDecided(validate(table, "study table"), score, at.threshold, at.negative_below, losses)


def decide_each(
    slices: pd.DataFrame,
    truth: pd.Series,
    protocol: Protocol,
    rule: OperatingPointRule,
    threshold: float | None,
    method: str = "none",
) -> StudyDecided:
    """Do as `decide` in each deal of the patients; the kept classifier decides by what all deals teach.

    Parameters
    ----------
    slices, truth, protocol, rule, threshold, method
        As in `decide`; the slices in each deal, `repeat`.

    Returns
    -------
    StudyDecided
        Of several deals, the score is learned from each study as often as it was predicted: the mean over
        deals would be an ensemble's, and what is kept is a single classifier.
    """
    each = [decide(deal, truth, protocol, rule, threshold, method) for _, deal in slices.groupby("repeat")]
    first = each[0]
    if len(each) == 1:
        return first
    table = pd.concat([one.table.assign(repeat=k) for k, one in enumerate(each)], ignore_index=True)
    apart = slices["study"] + " " + slices["repeat"].astype(str)
    known = slices.assign(study=apart)[slices["study"].isin(first.table["study"])]
    studies = known.groupby("study", sort=False).agg(
        patient=("patient", "first"), name=("slice_id", "min"), highest=("probability", "max")
    )
    studies["truth"] = studies["name"].map(first.table.set_index("slice_id")["truth"])
    # A patient is in other folds of every deal: none of them keeps the patient's studies together.
    studies["fold"] = study_score.folds_of(studies["patient"].tolist(), studies["highest"].to_numpy())
    described = _described(known)
    score, at, losses = _fit(described, studies, rule, threshold, method, len(each))
    return StudyDecided(validate(table, "study table"), score, at.threshold, at.negative_below, losses)


Found = tuple[StudyScore, Thresholds, Mapping[str, float]]
"""Score, operating point and losses."""


def _fit(
    described: Mapping[str, NDArray[np.float64]],
    studies: pd.DataFrame,
    rule: OperatingPointRule,
    threshold: float | None,
    method: str,
    repeats: int = 1,
) -> Found:
    """Return what some studies teach."""
    truth = studies["truth"].to_numpy()
    try:
        fitted = study_score.fit(described, truth, studies["fold"].to_numpy(), method, repeats)
        at = operating_point.thresholds(truth, fitted.probability, studies["patient"], rule)
        return fitted.score, at, fitted.losses
    except HemoError:  # too few have the label
        if threshold is not None and not rule.promise:
            return LARGEST, Thresholds.of(threshold), {}
        # A promise is kept with few, too: by leaving more unsure.
        largest = LARGEST.of_described(described[LARGEST.pooling])
        return LARGEST, operating_point.thresholds(truth, largest, studies["patient"], rule), {}


def _described(slices: pd.DataFrame) -> dict[str, NDArray[np.float64]]:
    """Return the numbers of each study by each way to a score (see `poolings.describe`)."""
    attention = slices["attention"].to_numpy() if "attention" in slices else None
    return poolings.describe(slices["probability"].to_numpy(), slices["study"].to_numpy(), attention)


LARGEST = StudyScore("max", Calibrator("sigmoid"))
"""The largest of a study's slices, as it is."""
