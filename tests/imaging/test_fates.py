"""Every CT or head image of pydicom and of the shared data is read right, or truly excluded."""

from pathlib import Path

import numpy as np
import pydicom
import pytest

from hemo.imaging import Excluded, Reduction, read_one, read_parts, read_reduced
from tests.helpers.scans import SHARED

DATA = Path(pydicom.__file__).parent / "data"

HU = {
    "test_files/693_J2KI.dcm": (-1024, 1812),  # lossy JPEG 2000
    "test_files/CT_small.dcm": (-896, 1167),  # its preamble makes it a TIFF as well
    "test_files/J2K_pixelrep_mismatch.dcm": (-1024, 1896),  # a head; its code stream disagrees on the sign
}
"""Lowest and highest HU of the files that are read."""

EXCLUDED = {
    "test_files/dicomdirtests/77654033/CT2/*": "16x16 pixels is no CT slice",
    "test_files/dicomdirtests/98892001/CT2N/*": "localizer image",
    "test_files/dicomdirtests/98892001/CT5N/*": "16x16 pixels is no CT slice",
    "test_files/dicomdirtests/77654033/CR*/*": "modality CR, not CT",
    "test_files/dicomdirtests/98892003/MR*/*": "modality MR, not CT",
    "test_files/dicomdirtests/TINY_ALPHA/PT*/ST*/SE*/*": "no pixel data",
    "test_files/dicomdirtests/DICOMDIR*": "no pixel data",
    "charset_files/chr*.dcm": "secondary capture|no pixel data",
    "test_files/image_dfl.dcm": "secondary capture",
    "palettes/*.dcm": "no pixel data",
    "test_files/MR_*.dcm": "modality MR, not CT|short pixel data",
    "test_files/JPEG*.dcm": "modality NM, not CT|secondary capture",
    "test_files/JPGExtended.dcm": "modality NM, not CT",
    "test_files/SC_*.dcm": "color image",
    "test_files/GDCMJ2K_TextGBR.dcm": "color image",
    "test_files/rtdose*.dcm": "modality RTDOSE, not CT",
    "test_files/badVR.dcm": "modality RTDOSE, not CT",
    "test_files/liver*.dcm": "modality SEG, not CT",
    "test_files/examples_*.dcm": "modality (US|MR), not CT",
    "test_files/ExplVR_BigEnd.dcm": "modality US, not CT",
    "test_files/meta_missing_tsyntax.dcm": "0x0 pixels is no CT slice",
    "test_files/nested_priv_SQ.dcm": "0x0 pixels is no CT slice",
    "test_files/no_meta.dcm": "neither DICOM",  # starts in the middle of an element
}
"""Reasons by pattern; all others hold no image at all."""

FILES = sorted(path for path in DATA.rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc"))


def fate(path):
    name = path.relative_to(DATA).as_posix()
    reasons = [reason for pattern, reason in EXCLUDED.items() if path.relative_to(DATA).match(pattern)]
    return name, reasons[0] if reasons else "no pixel data|neither DICOM"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(DATA).as_posix())
def test_each_file_of_pydicom_has_the_fate_that_is_written_down(path):
    name, reason = fate(path)
    if name in HU:
        raw = read_one(path)
        assert raw.hu
        assert (raw.pixels.min(), raw.pixels.max()) == HU[name]
    else:
        with pytest.raises(Excluded, match=f"^({reason})"):
            read_one(path)


def test_what_is_read_equals_pydicoms_own_decoding():
    for name in HU:
        dataset = pydicom.dcmread(DATA / name)
        expected = dataset.pixel_array * float(dataset.RescaleSlope) + float(dataset.RescaleIntercept)
        np.testing.assert_array_equal(read_one(DATA / name).pixels, np.maximum(expected, -1024))


@pytest.mark.skipif(not (SHARED / "head-dicom").is_dir(), reason="the shared head study is not here")
def test_air_brain_and_bone_of_the_real_study_have_their_hu():
    positions = []
    for path in sorted((SHARED / "head-dicom").glob("*.dcm")):
        raw = read_one(path)
        positions.append(raw.position)
        hu = raw.pixels
        assert hu.dtype == np.int16
        air = hu[(hu < -900) & (hu > -1024)]
        assert abs(np.median(air) + 990) < 40
        assert hu.max() > 900  # bone
    middle = read_one(SHARED / "head-dicom" / "24.dcm").pixels[150:330, 150:360]
    assert 20 < np.median(middle) < 45  # brain
    assert np.all(np.diff(positions) > 0)


@pytest.mark.skipif(not (SHARED / "ct-ich").is_dir(), reason="the shared CT-ICH slices are not here")
def test_every_picture_of_ct_ich_is_read():
    paths = sorted((SHARED / "ct-ich").rglob("*.jpg"))[::25]
    for path in paths:
        (raw, image) = read_reduced(path, Reduction(size=64))[0]
        assert raw.pixels.shape == (325, 325)  # half of 650, since 256 are enough
        assert image.shape == (64, 64, 1)
        assert 0 < image.mean() < 200
    assert len(read_parts(paths[0])) == 1
