"""The phantom on disk: what the files hold, that they say what they are, that bytes repeat."""

import csv
from functools import partial

import numpy as np
import pydicom
import pytest
from click.testing import CliRunner

from hemo.commands.phantom import phantom
from hemo.errors import HemoError
from hemo.imaging import read
from hemo.labels import LABELS
from hemo.phantom import make_study, patient_seed, profile, sheet, write
from hemo.phantom.files import INTERCEPT, write_patient, write_study
from hemo.phantom.sheet import tile


@pytest.fixture(scope="module")
def study():
    return make_study(patient_seed(2, 9), types=("subdural", "intraventricular"), size=96, slices=8)


@pytest.fixture(scope="module")
def files(study, tmp_path_factory):
    out = tmp_path_factory.mktemp("phantom")
    rows = write_study(study, out)
    return out, rows


def headers(out, study):
    found = [pydicom.dcmread(file) for file in sorted(out.rglob("*.dcm"))]
    return sorted(found, key=lambda ds: float(ds.ImagePositionPatient[2]))


def test_files_read_back_as_the_hu_of_the_volume(files, study):
    for ds, image in zip(headers(files[0], study), study.volume, strict=True):
        assert (ds.RescaleIntercept, ds.RescaleSlope) == (INTERCEPT, 1)
        assert np.array_equal(ds.pixel_array.astype(int) + INTERCEPT, image)


def test_hemo_reads_its_own_phantom(files, study):
    for name, image, place in zip(study.slice_ids, study.volume, study.positions, strict=True):
        (one,) = read(files[0] / study.study / f"{name}.dcm")
        assert one.hu
        assert one.slice_id == name
        assert (one.patient, one.spacing) == (study.patient, (study.pixel, study.pixel))
        assert np.array_equal(one.pixels, image)
        normal = np.cross(study.orientation[:3], study.orientation[3:])
        assert abs(one.position - normal @ place) < 0.01


def test_every_header_says_that_it_is_synthetic(files, study):
    for ds in headers(files[0], study):
        assert ds.SOPClassUID.name == "CT Image Storage"
        assert ds.Modality == "CT"
        assert list(ds.ImageType)[:2] == ["DERIVED", "SECONDARY"]
        assert "SYNTHETIC" in ds.ImageType
        for text in (
            ds.Manufacturer,
            ds.ImageComments,
            ds.SeriesDescription,
            ds.PatientID,
            str(ds.PatientName),
        ):
            assert text.startswith("SYNTHETIC")
        assert ds.StudyDate == ds.PatientBirthDate == ""
        assert ds.SOPInstanceUID.is_valid
        assert ds.StudyInstanceUID.is_valid
    assert all(file.name.startswith("ID_synthetic_") for file in files[0].rglob("*.dcm"))


def test_order_is_in_the_header_and_not_in_the_names(files, study):
    names = [ds.SOPInstanceUID for ds in headers(files[0], study)]
    by_name = [pydicom.dcmread(file).SOPInstanceUID for file in sorted(files[0].rglob("*.dcm"))]
    assert sorted(names) == sorted(by_name)
    assert names != by_name
    steps = np.diff(study.positions[:, 2])
    assert np.allclose(steps, steps[0], atol=1e-3)
    assert steps[0] > 0


def test_a_slices_rows_are_its_labels(files, study):
    truth = {(name, label): value for name, label, value in files[1]}
    assert len(truth) == len(files[1]) == 6 * len(study.slice_ids)
    for name, row in zip(study.slice_ids, study.labels, strict=True):
        assert [truth[name, label] for label in LABELS] == row.tolist()


def test_bytes_repeat_whatever_the_workers_and_the_number_of_patients(tmp_path):
    groups = write(tmp_path / "three", patients=3, slices=4, size=64, seed=3, workers=2)
    write_patient(3, 1, 64, 4, tmp_path / "alone")
    both = [file.relative_to(tmp_path / "alone") for file in (tmp_path / "alone").rglob("*.dcm")]
    assert both
    for file in both:
        assert (tmp_path / "alone" / file).read_bytes() == (tmp_path / "three" / file).read_bytes()
    with (tmp_path / "three" / "labels.csv").open() as table:
        rows = list(csv.reader(table))
    assert rows[0] == ["ID", "Label"]
    assert len(rows) - 1 == sum(map(len, groups)) == 6 * len(list((tmp_path / "three").rglob("*.dcm")))
    assert all(name.startswith("ID_synthetic_") and value in "01" for name, value in rows[1:])


def test_a_study_made_directly_is_the_one_on_disk(tmp_path):
    write_patient(3, 0, 64, 4, tmp_path)
    study = make_study(patient_seed(3, 0), types=profile(3, 0), size=64, slices=4)
    ds = pydicom.dcmread(tmp_path / study.study / f"{study.slice_ids[2]}.dcm")
    assert np.array_equal(ds.pixel_array.astype(int) + INTERCEPT, study.volume[2])


def test_a_tile_shows_the_head_in_the_brain_window(study):
    picture = tile(study, 4, 64)
    assert picture.shape == (64, 64)
    assert picture[0, 0] == 0
    assert picture.max() == 255
    assert 60 < np.median(picture[24:40, 24:40]) < 160


def test_the_command_refuses_a_folder_that_holds_a_phantom(tmp_path):
    (tmp_path / "labels.csv").write_text("ID,Label\n")
    found = CliRunner().invoke(phantom, ["--out", str(tmp_path)])
    assert isinstance(found.exception, HemoError)
    assert "another --out" in str(found.exception)


def test_a_phantom_is_written_beside_the_other_data_unless_only_a_picture_is_asked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sheet, "write_sheet", partial(sheet.write_sheet, columns=1))
    few = ["--patients", "1", "--slices", "4", "--size", "64", "--workers", "1"]
    assert CliRunner().invoke(phantom, [*few, "--sheet", "sheet.png"]).exit_code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["sheet.png"]
    assert CliRunner().invoke(phantom, few).exit_code == 0
    assert (tmp_path / "data" / "phantom" / "labels.csv").is_file()
