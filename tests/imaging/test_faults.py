"""What cannot be decoded is left out with a reason that says what is wrong with it."""

import gzip
import io

import nibabel
import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.encaps import encapsulate
from pydicom.filebase import DicomBytesIO
from pydicom.uid import ExplicitVRLittleEndian, JPEGLSLossless, RLELossless

from hemo.imaging import Excluded, read_one
from tests.helpers.scans import head, make_dataset, make_dicom

STORED = (head() + 1024).astype(np.int16)
GRAY = (STORED % 251).astype(np.uint8)
VOLUME = nibabel.Nifti1Image(np.dstack([head()] * 3), np.diag([1.5, 1.5, 5, 1])).to_bytes()


def encoded(kind):
    """Return a gray picture's file."""
    stream = io.BytesIO()
    Image.fromarray(GRAY).save(stream, kind)
    return stream.getvalue()


def pages():
    """Return a TIFF of two pages, each behind its tags."""
    stream = io.BytesIO()
    first = Image.fromarray(GRAY)
    first.save(stream, "TIFF", save_all=True, append_images=[first])
    return stream.getvalue()


def compressed(uid=RLELossless, content=None, **elements):
    """Return a compressed DICOM file whose header says what it likes."""
    dataset = make_dataset(STORED, RescaleIntercept="-1024")
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.PixelData = STORED.tobytes()
    dataset.compress(uid, generate_instance_uid=False)
    if content is not None:
        dataset.PixelData = encapsulate([content])
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    stream = DicomBytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def called(uid):
    """Return a file that says of its compression that it is another."""
    return compressed().replace(b"1.2.840.10008.1.2.5\0", uid.encode().ljust(20, b"\0"), 1)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (compressed()[:-100], "cut off within its pixel data"),
        (compressed(Rows=200), "decodes to 16384 bytes a segment where its header says 25600"),
        (
            compressed(JPEGLSLossless, Rows=200),
            "its compressed data claim 128x128 pixels where its header says 200x128",
        ),
        (compressed(NumberOfFrames=3), "holds fewer frames than its header says"),
        (compressed(content=bytes(500)), "holds 0 segments of RLE a frame where its header says 2"),
        (compressed(JPEGLSLossless, bytes(500)), "its compressed data are not what its header calls them"),
        (called("1.2.3.4"), "compressed as 1.2.3.4, which is not read"),
        (make_dicom(STORED, "deflated")[:-3000], "cut off before its end"),
        (make_dicom(STORED, RescaleSlope="0"), "RescaleSlope is 0, which makes all its numbers one"),
        (encoded("JPEG")[:3000], "cut off before its end"),
        (encoded("TIFF")[:-3000], "cut off before its end"),
        (pages()[: len(pages()) // 2], "damaged: a page of it has no size of its own"),
        (
            VOLUME[:-100],
            f"cut off: holds {len(VOLUME) - 452} bytes of the {len(VOLUME) - 352} that its header says",
        ),
        (
            make_dicom(STORED).replace(b"US\2\0", b"U!\2\0", 1),
            "damaged: the kind of element (0028,0002) of its header is unknown",
        ),
        (gzip.compress(VOLUME, mtime=0)[:-3000], "cut off before its end"),
        (VOLUME[:70] + b"\x7f\x7f" + VOLUME[72:], "numbers of type 32639, which NIfTI does not know"),
    ],
)
def test_a_file_that_cannot_be_decoded_says_why(data, reason):
    with pytest.raises(Excluded) as refused:
        read_one(data)
    assert str(refused.value) == reason
