"""Decisions about studies: fitted without the study's patient, by an operating point of their own."""

import numpy as np
import pandas as pd

from hemo.evaluation import metrics, study_decisions
from hemo.evaluation.calibration import expit
from hemo.evaluation.operating_point import OperatingPointRule
from hemo.evaluation.protocols import Protocol
from hemo.evaluation.triage import NEVER

RULE = OperatingPointRule("sensitivity_at_least", 0.9)


def predicted(patients=60, slices=12, seed=0, signal=2.5, part="test"):
    """Return predictions of the slices of one study a patient, in five folds; half have blood on four."""
    rng = np.random.default_rng(seed)
    truth = np.zeros((patients, slices), int)
    truth[::2, 4:8] = 1
    scores = rng.normal(-2, 1, truth.shape) + signal * truth
    patient = np.repeat(np.arange(patients), slices)
    names = np.array([f"p{number:03}" for number in patient])
    return pd.DataFrame({
        "slice_id": [f"{name}/{row % slices:02}" for row, name in enumerate(names)],
        "patient": names, "study": np.char.add("s", names), "part": part,
        "fold": np.int16(-1) if part != "test" else (patient % 5).astype(np.int16),
        "truth": truth.ravel(), "probability": expit(scores.ravel()),
    })  # fmt: skip


def decide(slices, protocol=Protocol.CV, rule=RULE):
    """Judge studies whose truth is the largest of their slices'."""
    truth = slices.groupby("study")["truth"].max()
    return study_decisions.decide(slices, truth, protocol, rule, 0.5)


def test_every_study_is_judged_once_with_its_truth():
    slices = predicted()
    table = decide(slices).table
    assert table["study"].tolist() == slices["study"].unique().tolist()
    assert table["truth"].tolist() == [1, 0] * 30
    assert table["slice_id"].tolist() == slices.groupby("study")["slice_id"].min().tolist()


def test_a_patient_s_own_truth_changes_nothing_of_how_the_patient_is_judged():
    slices = predicted()
    before = decide(slices).table.set_index("patient")
    turned = slices.copy()
    turned.loc[turned["patient"] == "p001", "truth"] = 1
    after = decide(turned).table.set_index("patient")
    assert after.loc["p001", "probability"] == before.loc["p001", "probability"]
    assert after.loc["p001", "threshold"] == before.loc["p001", "threshold"]
    assert (after["threshold"] != before["threshold"]).any()


def test_the_study_s_point_keeps_recall_and_gives_more_specificity_than_the_slices_own():
    slices = predicted(patients=200, signal=3)
    table = decide(slices).table
    found = metrics.compute(table["truth"], table["probability"], table["threshold"])
    assert found["recall"] > 0.8
    largest = slices.groupby("study")["probability"].max()
    slice_point = np.quantile(slices.loc[slices["truth"] == 1, "probability"], 0.1)
    clear = slices.groupby("study")["truth"].max() == 0
    assert found["specificity"] > (largest[clear] < slice_point).mean()


def test_under_a_holdout_all_is_fitted_on_the_validation_studies():
    slices = pd.concat([predicted(seed=1, part="validation"), predicted(seed=2).assign(fold=np.int16(-1))])
    slices.loc[slices["part"] == "test", ["slice_id", "patient", "study"]] += "t"
    found = decide(slices, Protocol.HOLDOUT)
    turned = slices.copy()
    turned.loc[turned["part"] == "test", "truth"] = 0
    again = decide(turned, Protocol.HOLDOUT)
    assert found.threshold == again.threshold
    assert found.score == again.score
    assert set(found.table["fold"]) == {-1}


def test_studies_of_unknown_truth_are_left_out_and_clear_slices_unknown_do_not_hide_blood():
    slices = predicted()
    slices.loc[slices["patient"] == "p001", "truth"] = -1
    slices.loc[(slices["patient"] == "p000") & (slices["truth"] == 0), "truth"] = -1
    table = decide(slices).table.set_index("patient")
    assert "p001" not in table.index
    assert table.loc["p000", "truth"] == 1


def test_where_too_few_studies_have_the_label_the_largest_slice_and_its_threshold_stand_in():
    slices = predicted()
    slices.loc[slices["patient"] != "p000", "truth"] = 0
    found = decide(slices)
    assert (found.score, found.threshold) == (study_decisions.LARGEST, 0.5)
    own = found.table.set_index("patient").loc["p000"]
    assert own["threshold"] == 0.5
    assert own["probability"] == slices.loc[slices["patient"] == "p000", "probability"].max()


def test_several_deals_are_judged_each_by_itself_and_teach_one_score(monkeypatch):
    monkeypatch.setattr(study_decisions, "GROUPS", 4)
    first, second = predicted(24, seed=0), predicted(24, seed=1).assign(fold=lambda t: (t["fold"] + 1) % 5)
    both = pd.concat([first.assign(repeat=0), second.assign(repeat=1)], ignore_index=True)
    truth = first.groupby("study")["truth"].max()
    found = study_decisions.decide_each(both, truth, Protocol.CV, RULE, 0.5)
    for repeat, slices in enumerate((first, second)):
        alone = decide(slices)
        own = found.table[found.table["repeat"] == repeat].reset_index(drop=True)
        pd.testing.assert_frame_equal(own.assign(repeat=alone.table["repeat"]), alone.table)
    # What was predicted twice alike teaches what it teaches once: a study counts once.
    twice = pd.concat([first.assign(repeat=k) for k in range(2)], ignore_index=True)
    once = decide(first)
    again = study_decisions.decide_each(twice, truth, Protocol.CV, RULE, 0.5)
    assert again.score.pooling == once.score.pooling
    np.testing.assert_allclose(again.score.weights, once.score.weights, atol=1e-3)


def test_studies_are_counted_once_however_often_they_were_predicted():
    few = predicted(24)
    few.loc[~few["patient"].isin(["p000", "p002", "p004"]), "truth"] = 0
    truth = few.groupby("study")["truth"].max()
    thrice = pd.concat([few.assign(repeat=k) for k in range(3)], ignore_index=True)
    found = study_decisions.decide_each(thrice, truth, Protocol.CV, RULE, 0.5)
    assert (found.score, found.threshold) == (study_decisions.LARGEST, 0.5)


def test_triage_leaves_studies_unsure_and_all_of_them_where_few_support_a_promise():
    rule = OperatingPointRule.parse("triage:npv=0.9,ppv=0.8")
    found = decide(predicted(patients=150), rule=rule)
    assert 0 < found.negative_below <= found.threshold < 1
    assert found.served()["negative_below"] == found.negative_below
    table = found.table
    assert (table["negative_below"] <= table["threshold"]).all()
    # Judged without the own patient, by promises of fewer studies.
    assert table["threshold"].nunique() > 1
    few = decide(predicted(patients=20), rule=rule)
    assert (few.negative_below, few.threshold) == (0.0, NEVER)
    assert ((few.table["negative_below"] == 0) & (few.table["threshold"] == NEVER)).all()


def test_a_promise_is_made_of_the_largest_slice_where_too_few_studies_have_the_label():
    slices = predicted(patients=120)
    slices.loc[slices["patient"] != "p000", "truth"] = 0
    found = decide(slices, rule=OperatingPointRule.parse("triage:npv=0.9,ppv=0.8"))
    assert found.score == study_decisions.LARGEST
    assert found.threshold == NEVER
    assert 0 < found.negative_below < 1
