"""The paper's figures are those printed, and what follows from them is worked out right."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from hemo import families
from hemo.comparison.paper import printed
from hemo.labels import LABELS


def board(family: str = "logreg", **figures: list[Any]) -> pd.DataFrame:
    columns = {"recall_at_specificity_80": [0.5] * 6, "specificity": [0.5] * 6, "degenerate": [""] * 6}
    return pd.DataFrame({"label": LABELS, "family": family, **columns, **figures})


def test_each_table_has_a_row_a_label_and_table_6_is_its_highest_recall():
    everything = printed.implied()
    assert everything.groupby("table").size().to_dict() == dict.fromkeys(range(1, 6), 6)
    best = everything.loc[everything.groupby("label")["recall"].idxmax()].set_index("label")
    for label, (family, recall) in printed.BEST.items():
        assert (best.loc[label, "family"], best.loc[label, "recall"]) == (family, recall)


def test_two_of_the_printed_averages_are_wrong_by_far_and_a_third_in_its_last_digit():
    table = printed.averages()
    wrong = table[table["wrong"]]
    assert wrong[["family", "figure", "printed"]].to_numpy().tolist() == [
        ["linear_svc", "recall", 0.528],
        ["sgd", "recall", 0.612],
        ["ann", "precision", 0.615],
    ]
    assert wrong["recomputed"].round(3).tolist() == [0.576, 0.662, 0.614]


def test_specificity_follows_from_precision_and_recall_on_balanced_slices():
    recall, specificity = 0.7, 0.4
    precision = recall / (recall + 1 - specificity)
    assert printed.implied_specificity(precision, recall) == pytest.approx(specificity)


def test_the_implied_specificities_agree_with_the_printed_accuracies():
    table = printed.implied()
    # On balanced slices accuracy is the mean of recall and specificity.
    gap = ((table["recall"] + table["specificity"]) / 2 - table["accuracy"]).abs()
    assert gap.median() < 0.002
    assert gap.max() < 0.02


def test_the_papers_best_recall_for_subarachnoid_calls_nearly_everything_positive():
    table = printed.implied().set_index(["family", "label"])
    winner = table.to_dict("index")["sgd", "subarachnoid"]
    assert winner["degenerate"] == "calls nearly everything positive"
    assert winner["specificity"] == pytest.approx(0.118, abs=0.001)
    assert winner["called_positive"] == pytest.approx(0.917, abs=0.001)
    assert (table["degenerate"] != "").sum() == 1


def test_side_by_side_shows_the_paper_ours_and_the_difference():
    ours = board(accuracy=[0.7] * 6, precision=[0.6] * 6, recall=[0.9] * 6)
    table = printed.side_by_side(ours, "logreg").set_index("label")
    assert table.index.tolist() == [*LABELS, "averages"]
    assert table.loc["any", "recall_paper"] == 0.684
    assert table.loc["any", "recall_difference"] == pytest.approx(0.9 - 0.684)
    assert table.loc["averages", "recall_paper"] == pytest.approx(0.6485)


def test_averages_are_of_the_labels_that_both_have():
    ours = board(accuracy=[0.7] * 6, precision=[0.6] * 6, recall=[0.9] * 6).iloc[:2]
    table = printed.side_by_side(ours, "logreg").set_index("label")
    assert np.isnan(table["recall_here"]["subdural"])
    assert table.loc["averages", "recall_paper"] == pytest.approx((0.684 + 0.787) / 2)
    assert table.loc["averages", "recall_difference"] == pytest.approx(0.9 - (0.684 + 0.787) / 2)


def test_in_table_6_a_degenerate_winner_stands_beside_the_winner_at_equal_specificity():
    trigger_happy = board("sgd", recall=[0.99] * 6, specificity=[0.02] * 6, degenerate=["calls"] * 6)
    honest = board("cnn", recall=[0.8] * 6, recall_at_specificity_80=[0.7] * 6)
    row = printed.table_6(pd.concat([trigger_happy, honest])).iloc[4]
    assert (row["paper"], row["paper_recall"]) == ("sgd", 0.952)
    assert (row["here"], row["degenerate"], row["fair"], row["fair_recall"]) == ("sgd", "calls", "cnn", 0.7)


def test_table_6_has_a_row_for_labels_without_runs():
    assert printed.table_6(board(recall=[0.5] * 6).iloc[:0]).shape == (6, 10)


def test_every_family_of_the_paper_is_registered():
    assert set(printed.TABLES) <= set(families.names())
