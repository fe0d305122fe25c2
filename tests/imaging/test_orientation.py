"""Sides and direction: the same head, however it was stored, is the same picture at the same place."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hemo.imaging import Excluded, read, read_one
from hemo.imaging.orientation import STEEPEST, orientation_of
from tests.helpers.scans import make_dicom
from tests.helpers.variations.dicom import TURNS
from tests.helpers.variations.kinds import Seeded, head

HEADS = [head(Seeded(k), 80, 72) for k in range(4)]
HEIGHTS = [-10.0, -5.0, 0.0, 5.0]
USUAL = ["1", "0", "0", "0", "1", "0"]


def stored(hu, height, turn, **elements):
    """Return a DICOM file of a slice stored by another orientation, pixels of 1 mm."""
    transposed, upwards, to_right = turn
    rows, columns = hu.shape
    origin = [columns - 1.0 if to_right else 0.0, rows - 1.0 if upwards else 0.0, height]
    axes = [[-1 if to_right else 1, 0, 0], [0, -1 if upwards else 1, 0]]
    pixels = hu[:: -1 if upwards else 1, :: -1 if to_right else 1]
    if transposed:
        pixels, axes = pixels.T, axes[::-1]
    return make_dicom(
        np.ascontiguousarray(pixels),
        ImagePositionPatient=[str(part) for part in origin],
        ImageOrientationPatient=[str(part) for axis in axes for part in axis],
        PixelSpacing=["1", "1"],
        **elements,
    )


@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize("place", ["HFS", "HFP", "FFS", "FFP", None])
def test_a_slice_is_the_same_picture_however_the_patient_lay(turn, place):
    for hu, height in zip(HEADS, HEIGHTS, strict=True):
        raw = read_one(stored(hu, height, turn, PatientPosition=place))
        np.testing.assert_array_equal(raw.pixels, hu)
        assert (raw.position, raw.normal, raw.notes) == (height, (0, 0, 1), ())


def test_a_volume_gives_the_same_pictures_as_its_slices():
    voxels = np.stack(HEADS).transpose(2, 1, 0)[::-1, ::-1]
    affine = np.diag([1.0, 1.0, 5.0, 1.0])
    parts = read(nibabel.Nifti1Image(np.ascontiguousarray(voxels), affine).to_bytes(), "a")
    for part, hu in zip(parts, HEADS, strict=True):
        np.testing.assert_array_equal(part.pixels, hu)
        assert part.normal == (0, 0, 1)
    assert [part.position for part in parts] == [0, 5, 10, 15]


@pytest.mark.parametrize("turn", TURNS)
def test_dcm2niix_makes_the_same_head_of_it(turn, tmp_path):
    program = Path(sys.executable).parent / "dcm2niix"
    if not program.exists():
        pytest.skip("dcm2niix is not installed")
    folder = tmp_path / "dicom"
    folder.mkdir()
    for number, (hu, height) in enumerate(zip(HEADS, HEIGHTS, strict=True), 1):
        words = {
            "SeriesInstanceUID": "1.2.3",
            "InstanceNumber": number,
            "SOPInstanceUID": f"1.2.3.{number}",
            "SliceThickness": "5",
            "Manufacturer": "x",
            "SeriesNumber": 1,
        }
        (folder / f"{number}.dcm").write_bytes(stored(hu, height, turn, **words))
    command = [program, "-z", "n", "-b", "n", "-f", "head", "-o", tmp_path, folder]
    subprocess.run(command, check=True, capture_output=True)
    slices = read(tmp_path / "head.nii")
    for one, hu in zip(slices, HEADS, strict=True):
        np.testing.assert_array_equal(one.pixels, hu)


def test_spacing_follows_rows_and_columns_as_they_are_shown():
    hu = HEADS[0]
    words: dict[str, Any] = {"PixelSpacing": ["0.5", "0.6"], "ImagePositionPatient": ["0", "0", "0"]}
    lying = make_dicom(
        np.ascontiguousarray(hu.T), ImageOrientationPatient=["0", "1", "0", "1", "0", "0"], **words
    )
    assert read_one(lying).spacing == (0.6, 0.5)


@pytest.mark.parametrize(
    "axes", [None, ["0"] * 6, ["1", "0", "0", "1", "0", "0"], ["9", "0", "0", "0", "9", "0"]]
)
def test_without_an_orientation_a_slice_stays_as_it_is_and_says_so(axes):
    raw = read_one(make_dicom(HEADS[0], ImageOrientationPatient=axes, ImagePositionPatient=["0", "0", "7"]))
    np.testing.assert_array_equal(raw.pixels, HEADS[0])
    assert (raw.position, raw.normal) == (7, None)
    assert "sides as they lie in the file" in raw.notes[0]


@pytest.mark.parametrize(
    ("axes", "reason"),
    [
        ((1, 0, 0, 0, 0, -1), "a coronal slice"),
        ((0, 1, 0, 0, 0, -1), "a sagittal slice"),
        ((1, 0, 0, 0, 0.64, 0.77), "a coronal slice|an oblique slice, 50 degrees"),
    ],
)
def test_other_planes_are_excluded(axes, reason):
    with pytest.raises(Excluded, match=reason):
        read_one(make_dicom(HEADS[0], ImageOrientationPatient=[str(part) for part in axes]))


@given(st.floats(-STEEPEST + 0.1, STEEPEST - 0.1), st.floats(-44, 44))
def test_tilts_of_gantries_and_small_turns_stay(tilt, turn):
    a, b = np.radians([tilt, turn])
    across = np.array([np.cos(b), np.sin(b), 0])
    down = np.array([-np.sin(b) * np.cos(a), np.cos(b) * np.cos(a), np.sin(a)])
    found = orientation_of((*map(float, across), *map(float, down)))
    assert found is not None
    assert found.nothing


def test_a_series_described_as_of_another_plane_needs_an_orientation_to_be_believed():
    for description in ("Coronal 3mm", "SAG_REFORMAT", "cor"):
        with pytest.raises(Excluded, match="by its description"):
            read_one(make_dicom(HEADS[0], SeriesDescription=description))
        read_one(make_dicom(HEADS[0], SeriesDescription=description, ImageOrientationPatient=USUAL))
    read_one(make_dicom(HEADS[0], SeriesDescription="Corrected, incl. axial and sag"))
