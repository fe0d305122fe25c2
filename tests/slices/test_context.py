"""What is around a slice."""

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hemo.slices.context import neighbour_rows, whole_stacks


def stack_of(sizes):
    return np.repeat(np.arange(len(sizes)), sizes)


@given(st.lists(st.integers(1, 9), max_size=12), st.integers(1, 20))
def test_stacks_come_whole_in_order_and_as_many_at_a_time_as_fit(sizes, at_most):
    stack = stack_of(sizes)
    parts = list(whole_stacks(stack, at_most))
    np.testing.assert_array_equal(np.concatenate([np.zeros(0, int), *parts]), np.arange(len(stack)))
    for part in parts:
        assert not set(stack[part]) & set(np.delete(stack, part))
        assert len(part) <= at_most or len(set(stack[part])) == 1
    for one, following in pairwise(parts):
        next_stack = (stack[following] == stack[following[0]]).sum()
        assert len(one) + next_stack > at_most


def test_at_the_ends_of_a_stack_the_last_slice_stands_in():
    around = neighbour_rows(np.array([0, 0, 1]), np.arange(3), 1)
    np.testing.assert_array_equal(around, [[0, 0, 1], [0, 1, 1], [2, 2, 2]])
