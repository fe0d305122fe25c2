"""A store that is not what was written is named and refused; one that is, is not."""

import json
import os

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from hemo import digests
from hemo.digests import DiffersError
from hemo.errors import HemoError
from hemo.imaging import Reduction
from hemo.slices import integrity
from hemo.slices import preprocess as module
from hemo.slices.preprocess import preprocess
from hemo.slices.store import SliceStore
from tests.helpers.folders import dicom_folder, write_rsna
from tests.helpers.stores import without_manifest


@pytest.fixture
def store(tmp_path, monkeypatch):
    labels = write_rsna(tmp_path / "labels.csv", dicom_folder(tmp_path / "images"))
    monkeypatch.setattr(module, "SMALLEST_SHARD", 4)
    return preprocess(tmp_path / "images", labels, tmp_path / "store", Reduction(size=16)).store


def flip(path, place=-1):
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


def change_index(store, **columns):
    table = pd.read_parquet(store.folder / "index.parquet")
    table.assign(**columns).to_parquet(store.folder / "index.parquet", index=False)


def change_facts(store, **facts):
    (store.folder / "store.json").write_text(json.dumps({**store.facts, **facts}))


def named(store):
    return [(one.file, one.found) for one in integrity.differences(SliceStore.open(store.folder))]


def test_a_store_that_was_just_written_or_added_to_is_whole(store, tmp_path):
    assert named(store) == []
    dicom_folder(tmp_path / "more")
    os.rename(tmp_path / "more" / "study0", tmp_path / "images" / "study9")
    preprocess(tmp_path / "images", None, store.folder)
    assert named(store) == []


def test_a_shards_digest_is_taken_when_it_is_written_and_not_again(store, tmp_path):
    flip(store.folder / "shards" / "00001.npy")
    facts = {name: value for name, value in store.facts.items() if name != "digest"}
    (store.folder / "store.json").write_text(json.dumps(facts))  # as if it had been stopped before its end
    preprocess(tmp_path / "images", None, store.folder)  # writes a manifest anew
    assert named(store) == [("shards/00001.npy", "changed")]


@pytest.mark.parametrize(
    "file", ["shards/00001.npy", "shards/00001.parquet", "index.parquet", "store.json", "exclusions.csv"]
)
def test_nothing_is_added_to_a_store_that_was_changed(store, tmp_path, file):
    if file == "store.json":
        change_facts(store, patients_known=False)
    else:
        flip(store.folder / file, 0 if file.endswith(".csv") else -1)
    dicom_folder(tmp_path / "images", patients=1, first=9)
    with pytest.raises(DiffersError, match=f"{file} changed: build the store anew"):
        preprocess(tmp_path / "images", None, store.folder)
    assert [name for name, _ in named(store)] == [file]
    assert len([path for path in (store.folder / "shards").iterdir() if path.suffix]) == 8  # nothing was read


def test_slices_that_a_stopped_addition_read_do_not_spoil_the_store(store, tmp_path, monkeypatch):
    dicom_folder(tmp_path / "images", patients=1, first=9)
    with monkeypatch.context() as patch:
        patch.setattr(module, "assemble", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            preprocess(tmp_path / "images", None, store.folder)
    assert SliceStore.open_checked(store.folder).digest == store.digest
    (store.folder / "shards" / "00005.npy").unlink()  # stopped between a shard's record and its images
    assert named(store) == []
    assert len(preprocess(tmp_path / "images", None, store.folder).store) == 20


@pytest.mark.parametrize(
    ("tamper", "file"),
    [
        (lambda s: flip(s.folder / "shards" / "00000.npy"), "shards/00000.npy"),
        (lambda s: change_index(s, any=1 - s.index["any"]), "index.parquet"),
        (lambda s: change_index(s, patient=s.index["slice_id"]), "index.parquet"),
        (lambda s: change_facts(s, patients_known=False), "store.json"),
        (lambda s: (s.folder / "shards" / "00007.npy").write_bytes(b""), "shards/00007.npy"),
        (lambda s: (s.folder / "exclusions.csv").unlink(), "exclusions.csv"),
        (lambda s: (s.folder / digests.FILE).unlink(), digests.FILE),
    ],
    ids=["pixels", "labels", "patients", "facts", "a shard more", "exclusions gone", "manifest gone"],
)
def test_what_was_changed_is_named_and_refused(store, tamper, file):
    tamper(store)
    assert [name for name, _ in named(store)] == [file]
    with pytest.raises(DiffersError, match=file):
        SliceStore.open_checked(store.folder)


def test_a_store_of_before_files_were_recorded_is_compared_by_its_content(store):
    without_manifest(store.folder)
    assert named(store) == []
    change_index(store, subdural=np.int8(1))
    with pytest.raises(DiffersError, match="content's digest"):
        SliceStore.open_checked(store.folder)


def test_records_of_older_shards_are_read_once_to_know_their_images(store, tmp_path):
    without_manifest(store.folder)
    for record in (store.folder / "shards").glob("*.parquet"):
        pq.write_table(pq.read_table(record).replace_schema_metadata(None), record)
    preprocess(tmp_path / "images", None, store.folder)
    assert named(store) == []


@pytest.mark.parametrize("name", ["digests.json", "index.parquet", "exclusions.csv", "shards/00000.npy"])
def test_a_pipe_in_the_place_of_a_file_is_named_and_holds_nothing_up(store, name):
    opened = SliceStore.open(store.folder)
    (store.folder / name).unlink()
    os.mkfifo(store.folder / name)
    found = integrity.differences(opened)
    assert name == "digests.json" or (name, "cannot be read (no file, but a pipe, a socket or a device)") in [
        (one.file, one.found) for one in found
    ]
    with pytest.raises(HemoError):
        SliceStore.open_checked(store.folder)
