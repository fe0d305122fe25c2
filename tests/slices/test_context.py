"""What is around a slice."""

from itertools import pairwise

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from hemo.slices.context import neighbour_rows, stack_numbers, whole_stacks


def index_of(sizes):
    return pd.DataFrame(
        {"stack": [number for number, n in enumerate(sizes) for _ in range(n)]}, dtype=np.int32
    )


@given(st.lists(st.integers(1, 9), max_size=12), st.integers(1, 20))
def test_stacks_come_whole_in_order_and_as_many_at_a_time_as_fit(sizes, at_most):
    index = index_of(sizes)
    parts = list(whole_stacks(index, at_most))
    np.testing.assert_array_equal(np.concatenate([np.zeros(0, int), *parts]), np.arange(len(index)))
    for part in parts:
        here = index["stack"].iloc[part]
        assert not set(here) & set(index["stack"].drop(index.index[part]))
        assert len(part) <= at_most or here.nunique() == 1
    for one, following in pairwise(parts):
        next_stack = (index["stack"].iloc[following] == index["stack"].iloc[following[0]]).sum()
        assert len(one) + next_stack > at_most


def test_stacks_are_numbered_as_they_come():
    np.testing.assert_array_equal(stack_numbers(index_of([2, 1, 3]), np.array([0, 2, 5])), [0, 1, 2])


def test_at_the_ends_of_a_stack_the_last_slice_stands_in():
    around = neighbour_rows(np.array([0, 0, 1]), np.arange(3), 1)
    np.testing.assert_array_equal(around, [[0, 0, 1], [0, 1, 1], [2, 2, 2]])
