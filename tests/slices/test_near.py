import os

import numpy as np
import pytest

from hemo.digests import DiffersError
from hemo.errors import HemoError
from hemo.slices.store import SliceStore
from tests.slices.test_resume import SMALL, preprocess, scans  # noqa: F401


@pytest.fixture
def store(scans, tmp_path):  # noqa: F811
    folder, labels, key, _ = scans
    return preprocess(folder / "images", labels, tmp_path / "s", SMALL, key=key).store


def test_shards_are_copied_once_to_the_disk_that_is_named_and_read_from_there(store, tmp_path, monkeypatch):
    expected = store.images()
    monkeypatch.setenv("HEMO_SCRATCH", str(tmp_path / "scratch"))
    assert np.array_equal(SliceStore.open(store.folder).images(), expected)
    copies = sorted(path for path in (tmp_path / "scratch").rglob("*") if path.is_file())
    assert [path.name for path in copies] == sorted(path.name for path in store.folder.glob("shards/*.npy"))
    before = [path.stat().st_mtime_ns for path in copies]
    for path in store.folder.glob("shards/*.npy"):
        os.rename(path, path.with_suffix(".gone"))  # nothing is read where it lay
    assert np.array_equal(SliceStore.open(store.folder).images(), expected)
    assert [path.stat().st_mtime_ns for path in copies] == before


def test_a_copy_that_is_not_what_was_written_is_refused_and_not_kept(store, tmp_path, monkeypatch):
    monkeypatch.setenv("HEMO_SCRATCH", str(tmp_path / "scratch"))
    shard = next(iter(store.folder.glob("shards/*.npy")))
    damaged = bytearray(shard.read_bytes())
    damaged[-1] ^= 255
    shard.write_bytes(damaged)
    with pytest.raises(DiffersError, match="not what was written, as it was copied"):
        SliceStore.open(store.folder).images()
    assert shard.name not in {path.name for path in (tmp_path / "scratch").rglob("*")}


def test_a_disk_that_cannot_take_a_copy_is_named(store, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("HEMO_SCRATCH", str(tmp_path / "file"))
    with pytest.raises(HemoError, match="cannot take a copy.*set HEMO_SCRATCH to another"):
        SliceStore.open(store.folder).images()
