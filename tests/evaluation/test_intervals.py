import time
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import special

from hemo.evaluation import bounds, intervals, metrics, predictions
from hemo.evaluation.predictions import sort, study_table
from hemo.evaluation.resampling import FEW, codes, patient_counts

REPEATS = 400


@pytest.mark.no_cover
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
    carrying = intervals.basis(table)
    positive = int(table["truth"].sum())
    for name, row in rows.iterrows():
        patients = carrying[str(name)]
        expected = bounds.interval(
            values[str(name)], drawn[str(name)], patients, scales.get(str(name), "share")
        )
        if name == "auc":
            both = (carrying["recall"], carrying["specificity"])
            counts = (positive, len(table) - positive)
            expected = bounds.auc_interval(values["auc"], drawn["auc"], counts, both)
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
    low, high = bounds.interval(losses.mean(), np.array(each), 9, "positive")
    assert found == pytest.approx((losses.mean(), low, high), rel=1e-9)
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


@pytest.mark.no_cover
@pytest.mark.parametrize(("own", "of_deal"), [(0.0, 0.0), (1.0, 0.0), (0.0, 0.2), (1.0, 0.3)])
def test_intervals_hold_the_mean_over_patients_and_deals(own, of_deal):
    """A metric is a mean over 40 patients, alike in all deals but for `own`; deals differ as a whole."""
    random, patients, repeats, held = np.random.default_rng(5), 40, 3, 0
    for _ in range(400):
        scores = random.normal(size=(1, patients)) + own * random.normal(size=(repeats, patients))
        scores += of_deal * random.normal(size=(repeats, 1))
        counts = random.multinomial(patients, np.full(patients, 1 / patients), 200)
        low, high = bounds.interval(scores.mean(axis=1), scores @ counts.T / patients, patients, "real")
        held += low <= 0 <= high
    assert 0.92 <= held / 400 <= 0.98
