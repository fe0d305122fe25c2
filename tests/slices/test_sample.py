"""Balanced samples, and the seed paper's counts."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hemo.errors import HemoError
from hemo.labels import LABELS
from hemo.slices.paper import paper_round
from hemo.slices.sample import balanced, natural

truths = st.lists(st.sampled_from([(1, 1), (0, 1), (0, 0), (-1, 0)]), min_size=1, max_size=200)


@settings(deadline=None)
@given(truths, st.integers(0, 9), st.one_of(st.none(), st.integers(0, 20)))
def test_a_balanced_sample_is_half_positive_and_takes_each_labelled_slice_at_most_once(truth, seed, most):
    y, any_hemorrhage = np.array(truth, dtype=np.int8).T
    rows = balanced(np.arange(len(y)), y, any_hemorrhage, np.random.default_rng(seed), most)
    positives, negatives = (y == 1).sum(), (y == 0).sum()
    assert len(np.unique(rows)) == len(rows)
    assert (y[rows] == 1).sum() == (y[rows] == 0).sum()
    assert (y[rows] == 1).sum() == min(positives, negatives, positives if most is None else most)


def test_negatives_are_of_both_kinds():
    y = np.repeat([1, 0, 0], [20, 100, 100])
    any_hemorrhage = np.repeat([1, 1, 0], [20, 100, 100])
    rows = balanced(np.arange(220), y, any_hemorrhage, np.random.default_rng(0))
    negative = rows[y[rows] == 0]
    assert (any_hemorrhage[negative] == 1).sum() == (any_hemorrhage[negative] == 0).sum() == 10


def test_a_natural_sample_keeps_every_labelled_slice():
    y = np.array([1, 0, -1, 0])
    assert natural(np.array([0, 2, 3]), y, y, np.random.default_rng(0)).tolist() == [0, 3]


def paper_index(slices: int, positives: int) -> pd.DataFrame:
    """An index with `positives` slices of each type, none of them shared."""
    index = pd.DataFrame(0, index=range(slices), columns=list(LABELS), dtype=np.int8)
    for number, label in enumerate(LABELS[1:]):
        index.loc[number * positives : (number + 1) * positives - 1, [label, "any"]] = 1
    return index


@pytest.mark.parametrize("label", LABELS)
def test_at_full_size_the_paper_has_5032_slices_for_training_and_1258_for_test(label):
    one = paper_round(paper_index(20_000, 3145), label, seed=0)
    y = paper_index(20_000, 3145)[label].to_numpy()
    assert len(one.train) + len(one.validation) == 5032
    assert (len(one.train), len(one.validation), len(one.test)) == (4528, 504, 1258)
    assert y[one.test].sum() == 629
    assert y[one.train].sum() == 2264
    parts = np.concatenate([one.train, one.validation, one.test])
    assert len(np.unique(parts)) == 6290


def test_where_the_store_holds_fewer_the_counts_follow():
    one = paper_round(paper_index(400, 30), "subdural", seed=0)
    assert len(one.train) + len(one.validation) + len(one.test) == 60
    assert len(one.test) == 12


def test_too_few_positives_for_the_papers_split_are_refused():
    with pytest.raises(HemoError, match="subdural: 2 positive slices are too few"):
        paper_round(paper_index(100, 2), "subdural", seed=0)
