import time

import numpy as np
import pandas as pd
import pytest

from hemo.errors import HemoError
from hemo.evaluation import paired, predictions


def blurred(table, noise, seed=0):
    """Return the table of a run that sees the same slices through noise."""
    score = np.log(table["probability"] / (1 - table["probability"]))
    score += noise * np.random.default_rng(seed).normal(size=len(table))
    return table.assign(probability=1 / (1 + np.exp(-score)))


def test_a_worse_run_is_found_worse_and_an_equal_one_equal(simulate):
    table = simulate(0)
    runs = {"sharp": table, "same": table, "blurred": blurred(table, 4)}
    result = paired.compare(runs, draws=300).set_index(["metric", "first", "second"]).to_dict("index")
    assert len(result) == 9
    same = result["auc", "sharp", "same"]
    assert (same["difference"], same["p"], same["p_holm"]) == (0, 1, 1)
    worse = result["auc", "sharp", "blurred"]
    assert worse["low"] > 0
    assert worse["p_holm"] < 0.05


def test_pairing_is_sharper_than_two_intervals(simulate):
    from hemo.evaluation.intervals import bootstrap

    table = simulate(1)
    other = blurred(table, 0.5)
    difference = paired.compare({"a": table, "b": other}, 300, metrics=["auc"]).iloc[0]
    alone = bootstrap(table, 300, metrics=["auc"]).iloc[0]
    assert difference["high"] - difference["low"] < (alone["high"] - alone["low"]) / 2


@pytest.mark.no_cover
def test_equal_runs_are_rarely_called_different(simulate):
    called = 0
    for seed in range(100):
        table = simulate(seed, slices=10)
        runs = {"a": blurred(table, 1, seed), "b": blurred(table, 1, seed + 1000)}
        called += paired.compare(runs, 200, seed, ["auc"])["p"].iloc[0] < 0.05
    assert called <= 12


def test_a_reference_is_compared_with_all_others(simulate):
    table = simulate(2)
    runs = {name: blurred(table, noise) for noise, name in enumerate("abcd")}
    result = paired.compare(runs, 50, metrics=["auc"], reference="b")
    assert list(result["first"]) == ["a", "c", "d"]
    assert set(result["second"]) == {"b"}
    with pytest.raises(HemoError, match="no such run"):
        paired.compare(runs, 50, reference="z")


def test_rows_may_come_in_another_order(simulate):
    table = simulate(3)
    runs = {"a": table, "b": blurred(table, 1)}
    shuffled = {"a": table, "b": runs["b"].sample(frac=1, random_state=0)}
    assert paired.compare(runs, 50).equals(paired.compare(shuffled, 50))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table.iloc[1:], r"a, b: 1 slices are in one run only \(s00000"),
        (lambda table: table.assign(truth=1 - table["truth"]), "a, b: truth differs in 900 slices"),
        (lambda table: table.assign(patient="p"), "a, b: patient differs in 900 slices"),
    ],
)
def test_runs_on_other_slices_or_truths_are_refused_by_name(simulate, change, message):
    table = simulate(4)
    with pytest.raises(HemoError, match=message):
        paired.compare({"a": table, "b": change(table)}, draws=10)


def test_one_positive_patient_proves_nothing(simulate):
    table = simulate(5, positive=1)
    result = paired.compare({"a": table, "b": table.assign(probability=0.5)}, 100, metrics=["auc"]).iloc[0]
    assert result["low"] < 0 < result["high"]
    assert result["p"] > 0.05


def test_holm_corrects_step_by_step():
    p = np.array([0.01, 0.04, 0.03, np.nan, 0.9])
    assert paired.holm(p) == pytest.approx([0.04, 0.09, 0.09, np.nan, 0.9], nan_ok=True)


def test_thirty_six_runs_are_compared_in_seconds(simulate):
    table = simulate(6, patients=100, positive=40, slices=20)
    runs = {f"run {number}": blurred(table, number / 10) for number in range(36)}
    start = time.process_time()
    paired.compare(runs, draws=2000)
    assert time.process_time() - start < 15


def test_runs_of_several_deals_are_paired_within_each_deal(simulate):
    one = simulate(0)
    first, second = [pd.concat([blurred(one, n, k).assign(repeat=k) for k in range(2)]) for n in (0.5, 2)]
    found = paired.compare({"a": first, "b": second}, 100, metrics=["auc"]).iloc[0]
    parts = [
        paired.compare({"a": a, "b": b}, 100, metrics=["auc"]).iloc[0]
        for a, b in zip(predictions.deals(first), predictions.deals(second), strict=True)
    ]
    assert found["difference"] == pytest.approx(np.mean([part["difference"] for part in parts]))
    assert found["low"] <= found["difference"] <= found["high"]
    assert (found["p"] < 0.05) == (found["low"] > 0)
    with pytest.raises(HemoError, match="patients were dealt 2 times in one, 1 in the other"):
        paired.compare({"a": first, "b": one}, 10)
