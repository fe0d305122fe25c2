import json
import os
import re
import shutil
import stat

import numpy as np
import pandas as pd
import pytest

from hemo.errors import HemoError
from hemo.imaging import Reduction, read_one, reduce
from hemo.labels import LABELS
from hemo.slices import preprocess as module
from hemo.slices.preprocess import preprocess
from hemo.slices.sources import Packed, find_sources
from hemo.slices.store import SliceStore
from tests.helpers.folders import as_truth, ct_ich_folder, dicom_folder, everything, write_rsna
from tests.helpers.pictures import write_pictures
from tests.helpers.scans import SHARED, head, make_dicom
from tests.helpers.stores import named, names, without_manifest

SMALL = Reduction(size=16)
SMALL_GRAY = Reduction(16, ("gray",))


@pytest.fixture(autouse=True)
def _small_shards(monkeypatch):
    monkeypatch.setattr(module, "SMALLEST_SHARD", 4)


@pytest.fixture
def scans(tmp_path):
    images = tmp_path / "images"
    truth = dicom_folder(images)
    return images, write_rsna(tmp_path / "labels.csv", truth), truth


def test_every_slice_is_stored_once_with_its_labels_and_its_very_pixels(scans, tmp_path):
    images, labels, truth = scans
    store = preprocess(images, labels, tmp_path / "store", SMALL).store
    assert as_truth(store) == truth
    for name, image in zip(names(store), store.images(), strict=True):
        path = next(images.rglob(f"{name}.dcm"))
        np.testing.assert_array_equal(image, reduce(read_one(path), SMALL))


def test_slices_of_a_study_lie_together_in_the_order_of_their_positions(scans, tmp_path):
    images, labels, _ = scans
    index = preprocess(images, labels, tmp_path / "store", SMALL).store.index
    assert index["patient"].nunique() == index["study"].nunique() == 3
    assert index["position"].tolist() == [0, 5, 10, 15, 20] * 3
    assert [study for study, _ in index.groupby("study", sort=False)] == index["study"].iloc[::5].tolist()


def test_digest_and_order_depend_on_the_content_alone(scans, tmp_path):
    images, labels, _ = scans
    one = preprocess(images, labels, tmp_path / "one", SMALL).store
    two = preprocess(images, labels, tmp_path / "two", SMALL, workers=2).store
    moved = tmp_path / "elsewhere"
    shutil.copytree(images, moved)
    (moved / "study0").rename(moved / "zzz")
    three = preprocess(moved, labels, tmp_path / "three", SMALL).store
    assert one.digest == two.digest == three.digest
    assert names(one) == names(two) == names(three)
    assert set(one.index["patient"]).isdisjoint(two.index["patient"])  # each store has a key of its own


def test_digest_tells_other_labels_images_options_and_patients_apart(scans, tmp_path):
    images, labels, truth = scans
    digests = {preprocess(images, labels, tmp_path / "s0", SMALL).store.digest}
    digests.add(preprocess(images, labels, tmp_path / "s1", Reduction(size=16, crop=False)).store.digest)
    name = next(iter(truth))
    other = {**truth, name: [1 - truth[name][0], *[1 - truth[name][0], 0, 0, 0, 0]]}
    digests.add(
        preprocess(images, write_rsna(tmp_path / "l.csv", other), tmp_path / "s2", SMALL).store.digest
    )
    for path in (images / "study0").glob("*.dcm"):
        path.write_bytes(path.read_bytes().replace(b"MRN-0000", b"MRN-0001"))
    digests.add(preprocess(images, labels, tmp_path / "s3", SMALL).store.digest)
    path.write_bytes(make_dicom(head(64, seed=9999), PatientID="MRN-0001", StudyInstanceUID="1.2.3.0"))
    digests.add(preprocess(images, labels, tmp_path / "s4", SMALL).store.digest)
    assert len(digests) == 5


def test_the_same_key_gives_the_same_bytes(scans, tmp_path):
    images, labels, _ = scans
    key = tmp_path / "team.key"
    stores = [preprocess(images, labels, tmp_path / name, SMALL, key=key).store for name in "ab"]
    assert everything(stores[0].folder) == everything(stores[1].folder)


def test_no_identifier_of_a_patient_is_in_the_store_and_the_key_is_the_owners(scans, tmp_path):
    images, labels, _ = scans
    (images / "study0").rename(images / "MRN-0000")
    for given in (labels, None):
        folder = tmp_path / f"store{bool(given)}"
        preprocess(images, given, folder, SMALL)
        content = everything(folder)
        for identifier in (b"MRN-", b"DOE", b"JANE", b"1.2.3."):
            assert identifier not in content
        key = folder.with_name(folder.name + ".key")
        assert stat.S_IMODE(key.stat().st_mode) == 0o600
        assert key.read_bytes().strip() not in content


@pytest.mark.parametrize("form", ["rsna", "wide"])
def test_a_table_s_words_for_slices_stay_in_the_column_of_names(tmp_path, form):
    write_pictures(tmp_path / "images", ["MRN77_DOE_JANE_1", "MRN77_DOE_JANE_2"])
    rows = ["MRN77_DOE_JANE_1_any,1", "MRN77_DOE_JANE_2_any,0"]
    text = (
        ["ID,Label", *rows] if form == "rsna" else ["image,any", *(row.replace("_any", "") for row in rows)]
    )
    (tmp_path / "labels.csv").write_text("\n".join(text))
    store = preprocess(tmp_path / "images", tmp_path / "labels.csv", tmp_path / "s", SMALL_GRAY).store
    assert store.index["any"].sum() == 1
    assert "MRN77" not in store.index.to_csv()
    assert sorted(names(store)) == ["MRN77_DOE_JANE_1", "MRN77_DOE_JANE_2"]
    again = preprocess(tmp_path / "images", tmp_path / "labels.csv", tmp_path / "s").store
    pd.testing.assert_frame_equal(store.index, again.index)
    assert re.fullmatch("0000000-[0-9a-f]{8}0000001-[0-9a-f]{8}", "".join(store.index["slice_id"]))


def test_a_store_whose_ids_were_names_is_made_anew_of_what_was_read(scans, tmp_path):
    images, labels, truth = scans
    store = preprocess(images, labels, tmp_path / "s", SMALL).store
    before = named(store)
    before.to_parquet(tmp_path / "s" / "index.parquet")
    facts = {name: fact for name, fact in store.facts.items() if name != "slice_ids"}
    (tmp_path / "s" / "store.json").write_text(json.dumps(facts))
    without_manifest(tmp_path / "s")
    with pytest.raises(HemoError, match="which may be patients': run the same `hemo preprocess`"):
        SliceStore.open(tmp_path / "s")
    done = preprocess(images, None, tmp_path / "s")
    assert done.decoded == 0
    assert as_truth(done.store) == truth
    assert not set(done.store.index["slice_id"]) & set(before["slice_id"])


def test_bad_files_are_listed_with_their_reason_and_stop_nothing(scans, tmp_path):
    images, labels, truth = scans
    (images / "notes.dcm").write_text("nothing")
    (images / "empty.dcm").write_bytes(b"")
    (images / "dangling.dcm").symlink_to(tmp_path / "absent")
    (images / "scout.dcm").write_bytes(make_dicom(head(64), ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]))
    (images / "read me.txt").write_text("not a scan by its name")
    summary = preprocess(images, labels, tmp_path / "store", SMALL)
    assert len(summary.store) == len(truth)
    assert summary.store.exclusions.to_numpy().tolist() == [
        ["dangling.dcm", "cannot be opened (No such file or directory)"],
        ["empty.dcm", "empty file"],
        ["notes.dcm", "neither DICOM, NIfTI, JPEG, PNG nor TIFF"],
        ["scout.dcm", "localizer image"],
    ]
    assert sum(summary.excluded.values()) == 4


def test_new_files_make_new_shards_only_and_the_result_is_that_of_one_go(scans, tmp_path):
    images, _, truth = scans
    store = tmp_path / "store"
    preprocess(images, write_rsna(tmp_path / "l.csv", truth), store, SMALL)
    before = {path: path.stat().st_mtime_ns for path in store.glob("shards/*.npy")}
    truth |= dicom_folder(images, patients=2, first=7)
    labels = write_rsna(tmp_path / "l.csv", truth)
    summary = preprocess(images, labels, store)
    assert summary.decoded == 10
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert as_truth(summary.store) == truth
    whole = preprocess(images, labels, tmp_path / "whole", SMALL).store
    assert whole.digest == summary.store.digest
    assert names(whole) == names(summary.store)


def test_a_second_folder_joins_and_its_table_leaves_earlier_labels_alone(tmp_path):
    first = dicom_folder(tmp_path / "a", patients=1)
    second = dicom_folder(tmp_path / "b", patients=1, first=1)
    preprocess(tmp_path / "a", write_rsna(tmp_path / "a.csv", first), tmp_path / "store", SMALL)
    summary = preprocess(tmp_path / "b", write_rsna(tmp_path / "b.csv", second), tmp_path / "store")
    assert as_truth(summary.store) == first | second


def test_a_changed_label_table_is_taken_up_without_decoding(scans, tmp_path):
    images, labels, truth = scans
    preprocess(images, labels, tmp_path / "store", SMALL)
    changed = {name: [0] * 6 for name in truth}
    summary = preprocess(images, write_rsna(labels, changed), tmp_path / "store")
    assert summary.decoded == 0
    assert as_truth(summary.store) == changed


def test_unlabelled_slices_and_unmatched_rows_are_counted_and_listed(scans, tmp_path):
    images, labels, truth = scans
    missing = next(iter(truth))
    table = {name: row for name, row in truth.items() if name != missing} | {"ID_gone": [0] * 6}
    summary = preprocess(images, write_rsna(labels, table), tmp_path / "store", SMALL)
    assert (summary.unlabelled, summary.unmatched) == (1, 1)
    assert (tmp_path / "store" / "unmatched.csv").read_text() == "label_row\nID_gone\n"
    index = summary.store.index
    assert index.loc[index["any"] < 0, list(LABELS)].to_numpy().tolist() == [[-1] * 6]


def test_without_labels_all_are_unlabelled_and_a_part_of_the_labels_is_enough(scans, tmp_path):
    images, _, truth = scans
    assert (preprocess(images, None, tmp_path / "a", SMALL).store.index[list(LABELS)] == -1).all(axis=None)
    table = tmp_path / "some.csv"
    table.write_text("\n".join(["image,epidural", *(f"{name}.dcm,{row[1]}" for name, row in truth.items())]))
    index = preprocess(images, table, tmp_path / "b", SMALL).store.index
    assert (index["epidural"] >= 0).all()
    assert (index["subdural"] == -1).all()


def test_a_row_may_name_a_slice_by_its_uid_or_its_path(scans, tmp_path):
    images, _, truth = scans
    paths = sorted(images.rglob("*.dcm"))
    rows = [f"{read_one(paths[0]).uid},1", f"{paths[1].relative_to(images)},1"]
    table = tmp_path / "by.csv"
    table.write_text("\n".join(["image,subdural", *rows]))
    summary = preprocess(images, table, tmp_path / "store", SMALL)
    assert summary.unmatched == 0
    assert (summary.store.index["subdural"] == 1).sum() == 2
    assert len(truth) == len(summary.store)


def test_the_same_slice_twice_is_kept_once_and_an_ambiguous_row_labels_none(scans, tmp_path):
    images, labels, truth = scans
    original = next(images.rglob("*.dcm"))
    copy = images / "copy"
    copy.mkdir()
    shutil.copy(original, copy / original.name)
    other = next(path for path in sorted(images.rglob("*.dcm")) if path.name != original.name)
    (copy / other.name).write_bytes(make_dicom(head(64, seed=77), PatientID="MRN-9"))
    summary = preprocess(images, labels, tmp_path / "store", SMALL)
    assert summary.excluded == {
        "its label row fits several different images": 2,
        "the same slice once more": 1,
    }
    assert set(names(summary.store)) == set(truth) - {other.stem}


def test_ct_ich_is_matched_by_patient_and_number_with_both_windows(tmp_path):
    table = ct_ich_folder(tmp_path / "ct-ich")
    store = preprocess(tmp_path / "ct-ich", table, tmp_path / "store", Reduction(16, ("brain", "bone"))).store
    index = store.index
    assert store.image_shape == (16, 16, 2)
    assert (len(index), index["patient"].nunique(), store.patients_known) == (8, 2, True)
    assert index["position"].tolist() == [1, 2, 3, 4] * 2
    assert index["epidural"].tolist() == [0, 1, 0, 0] * 2
    assert names(store) == [f"{p}/{n}" for p, n in zip(index["patient"], [1, 2, 3, 4] * 2, strict=True)]
    assert len(store.exclusions) == 0
    brain, bone = store.images()[..., 0], store.images()[..., 1]
    assert (brain > 0).mean() > (brain == 0).mean() / 3
    assert np.abs(brain.astype(int) - bone).mean() > 10


def test_nifti_volumes_are_matched_by_volume_and_number(tmp_path):
    import nibabel

    (tmp_path / "v").mkdir()
    for case in ("049", "050"):
        volume = np.stack([head(64, seed=int(case) + k) for k in range(3)]).transpose(2, 1, 0)
        nibabel.save(nibabel.Nifti1Image(volume, np.diag([1.0, 1, 5, 1])), tmp_path / "v" / f"{case}.nii.gz")
    table = tmp_path / "t.csv"
    header = "PatientNumber,SliceNumber,epidural,intraparenchymal,intraventricular,subarachnoid,subdural"
    table.write_text(
        "\n".join([header, *(f"{p},{n},0,0,0,0,{int(n == 3)}" for p in (49, 50) for n in (1, 2, 3))])
    )
    index = preprocess(tmp_path / "v", table, tmp_path / "store", SMALL).store.index
    assert index["subdural"].tolist() == [0, 0, 1] * 2
    assert index["position"].tolist() == [0, 5, 10] * 2


def test_pictures_in_one_folder_name_no_patient_and_the_table_may(tmp_path):
    table = ct_ich_folder(tmp_path / "x", patients=1)
    flat = tmp_path / "x" / "Patients_CT" / "049" / "brain"
    store = preprocess(flat, None, tmp_path / "a", SMALL).store
    assert not store.patients_known
    assert store.index["patient"].nunique() == 4
    rows = ["image,patient,any", "1,A,0", "2,A,1", "3,B,0", "4,B,0"]
    table.write_text("\n".join(rows))
    store = preprocess(flat, table, tmp_path / "b", SMALL).store
    assert store.patients_known
    assert store.index["patient"].nunique() == 2


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"images": "absent"}, "no such folder of images"),
        ({"images": "hollow"}, "no DICOM, NIfTI, JPEG, PNG or TIFF files"),
        ({"images": "broken"}, "no usable slice"),
        ({"labels": "absent.csv"}, "no such label table"),
        ({"store": "images"}, "holds something else"),
    ],
)
def test_what_the_user_got_wrong_is_said_in_one_line(scans, tmp_path, change, fault):
    images, labels, _ = scans
    (tmp_path / "hollow").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "a.dcm").write_text("x")
    words = {"images": images, "labels": labels, "store": tmp_path / "store"}
    words |= {word: tmp_path / name for word, name in change.items()}
    with pytest.raises(HemoError, match=fault) as caught:
        preprocess(**words)
    assert "\n" not in str(caught.value)


def test_a_table_may_name_a_picture_of_one_window_by_its_path(tmp_path):
    table = ct_ich_folder(tmp_path / "x", patients=2)
    rows = [
        f"0{patient}/brain/{number}.jpg,{number == 2:d}" for patient in (49, 50) for number in (1, 2, 3, 4)
    ]
    table.write_text("\n".join(["image,epidural", *rows]))
    done = preprocess(tmp_path / "x" / "Patients_CT", table, tmp_path / "store", SMALL)
    assert done.unmatched == 0
    assert done.store.index["epidural"].value_counts().to_dict() == {0: 6, 1: 2}


def test_pictures_without_the_window_asked_for_are_no_usable_slices(tmp_path):
    table = ct_ich_folder(tmp_path / "x")
    reduction = Reduction(size=16, windows=("brain", "subdural"))
    with pytest.raises(HemoError, match="no usable slice .*: brain and subdural can only be made from HU"):
        preprocess(tmp_path / "x", table, tmp_path / "store", reduction)


def test_a_store_keeps_its_options_and_its_key(scans, tmp_path):
    images, labels, _ = scans
    store = preprocess(images, labels, tmp_path / "store", SMALL).store
    with pytest.raises(HemoError, match="made with size 16, not 32"):
        preprocess(images, labels, tmp_path / "store", Reduction(size=32))
    (tmp_path / "other.key").write_text("0123456789abcdef" * 2)
    with pytest.raises(HemoError, match="another key"):
        preprocess(images, labels, tmp_path / "store", key=tmp_path / "other.key")
    os.rename(tmp_path / "store.key", tmp_path / "kept.key")
    with pytest.raises(HemoError, match="key of this store's pseudonyms is gone"):
        preprocess(images, labels, tmp_path / "store")
    assert (
        preprocess(images, labels, tmp_path / "store", key=tmp_path / "kept.key").store.digest == store.digest
    )
    (tmp_path / "short.key").write_text("short")
    with pytest.raises(HemoError, match="can be guessed"):
        preprocess(images, labels, tmp_path / "new", key=tmp_path / "short.key")


@pytest.mark.skipif(not (SHARED / "ct-ich").is_dir(), reason="the shared CT-ICH slices are not here")
def test_the_real_ct_ich_has_its_known_counts(tmp_path):
    source = SHARED / "ct-ich"
    store = preprocess(source, source / "hemorrhage_diagnosis.csv", tmp_path / "s", Reduction(size=32)).store
    assert (len(store), store.facts["patients"]) == (1871, 62)
    assert [store.facts["labels"][label]["positive"] for label in LABELS] == [239, 130, 55, 18, 14, 41]


@pytest.mark.skipif(not (SHARED / "head-dicom").is_dir(), reason="the shared head study is not here")
def test_the_real_head_study_is_in_anatomical_order_whatever_its_files_are_called(tmp_path):
    images = tmp_path / "images"
    images.mkdir()
    for path in (SHARED / "head-dicom").glob("*.dcm"):
        shutil.copy(path, images / f"{hash(path.name) % 10_000:04d}{path.stem}.dcm")
    store = preprocess(images, None, tmp_path / "s", Reduction(size=32)).store
    index = store.index
    assert [name[-2:] for name in store.column("name")] == [f"{k:02d}" for k in range(1, 29)]
    assert (np.diff(index["position"]) > 0).all()
    assert SliceStore.open(tmp_path / "s").facts["patients"] == 1


def test_packed_sources_are_the_same_sources(tmp_path):
    for name in ("a/1.png", "a/2.png", "b/brain/1.png", "b/bone/1.png", "b/3.png", "4.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    sources = find_sources(tmp_path, ("brain", "bone"))
    packed = Packed.of(sources)
    assert list(packed) == sources
    assert len(packed) == len(sources) == 5
    assert list(Packed.of([])) == []
