import numpy as np
import pandas as pd
import pytest

from hemo.errors import HemoError
from hemo.evaluation import metrics
from hemo.evaluation.decisions import METHODS, decide
from hemo.evaluation.operating_point import OperatingPointRule
from hemo.evaluation.protocols import Protocol

RULE = OperatingPointRule("sensitivity_at_least", 0.85)


@pytest.fixture
def folds(simulate):
    return simulate(0, folds=4).drop(columns="threshold")


@pytest.fixture
def holdout(simulate):
    table = simulate(0, folds=2).drop(columns="threshold")
    return table.assign(part=np.where(table["fold"] == 0, "validation", "test"), fold=-1)


@pytest.mark.parametrize("method", METHODS)
def test_a_fold_s_truth_takes_no_part_in_its_own_decisions(folds, method):
    before = decide(folds, Protocol.CV, RULE, method).table
    own = folds["fold"] == 2
    changed = folds.assign(truth=folds["truth"].where(~own, 1 - folds["truth"]))
    after = decide(changed, Protocol.CV, RULE, method).table
    both = ["probability", "threshold"]
    pd.testing.assert_frame_equal(before.loc[own, both], after.loc[own, both])
    assert (before.loc[~own, "threshold"] != after.loc[~own, "threshold"]).all()


@pytest.mark.parametrize("method", METHODS)
def test_test_patients_of_a_holdout_take_no_part_in_calibration_or_threshold(holdout, method):
    before = decide(holdout, Protocol.HOLDOUT, RULE, method)
    tested = holdout["part"] == "test"
    changed = holdout.assign(truth=holdout["truth"].where(~tested, 1 - holdout["truth"]))
    after = decide(changed, Protocol.HOLDOUT, RULE, method)
    assert (after.threshold, after.calibrator) == (before.threshold, before.calibrator)
    assert set(before.fitted_on["part"]) == {"validation"}


@pytest.mark.parametrize("protocol", [Protocol.CV, Protocol.HOLDOUT])
def test_a_sigmoid_changes_no_decision(folds, holdout, protocol):
    raw = folds if protocol == Protocol.CV else holdout
    calls = []
    for method in ("none", "sigmoid"):
        table = decide(raw, protocol, RULE, method).table
        calls.append(table["probability"] >= table["threshold"])
    assert (calls[0] == calls[1]).all()
    assert 0 < calls[0].mean() < 1


def test_under_holdout_a_sigmoid_leaves_the_auc_and_mends_the_probabilities(holdout):
    raw = holdout.assign(probability=holdout["probability"] ** 0.3)
    before, after = (
        metrics.compute(test["truth"], test["probability"], test["threshold"])
        for test in (
            table[table["part"] == "test"]
            for table in (decide(raw, Protocol.HOLDOUT, RULE, method).table for method in ("none", "sigmoid"))
        )
    )
    assert after["auc"] == before["auc"]
    assert after["brier"] < before["brier"]
    assert abs(after["calibration_intercept"]) < abs(before["calibration_intercept"])


def test_rows_keep_their_order(folds):
    shuffled = folds.sample(frac=1, random_state=1)
    decided = decide(shuffled, Protocol.CV, RULE, "sigmoid").table
    pd.testing.assert_index_equal(decided.index, shuffled.index)
    pd.testing.assert_series_equal(decided["slice_id"], shuffled["slice_id"])


def test_the_paper_s_protocol_neither_calibrates_nor_fits_a_threshold(folds):
    decided = decide(folds, Protocol.PAPER, RULE, "sigmoid")
    assert decided.calibrator is None
    assert (decided.table["threshold"] == 0.5).all()
    assert (decided.table["probability"] == folds["probability"]).all()
    assert not len(decided.fitted_on)


def test_one_class_only_is_refused(folds):
    with pytest.raises(HemoError, match="no positive"):
        decide(folds.assign(truth=0), Protocol.CV, RULE, "none")
    with pytest.raises(HemoError, match="one class only"):
        decide(folds.assign(truth=0), Protocol.CV, OperatingPointRule("fixed", 0.5), "sigmoid")
