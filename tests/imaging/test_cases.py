"""Situations from public reports of other software, in which hemo once was wrong in silence or died."""

import io
from typing import Any

import nibabel
import numpy as np
import pydicom
import pytest
from PIL import Image

from hemo.imaging import Excluded, Reduction, read, read_one, read_parts, read_reduced
from hemo.imaging.windows import apply_window
from tests.helpers.scans import head, make_dicom
from tests.helpers.variations.pictures import tiff, white_is_zero

HEAD = head(64)
STORED = (HEAD + 1024).clip(0, 4095).astype(np.uint16)
TWELVE: dict[str, Any] = {"BitsStored": 12, "RescaleIntercept": "-1024"}
GRAY = apply_window(HEAD, 40, 80)


def test_big_endian_data_without_meta_information_equal_their_little_endian_twin():
    little, big = (
        make_dicom(STORED, syntax, **TWELVE, SOPInstanceUID="1.2") for syntax in ("explicit", "big")
    )
    bare = [
        data[data.index(start) :]
        for data, start in ((little, b"\x08\x00\x08\x00"), (big, b"\x00\x08\x00\x08"))
    ]
    for data in bare:
        np.testing.assert_array_equal(read_one(data).pixels, np.maximum(HEAD, -1024))


@pytest.mark.parametrize("bit", [12, 13, 14, 15])
@pytest.mark.parametrize("syntax", ["explicit", "implicit", "big"])
def test_an_overlay_in_any_unused_bit_does_not_show(bit, syntax):
    marked = STORED.copy()
    marked[20:30, 10:20] |= 1 << bit
    raw = read_one(make_dicom(marked, syntax, **TWELVE))
    np.testing.assert_array_equal(raw.pixels, read_one(make_dicom(STORED, **TWELVE)).pixels)


@pytest.mark.parametrize("declared", [True, False])
def test_padding_is_no_air_that_proves_a_scale(declared):
    stored = STORED.astype(np.int16)
    stored[:8] = -2000
    words: dict[str, Any] = {"PixelPaddingValue": -2000} if declared else {}
    raw = read_one(make_dicom(stored, RescaleIntercept="-1024", **words))
    np.testing.assert_array_equal(raw.pixels[8:], np.maximum(HEAD, -1024)[8:])
    with pytest.raises(Excluded, match="no rescale tags, so the scale of its numbers is unknown"):
        read_one(make_dicom(stored, RescaleIntercept=None, RescaleSlope=None, **words))
    with pytest.raises(Excluded, match="nothing but padding"):
        read_one(make_dicom(stored, RescaleIntercept="0", **words))


def test_unsigned_copies_of_signed_numbers_equal_them():
    wrapped = HEAD.view(np.uint16)
    np.testing.assert_array_equal(read_one(make_dicom(wrapped)).pixels, np.maximum(HEAD, -1024))
    ((_, image),) = read_reduced(make_dicom(wrapped), Reduction(size=32))
    ((_, twin),) = read_reduced(make_dicom(HEAD), Reduction(size=32))
    np.testing.assert_array_equal(image, twin)


def test_every_picture_comes_as_a_viewer_shows_it():
    palette = Image.fromarray(255 - GRAY, "P")
    palette.putpalette(np.repeat(np.arange(255, -1, -1, dtype=np.uint8), 3).tobytes())
    deep = GRAY.astype(np.uint16) * 257
    pictures = [
        tiff(palette),
        tiff(Image.fromarray(GRAY).convert("RGB").convert("CMYK")),
        tiff(Image.fromarray(65_535 - deep), tiffinfo={262: 0}),
        tiff(Image.fromarray(deep.astype(">u2"))),
        white_is_zero(GRAY),
    ]
    for data in pictures:
        np.testing.assert_array_equal(read_one(data).pixels, GRAY)


def test_a_palette_in_dicom_is_a_color_image():
    words: dict[str, Any] = {
        "PhotometricInterpretation": "PALETTE COLOR",
        "RescaleSlope": None,
        "RescaleIntercept": None,
    }
    with pytest.raises(Excluded, match="^color image"):
        read_one(make_dicom(GRAY, **words))


def test_dose_reports_and_scouts_beside_a_scan_are_excluded():
    with pytest.raises(Excluded, match="^secondary capture"):
        read_one(
            make_dicom(
                GRAY, ImageType=["DERIVED", "SECONDARY", "SCREEN SAVE"], SeriesDescription="Dose Report"
            )
        )
    capture = "1.2.840.10008.5.1.4.1.1.7"
    with pytest.raises(Excluded, match="^localizer image"):
        read_one(
            make_dicom(
                STORED, ImageType=["DERIVED", "SECONDARY", "REF_SURVIEW"], SOPClassUID=capture, **TWELVE
            )
        )
    with pytest.raises(Excluded, match="^secondary capture"):
        read_one(make_dicom(STORED, SOPClassUID=capture, **TWELVE))


@pytest.mark.parametrize("shape", [(1, 64, 64), (64, 3, 64), (2, 300, 3), (5, 5, 5)])
@pytest.mark.parametrize("kind", [np.int16, np.float32, np.uint16, np.int32])
def test_thin_volumes_are_excluded_and_kill_nothing(shape, kind):
    voxels = np.random.default_rng(0).integers(0, 1000, shape).astype(kind)
    with pytest.raises(Excluded, match="its axial slices have"):
        read_parts(nibabel.Nifti1Image(voxels, np.eye(4)).to_bytes(), "scout")


@pytest.mark.parametrize("quality", [50, 75, 95])
def test_a_mask_beside_pictures_is_no_slice(quality):
    mask = np.zeros((128, 128), np.uint8)
    for seed in range(6):
        rng = np.random.default_rng(seed)
        y, x = np.mgrid[:128, :128]
        mask[np.hypot(y - rng.integers(30, 98), (x - rng.integers(30, 98)) * 0.7) < rng.integers(4, 20)] = 255
    stream = io.BytesIO()
    Image.fromarray(mask).save(stream, "JPEG", quality=quality)
    with pytest.raises(Excluded, match="^a mask"):
        read_one(stream.getvalue(), "3_HGE_Seg")


def test_pages_of_a_tiff_are_slices_of_one_stack():
    frames = [apply_window(head(64, seed=k), 40, 80) for k in range(3)]
    first, *rest = [Image.fromarray(frame) for frame in frames]
    parts = read(tiff(first, save_all=True, append_images=rest), "stack")
    assert [(p.slice_id, p.number, p.position, p.series) for p in parts] == [
        (f"stack_{k}", k, k, "stack") for k in (1, 2, 3)
    ]
    np.testing.assert_array_equal(np.stack([p.pixels for p in parts]), frames)


def test_what_tells_stacks_apart_is_said():
    elements: dict[str, Any] = {
        "SeriesInstanceUID": "1.2.9",
        "AcquisitionNumber": 3,
        "TemporalPositionIdentifier": 12,
        "AcquisitionTime": "093606.75",
        "SliceThickness": "5.0",
        "ConvolutionKernel": "H31s",
        "SeriesDescription": "Schädel 5.0",
        "SpecificCharacterSet": "ISO_IR 100",
        "BodyPartExamined": "HEAD",
    }
    plain = read_one(make_dicom(STORED, **TWELVE, **elements))
    dataset = pydicom.dcmread(io.BytesIO(make_dicom(STORED, **TWELVE, **elements)))
    dataset.compress(pydicom.uid.RLELossless, generate_instance_uid=False)
    stream = io.BytesIO()
    dataset.save_as(stream)
    for raw in (plain, read_one(stream.getvalue())):
        assert (raw.series, raw.acquisition, raw.time) == ("1.2.9", "3/12", 9 * 3600 + 36 * 60 + 6.75)
        assert (raw.thickness, raw.kernel, raw.body_part) == (5.0, "H31s", "HEAD")
        assert (raw.image_type, raw.description) == (("ORIGINAL", "PRIMARY", "AXIAL"), "Schädel 5.0")
