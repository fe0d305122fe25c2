"""A build that is cut off anywhere goes on where it was."""

import fcntl
import os
import random
import signal
import subprocess
import sys
import time

import pytest

from hemo.errors import HemoError
from hemo.imaging import Reduction
from hemo.slices import integrity, shards, workers
from hemo.slices import preprocess as module
from hemo.slices.preprocess import preprocess
from hemo.slices.store import SliceStore
from tests.helpers.folders import dicom_folder, everything, write_rsna

SMALL = Reduction(size=16)


@pytest.fixture(scope="module")
def scans(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scans")
    labels = write_rsna(folder / "labels.csv", dicom_folder(folder / "images", patients=4, slices=4))
    key = folder / "key"
    key.write_text("k" * 32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "SMALLEST_SHARD", 4)
        whole = preprocess(folder / "images", labels, folder / "whole", SMALL, key=key).store
    return folder, labels, key, whole


class Crash(BaseException):
    """Stands for the end of the process."""


def renames(monkeypatch, end):
    """Let the process end at a rename: before it, or right after."""
    real, count = os.replace, [0]

    def replace(source, target):
        count[0] += 1
        if count[0] == abs(end):
            if end < 0:
                real(source, target)
            raise Crash
        real(source, target)

    monkeypatch.setattr(os, "replace", replace)
    return count


@pytest.mark.parametrize("end", [k * sign for k in range(1, 13) for sign in (1, -1)])
def test_cut_off_before_or_after_any_rename_the_same_command_finishes(scans, tmp_path, monkeypatch, end):
    folder, labels, key, whole = scans
    monkeypatch.setattr(module, "SMALLEST_SHARD", 4)
    count = renames(monkeypatch, end)
    with pytest.raises(Crash):
        preprocess(folder / "images", labels, tmp_path / "s", SMALL, key=key)
    assert count[0] == abs(end)
    monkeypatch.undo()
    monkeypatch.setattr(module, "SMALLEST_SHARD", 4)
    finished = {path: path.stat().st_mtime_ns for path in tmp_path.glob("s/shards/*.npy")}
    decoded = []
    real = shards._read

    def counted(*words):
        decoded.append(words)
        return real(*words)

    monkeypatch.setattr(shards, "_read", counted)
    store = preprocess(folder / "images", labels, tmp_path / "s", SMALL, key=key).store
    assert len(decoded) == 16 - 4 * len(finished)  # nothing finished is decoded twice
    assert {path: path.stat().st_mtime_ns for path in finished} == finished
    assert everything(store.folder) == everything(whole.folder)


def test_an_interrupted_addition_leaves_the_old_store_readable(scans, tmp_path, monkeypatch):
    folder, labels, key, whole = scans
    store = preprocess(folder / "images" / "study0", labels, tmp_path / "s", SMALL, key=key).store
    before = store.images()
    readable = 0
    for end in (1, 2, 3):
        with monkeypatch.context() as patch:
            renames(patch, end)
            with pytest.raises(Crash):
                preprocess(folder / "images", labels, tmp_path / "s", SMALL, key=key)
        again = SliceStore.open(tmp_path / "s")
        assert again.digest in (store.digest, whole.digest)
        if again.digest == store.digest:
            assert (again.images() == before).all()
            readable += 1
    assert readable


def test_two_builds_of_one_store_do_not_mix(scans, tmp_path):
    folder, labels, key, _ = scans
    (tmp_path / "s").mkdir()
    with (
        workers.locked(tmp_path / "s", fcntl.LOCK_EX),
        pytest.raises(HemoError, match="another process builds this store"),
    ):
        preprocess(folder / "images", labels, tmp_path / "s", SMALL, key=key)


def test_a_full_disk_is_said_and_finished_shards_are_kept(scans, tmp_path, monkeypatch):
    folder, labels, key, _ = scans
    monkeypatch.setattr(shards, "durable", lambda stream: (_ for _ in ()).throw(OSError(28, "No space left")))
    with pytest.raises(HemoError, match="No space left.*run the same command again"):
        preprocess(folder / "images", labels, tmp_path / "s", SMALL, key=key)


def test_killed_with_its_workers_at_random_moments_it_still_finishes(tmp_path):
    images = tmp_path / "images"
    truth = dicom_folder(images, patients=20, slices=40)
    labels = write_rsna(tmp_path / "labels.csv", truth)
    (tmp_path / "key").write_text("k" * 32)
    words = f"images={str(images)!r}, labels={str(labels)!r}, workers=2, key={str(tmp_path / 'key')!r}"
    script = tmp_path / "build.py"
    script.write_text(
        "from hemo.slices.preprocess import preprocess\nfrom hemo.imaging import Reduction\n"
        "if __name__ == '__main__':\n"
        f"    preprocess(store={str(tmp_path / 's')!r}, {words}, reduction=Reduction(16))\n"
    )
    draw = random.Random(0)
    for _ in range(3):
        process = subprocess.Popen([sys.executable, script], start_new_session=True)
        time.sleep(draw.uniform(0.8, 3))
        os.kill(process.pid, signal.SIGKILL)  # the parent only: its workers must end by themselves
        process.wait()
    deadline = time.monotonic() + 60
    while True:
        try:
            store = preprocess(images, labels, tmp_path / "s", Reduction(16), key=tmp_path / "key").store
            break
        except HemoError:
            assert time.monotonic() < deadline
            time.sleep(0.2)
    whole = preprocess(images, labels, tmp_path / "whole", Reduction(16), key=tmp_path / "key").store
    assert store.digest == whole.digest
    assert store.index.drop(columns=["shard", "row"]).equals(whole.index.drop(columns=["shard", "row"]))
    names = {path.name for path in (tmp_path / "s").rglob("*")}
    shards_of = {f"{k:05d}.{kind}" for k in store.index["shard"].unique() for kind in ("npy", "parquet")}
    tables = {"shards", "store.json", "digests.json", "index.parquet", "exclusions.csv"}
    assert names == tables | shards_of | {".lock"}  # shared file systems lock no folder
    assert integrity.differences(store) == []
