"""From raw probabilities to decisions: calibration and operating point, both fitted off-test."""

from dataclasses import dataclass

import pandas as pd

from hemo.evaluation import calibration, operating_point, predictions
from hemo.evaluation.calibration import Calibrator
from hemo.evaluation.operating_point import OperatingPointRule
from hemo.evaluation.protocols import Protocol
from hemo.evaluation.triage import Thresholds

METHODS = ("none", *calibration.METHODS)
"""Kinds of calibration an experiment can ask for."""

PAPER_THRESHOLD = 0.5
"""Of the `paper` protocol, which neither calibrates nor fits a threshold."""


@dataclass(frozen=True)
class Decided:
    """Predictions with the decisions they lead to, and what the kept classifier decides by.

    Attributes
    ----------
    table
        The prediction table: calibrated probabilities, and the thresholds that each row is judged by.
        Neither was fitted with that row's patient, but for the validation rows of a holdout.
    calibrator
        The kept classifier's; None where it is not calibrated.
    threshold
        The kept classifier's operating point, of calibrated probabilities.
    fitted_on
        The rows that calibrator and threshold of the kept classifier were fitted on, calibrated by it; no
        rows under `paper`.
    negative_below
        Below it the kept classifier's answer is negative: the threshold, but for triage, which leaves what
        lies between unsure.
    """

    table: pd.DataFrame
    calibrator: Calibrator | None
    threshold: float
    fitted_on: pd.DataFrame
    negative_below: float


def decide(raw: pd.DataFrame, protocol: Protocol, rule: OperatingPointRule, method: str) -> Decided:
    """Calibrate predictions and fit the operating point, for each row without its patient.

    Parameters
    ----------
    raw
        A prediction table but for `threshold`: what classifiers gave.
    protocol
        `holdout`: both are fitted on the validation rows. `cv`: for each fold both are fitted on the other
        folds of its deal, so that no truth of a fold takes part in any of its decisions, not even by way of
        the other folds' calibration; the kept classifier's are fitted on all rows, of all deals: each is of a
        single classifier, as it is, where their means would be of an ensemble. `paper`: neither is fitted.
    rule
        Of the operating point.
    method
        `none`, `sigmoid` or `isotonic`.

    Raises
    ------
    HemoError
        If the rows to fit on lack a class that rule or calibration needs.

    Notes
    -----
    Within a fold a sigmoid keeps the order of slices, so that decisions are those of the raw probabilities.
    Between folds it does not: the map of a fold with much blood was fitted where there is less, and gives
    lower probabilities. Pooled out-of-fold ranking metrics come out too low by that, the more so the fewer
    positive patients there are: in simulations the AUC by 0.05 with 4 of 60, 0.02 with 8, 0.01 with 20.
    Under `holdout` there is one map, and ranking metrics are those of the raw probabilities.
    """
    if not protocol.by_patient:
        at = Thresholds.of(PAPER_THRESHOLD)
        table = raw.assign(**at._asdict())
        return Decided(table, None, at.threshold, table.iloc[:0], at.negative_below)
    raw = predictions.with_deals(raw)
    off_test = raw[raw["part"] == "validation"] if protocol.has_validation else raw
    kept, at = _fit(off_test, rule, method)
    if protocol.has_validation:
        table = _calibrated(raw, kept).assign(**at._asdict())
    else:
        folds = []
        for (repeat, fold), _ in raw.groupby(["repeat", "fold"]):
            deal, here = raw["repeat"] == repeat, raw["fold"] == fold
            calibrator, judged_by = _fit(raw[deal & ~here], rule, method)
            folds.append(_calibrated(raw[deal & here], calibrator).assign(**judged_by._asdict()))
        table = pd.concat(folds).loc[raw.index]
    return Decided(table, kept, at.threshold, _calibrated(off_test, kept), at.negative_below)


def undecided(raw: pd.DataFrame, at: Thresholds) -> Decided:
    """Return what is decided where no slice can be judged, since labels are of studies: no rows.

    A slice is then taken for a study of its own: its thresholds are the studies'.
    """
    table = raw.iloc[:0].assign(**at._asdict())
    return Decided(table, None, at.threshold, table, at.negative_below)


def _fit(rows: pd.DataFrame, rule: OperatingPointRule, method: str) -> tuple[Calibrator | None, Thresholds]:
    """Return the calibrator fitted on rows, and the thresholds fitted on what it makes of them."""
    truth = rows["truth"].to_numpy()
    calibrator = None if method == "none" else calibration.fit(truth, rows["probability"], method)
    probability = _calibrated(rows, calibrator)["probability"]
    return calibrator, operating_point.thresholds(truth, probability, rows["patient"], rule)


def _calibrated(rows: pd.DataFrame, calibrator: Calibrator | None) -> pd.DataFrame:
    return rows if calibrator is None else rows.assign(probability=calibrator(rows["probability"]))
