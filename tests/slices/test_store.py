import json
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hemo.errors import HemoError
from hemo.imaging import Reduction
from hemo.labels import LABELS
from hemo.slices import preprocess as module
from hemo.slices.context import neighbour_rows
from hemo.slices.preprocess import preprocess
from hemo.slices.sheet import contact_sheet, write_sheet
from hemo.slices.store import SliceStore
from tests.helpers.folders import dicom_folder, write_rsna


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    labels = write_rsna(folder / "labels.csv", dicom_folder(folder / "images"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "SMALLEST_SHARD", 4)
        return preprocess(folder / "images", labels, folder / "store", Reduction(size=16)).store


@given(st.lists(st.integers(0, 14)))
def test_any_rows_in_any_order_are_those_of_the_whole(store, rows):
    np.testing.assert_array_equal(store.images(rows), store.images()[np.array(rows, int)])


def test_shards_are_plain_npy_files(store):
    first = store.index.iloc[0]
    shard = np.load(store.folder / "shards" / f"{first['shard']:05d}.npy", allow_pickle=False)
    assert (shard.dtype, shard.shape[1:]) == (np.uint8, (16, 16, 1))
    np.testing.assert_array_equal(shard[first["row"]], store.images([0])[0])
    assert len({*store.index["shard"]}) > 1


def test_the_index_has_the_agreed_columns_and_types(store):
    index = store.index
    assert index.columns.tolist() == [
        *("slice_id", "patient", "study", "stack", "position", "digest"), *LABELS, "shard", "row",
    ]  # fmt: skip
    assert all(index[label].dtype == np.int8 for label in LABELS)
    assert len(store) == len(index) == 15


def test_a_store_can_be_sent_to_another_process(store):
    store.images([1])
    again = pickle.loads(pickle.dumps(store))
    assert again.folder.is_absolute()  # a worker may be in another folder
    np.testing.assert_array_equal(again.images([3]), store.images([3]))
    assert again.digest == store.digest


def test_counts_are_in_slices_and_patients(store):
    counts = store.counts().set_index("label")
    assert counts.loc["any", "positive"] + counts.loc["any", "negative"] == 15
    for label in LABELS:
        positive = store.index[label] == 1
        assert counts.loc[label, "positive"] == positive.sum()
        assert counts.loc[label, "patients"] == store.index.loc[positive, "patient"].nunique()


@given(st.lists(st.integers(1, 6), min_size=1, max_size=6), st.integers(0, 3))
def test_neighbours_stay_in_the_stack_and_repeat_at_its_ends(lengths, reach):
    stack = np.repeat(np.arange(len(lengths)), lengths)
    around = neighbour_rows(stack, np.arange(len(stack)), reach)
    assert around.shape == (len(stack), 2 * reach + 1)
    for row, neighbours in enumerate(around):
        own = np.flatnonzero(stack == stack[row])
        expected = [min(max(row + k, own[0]), own[-1]) for k in range(-reach, reach + 1)]
        assert neighbours.tolist() == expected


def test_neighbours_become_channels_from_the_lowest_to_the_highest(store, tmp_path):
    images = store.folder.parent / "images"
    labels = store.folder.parent / "labels.csv"
    with_context = preprocess(
        images, labels, tmp_path / "s", Reduction(16, ("brain", "bone"), neighbours=1)
    ).store
    without = preprocess(images, labels, tmp_path / "t", Reduction(16, ("brain", "bone"))).store
    assert with_context.image_shape == (16, 16, 6)
    plain = without.images()
    np.testing.assert_array_equal(
        with_context.images([1, 0])[0], np.concatenate([plain[0], plain[1], plain[2]], axis=-1)
    )
    np.testing.assert_array_equal(
        with_context.images([1, 0])[1], np.concatenate([plain[0], plain[0], plain[1]], axis=-1)
    )
    assert with_context.digest != without.digest


def test_the_contact_sheet_has_a_row_for_each_label_that_occurs(store, tmp_path):
    sheet = contact_sheet(store, columns=4)
    counts = store.counts()
    rows = (counts["positive"] > 0).sum() + 1
    assert sheet.shape == (rows * (20 + 16), 4 * (16 + 4))
    write_sheet(store, tmp_path / "sheet.png", columns=4)
    assert (tmp_path / "sheet.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(HemoError, match="cannot be written"):
        write_sheet(store, tmp_path / "absent" / "sheet.png")


def test_what_is_no_store_is_said_with_the_remedy(store, tmp_path):
    with pytest.raises(HemoError, match="no slice store: make one with `hemo preprocess"):
        SliceStore.open(tmp_path / "absent")
    (tmp_path / "store.json").write_text('{"schema": 2, "reduction": {}}')
    with pytest.raises(HemoError, match="unfinished"):
        SliceStore.open(tmp_path)
    for other in (1, 99):  # 1 is what hemo made before it knew stacks
        (tmp_path / "store.json").write_text(json.dumps({"schema": other, "digest": "d"}))
        with pytest.raises(HemoError, match=f"schema {other}, not 2.: build it anew"):
            SliceStore.open(tmp_path)
    (tmp_path / "store.json").write_text("{")
    with pytest.raises(HemoError, match="unreadable"):
        SliceStore.open(tmp_path)


def test_a_lost_or_shortened_shard_is_said(store, tmp_path):
    import shutil

    shutil.copytree(store.folder, tmp_path / "s")
    broken = SliceStore.open(tmp_path / "s")
    shard = tmp_path / "s" / "shards" / f"{broken.index['shard'].iloc[0]:05d}.npy"
    shard.write_bytes(shard.read_bytes()[:200])
    with pytest.raises(HemoError, match="ends too early"):
        broken.images()
    shard.unlink()
    with pytest.raises(HemoError, match="a shard is gone"):
        SliceStore.open(tmp_path / "s").images()


@pytest.mark.parametrize(
    "content",
    [
        '{"schema": 2, "slice_ids": "keyed", "digest": "x"}',
        '{"schema": 2, "slice_ids": "keyed", "digest": "x", "slices": -1}',
        "[" * 200_000,
    ],
)
def test_facts_that_are_damaged_or_nest_too_deeply_are_refused_with_the_remedy(tmp_path, content):
    (tmp_path / "store.json").write_text(content)
    with pytest.raises(HemoError, match=r"store.json: (damaged|unreadable) \(.*\): build the store anew"):
        SliceStore.open(tmp_path)
