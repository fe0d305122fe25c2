"""A store follows its folder: what changed, was renamed, moved or deleted is handled and said."""

import os
import shutil

import pytest

from hemo.imaging import Reduction
from hemo.slices import preprocess as module
from hemo.slices.preprocess import preprocess
from tests.helpers.folders import as_truth, dicom_folder, write_rsna
from tests.helpers.scans import head, make_dicom
from tests.helpers.stores import named

SMALL = Reduction(size=16)


@pytest.fixture(autouse=True)
def _small_shards(monkeypatch):
    monkeypatch.setattr(module, "SMALLEST_SHARD", 4)


@pytest.fixture
def scans(tmp_path):
    truth = dicom_folder(tmp_path / "images")
    return tmp_path / "images", write_rsna(tmp_path / "labels.csv", truth), truth


def said(done):
    return {sentence.split(":")[0]: count for sentence, count in done.notes.items()}


def replace(path, seed):
    """Put another picture into a file, with another time of change."""
    path.write_bytes(make_dicom(head(64, seed=seed), PatientID="MRN-0000", StudyInstanceUID="1.2.3.0",
                                ImagePositionPatient=["0", "0", "7"],
                                ImageOrientationPatient=["1", "0", "0", "0", "1", "0"]))  # fmt: skip
    os.utime(path, ns=(1, 10**18 + seed))


@pytest.mark.parametrize("with_labels", [True, False])
def test_a_file_s_present_state_replaces_what_was_read_from_it(scans, tmp_path, with_labels):
    images, labels, truth = scans
    before = named(preprocess(images, labels, tmp_path / "s", SMALL).store)
    path = sorted((images / "study0").glob("*.dcm"))[0]
    replace(path, 4242)
    done = preprocess(images, labels if with_labels else None, tmp_path / "s")
    assert (done.decoded, len(done.store), done.excluded) == (1, 15, {})
    assert said(done) == {"files changed since they were read": 1}
    assert as_truth(done.store) == truth
    old = before.set_index("slice_id")["digest"]
    new = named(done.store).set_index("slice_id")["digest"]
    assert new.index[new != old[new.index]].tolist() == [path.stem]
    whole = preprocess(images, labels, tmp_path / "whole", SMALL).store
    assert done.store.digest == whole.digest
    assert said(preprocess(images, None, tmp_path / "s")) == {}


def test_a_file_that_could_not_be_opened_is_tried_again_by_the_next_build(scans, tmp_path, monkeypatch):
    images, labels, truth = scans
    real, path = os.open, str(sorted((images / "study0").glob("*.dcm"))[0])

    def failing(name, *words, **named):
        if name == path:
            raise OSError(5, "Input/output error", name)
        return real(name, *words, **named)

    monkeypatch.setattr(os, "open", failing)
    for _ in range(2):
        first = preprocess(images, labels, tmp_path / "s", SMALL)
        assert (len(first.store), first.excluded, said(first)) == (
            14, {"cannot be opened (Input/output error)": 1}, {},
        )  # fmt: skip
    monkeypatch.undo()
    second = preprocess(images, labels, tmp_path / "s")
    assert (len(second.store), second.excluded, second.decoded, said(second)) == (15, {}, 1, {})
    assert as_truth(second.store) == truth


def test_a_file_that_was_broken_and_is_whole_now_leaves_the_exclusions(scans, tmp_path):
    images, labels, truth = scans
    path = sorted((images / "study0").glob("*.dcm"))[0]
    whole = path.read_bytes()
    path.write_bytes(whole[:300])
    first = preprocess(images, labels, tmp_path / "s", SMALL)
    assert (len(first.store), sum(first.excluded.values()), first.unmatched) == (14, 1, 1)
    path.write_bytes(whole)
    second = preprocess(images, labels, tmp_path / "s")
    assert (len(second.store), second.excluded, second.unmatched) == (15, {}, 0)
    assert as_truth(second.store) == truth


def test_a_deleted_file_is_taken_out_and_said_and_found_again_where_it_comes_back(scans, tmp_path):
    images, labels, truth = scans
    digest = preprocess(images, labels, tmp_path / "s", SMALL).store.digest
    path = sorted((images / "study0").glob("*.dcm"))[0]
    path.rename(tmp_path / "aside.dcm")
    done = preprocess(images, labels, tmp_path / "s")
    assert said(done) == {"files are gone": 1}
    assert as_truth(done.store) == {name: row for name, row in truth.items() if name != path.stem}
    assert said(preprocess(images, labels, tmp_path / "s")) == {}
    (tmp_path / "aside.dcm").rename(path)
    assert preprocess(images, labels, tmp_path / "s").store.digest == digest


def test_a_renamed_file_or_folder_keeps_its_labels_without_the_table(scans, tmp_path):
    images, labels, truth = scans
    preprocess(images, labels, tmp_path / "s", SMALL)
    path = sorted((images / "study0").glob("*.dcm"))[0]
    path.rename(path.with_name("new name.dcm"))
    (images / "study1").rename(images / "another")
    done = preprocess(images, None, tmp_path / "s")
    assert len(done.store) == 15
    assert said(done) == {"files were renamed or moved": 6}
    assert sorted(as_truth(done.store).values()) == sorted(truth.values())


def test_what_was_added_from_another_folder_stays_though_only_one_is_looked_through(tmp_path):
    first = dicom_folder(tmp_path / "a", patients=1)
    second = dicom_folder(tmp_path / "b", patients=1, first=1)
    preprocess(tmp_path / "a", write_rsna(tmp_path / "a.csv", first), tmp_path / "s", SMALL)
    done = preprocess(tmp_path / "b", write_rsna(tmp_path / "b.csv", second), tmp_path / "s")
    assert as_truth(done.store) == first | second
    assert said(done) == {}
    single = next((tmp_path / "a").rglob("*.dcm"))
    assert len(preprocess(single, None, tmp_path / "s").store) == 10


def test_a_folder_that_moved_as_a_whole_is_not_there_twice(scans, tmp_path):
    images, labels, truth = scans
    preprocess(images, labels, tmp_path / "s", SMALL)
    shutil.move(images, tmp_path / "elsewhere")
    done = preprocess(tmp_path / "elsewhere", labels, tmp_path / "s")
    assert len(done.store) == 15
    assert as_truth(done.store) == truth
