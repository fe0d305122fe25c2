import contextlib
import io
import math
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless, RLELossless

from hemo.imaging import Excluded, RawSlice, read_one, read_parts
from hemo.imaging.dicom import read_dicom, study_of
from hemo.imaging.dicom_native import syntax
from hemo.imaging.raw import AIR
from tests.helpers.scans import head, make_dataset, make_dicom, slices_of

HEAD = head()
STORED = (HEAD + 1024).astype(np.int16)


@pytest.mark.parametrize("syntax", ["explicit", "implicit", "big"])
def test_stored_numbers_become_hu(syntax):
    raw = read_one(make_dicom(STORED, syntax, RescaleIntercept="-1024", InstanceNumber="7"))
    assert raw.hu
    np.testing.assert_array_equal(raw.pixels, HEAD)
    assert (raw.patient, raw.number, raw.spacing) == ("P-1", 7, (1.5, 1.5))
    assert raw.slice_id == raw.uid == "1.2.826.0.1.3680043.8.498.1"


@pytest.mark.parametrize("uid", [JPEG2000Lossless, JPEGLSLossless, RLELossless])
def test_lossless_twins_equal_the_uncompressed_image_pixel_by_pixel(uid):
    plain = make_dicom(STORED, RescaleIntercept="-1024")
    dataset = make_dataset(STORED, RescaleIntercept="-1024")
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    dataset.PixelData = STORED.tobytes()
    dataset.compress(uid, generate_instance_uid=False)
    stream = pydicom.filebase.DicomBytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    np.testing.assert_array_equal(read_one(stream.getvalue()).pixels, read_one(plain).pixels)


def test_jpeg_lossless_is_decoded():
    data = make_jpeg_lossless(STORED)
    np.testing.assert_array_equal(read_one(data).pixels, HEAD)


def make_jpeg_lossless(stored):
    import imagecodecs
    from pydicom.encaps import encapsulate

    dataset = make_dataset(stored.astype(np.uint16), RescaleIntercept="-1024")
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.JPEGLosslessSV1
    frame = bytes(imagecodecs.ljpeg_encode(stored.astype(np.uint16), bitspersample=16))
    dataset.PixelData = encapsulate([frame])
    dataset["PixelData"].VR = "OB"
    stream = pydicom.filebase.DicomBytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


@given(
    st.floats(-np.pi, np.pi), st.floats(-0.5, 0.5), st.floats(-0.4, 0.4), st.booleans(), st.floats(-500, 500)
)
@settings(max_examples=30)
def test_the_position_grows_to_the_head_along_the_normal_under_any_tilt_and_turn(a, b, c, below, height):
    turn = np.array([[np.cos(a), np.sin(a), 0], [-np.sin(a), np.cos(a), 0], [0, 0, 1]])
    tilt = np.array([[1, 0, 0], [0, np.cos(b), np.sin(b)], [0, -np.sin(b), np.cos(b)]])
    roll = np.array([[np.cos(c), 0, np.sin(c)], [0, 1, 0], [-np.sin(c), 0, np.cos(c)]])
    across, down, normal = turn @ tilt @ roll
    if below:  # seen from the head
        across = -across
    origin = height * normal - 120 * across - 90 * down
    data = make_dicom(
        HEAD,
        ImagePositionPatient=[f"{v:.6f}" for v in origin],
        ImageOrientationPatient=[f"{v:.9f}" for v in (*across, *down)],
    )
    raw = read_one(data)
    assert raw.position == pytest.approx(height, abs=1e-3)
    assert raw.normal == pytest.approx(normal, abs=1e-3)


def test_without_a_position_the_location_and_then_the_number_stand_in():
    assert read_one(make_dicom(HEAD, SliceLocation="12.5", InstanceNumber="3")).position == 12.5
    assert read_one(make_dicom(HEAD, InstanceNumber="3")).position == 3
    assert np.isnan(read_one(make_dicom(HEAD)).position)


def test_padding_written_as_an_unsigned_number_is_air():
    stored = (HEAD + 1024).astype(np.uint16)
    stored[:8] = 63_536  # -2000 in 16 bits, in an image of 12
    raw = read_one(make_dicom(stored, RescaleIntercept="-1024", BitsStored=12, PixelPaddingValue=63_536))
    assert (raw.pixels[:8] == AIR).all()
    np.testing.assert_array_equal(raw.pixels[8:], HEAD[8:])


def test_an_overlay_in_the_unused_bits_does_not_show():
    stored = (HEAD + 1024).astype(np.uint16)
    marked = stored.copy()
    marked[40:50] |= 1 << 13
    both = [read_one(make_dicom(s, RescaleIntercept="-1024", BitsStored=12)) for s in (stored, marked)]
    np.testing.assert_array_equal(both[0].pixels, both[1].pixels)


def test_monochrome1_does_not_invert_hu_but_inverts_a_gray_picture():
    np.testing.assert_array_equal(
        read_one(make_dicom(HEAD, PhotometricInterpretation="MONOCHROME1")).pixels, HEAD
    )
    gray = np.arange(64 * 64, dtype=np.uint8).reshape(64, 64)
    words: dict[str, Any] = {"Modality": "OT", "RescaleSlope": None, "RescaleIntercept": None}
    raw = read_one(make_dicom(gray, PhotometricInterpretation="MONOCHROME1", **words))
    assert not raw.hu
    np.testing.assert_array_equal(raw.pixels, 255 - gray)


def test_signed_numbers_that_reach_air_need_no_rescale_tags():
    words: dict[str, Any] = {"Modality": "OT", "RescaleSlope": None, "RescaleIntercept": None}
    np.testing.assert_array_equal(read_one(make_dicom(HEAD, **words)).pixels, HEAD)
    with pytest.raises(Excluded, match="no rescale tags"):
        read_one(make_dicom((HEAD + 1024).astype(np.uint16), **words))


@pytest.mark.parametrize(
    ("elements", "reason"),
    [
        ({"Modality": "MR"}, "modality MR, not CT"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, "localizer"),
        ({"ImageType": ["DERIVED", "SECONDARY", "SCOUT"]}, "localizer"),
        ({"Rows": 200}, "short pixel data"),
        ({"Rows": 0}, "no CT slice"),
        ({"Rows": 60_000, "Columns": 60_000}, "no CT slice"),
        ({"RescaleIntercept": "900"}, "no air around a head"),
    ],
)
@pytest.mark.parametrize("syntax", ["explicit", "big"])
def test_what_is_no_usable_ct_slice_is_excluded_with_its_reason(elements, reason, syntax):
    with pytest.raises(Excluded, match=reason):
        read_one(make_dicom(HEAD.clip(-1000, 100), syntax, **elements))


def test_a_multi_frame_image_is_expanded_in_order():
    frames = np.stack([head(seed=k) for k in range(3)])
    parts = slices_of(read_parts(make_dicom(frames, SOPInstanceUID="1.2")))
    assert [part.slice_id for part in parts] == ["1.2_1", "1.2_2", "1.2_3"]
    assert [part.position for part in parts] == [1, 2, 3]
    np.testing.assert_array_equal(np.stack([part.pixels for part in parts]), frames)


def test_frames_with_functional_groups_have_their_own_place_and_rescale():
    frames = np.stack([head(seed=k) for k in range(2)])
    each = []
    for k in range(2):
        place, plane, transform, item = Dataset(), Dataset(), Dataset(), Dataset()
        place.ImagePositionPatient = [0, 0, 10 - 5 * k]
        plane.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        transform.RescaleSlope, transform.RescaleIntercept = 1, -k
        item.PlanePositionSequence = Sequence([place])
        item.PlaneOrientationSequence = Sequence([plane])
        item.PixelValueTransformationSequence = Sequence([transform])
        each.append(item)
    data = make_dicom(
        frames, RescaleSlope=None, RescaleIntercept=None, PerFrameFunctionalGroupsSequence=Sequence(each)
    )
    parts = slices_of(read_parts(data))
    assert [part.position for part in parts] == [10, 5]
    np.testing.assert_array_equal(parts[1].pixels, np.maximum(frames[1] - 1, AIR))


def test_frames_say_themselves_which_stack_and_acquisition_they_are_of():
    each = []
    for stack, acquisition, time in (("1", 1, None), ("2", 1, None), ("2", 2, 3)):
        content, item = Dataset(), Dataset()
        content.StackID, content.FrameAcquisitionNumber = stack, acquisition
        if time is not None:
            content.TemporalPositionIndex = time
        item.FrameContentSequence = Sequence([content])
        each.append(item)
    frames = np.stack([head(64, seed=k) for k in range(3)])
    data = make_dicom(frames, AcquisitionNumber=7, PerFrameFunctionalGroupsSequence=Sequence(each))
    assert [part.acquisition for part in slices_of(read_parts(data))] == ["1//1", "1//2", "2/3/2"]
    assert read_one(make_dicom(HEAD, AcquisitionNumber=7)).acquisition == "7"
    assert read_one(make_dicom(HEAD, TemporalPositionIdentifier=2)).acquisition == "/2"


@pytest.mark.filterwarnings("ignore:Invalid value for VR CS")
@pytest.mark.parametrize("word", ["monochrome2", "Monochrome1", ""])
def test_a_photometric_interpretation_in_small_letters_or_none_is_gray(word):
    np.testing.assert_array_equal(read_one(make_dicom(HEAD, PhotometricInterpretation=word)).pixels, HEAD)


def test_one_bad_frame_does_not_cost_the_others():
    frames = np.stack([head(), np.full((128, 128), 5, np.int16), head(seed=1)])
    parts = read_parts(make_dicom(frames))
    assert [isinstance(part, RawSlice) for part in parts] == [True, False, True]
    assert "constant" in str(parts[1])


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_any_damage_gives_a_slice_or_a_reason_and_never_another_error(data):
    name = data.draw(st.sampled_from(["plain", "CT_small.dcm", "693_J2KI.dcm", "image_dfl.dcm"]))
    whole = make_dicom(HEAD) if name == "plain" else Path(str(get_testdata_file(name))).read_bytes()
    content = bytearray(whole[: data.draw(st.integers(132, len(whole)))])
    for _ in range(data.draw(st.integers(0, 8))):
        content[
            data.draw(
                st.integers(132, min(len(content), 3000) - 1) if len(content) > 133 else st.just(132 - 1)
            )
        ] = data.draw(st.integers(0, 255))
    with contextlib.suppress(Excluded):
        assert all(isinstance(part, RawSlice | Excluded) for part in read_dicom(bytes(content)))


def test_a_deflated_bomb_is_refused_before_it_is_inflated():
    small = make_dicom(head(), "explicit")
    deflated = make_dicom(head(), "deflated")
    deflater = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    packed = [deflater.compress(small[syntax(small)[1] :])]
    packed += [deflater.compress(bytes(1 << 24)) for _ in range(40)]
    data = deflated[: syntax(deflated)[1]] + b"".join(packed) + deflater.flush()
    assert len(data) < 2_000_000
    with pytest.raises(Excluded, match="inflates to more than 256 MB"):
        read_dicom(data)


@pytest.mark.parametrize("number", ["inf", "-inf", "nan", "99999999999", "1e308", "x"])
def test_a_number_that_no_instance_has_is_none(number):
    with pydicom.config.disable_value_validation():
        dataset = make_dataset(STORED, RescaleIntercept="-1024")
        dataset.add(pydicom.DataElement("InstanceNumber", "LO", number))
        dataset.add(pydicom.DataElement("SliceLocation", "LO", number))
    dataset.PixelData = STORED.tobytes()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    stream = io.BytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    (one,) = slices_of(read_dicom(stream.getvalue()))
    assert one.number == 0
    assert math.isnan(one.position) or number in ("99999999999", "1e308")


def test_more_frames_than_any_head_has_are_refused_before_they_are_decoded():
    data = make_dicom(head(), "implicit", NumberOfFrames=100_000)
    with pytest.raises(Excluded, match="100000 frames"):
        read_dicom(data)


def test_a_study_is_known_of_a_file_that_is_cut_short_and_of_no_other(tmp_path):
    data = make_dicom(STORED, StudyInstanceUID="1.2.3.4")
    (tmp_path / "short.dcm").write_bytes(data[: len(data) // 2])
    assert study_of(data[: len(data) // 2]) == study_of(tmp_path / "short.dcm") == "1.2.3.4"
    assert {study_of(b""), study_of(b"just a text" * 50), study_of(tmp_path), study_of(tmp_path / "no")} == {
        ""
    }


def test_what_a_program_drew_says_so_in_its_notes():
    drawn = make_dicom(
        STORED, RescaleIntercept="-1024", ImageType=["DERIVED", "SECONDARY", "AXIAL", "SYNTHETIC"]
    )
    assert read_one(drawn).synthetic
    assert not read_one(make_dicom(STORED, RescaleIntercept="-1024")).synthetic


@pytest.mark.parametrize("name", ["BitsAllocated", "PixelRepresentation"])
def test_what_a_header_does_not_say_of_its_numbers_is_in_the_notes(name):
    unsaid = pydicom.dcmread(io.BytesIO(make_dicom(STORED, RescaleIntercept="-1024")))
    del unsaid[name]
    stream = io.BytesIO()
    unsaid.save_as(stream)
    found = read_one(stream.getvalue())
    np.testing.assert_array_equal(found.pixels, read_one(make_dicom(STORED, RescaleIntercept="-1024")).pixels)
    assert [note for note in found.notes if note.startswith(f"no {name} in its header")]
