import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hemo.evaluation import intervals, metrics
from hemo.evaluation.predictions import study_table
from hemo.evaluation.resampling import FEW, patient_counts

REPEATS = 400


def test_intervals_hold_the_truth_where_naive_ones_do_not(simulate, true_recall, true_auc):
    truth = {"recall": true_recall, "auc": true_auc}
    held: dict = {(name, naive): [] for name in truth for naive in (False, True)}
    for seed in range(REPEATS):
        table = simulate(seed, slices=12)
        for naive in (False, True) if seed % 4 == 0 else (False,):
            clusters = table.assign(patient=table["slice_id"]) if naive else table
            result = intervals.bootstrap(clusters, 200, seed, list(truth)).set_index("metric")
            for name, value in truth.items():
                held[name, naive].append(result["low"][name] <= value <= result["high"][name])
    coverage = {key: float(np.mean(hits)) for key, hits in held.items()}
    for name in truth:
        assert 0.92 <= coverage[name, False] <= 0.98, coverage
        assert coverage[name, True] < 0.85, coverage


def test_one_step_calibration_draws_spread_like_refitted_ones(simulate):
    table = simulate(3, patients=100, positive=50)
    _, drawn = intervals.draw(table, 300, 0)
    refitted = []
    rows = table.groupby("patient", sort=False).indices
    names = list(rows)
    for counts in patient_counts(np.arange(100) < 50, len(table), 300, 0):
        for count in counts:
            repeated = np.concatenate([np.tile(rows[names[k]], times) for k, times in enumerate(count)])
            sample = table.iloc[repeated.astype(int)]
            refitted.append(metrics.compute(sample["truth"], sample["probability"], 0.5))
    for name in ("calibration_slope", "calibration_intercept"):
        exact = np.array([figures[name] for figures in refitted])
        assert np.corrcoef(exact, drawn[name])[0, 1] > 0.97
        assert drawn[name].std() == pytest.approx(exact.std(), rel=0.1)


def test_rows_may_come_in_any_order_and_patients_under_any_name(simulate):
    table = simulate(4)
    expected = intervals.bootstrap(table, draws=100)
    shuffled = table.sample(frac=1, random_state=0)
    assert intervals.bootstrap(shuffled, draws=100).equals(expected)
    renamed = table.assign(patient="x" + table["patient"].str[::-1] + table["patient"])
    assert intervals.bootstrap(renamed, draws=100).equals(expected)


def test_the_seed_decides(simulate):
    table = simulate(5)
    assert intervals.bootstrap(table, 100, seed=1).equals(intervals.bootstrap(table, 100, seed=1))
    assert not intervals.bootstrap(table, 100, seed=1).equals(intervals.bootstrap(table, 100, seed=2))


def test_a_perfect_recall_in_three_patients_is_no_certainty(simulate):
    table = simulate(6, positive=3).assign(threshold=0.0)
    recall = intervals.bootstrap(table, draws=100, metrics=["recall"]).iloc[0]
    assert (recall["value"], recall["high"], recall["patients"]) == (1, 1, 3)
    assert 0.3 < recall["low"] < 0.5


@pytest.mark.parametrize("positive", [0, 1, 2])
def test_few_positive_patients_give_wide_intervals_or_none(simulate, positive):
    result = intervals.bootstrap(simulate(7, positive=positive), draws=100).set_index("metric")
    assert np.isfinite(result["low"]["accuracy"])
    if positive:
        assert result["high"]["recall"] - result["low"]["recall"] > 0.5
    else:
        assert np.isnan(result.loc["recall", ["value", "low", "high"]].astype(float)).all()


@given(st.floats(0, 1), st.integers(1, 50), st.integers(0, 2**16), st.floats(0, 0.5))
def test_an_interval_of_a_share_holds_its_value_and_stays_a_share(value, patients, seed, spread):
    draws = np.clip(np.random.default_rng(seed).normal(value, spread, 50), 0, 1)
    low, high = intervals.interval(value, draws, patients, "share")
    assert 0 <= low <= value + 1e-9
    assert value - 1e-9 <= high <= 1


def test_every_draw_holds_as_many_patients_as_the_data():
    for patients in (20, 3000):
        chunks = list(patient_counts(np.arange(patients) < patients // 2, 10 * patients, 50, 0))
        assert (np.concatenate(chunks).sum(axis=1) == patients).all()


def test_draws_are_stratified_only_where_positive_patients_are_few():
    few = np.concatenate(list(patient_counts(np.arange(60) < FEW - 1, 60, 200, 0)))
    assert (few[:, : FEW - 1].sum(axis=1) == FEW - 1).all()
    enough = np.concatenate(list(patient_counts(np.arange(60) < FEW, 60, 200, 0)))
    assert enough[:, :FEW].sum(axis=1).std() > 1


def test_draws_do_not_depend_on_chunks():
    positive = np.arange(60) < 5
    whole = np.concatenate(list(patient_counts(positive, 60, 100, 0)))
    pieces = np.concatenate(list(patient_counts(positive, 60_000, 100, 0)))
    assert (whole == pieces).all()


def test_studies_are_evaluated_like_slices(simulate):
    table = simulate(8)
    result = intervals.bootstrap(study_table(table), draws=100).set_index("metric")
    assert result["patients"]["recall"] == 20
    assert result["patients"]["specificity"] == 40


def test_two_thousand_draws_of_two_thousand_slices_take_a_moment(simulate):
    table = simulate(9, patients=100, positive=40, slices=20)
    start = time.perf_counter()
    intervals.bootstrap(table)
    assert time.perf_counter() - start < 1
