"""Balanced and natural samples."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

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
