"""Sections of the comparison page, of what is made by hand."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from hemo.comparison import differences, sections
from hemo.evaluation.protocols import Protocol
from hemo.labels import LABELS
from tests.helpers.registry_world import table


def in_two_deals(first, second):
    """Return a table of two deals: the same slices, patients and truths, other probabilities."""
    return pd.concat([first.assign(repeat=0), first.assign(repeat=1, probability=second["probability"])])


def test_the_split_of_several_deals_is_told_fold_by_fold_of_each():
    predicted = in_two_deals(table(2.0, seed=1), table(2.0, seed=2))
    names = predicted["patient"].unique()
    dealt = pd.DataFrame({"patient": names, "fold": np.arange(40) % 2, "fold_2": np.arange(40) // 20})
    contents: Any = SimpleNamespace(
        dealt=dealt,
        source=SimpleNamespace(index=None),
        predicted={"r": predicted},
        found=SimpleNamespace(
            leaderboard=pd.DataFrame({"label": ["any"], "run_id": ["r"]}), protocol=Protocol.CV
        ),
    )
    rows: Any = sections.split(contents).files["split"]
    assert rows[["deal", "fold"]].to_numpy().tolist() == [["1", "0"], ["1", "1"], ["2", "0"], ["2", "1"]]
    assert rows["patients"].tolist() == [20] * 4
    assert rows["slices"].tolist() == [40] * 4


def test_the_loss_over_all_labels_is_the_mean_of_that_of_each_deal():
    deals = [{label: table(2.0, seed=10 * deal + k) for k, label in enumerate(LABELS)} for deal in range(2)]
    board = pd.DataFrame({"family": "a", "label": LABELS, "run_id": LABELS})
    both = {label: in_two_deals(deals[0][label], deals[1][label]) for label in LABELS}
    found = differences.rsna_loss(board, both, 100, 0).iloc[0]
    each = [differences.rsna_loss(board, deal, 100, 0).iloc[0]["rsna_log_loss"] for deal in deals]
    assert found["rsna_log_loss"] == pytest.approx(np.mean(each))
    assert found["slices"] == 80
    assert found["rsna_log_loss_low"] < found["rsna_log_loss"] < found["rsna_log_loss_high"]


def test_trainings_that_were_cut_down_for_want_of_memory_are_listed_with_how():
    runs = {"a": SimpleNamespace(tags={"abridged": "in 3 passes"}), "b": SimpleNamespace(tags={})}
    board = pd.DataFrame({"label": ["any", "any"], "family": ["sgd", "cnn"], "run_id": ["a", "b"]})
    contents: Any = SimpleNamespace(runs=runs, found=SimpleNamespace(leaderboard=board))
    found: Any = sections.cut_down(contents)
    rows: Any = found.tables["Trainings"]
    assert rows.to_numpy().tolist() == [["any", "Linear SVM by SGD", "in 3 passes"]]
    contents.runs = {"a": runs["b"], "b": runs["b"]}
    assert sections.cut_down(contents) is None
