"""The quick reader of plain headers must say what pydicom says, or leave a file to it."""

from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from hemo.imaging import dicom_header, dicom_pixels
from hemo.imaging.dicom_native import scan
from tests.helpers.present import present
from tests.helpers.scans import SHARED, head, make_dicom

FILES = sorted(Path(pydicom.__file__).parent.glob("data/test_files/**/*.dcm")) + sorted(
    (SHARED / "head-dicom").glob("*.dcm")
)


def same(values, stored, others, other_stored):
    np.testing.assert_array_equal(stored, other_stored)
    for name in ("PatientID", "StudyInstanceUID", "SOPInstanceUID", "Modality", "PhotometricInterpretation"):
        assert dicom_header.text(values, name) == dicom_header.text(others, name), name
    for name in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "RescaleSlope"):
        assert dicom_header.floats(values.get(name)) == dicom_header.floats(others.get(name)), name
    for name in ("InstanceNumber", "SliceLocation", "RescaleIntercept", "PixelRepresentation", "BitsStored"):
        assert np.array_equal(
            dicom_header.number(values, name), dicom_header.number(others, name), equal_nan=True
        ), name


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_both_readers_agree_on_every_plain_file(path):
    data = path.read_bytes()
    try:
        plain = dicom_pixels._native(data)
    except dicom_header.Excluded as excluded:
        if "short" not in str(excluded):
            with pytest.raises(dicom_header.Excluded, match=str(excluded)):
                dicom_pixels._with_pydicom(data)
        return
    if plain is not None:
        same(*plain, *dicom_pixels._with_pydicom(data))


def test_the_real_study_is_read_the_quick_way():
    files = [path for path in FILES if path.parent.name == "head-dicom"]
    if not files:
        pytest.skip("the shared head study is not here")
    assert all(scan(path.read_bytes()) is not None for path in files)


def nested(depth):
    item = Dataset()
    item.CodeValue = "x"
    if depth:
        item.ConceptCodeSequence = Sequence([nested(depth - 1)])
    return item


@pytest.mark.parametrize("syntax", ["explicit", "implicit"])
@pytest.mark.parametrize("undefined", ["both", "sequences", "neither"])
def test_sequences_of_either_kind_of_length_are_skipped(syntax, undefined):
    sequence = Sequence([nested(3), nested(0)])
    data = make_dicom(head(), syntax, ReferencedImageSequence=sequence)
    if undefined != "neither":
        dataset = pydicom.dcmread(pydicom.filebase.DicomBytesIO(data))

        def lengthen(part):
            for element in part:
                if element.VR == "SQ":
                    element.is_undefined_length = True
                    for item in element.value:
                        item.is_undefined_length_sequence_item = undefined == "both"
                        lengthen(item)

        lengthen(dataset)
        stream = pydicom.filebase.DicomBytesIO()
        dataset.save_as(stream, enforce_file_format=True)
        data = stream.getvalue()
    assert scan(data) is not None
    same(*present(dicom_pixels._native(data)), *dicom_pixels._with_pydicom(data))


def test_names_beyond_ascii_are_left_to_pydicom():
    assert scan(make_dicom(head(), SpecificCharacterSet="ISO_IR 192", PatientID="Jürgen")) is None


@given(st.binary(max_size=300))
@settings(max_examples=200)
def test_any_bytes_are_scanned_without_an_error(tail):
    scan(make_dicom(head(64))[:400] + tail)
    scan(b"\0" * 128 + b"DICM" + tail)
