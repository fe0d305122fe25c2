"""The seed paper's counts, and slices that never straddle its split."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hemo.errors import HemoError
from hemo.labels import LABELS, SUBTYPES
from hemo.slices.paper import check_apart, counts, paper_round, paper_sample
from hemo.slices.split import Round


def paper_index(slices: int, positives: int, twice: int = 0) -> pd.DataFrame:
    """An index with `positives` slices of each type, `twice` of them of two types, and others of none."""
    index = pd.DataFrame(0, index=range(slices), columns=list(LABELS), dtype=np.int8)
    first = 0
    for label in SUBTYPES:
        index.loc[first : first + positives - 1, [label, "any"]] = 1
        first += positives - (twice if label == SUBTYPES[0] else 0)
    return index


PAPER = paper_index(30_000, 3145, twice=569)
"""As in the paper: 569 slices fewer than six times 3,145."""


def test_the_sample_holds_18301_slices_and_3145_of_each_type_as_in_the_paper():
    rows = paper_sample(PAPER, seed=0)
    assert len(rows) == 18_301
    assert PAPER.iloc[rows][list(SUBTYPES)].sum().tolist() == [3145] * 5
    assert (PAPER["any"].iloc[rows] == 0).sum() == 3145
    assert (PAPER["epidural"].iloc[rows]).mean() == pytest.approx(0.17, abs=0.005)


@pytest.mark.parametrize("label", LABELS)
def test_a_label_has_5032_slices_for_training_of_which_504_stop_early_and_1258_for_test(label):
    one = paper_round(PAPER, label, seed=0)
    y = PAPER[label].to_numpy()
    assert (len(one.train), len(one.validation), len(one.test)) == (4528, 504, 1258)
    assert [y[rows].sum() for rows in (one.train, one.validation, one.test)] == [2264, 252, 629]
    parts = np.concatenate([one.train, one.validation, one.test])
    assert len(np.unique(parts)) == 6290
    assert set(parts) <= set(paper_sample(PAPER, seed=0))


def test_negatives_hold_other_hemorrhages_and_none():
    one = paper_round(PAPER, "epidural", seed=0)
    y, any_hemorrhage = PAPER["epidural"].to_numpy(), PAPER["any"].to_numpy()
    negatives = one.train[y[one.train] == 0]
    assert 0.1 < 1 - any_hemorrhage[negatives].mean() < 0.4


indexes = st.builds(paper_index, st.integers(400, 600), st.integers(20, 40), st.integers(0, 15))


@settings(max_examples=30, deadline=None)
@given(indexes, st.sampled_from(LABELS), st.integers(0, 9), st.integers(20, 60))
def test_no_slice_is_in_two_parts_and_each_part_is_half_positive(index, label, seed, positives):
    one = paper_round(index, label, seed, positives)
    check_apart(one)
    y = index[label].to_numpy()
    for rows in (one.train, one.validation, one.test):
        assert abs(2 * y[rows].sum() - len(rows)) <= 2  # parts of odd size


def test_a_slice_in_two_parts_is_refused():
    rows = np.arange(10)
    with pytest.raises(ValueError, match="1 slices are in two parts"):
        check_apart(Round(-1, rows[:6], rows[6:8], rows[[8, 9, 0]]))


def test_unlabelled_slices_are_never_drawn():
    index = paper_index(500, 30)
    index.loc[400:, list(LABELS)] = -1
    assert paper_sample(index, seed=0, positives=1000).max() < 400
    assert np.concatenate([paper_round(index, "any", 0).train]).max() < 400


def test_where_the_store_holds_fewer_the_counts_follow():
    one = paper_round(paper_index(400, 30), "subdural", seed=0)
    assert (len(one.train), len(one.validation), len(one.test)) == (43, 5, 12)


def test_another_seed_draws_another_sample():
    index = paper_index(600, 60)
    assert paper_sample(index, 0, 20).tolist() == paper_sample(index, 0, 20).tolist()
    assert paper_sample(index, 0, 20).tolist() != paper_sample(index, 1, 20).tolist()


def test_too_few_positives_for_the_papers_split_are_refused():
    with pytest.raises(HemoError, match="subdural: 2 positive and 98 negative slices are too few"):
        paper_round(paper_index(100, 2), "subdural", seed=0)


def test_the_counts_are_stated():
    one = paper_round(PAPER, "any", seed=0)
    assert counts(PAPER, "any", one, 0, 3145) == {
        "paper/sample_slices": 18_301,
        "paper/positive_slices": 3145,
        "paper/training_slices": 5032,
        "paper/early_stopping_slices": 504,
        "paper/test_slices": 1258,
    }
