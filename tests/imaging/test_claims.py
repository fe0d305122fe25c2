"""What a file claims is looked at before anything is inflated, decoded or asked of the memory."""

import resource
import struct
import tracemalloc
import zlib

import nibabel
import numpy as np
import pydicom
import pytest
from pydicom.filebase import DicomBytesIO
from pydicom.uid import ExplicitVRLittleEndian, JPEG2000Lossless, JPEGLSLossless, RLELossless

from hemo.imaging import Excluded, decoding, decoding_worker, raw, read_one, read_parts
from tests.helpers.scans import head, make_dataset, make_dicom


def claiming(shape, kind=np.uint8):
    """Return a volume's header of 352 bytes that claims a shape."""
    header = nibabel.Nifti1Header()
    header.set_data_dtype(kind)
    header.set_data_shape(shape)
    header["vox_offset"], header["magic"] = 352, b"n+1"
    return header.binaryblock + bytes(4)


def zeros(start, mb, wbits):
    """Return bytes and some MB of zeros behind them, compressed."""
    packer = zlib.compressobj(9, zlib.DEFLATED, wbits)
    parts = [packer.compress(start), *(packer.compress(bytes(1 << 20)) for _ in range(mb)), packer.flush()]
    return b"".join(parts)


def compressed(uid, side):
    """Return a DICOM file of 128 x 128 pixels whose compressed data claim to be of another side."""
    dataset = make_dataset(head(), RescaleIntercept="-1024")
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.PixelData = (head() + 1024).astype(np.uint16).tobytes()
    dataset.PixelRepresentation = 0
    dataset.compress(uid, generate_instance_uid=False)
    stream = DicomBytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    data = bytearray(stream.getvalue())
    if uid == JPEGLSLossless:
        struct.pack_into(">HH", data, data.rindex(b"\xff\xf7", 0, data.index(b"\xff\xda")) + 5, side, side)
    else:
        struct.pack_into(">II", data, data.index(b"\xff\x4f\xff\x51") + 8, side, side)
    return bytes(data)


def hidden(content):
    """Return a deflated file whose meta information names its syntax behind 5,000 other bytes."""

    def element(number, kind, value):
        head = struct.pack("<HH2s", 2, number, kind)
        return (
            head
            + (struct.pack("<HI" if kind == b"OB" else "<H", *([0] * (kind == b"OB")), len(value)))
            + value
        )

    meta = element(1, b"OB", bytes(5000)) + element(0x10, b"UI", b"1.2.840.10008.1.2.1.99")
    return bytes(128) + b"DICM" + element(0, b"UL", struct.pack("<I", len(meta))) + meta + content


def test_packed_words_that_look_like_a_claim_are_none():
    hu = head()
    hu[64, 40:72] = np.frombuffer(b"\xff\x4f\xff\x51" * 8, np.uint8)
    dataset = make_dataset(hu, RescaleIntercept="0")
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.PixelData, dataset.PixelRepresentation = hu.tobytes(), 1
    dataset.compress(RLELossless, generate_instance_uid=False)
    stream = DicomBytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    assert b"\xff\x4f\xff\x51" in stream.getvalue()
    np.testing.assert_array_equal(read_one(stream.getvalue()).pixels, hu)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (claiming((2000, 2000, 1250)), "claims 2000 x 2000 x 1250 voxels of 8 bits: too many"),
        (zeros(claiming((512, 512, 2000), np.float32), 0, 31), "claims 512 x 512 x 2000 voxels of 32 bits"),
        (zeros(claiming((512, 512, 600)), 64, 31), "cut off: holds 67108864 bytes of the 157286400"),
        (zeros(claiming((64, 64, 9)), 600, 31), "holds much more than the volume of its header"),
        (compressed(JPEG2000Lossless, 60_000), "data claim 60000x60000 pixels where its header says 128x128"),
        (compressed(JPEGLSLossless, 60_000), "data claim 60000x60000 pixels where its header says 128x128"),
        (hidden(zeros(make_dicom(head())[132:], 300, -15)), "inflates to more than 256 MB"),
        (hidden(b"")[132:] + zeros(b"", 300, -15), "deflated in a way that is not read|neither DICOM"),
    ],
)  # fmt: skip
def test_a_small_file_that_claims_to_be_large_is_refused_by_what_it_claims(data, reason):
    assert len(data) < 1_000_000
    tracemalloc.start()
    try:
        with pytest.raises(Excluded, match=reason):
            read_parts(data)
        assert tracemalloc.get_traced_memory()[1] < 700 << 20
    finally:
        tracemalloc.stop()


def test_a_file_that_is_too_large_is_refused_before_it_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(raw, "LARGEST_FILE", 1 << 20)
    with (tmp_path / "large.dcm").open("wb") as stream:
        stream.truncate(2 << 20)
    with pytest.raises(Excluded, match="2 MB are no head CT: 1 MB at most"):
        read_parts(tmp_path / "large.dcm")


def test_a_decoder_that_takes_all_the_processors_time_is_ended(monkeypatch):
    words = (
        "from hemo.imaging import decoding_worker as worker\nworker.SECONDS = 0\n"
        "def bad(data):\n    while True: pass\nworker.DECODERS['tiff'] = bad\nworker.serve()"
    )
    started = decoding.subprocess.Popen

    def start(_, **options):
        return started([decoding.sys.executable, "-c", words], **options)

    monkeypatch.setattr(decoding.subprocess, "Popen", start)
    worker = decoding._Worker()
    with pytest.raises(decoding._DiedError, match="takes more than 10 seconds to decode"):
        worker.ask("tiff", b"II*\0")
    worker.end()


def test_the_decoders_memory_is_bounded_for_each_file():
    before = resource.getrlimit(resource.RLIMIT_AS), resource.getrlimit(resource.RLIMIT_CPU)
    try:
        decoding_worker._bound(0)
        with pytest.raises(MemoryError):
            np.ones(1 << 30, np.uint8)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before[0])
        resource.setrlimit(resource.RLIMIT_CPU, before[1])
