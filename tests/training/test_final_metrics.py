"""A training's figures: of slices, of studies, of the threshold."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from hemo.evaluation import metrics, predictions
from hemo.evaluation.operating_point import OperatingPointRule
from hemo.evaluation.protocols import Protocol
from hemo.evaluation.summary import summarize
from hemo.slices.split import Split
from hemo.training import Plan, Trained, final_metrics


def make_plan(protocol):
    split = None if protocol == "paper" else Split(Protocol(protocol), 0, pd.DataFrame(), "digest")
    return Plan(split, "balanced", OperatingPointRule("sensitivity_at_least", 0.85), 10, 0, draws=100)


@pytest.fixture
def table():
    """Forty patients of two studies each, five slices a study; every other patient bleeds in one study."""
    rng = np.random.default_rng(0)
    study = np.repeat(np.arange(80), 5)
    truth = ((study % 4 == 0) & (np.tile(np.arange(5), 80) < 2)).astype(int)
    score = 2 * truth - 2 + rng.normal(size=len(truth))
    return predictions.validate(
        pd.DataFrame(
            {
                "slice_id": [f"s{row:03}" for row in range(len(truth))],
                "patient": [f"p{one // 2}" for one in study],
                "study": [f"st{one}" for one in study],
                "part": "test",
                "fold": study // 2 % 3,
                "truth": truth,
                "probability": 1 / (1 + np.exp(-score)),
                "threshold": 0.3,
            }
        )
    )


def make_trained(table, fitted_on=None):
    facts = {"threshold": 0.3, "time/fit_s": 1.0}
    fitted_on = table if fitted_on is None else fitted_on
    unused: Any = None  # the classifier
    return Trained(unused, None, 0.3, table, fitted_on, pd.DataFrame(), facts, "logreg")


def finals(trained, plan):
    return final_metrics.finals(trained, plan, summarize(trained.predictions, plan.draws, plan.seed))


def test_a_study_is_positive_as_soon_as_any_slice_is(table):
    found = finals(make_trained(table), make_plan("cv"))
    studies = table.groupby("study").agg(truth=("truth", "max"), probability=("probability", "max"))
    called = studies["probability"] >= 0.3
    assert found["study/recall"] == pytest.approx(called[studies["truth"] == 1].mean(), abs=1e-4)
    assert found["study/specificity"] == pytest.approx((~called[studies["truth"] == 0]).mean(), abs=1e-4)
    assert found["study/recall"] >= found["test/recall"]
    assert found["study/specificity"] <= found["test/specificity"]
    assert (found["study/studies"], found["study/positive_studies"]) == (80, 20)
    assert (found["study/patients"], found["study/positive_patients"]) == (40, 20)


def test_every_figure_of_slices_and_studies_has_its_bounds(table):
    found = finals(make_trained(table), make_plan("cv"))
    assert not [name for name in found if "unsure" in name]
    for level in ("test", "study"):
        for name in set(metrics.METRICS) - {"unsure_share"}:
            low, value, high = (found[f"{level}/{name}{suffix}"] for suffix in ("_low", "", "_high"))
            assert low <= value <= high, (level, name)


def test_under_triage_the_share_that_is_left_unsure_is_a_figure_and_the_thresholds_are_as_they_are(table):
    table = table.assign(negative_below=0.1)
    plan = replace(make_plan("cv"), rule=OperatingPointRule.parse("triage:npv=0.9,ppv=0.6"))
    found = finals(make_trained(table), plan)
    between = table["probability"].between(0.1, 0.3, inclusive="left")
    assert found["test/unsure_share"] == pytest.approx(between.mean(), abs=1e-4)
    assert found["test/unsure_share_low"] < found["test/unsure_share"] < found["test/unsure_share_high"]
    highest = table.groupby("study")["probability"].max()
    whole = highest.between(0.1, 0.3, inclusive="left").mean()
    assert found["study/unsure_share"] == pytest.approx(whole, abs=1e-4)
    assert "threshold_low" not in found


def test_the_threshold_comes_with_its_own_uncertainty(table):
    found = finals(make_trained(table), make_plan("cv"))
    value = np.quantile(table.loc[table["truth"] == 1, "probability"], 0.15)
    assert found["threshold_low"] < value < found["threshold_high"]


def test_the_paper_s_protocol_has_neither_studies_nor_a_fitted_threshold(table):
    found = finals(make_trained(table, table.iloc[:0]), make_plan("paper"))
    assert not [name for name in found if name.startswith("study/") or name == "threshold_low"]


def test_slices_without_a_study_have_no_study_metrics(table):
    alone = table.assign(study=table["slice_id"])
    found = finals(make_trained(alone), make_plan("cv"))
    assert not [name for name in found if name.startswith("study/")]


def test_validation_figures_stand_beside_those_of_the_test_patients(table):
    parts = table.assign(part=np.where(table["fold"] == 0, "validation", "test"), fold=-1)
    validation = parts[parts["part"] == "validation"]
    found = finals(make_trained(parts, validation), make_plan("holdout"))
    expected = metrics.compute(validation["truth"], validation["probability"], 0.3)["auc"]
    assert found["val/auc"] == pytest.approx(expected, abs=1e-4)
    assert found["test/patients"] + validation["patient"].nunique() == 40
