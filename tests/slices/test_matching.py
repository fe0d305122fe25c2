"""Rows of a label table and images meet by what both call them, all rows of a table in one way."""

import unicodedata

import numpy as np
import pytest
from click.testing import CliRunner

from hemo.cli import main
from hemo.errors import HemoError
from hemo.imaging import Reduction
from hemo.slices.numbering import Numbered, fit
from hemo.slices.preprocess import preprocess
from tests.helpers.folders import dicom_folder
from tests.helpers.pictures import write_pictures
from tests.helpers.scans import head, make_dicom
from tests.helpers.stores import named

GRAY = Reduction(16, ("gray",), crop=False)
SMALL = Reduction(size=16)


def table(folder, *rows):
    path = folder / "labels.csv"
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


def labels_by_file(images, labels, store, reduction=GRAY):
    """Return each stored slice's `any` by the position that its header or name gives it."""
    index = preprocess(images, labels, store, reduction).store.index
    return dict(zip(index["position"], index["any"], strict=True))


def test_numbers_match_names_that_are_the_same_number_with_zeros_before_it(tmp_path):
    write_pictures(tmp_path / "i", [f"{k:03d}.png" for k in range(120)])
    labels = table(tmp_path, "id, hemorrhage", *(f"{k},{k % 2}" for k in range(120)))
    found = labels_by_file(tmp_path / "i", labels, tmp_path / "s")
    assert found == {float(k): k % 2 for k in range(120)}


def test_zeros_count_where_they_tell_images_apart(tmp_path):
    write_pictures(tmp_path / "i", ["7.png", "007.png", "8.png"])
    labels = table(tmp_path, "image,any", "7,1", "007,0", "8,0")
    index = named(preprocess(tmp_path / "i", labels, tmp_path / "s", GRAY).store)
    assert dict(zip(index["slice_id"], index["any"], strict=True)) == {"7": 1, "007": 0, "8": 0}


@pytest.mark.parametrize(
    "prefix", ["", "C:\\data\\images\\", "\\\\server\\share\\", "/home/other/scans/", "./", "images/"]
)
def test_the_last_parts_of_a_path_match_whatever_system_wrote_it(tmp_path, prefix):
    for folder in ("p1", "p2"):
        write_pictures(tmp_path / "images" / folder, [f"{k}.png" for k in range(3)])
    truth = {(folder, k): (k + n) % 2 for n, folder in enumerate(("p1", "p2")) for k in range(3)}
    slash = "\\" if "\\" in prefix else "/"
    rows = [f"{prefix}{folder}{slash}{k}.png,{value}" for (folder, k), value in truth.items()]
    done = preprocess(tmp_path / "images", table(tmp_path, "image,any", *rows), tmp_path / "s", GRAY)
    index = done.store.index
    assert done.unmatched == 0
    assert {tuple(own["any"]) for _, own in index.groupby("patient")} == {(0, 1, 0), (1, 0, 1)}


@pytest.mark.parametrize("of_files", ["NFC", "NFD"])
@pytest.mark.parametrize("of_table", ["NFC", "NFD", "NFKC"])
def test_any_unicode_form_of_a_name_is_the_same_name(tmp_path, of_files, of_table):
    names = [unicodedata.normalize(of_files, name) for name in ("Jürgen 1.png", "Zoë 2.png")]
    write_pictures(tmp_path / "i", names)
    rows = [f"{unicodedata.normalize(of_table, name)},1" for name in names]
    done = preprocess(tmp_path / "i", table(tmp_path, "image,any", *rows), tmp_path / "s", GRAY)
    assert (done.unmatched, done.unlabelled) == (0, 0)


@pytest.mark.parametrize("word", ["PatientID", "StudyInstanceUID", "SeriesInstanceUID", "folder"])
def test_a_volume_is_named_by_its_folder_or_by_any_of_its_identifiers(tmp_path, word):
    for volume in range(2):
        for k in range(4):
            facts = {
                "PatientID": f"P{volume}", "StudyInstanceUID": f"1.2.{volume}",
                "SeriesInstanceUID": f"1.2.{volume}.7",
            }  # fmt: skip
            path = tmp_path / "i" / f"f{volume}" / f"{k * 7919 % 101:x}q.dcm"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(
                make_dicom(head(64, seed=10 * volume + k), SOPInstanceUID=f"1.9.{volume}.{k}",
                           InstanceNumber=k + 1, ImagePositionPatient=["0", "0", str(k)],
                           ImageOrientationPatient=["1", "0", "0", "0", "1", "0"], **facts)
            )  # fmt: skip
    names = {"folder": ["f0", "f1"]}.get(word) or [
        {"PatientID": f"P{v}", "StudyInstanceUID": f"1.2.{v}", "SeriesInstanceUID": f"1.2.{v}.7"}[word]
        for v in range(2)
    ]
    rows = [f"{name},{k},{int(k == 2 + volume)}" for volume, name in enumerate(names) for k in range(1, 5)]
    done = preprocess(
        tmp_path / "i", table(tmp_path, "volume,slice_number,any", *rows), tmp_path / "s", SMALL
    )
    found = [own["any"].tolist() for _, own in done.store.index.groupby("patient")]
    assert sorted(found) == [[0, 0, 1, 0], [0, 1, 0, 0]]


def write_volume(folder, numbers, files, seed=0):
    """Write a volume of DICOM, InstanceNumber and name of each slice from the feet up."""
    folder.mkdir(parents=True, exist_ok=True)
    for k, (number, file) in enumerate(zip(numbers, files, strict=True)):
        data = make_dicom(
            head(64, seed=seed + k), SOPInstanceUID=f"1.{seed}.{k}", InstanceNumber=number,
            PatientID=folder.name,
            StudyInstanceUID=f"1.2.{seed}", ImagePositionPatient=["0", "0", str(k)],
            ImageOrientationPatient=["1", "0", "0", "0", "1", "0"],
        )  # fmt: skip
        (folder / file).write_bytes(data)


def test_names_counted_from_0_and_instance_numbers_from_1_are_never_mixed(tmp_path):
    write_volume(tmp_path / "i" / "volA", range(1, 9), [f"CT{k:06d}.dcm" for k in range(8)])
    rows = [f"volA,{k},{int(k == 5)}" for k in range(1, 9)]
    found = labels_by_file(
        tmp_path / "i", table(tmp_path, "volume,slice_number,any", *rows), tmp_path / "s", SMALL
    )
    assert found == {float(k): int(k == 4) for k in range(8)}


def test_a_volume_that_fits_in_two_ways_is_left_out_and_others_keep_their_labels(tmp_path):
    write_volume(tmp_path / "i" / "A", [3, 2, 1], ["1.dcm", "2.dcm", "3.dcm"])
    write_volume(tmp_path / "i" / "B", [1, 2, 3], ["1.dcm", "2.dcm", "3.dcm"], seed=50)
    rows = [f"{name},{k},{int(k == 2)}" for name in "AB" for k in (1, 2, 3)]
    labels = table(tmp_path, "volume,slice_number,any", *rows)
    done = preprocess(tmp_path / "i", labels, tmp_path / "s", SMALL)
    assert done.excluded == {
        "its volume's label rows fit by InstanceNumber and by file number, differently": 3
    }
    assert done.store.index["any"].tolist() == [0, 1, 0]


def test_where_not_one_row_matches_three_rows_and_three_images_are_shown_with_status_2(tmp_path):
    truth = dicom_folder(tmp_path / "i")
    labels = table(tmp_path, "image,any", *(f"other{k},0" for k in range(9)))
    words = ["preprocess", "--images", tmp_path / "i", "--labels", labels, "--store", tmp_path / "s"]
    result = CliRunner().invoke(main, [str(word) for word in words])
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert "not one row names an image" in result.stderr
    assert result.stderr.count("other") == 3
    assert sum(name in result.stderr for name in truth) == 3
    good = table(tmp_path, "image,any", *(f"{name},0" for name in truth))
    assert preprocess(tmp_path / "i", good, tmp_path / "s").decoded == 0  # what was read is not lost


def test_names_that_fit_folders_and_patients_differently_are_refused(tmp_path):
    for folder, patient in (("a", "b"), ("b", "a")):
        write_volume(tmp_path / "i" / patient, [1, 2], ["1.dcm", "2.dcm"], seed=ord(folder))
        (tmp_path / "i" / patient).rename(tmp_path / "i" / f"{folder}x")
    for folder in "ab":
        (tmp_path / "i" / f"{folder}x").rename(tmp_path / "i" / folder)
    rows = [f"{name},{k},{int(name == 'a')}" for name in "ab" for k in (1, 2)]
    with pytest.raises(HemoError, match="named as in folder and as in PatientID, differently"):
        preprocess(tmp_path / "i", table(tmp_path, "volume,slice_number,any", *rows), tmp_path / "s", SMALL)


def numbered(number, file_number=None, many=False):
    n = len(number)
    return Numbered(
        np.zeros(n, int), np.arange(n), 5.0 * np.arange(n), np.array(number),
        np.array(file_number or [-1] * n), np.full(n, many),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("number", "files", "rows", "outcome"),
    [
        ([1, 2, 3], None, {1, 2, 3}, [1, 2, 3]),
        ([0, 0, 0], [5, 6, 7], {5, 6, 7}, [5, 6, 7]),
        ([0, 0, 0], None, {0, 1, 2}, [0, 1, 2]),
        ([0, 0, 0], None, {1, 2, 3}, [1, 2, 3]),
        ([3, 2, 1], None, {1, 2, 3}, "by InstanceNumber and by position from 1, differently"),
        ([1, 2, 3], [2, 3, 1], {1, 2, 3}, "InstanceNumber and by file number, differently"),
        ([1, 2, 3], [0, 1, 2], {0, 1, 2}, [0, 1, 2]),
        ([11, 12, 13], None, {1, 2, 9}, "under no numbering"),
        ([3, 1], None, {1, 2, 3}, "by InstanceNumber and by position, differently"),
        ([1, 2, 3], None, {1, 2, 3, 9}, [1, 2, 3]),  # a row without a slice
        ([1, 2, 3], None, {1, 2, 3, 4}, "differently"),  # may be counted from 0, the first not here
        ([1, 2, 3, 5, 6, 7, 8, 9], None, set(range(1, 10)), [1, 2, 3, 5, 6, 7, 8, 9]),
        ([1, 3], None, {1, 2, 3}, "differently"),  # too few to say that they run as positions do
        ([1, 2, 3, 4], None, {1, 2, 4}, [1, 2, None, 4]),
        ([1, 2, 3, 4], None, {2, 3}, "differently"),
    ],
)
def test_rows_and_slices_of_a_volume_fit_under_one_numbering_or_not_at_all(number, files, rows, outcome):
    pairs, why = fit(numbered(number, files), np.arange(len(number)), rows, set())
    if isinstance(outcome, str):
        assert pairs == ()
        assert outcome in why
    else:
        assert why == ""
        assert dict(pairs) == {k: value for k, value in enumerate(outcome) if value is not None}


def test_a_row_whose_file_could_not_be_used_does_not_unsettle_a_volume():
    pairs, _ = fit(numbered([0, 0, 0], [1, 2, 3]), np.arange(3), {1, 2, 3, 4}, {4})
    assert dict(pairs) == {0: 1, 1: 2, 2: 3}


def test_slices_of_a_volume_in_one_file_count_from_0_or_from_1():
    assert dict(fit(numbered([1, 2, 3], many=True), np.arange(3), {0, 1, 2}, set())[0]) == {0: 0, 1: 1, 2: 2}
    assert dict(fit(numbered([3, 2, 1], many=True), np.arange(3), {1, 2, 3}, set())[0]) == {0: 3, 1: 2, 2: 1}
