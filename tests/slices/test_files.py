"""Files are found once each, whatever they are called and however folders are linked."""

import os
import shutil

import numpy as np
import pytest

from hemo.imaging import Reduction
from hemo.slices.files import files_below, slice_name
from hemo.slices.names import natural
from hemo.slices.preprocess import preprocess
from hemo.slices.sources import count_by, find_sources
from hemo.slices.store import SliceStore
from tests.helpers.folders import dicom_folder
from tests.helpers.pictures import write_pictures
from tests.helpers.scans import head, make_dicom
from tests.helpers.stores import named

SMALL = Reduction(size=16)


def found(folder):
    return sorted(os.path.relpath(os.path.join(*entry), folder) for entry in files_below([folder]))


def test_a_linked_folder_is_gone_through_once_and_a_loop_ends(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    for name in ("a/1.dcm", "a/b/2.dcm", "elsewhere/3.dcm"):
        (tmp_path / name).touch()
    root = tmp_path / "a"
    (root / "b" / "loop").symlink_to(root)
    (root / "0-again").symlink_to(root / "b")
    (root / "there").symlink_to(tmp_path / "elsewhere")
    (root / "itself").symlink_to(root / "itself")
    assert found(root) == ["1.dcm", "b/2.dcm", "itself", "there/3.dcm"]


def test_names_that_speak_against_a_scan_and_hidden_ones_are_passed_over(tmp_path):
    kept = ["1", "1.2.840.10008.5", "A.DCM", "IM-0001", "b.nii.gz", "c.tiff"]
    for name in (*kept, "notes.txt", ".DS_Store", "._1.dcm", "table.csv"):
        (tmp_path / name).touch()
    (tmp_path / ".hidden").mkdir()
    (tmp_path / ".hidden" / "1.dcm").touch()
    assert found(tmp_path) == sorted(kept)


def test_a_name_that_ends_in_a_number_has_no_suffix():
    assert [slice_name(n) for n in ("1.2.3.4", "a.dcm", "a.b.png", "case.nii.gz", "IM1")] == [
        "1.2.3.4", "a", "a.b", "case", "IM1",
    ]  # fmt: skip


def test_files_named_by_uids_are_slices_of_their_own_names(tmp_path):
    images = tmp_path / "images"
    images.mkdir()
    for k in range(3):
        data = make_dicom(head(64, seed=k), SOPInstanceUID=f"1.2.3.{k}", PatientID="x", InstanceNumber=k + 1)
        (images / f"1.2.826.0.1.{k}").write_bytes(data)
    index = named(preprocess(images, None, tmp_path / "s", SMALL).store)
    assert index["slice_id"].tolist() == [f"1.2.826.0.1.{k}" for k in range(3)]


def test_a_name_that_is_no_utf8_is_read_as_any_other(tmp_path):
    images = tmp_path / "images"
    dicom_folder(images, patients=1, slices=2)
    name = os.fsencode(images) + b"/M\xfcller.dcm"
    with open(name, "wb") as stream:
        stream.write(make_dicom(head(64, seed=9), SOPInstanceUID="1.9", PatientID="other"))
    with open(os.fsencode(images) + b"/br\xf6ken.dcm", "wb") as stream:
        stream.write(b"x")
    table = tmp_path / "t.csv"
    table.write_text("image,any\nMüller,1\n", encoding="utf-8")
    store = preprocess(images, table, tmp_path / "s", SMALL).store
    assert named(store).set_index("slice_id").loc["Müller", "any"] == 1
    assert store.exclusions["file"].tolist() == ["bröken.dcm"]


@pytest.mark.parametrize(
    "style", ["scan ({}).png", "slice_{}_of_11.png", "{}_axial.png", "{}.png", "{:03d}.png"]
)
def test_pictures_keep_the_natural_order_of_their_names(tmp_path, style):
    for folder in ("p1", "p2"):
        write_pictures(tmp_path / "images" / folder, [style.format(k) for k in range(1, 12)])
    index = named(preprocess(tmp_path / "images", None, tmp_path / "s", Reduction(16, ("gray",))).store)
    for _, own in index.groupby("patient"):
        assert own["slice_id"].tolist() == sorted(own["slice_id"], key=natural)
        assert own["position"].tolist() == list(range(1, 12))


def test_names_of_several_numbers_or_of_none_are_in_natural_order_too(tmp_path):
    names = ["s2 a1.png", "s2 a10.png", "s10 a2.png", "s10 a9.png", "cover.png"]
    write_pictures(tmp_path / "images" / "p", names)
    write_pictures(tmp_path / "images" / "q", ["x.png"])
    index = named(preprocess(tmp_path / "images", None, tmp_path / "s", Reduction(16, ("gray",))).store)
    own = [name.rpartition("/")[2] + ".png" for name in index["slice_id"] if not name.endswith("/x")]
    assert own == ["cover.png", "s2 a1.png", "s2 a10.png", "s10 a2.png", "s10 a9.png"]


def test_the_number_that_counts_is_the_one_that_differs():
    assert count_by(["slice_1_of_9", "slice_2_of_9"]) == (("slice_0_of_0", 0),)
    assert count_by(["p1_s1", "p2_s2"]) == ()
    assert count_by([f"{k:x}{k * 7919:x}" for k in range(4000)]) == ()  # hashes
    assert count_by(["7"]) == (("0", 0),)


def test_masks_beside_pictures_are_left_out_and_a_lone_name_like_a_mask_is_not(tmp_path):
    write_pictures(tmp_path / "images" / "49", ["1.png", "2.png", "2_HGE_Seg.png", "3_mask.png"])
    write_pictures(tmp_path / "images" / "50", ["1.png", "2.png"])
    done = preprocess(tmp_path / "images", None, tmp_path / "s", Reduction(16, ("gray",)))
    assert done.excluded == {"a segmentation mask beside its picture": 1}
    assert done.store.exclusions["file"].tolist() == ["49/2_HGE_Seg.png"]


def test_volumes_of_one_name_are_their_folders_patients_and_others_their_own(tmp_path):
    import nibabel

    def write(path, seed):
        path.parent.mkdir(parents=True, exist_ok=True)
        volume = np.stack([head(64, seed=seed + k) for k in range(3)]).transpose(2, 1, 0)
        nibabel.save(nibabel.Nifti1Image(volume, np.diag([1.0, 1, 5, 1])), path)

    for number, name in enumerate(("sub-01/ct.nii.gz", "sub-01/late.nii.gz", "sub-02/ct.nii.gz")):
        write(tmp_path / "bids" / name, 10 * number)
    index = preprocess(tmp_path / "bids", None, tmp_path / "s", SMALL).store.index
    assert (len(index), index["stack"].nunique()) == (9, 3)
    for number, name in enumerate(("049.nii.gz", "050.nii.gz")):
        write(tmp_path / "flat" / "ct" / name, 10 * number)
    store = preprocess(tmp_path / "flat", None, tmp_path / "t", SMALL).store
    assert (store.facts["patients"], store.facts["studies"], store.index["stack"].nunique()) == (2, 2, 2)


def test_predict_and_preprocess_find_the_same_files(tmp_path):
    (tmp_path / "a").mkdir()
    for name in ("a/1.2.3.4", "a/x.dcm", "b.png", "c.txt"):
        (tmp_path / name).touch()
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    listed = {os.path.join(*entry) for entry in files_below([tmp_path])}
    assert {path for one in find_sources(tmp_path, ("brain",)) for path in one.paths} == listed


def test_a_store_opens_again_after_names_of_all_kinds(tmp_path):
    images = tmp_path / "images"
    dicom_folder(images, patients=1, slices=2)
    shutil.copytree(images, images / "Ärzte (2)")
    assert len(SliceStore.open(preprocess(images, None, tmp_path / "s", SMALL).store.folder)) == 2
