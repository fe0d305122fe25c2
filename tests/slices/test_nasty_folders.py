"""What hospitals' folders hold beside whole series: read right, left out with its reason, or refused."""

import os

import pandas as pd
import pytest

from hemo.errors import HemoError
from hemo.imaging import Excluded, Reduction
from hemo.imaging.reader import read_one
from hemo.slices.preprocess import preprocess
from tests.helpers.scans import head, make_dicom

SMALL = Reduction(size=16)


def write(folder, number, **elements):
    """Write slice `number` of a study, 5 mm above the one before."""
    folder.mkdir(exist_ok=True)
    words = {
        "PatientID": "p", "StudyInstanceUID": "1.2", "SeriesInstanceUID": "1.2.3", "InstanceNumber": number,
        "SOPInstanceUID": f"1.2.3.{number}", "ImagePositionPatient": [0, 0, 5.0 * number],
        "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
    }  # fmt: skip
    content = make_dicom(head(64, seed=number), **{**words, **elements})
    (folder / f"{number}.dcm").write_bytes(content)


def test_a_slice_without_a_position_is_apart_from_those_that_have_one(tmp_path):
    for number in range(5):
        write(tmp_path / "scans", number, **({"ImagePositionPatient": None} if number == 2 else {}))
    made = preprocess(tmp_path / "scans", None, tmp_path / "store", SMALL)
    index = made.store.index
    assert sorted(index.groupby("stack").size()) == [1, 4]
    largest = index[index["stack"] == index["stack"].mode()[0]]
    assert largest["position"].tolist() == [0, 5, 15, 20]
    assert any("no position in its header" in note for note in made.notes)


def test_a_pipe_among_scans_is_left_out_and_nobody_waits_for_it(tmp_path):
    write(tmp_path / "scans", 1)
    os.mkfifo(tmp_path / "scans" / "pipe.dcm")
    made = preprocess(tmp_path / "scans", None, tmp_path / "store", SMALL)
    assert made.excluded == {"no file, but a pipe, a socket or a device": 1}
    with pytest.raises(Excluded, match="a pipe"):
        read_one(tmp_path / "scans" / "pipe.dcm")


def test_a_store_that_is_a_file_is_refused(tmp_path):
    write(tmp_path / "scans", 1)
    (tmp_path / "store").write_text("")
    with pytest.raises(HemoError, match="a file, where the store's folder is to be"):
        preprocess(tmp_path / "scans", None, tmp_path / "store", SMALL)


def test_a_table_that_gives_a_study_to_several_patients_does_not_part_it(tmp_path):
    for number in range(4):
        write(tmp_path / "scans", number)
    names = [f"1.2.3.{number}" for number in range(4)]
    table = pd.DataFrame({"image": names, "patient": ["a", "b", "a", "b"], "any": [0, 1, 0, 1]})
    table.to_csv(tmp_path / "labels.csv", index=False)
    made = preprocess(tmp_path / "scans", tmp_path / "labels.csv", tmp_path / "store", SMALL)
    assert made.store.index["patient"].nunique() == 1
    assert made.store.index["position"].tolist() == [0, 5, 10, 15]
    assert any("to several patients" in note for note in made.notes)


def test_where_nothing_is_usable_the_commonest_reasons_are_said_and_all_are_listed(tmp_path):
    for number in range(3):
        write(tmp_path / "scans", number, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    (tmp_path / "scans" / "0.dcm").write_bytes(b"")
    with pytest.raises(HemoError, match="no usable slice of 3: 2 localizer image; 1 empty file"):
        preprocess(tmp_path / "scans", None, tmp_path / "store", SMALL)
    assert len(pd.read_csv(tmp_path / "store" / "exclusions.csv")) == 3


@pytest.mark.parametrize("words", ["CTP CBF", "Time to Peak", "rCBV map", "Iodine map VNC", "TMAX"])
def test_a_perfusion_map_is_known_by_its_description_too(tmp_path, words):
    with pytest.raises(Excluded, match="perfusion map"):
        read_one(make_dicom(head(64, seed=1), SeriesDescription=words))
