"""Slices that are read as they are asked for are those of the store."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hemo import memory
from hemo.slices.store import SliceStore
from hemo.slices.stored import SHARE, StoredSlices, slices
from tests.helpers.stores import write_store

SLICES = 30
ROWS = st.lists(st.integers(0, SLICES - 1), max_size=12)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> SliceStore:
    images = np.random.default_rng(0).integers(0, 256, (SLICES, 16, 16)).astype(np.uint8)
    return write_store(tmp_path_factory.mktemp("store"), images, [f"p{row // 3}" for row in range(SLICES)])


@given(rows=ROWS, asked=ROWS, taken=ROWS)
def test_any_rows_of_any_rows_are_those_of_an_array(
    store: SliceStore, rows: list[int], asked: list[int], taken: list[int]
) -> None:
    whole = store.images(rows)
    lazy = StoredSlices(store, np.array(rows, int))
    assert lazy.shape == whole.shape
    assert lazy.dtype == whole.dtype
    assert len(lazy) == len(whole)
    np.testing.assert_array_equal(np.asarray(lazy), whole)
    within = np.array([one for one in asked if one < len(rows)], int)
    np.testing.assert_array_equal(lazy[within], whole[within])
    np.testing.assert_array_equal(lazy[2:7], whole[2:7])
    chosen = np.array([one for one in taken if one < len(rows)], int)
    np.testing.assert_array_equal(np.asarray(lazy.take(chosen)), whole.take(chosen, axis=0))
    np.testing.assert_array_equal(
        np.array([lazy[row] for row in range(len(lazy))]).reshape(whole.shape), whole
    )


def test_few_slices_come_as_an_array_and_many_as_they_are_asked_for(
    store: SliceStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = np.arange(SLICES)
    assert isinstance(slices(store, rows), np.ndarray)
    monkeypatch.setattr(memory, "room", lambda: SHARE * 16 * 16 * (SLICES - 1))
    assert isinstance(slices(store, rows[1:]), np.ndarray)
    assert isinstance(slices(store, rows), StoredSlices)


def test_a_slice_that_is_not_there_is_an_index_error(store: SliceStore) -> None:
    with pytest.raises(IndexError):
        StoredSlices(store, np.arange(3))[3]
