import numpy as np
import pytest
from sklearn import metrics as sk

from hemo.evaluation import curves, intervals


def test_the_roc_grid_lies_on_the_curve_with_the_figures_interval(simulate):
    table = simulate(0)
    curve = curves.roc(table, draws=200)
    wrong, recall, _ = sk.roc_curve(table["truth"], table["probability"], drop_intermediate=False)
    for at, height in zip(curve["false_positive_rate"], curve["recall"], strict=True):
        assert height == recall[wrong <= at + 1e-9].max()
    figures = intervals.bootstrap(table, draws=200).set_index("metric")
    at_80 = curve.iloc[20]
    for bound in ("low", "high"):
        assert at_80[bound] == pytest.approx(figures[bound]["recall_at_specificity_80"], abs=1e-3)


def test_the_precision_recall_grid_lies_on_the_curve(simulate):
    table = simulate(1)
    curve = curves.precision_recall(table, draws=50)
    precision, recall, _ = sk.precision_recall_curve(table["truth"], table["probability"])
    for at, height in zip(curve["recall"], curve["precision"], strict=True):
        # Thresholds rise along scikit-learn's arrays: the last that reaches the recall.
        assert height == pytest.approx(precision[recall >= at - 1e-9][-1])


def test_bands_hold_their_curves(simulate):
    table = simulate(2, positive=4)
    for curve, name in ((curves.roc(table), "recall"), (curves.precision_recall(table), "precision")):
        assert (curve["low"] <= curve[name] + 1e-9).all()
        assert (curve[name] <= curve["high"] + 1e-9).all()


def test_reliability_bins_hold_all_slices_and_calibrated_ones_are_near_the_diagonal(simulate):
    table = simulate(3, patients=300, positive=100)
    random = np.random.default_rng(0)
    table = table.assign(truth=(random.random(len(table)) < table["probability"]).astype(int))
    bins = curves.reliability(table)
    assert len(bins) == 10
    assert bins["slices"].sum() == len(table)
    assert ((bins["low"] <= bins["probability"]) & (bins["probability"] <= bins["high"])).sum() >= 8


def test_equal_probabilities_make_one_bin(simulate):
    bins = curves.reliability(simulate(4).assign(probability=0.5), draws=20)
    assert len(bins) == 1


def test_one_class_has_no_curve(simulate):
    table = simulate(5, positive=0)
    assert curves.roc(table).empty
    assert curves.precision_recall(table).empty
