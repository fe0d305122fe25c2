"""Two thresholds: what is promised of the answers, and what is left unsure."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.bench_study_statistics import triage_held
from hemo.errors import HemoError
from hemo.evaluation import intervals, metrics, triage
from hemo.evaluation.operating_point import OperatingPointRule
from hemo.evaluation.triage import NEVER, Promise, Thresholds

PROMISE = Promise(0.97, 0.9)


def made(seed: int, studies: int, prevalence: float = 0.3, separation: float = 2.5):
    random = np.random.default_rng(seed)
    truth = (random.random(studies) < prevalence).astype(int)
    score = random.normal(size=studies) + separation * truth
    return truth, 1 / (1 + np.exp(1 - score))


@given(st.integers(0, 2**32 - 1), st.sampled_from([20, 300, 900]), st.sampled_from([None, 0.1, 0.6]))
def test_what_is_answered_keeps_the_promise_in_the_data_it_was_fitted_on(seed, studies, prevalence):
    truth, probability = made(seed, studies)
    lower, upper = triage.fit(truth, probability, np.arange(studies), Promise(0.97, 0.9, prevalence))
    assert 0 <= lower <= upper <= NEVER
    own = truth.mean() if len(set(truth)) == 2 else 0.5
    stated = prevalence or own
    weight = np.where(truth == 1, stated / own, (1 - stated) / (1 - own))
    for answered, right, share in (
        (probability >= upper, truth == 1, 0.9),
        (probability < lower, truth == 0, 0.97),
    ):
        if answered.any():
            assert (weight * right)[answered].sum() / weight[answered].sum() >= share


def test_thresholds_do_not_depend_on_the_order_of_rows_nor_on_names_of_patients():
    truth, probability = made(0, 600, separation=3.5)
    patient = np.arange(600) // 2
    found = triage.fit(truth, probability, patient, PROMISE)
    shuffled = np.random.default_rng(1).permutation(600)
    names = np.array([f"p{number}" for number in patient])
    assert triage.fit(truth[shuffled], probability[shuffled], names[shuffled], PROMISE) == found
    assert 0 < found.negative_below < found.threshold < 1


def test_more_studies_leave_fewer_unsure_and_few_support_no_promise():
    shares = []
    for studies in (60, 400, 4000):
        truth, probability = made(5, studies)
        at = triage.fit(truth, probability, np.arange(studies), PROMISE)
        shares.append(metrics.compute(truth, probability, at.threshold, at.negative_below)["unsure_share"])
    assert shares[0] == 1
    assert shares[0] > shares[1] > shares[2] > 0


def test_forty_right_slices_of_one_patient_are_one_witness():
    truth = np.repeat([1, 0], 400)
    probability = np.repeat([0.9, 0.2], 400)
    assert triage.fit(truth, probability, np.arange(800), PROMISE) == (0.55, 0.55)
    assert triage.fit(truth, probability, np.arange(800) // 40, PROMISE) == (0.0, NEVER)


def test_of_probabilities_that_are_equal_all_are_answered_or_none():
    truth = np.r_[np.ones(200), np.zeros(200)]
    probability = np.full(400, 0.7)
    assert triage.fit(truth, probability, np.arange(400), Promise(0.9, 0.9)) == (0.0, NEVER)


def test_a_rarer_label_makes_positive_answers_harder_to_promise_and_negative_ones_easier():
    truth, probability = made(2, 3000, separation=3)
    at = {p: triage.fit(truth, probability, np.arange(3000), Promise(0.97, 0.9, p)) for p in (0.05, 0.3, 0.6)}
    assert at[0.05].threshold > at[0.3].threshold > at[0.6].threshold
    assert at[0.3].negative_below > at[0.6].negative_below


def test_promised_predictive_values_hold_in_simulated_populations():
    held = triage_held(studies=300, prevalence=0.35, repeats=60)
    assert held.mean() >= 0.95
    # A threshold by the best estimate would not have kept it.
    naive = triage_held(studies=300, prevalence=0.35, repeats=60, confident=False)
    assert naive.mean() < 0.8


def test_a_rule_of_triage_is_read_and_written():
    for text in ("triage:npv=0.97,ppv=0.9", "triage:npv=0.99,ppv=0.8,prevalence=0.1"):
        assert str(OperatingPointRule.parse(text)) == text
    words = OperatingPointRule.parse("triage: ppv=0.8, npv=0.99").words
    assert words == (
        "triage: at least 0.99 of negative and 0.8 of positive answers are right at the prevalence of the "
        "data, both with 95% confidence by patient, and what lies between is unsure"
    )


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("triage", "no predictive values to keep"),
        ("triage:npv=0.9", "both npv and ppv are needed"),
        ("triage:npv=0.9,ppv=x", "'x' is no number"),
        ("triage:npv=0.9,ppv=1", "ppv=1: should lie between 0 and 1"),
        ("triage:npv=0.9,ppv=0.9,prevalance=0.1", "'prevalance=0.1' is not understood"),
    ],
)
def test_a_promise_that_cannot_be_read_is_refused_with_an_example(text, fault):
    with pytest.raises(HemoError, match="write triage:npv=0.97,ppv=0.9") as caught:
        OperatingPointRule.parse(text)
    assert fault in str(caught.value)


def test_predictive_values_are_of_answers_alone_and_recall_counts_unsure_as_not_found():
    truth = [1, 1, 1, 0, 0, 0, 0, 1]
    probability = [0.9, 0.8, 0.5, 0.85, 0.5, 0.1, 0.2, 0.1]
    found = metrics.compute(truth, probability, 0.7, negative_below=0.3)
    assert found["unsure_share"] == 2 / 8
    assert found["npv"] == pytest.approx(2 / 3)
    assert found["precision"] == pytest.approx(2 / 3)
    assert (found["recall"], found["specificity"]) == (2 / 4, 3 / 4)


def test_the_unsure_share_has_an_interval_by_patient(simulate):
    table = simulate(0).assign(threshold=0.8, negative_below=0.3)
    found = intervals.bootstrap(table, draws=300, metrics=["unsure_share"]).iloc[0]
    share = table["probability"].between(0.3, 0.8, inclusive="left").mean()
    assert found["value"] == pytest.approx(share)
    assert found["low"] < share < found["high"]
    assert found["patients"] == table["patient"].nunique()


def test_thresholds_say_what_was_not_supported():
    assert Thresholds(0.5, 0.5).words == "positive at or above 0.5000"
    assert Thresholds(0.1, 0.7).words == "negative below 0.1000, positive at or above 0.7000, else unsure"
    assert Thresholds(0.0, NEVER).words.count("too few patients to promise it") == 2
