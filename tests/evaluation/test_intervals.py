import time
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats

from hemo.evaluation import intervals, metrics, predictions
from hemo.evaluation.predictions import sort, study_table
from hemo.evaluation.resampling import FEW, codes, patient_counts

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


def student(draws, patients):
    """Half the width of Student's interval of values drawn from so many patients."""
    return draws.std() * np.sqrt(patients / (patients - 1)) * stats.t.ppf(0.975, patients - 1)


DRAWN = np.array([-0.04, -0.01, 0.0, 0.02, 0.03])
"""What draws are beside the figure."""


@pytest.mark.parametrize("patients", [2, 3, 12])
@pytest.mark.parametrize("value", [0.3, 0.7, 2.5])
def test_an_interval_is_students_on_the_scale_of_its_figure(value, patients):
    draws = value + DRAWN
    reach = student(draws, patients)
    expected: dict[Any, Any] = {
        "positive": np.exp(np.log(value) + reach / value * np.array([-1, 1])),
        "real": (value - reach, value + reach),
    }
    if value < 1:
        slope = reach / (value * (1 - value)) * np.array([-1, 1])
        expected["share"] = special.expit(special.logit(value) + slope)
        expected["difference"] = (max(-1, value - reach), min(1, value + reach))
    for scale, bounds in expected.items():
        assert intervals.interval(value, draws, patients, scale) == pytest.approx(tuple(bounds), rel=1e-12)


def test_undefined_draws_are_left_out():
    draws = np.array([0.4, np.nan, 0.5, np.inf, 0.6])
    assert intervals.interval(0.5, draws, 9, "share") == intervals.interval(0.5, draws[[0, 2, 4]], 9, "share")


@pytest.mark.parametrize("scale", ["share", "positive", "real", "difference"])
def test_what_is_undefined_has_no_interval(scale):
    for value, draws, patients in ((np.nan, [0.4, 0.6], 5), (0.5, [np.nan] * 2, 5), (0.5, [0.4, 0.6], 0)):
        assert np.isnan(intervals.interval(value, np.array(draws), patients, scale)).all()


def test_a_difference_stays_between_its_bounds_and_zero_and_one_are_ordinary_to_it():
    wide = 10 * DRAWN
    assert intervals.interval(0.9, 0.9 + wide, 5, "difference")[1] == 1
    assert intervals.interval(-0.9, -0.9 + wide, 5, "difference")[0] == -1
    for value in (0.0, 1.0):
        reach = student(DRAWN, 50)
        low, high = intervals.interval(value, value + DRAWN, 50, "difference")
        assert (low, high) == pytest.approx((value - reach, min(1, value + reach)))


def test_a_positive_figure_of_zero_has_no_logarithm():
    reach = student(DRAWN, 7)
    assert intervals.interval(0.0, DRAWN, 7, "positive") == pytest.approx((-reach, reach))


def test_a_wide_interval_stays_within_what_floats_hold():
    draws = 0.01 + 20 * DRAWN
    low, high = intervals.interval(0.01, draws, 2, "share")
    assert low == pytest.approx(0.01 / 0.99 * np.exp(-700), rel=1e-9, abs=0)
    assert high == 1
    low, high = intervals.interval(0.01, draws, 2, "positive")
    assert (low, high) == pytest.approx((0.01 * np.exp(-700), 0.01 * np.exp(700)), rel=1e-9, abs=0)


def test_where_draws_say_nothing_patients_are_the_units():
    alike = np.full(5, 0.5)
    share = intervals.interval(0.5, alike, 9, "share")
    assert share == intervals.wilson(0.5, 9)
    assert intervals.interval(0.5, 0.5 + DRAWN, 1, "share") == intervals.wilson(0.5, 1)
    for value in (0, 1):
        assert intervals.interval(value, abs(value + DRAWN), 9, "share") == intervals.wilson(value, 9)
    # A difference of 0.5 is where a share of 0.75 is, on a scale twice as long.
    low, high = intervals.wilson(0.75, 9)
    assert intervals.interval(0.5, alike, 9, "difference") == pytest.approx((2 * low - 1, 2 * high - 1))
    assert np.isnan(intervals.interval(0.5, alike, 9, "real")).all()
    assert np.isnan(intervals.interval(0.5, 0.5 + DRAWN, 1, "positive")).all()


def test_wilsons_interval_is_scipys():
    for units in (1, 2, 7, 40, 333):
        for successes in {0, 1, units // 3, units - 1, units}:
            expected = stats.binomtest(successes, units).proportion_ci(method="wilson")
            low, high = intervals.wilson(successes / units, units)
            assert (low, high) == pytest.approx((expected.low, expected.high), rel=1e-12, abs=1e-15)
            assert 0 <= low <= high <= 1


def test_patients_who_carry_a_figure_are_those_of_its_classes(simulate):
    table = simulate(3, patients=12, positive=5, slices=4)  # one of the five bleeds in all slices
    positive = table[table["truth"] == 1]["patient"].nunique()
    negative = table[table["truth"] == 0]["patient"].nunique()
    assert positive == 5 < negative < 12
    found = intervals.basis(table)
    everybody = {"accuracy", "brier", "log_loss", "unsure_share"}
    for name in everybody:
        assert found[name] == 12
    assert (found["recall"], found["specificity"]) == (5, negative)
    for name in set(metrics.METRICS) - everybody - {"recall", "specificity"}:
        assert found[name] == 5
    flipped = intervals.basis(table.assign(truth=1 - table["truth"]))
    assert (flipped["auc"], flipped["recall"], flipped["specificity"]) == (5, negative, 5)


def test_each_figure_has_an_interval_on_its_own_scale(simulate):
    table = simulate(2)
    rows = intervals.bootstrap(table).set_index("metric")
    values, drawn = intervals.draw(sort(table), 2000, 0)
    scales: dict[str, Any] = {
        "log_loss": "positive",
        "calibration_slope": "real",
        "calibration_intercept": "real",
    }
    assert rows.index.tolist() == list(metrics.METRICS)
    for name, row in rows.iterrows():
        patients = intervals.basis(table)[str(name)]
        expected = intervals.interval(
            values[str(name)], drawn[str(name)], patients, scales.get(str(name), "share")
        )
        assert (row["value"], row["patients"]) == (values[str(name)], patients)
        assert (row["low"], row["high"]) == expected
    exact = metrics.compute(table["truth"], table["probability"], table["threshold"])
    assert {name: exact[name] for name in values} == pytest.approx(values)


def test_a_mean_loss_is_drawn_by_patients_and_stays_positive(simulate):
    table = sort(simulate(1, patients=9, positive=4, slices=3)).iloc[1:]  # not all have as many slices
    losses = np.random.default_rng(0).exponential(size=len(table))
    code, positive = codes(table)
    each = []
    for counts in patient_counts(positive, len(table), 50, 3):
        for count in counts:
            rows = np.repeat(np.arange(len(table)), count[code])
            each.append(losses[rows].mean())
    found = intervals.bootstrap_mean(losses, table, 50, 3)
    bounds = intervals.interval(losses.mean(), np.array(each), 9, "positive")
    assert found == pytest.approx((losses.mean(), *bounds), rel=1e-9)
    assert intervals.bootstrap_mean(losses, table) == intervals.bootstrap_mean(losses, table, 2000, 0)


def test_patients_are_numbered_as_they_appear_and_positive_where_one_slice_is():
    table = pd.DataFrame({"patient": ["c", "a", "c", "b", "b"], "truth": [0, 1, 0, 1, 1]})
    code, positive = codes(table)
    assert code.tolist() == [0, 1, 0, 2, 2]
    assert positive.tolist() == [False, True, True]


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


def test_one_positive_patient_is_in_every_draw_and_none_makes_no_stratum():
    one = np.concatenate(list(patient_counts(np.arange(8) < 1, 8, 50, 0)))
    assert (one[:, 0] == 1).all()
    assert one[:, 1:].std() > 0
    all_, none = (np.concatenate(list(patient_counts(np.full(8, kind), 8, 50, 0))) for kind in (True, False))
    np.testing.assert_array_equal(all_, none)


def test_chunks_hold_as_many_draws_as_fit_and_never_none():
    positive = np.arange(60) < 5
    assert [len(chunk) for chunk in patient_counts(positive, 10**6, 3, 0)] == [1, 1, 1]
    assert [len(chunk) for chunk in patient_counts(positive, 100_000, 5, 0)] == [2, 2, 1]
    (whole,) = patient_counts(positive, 60, 7, 0)
    assert whole.shape == (7, 60)
    assert whole.dtype == np.int32


def deals_of(simulate, seeds=(0, 1, 2)):
    """Return a table in several deals: the same slices, other probabilities."""
    first = simulate(0)
    noise = [np.random.default_rng(seed).normal(0, seed, len(first)) for seed in seeds]
    return pd.concat([
        first.assign(repeat=k, probability=special.expit(special.logit(first["probability"]) + noise[k]))
        for k in range(len(seeds))
    ])  # fmt: skip


def test_metrics_of_several_deals_are_means_over_them_and_not_those_of_mean_probabilities(simulate):
    table = deals_of(simulate)
    found = intervals.bootstrap(table, 100).set_index("metric")
    each = [intervals.bootstrap(deal, 100).set_index("metric") for deal in predictions.deals(table)]
    for name in metrics.METRICS:
        assert found.loc[name, "value"] == pytest.approx(np.mean([one.loc[name, "value"] for one in each]))
    averaged = predictions.once(table).assign(
        probability=table.groupby("slice_id")["probability"].mean().to_numpy()
    )
    ensemble = intervals.bootstrap(averaged, 100, metrics=["auc"])["value"].item()
    assert ensemble > found.loc["auc", "value"]
    assert (found["patients"] == each[0]["patients"]).all()


def test_deals_that_agree_say_no_more_than_one_of_them(simulate):
    table = simulate(3)
    same = pd.concat([table.assign(repeat=k) for k in range(3)])
    pd.testing.assert_frame_equal(intervals.bootstrap(same, 100), intervals.bootstrap(table, 100))


@pytest.mark.parametrize(("own", "of_deal"), [(0.0, 0.0), (1.0, 0.0), (0.0, 0.2), (1.0, 0.3)])
def test_intervals_hold_the_mean_over_patients_and_deals(own, of_deal):
    """A metric is a mean over 40 patients, alike in all deals but for `own`; deals differ as a whole."""
    random, patients, repeats, held = np.random.default_rng(5), 40, 3, 0
    for _ in range(400):
        scores = random.normal(size=(1, patients)) + own * random.normal(size=(repeats, patients))
        scores += of_deal * random.normal(size=(repeats, 1))
        counts = random.multinomial(patients, np.full(patients, 1 / patients), 200)
        low, high = intervals.interval(scores.mean(axis=1), scores @ counts.T / patients, patients, "real")
        held += low <= 0 <= high
    assert 0.92 <= held / 400 <= 0.98
