"""What is around a slice."""

from itertools import pairwise

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from hemo.slices.context import neighbour_rows, study_numbers, whole_studies


def index_of(sizes):
    return pd.DataFrame({"study": [f"study {number}" for number, n in enumerate(sizes) for _ in range(n)]})


@given(st.lists(st.integers(1, 9), max_size=12), st.integers(1, 20))
def test_studies_come_whole_in_order_and_as_many_at_a_time_as_fit(sizes, at_most):
    index = index_of(sizes)
    parts = list(whole_studies(index, at_most))
    np.testing.assert_array_equal(np.concatenate([np.zeros(0, int), *parts]), np.arange(len(index)))
    for part in parts:
        here = index["study"].iloc[part]
        assert not set(here) & set(index["study"].drop(index.index[part]))
        assert len(part) <= at_most or here.nunique() == 1
    for one, following in pairwise(parts):
        next_study = (index["study"].iloc[following] == index["study"].iloc[following[0]]).sum()
        assert len(one) + next_study > at_most


def test_studies_are_numbered_as_they_come():
    np.testing.assert_array_equal(study_numbers(index_of([2, 1, 3]), np.array([0, 2, 5])), [0, 1, 2])


def test_at_the_ends_of_a_study_the_last_slice_stands_in():
    around = neighbour_rows(index_of([2, 1]), np.arange(3), 1)
    np.testing.assert_array_equal(around, [[0, 0, 1], [0, 1, 1], [2, 2, 2]])
