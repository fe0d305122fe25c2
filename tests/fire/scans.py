"""Hostile scans: real files of pydicom and made ones, with elements, headers and codestreams that lie."""

import gzip
import io
from functools import cache
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom
import pydicom.data
from numpy.random import Generator
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.uid import UID, ExplicitVRLittleEndian, JPEG2000Lossless, JPEGLSLossless, RLELossless

from hemo.imaging import Excluded, RawSlice, Reduction, read_parts, reduce
from hemo.imaging.dicom import study_of
from hemo.slices.records import Identity, Row, records
from hemo.slices.sources import Source
from tests.fire.mutate import ODD_NUMBERS, mutated
from tests.helpers.scans import UIDS, head, make_dataset, make_dicom

REDUCTION = Reduction(size=64)
SOURCE = Source("/scans", "patient", ("",), "slice.dcm", "patient")
LARGEST = 200_000
"""Bytes of a real file beyond which it is left out: thousands of it would be tried."""

STORED = (head() + 1024).astype(np.uint16)
WORDS = (
    "inf",
    "-inf",
    "nan",
    "1e999",
    "",
    "abc",
    "0",
    "-1",
    "99999999999",
    "1\\2\\3",
    "\\\\",
    "[/red]",
    "\udce9",
)
NUMBERED = (
    "InstanceNumber", "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness",
    "RescaleSlope", "RescaleIntercept", "NumberOfFrames", "AcquisitionNumber", "AcquisitionTime",
    "SliceLocation", "StudyInstanceUID", "PatientID", "ImageType", "TemporalPositionIdentifier",
)  # fmt: skip
SHORTS = (
    "Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "SamplesPerPixel",
    "PixelPaddingValue", "PixelPaddingRangeLimit",
)  # fmt: skip


@cache
def real_files() -> tuple[bytes, ...]:
    """Return the smaller ones of pydicom's test files that come with it."""
    paths = [Path(str(path)) for path in pydicom.data.get_testdata_files() if Path(str(path)).is_file()]
    return tuple(path.read_bytes() for path in sorted(paths) if path.stat().st_size < LARGEST)


@cache
def made_dicom() -> tuple[bytes, ...]:
    """Return DICOM files in each of the ways in which pixels lie in them."""
    plain = [make_dicom(STORED, syntax, RescaleIntercept="-1024") for syntax in UIDS]
    frames = np.stack([STORED] * 3)
    return (*plain, make_dicom(frames, RescaleIntercept="-1024"), *map(_compressed, _SYNTAXES))


_SYNTAXES = (RLELossless, JPEG2000Lossless, JPEGLSLossless)


def _compressed(uid: Any) -> bytes:
    dataset = make_dataset(STORED, RescaleIntercept="-1024")
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.PixelData = STORED.tobytes()
    dataset.compress(uid, generate_instance_uid=False)
    return _written(dataset)


def _written(dataset: Dataset) -> bytes:
    stream = DicomBytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def dicom(rng: Generator) -> bytes:
    """Return a DICOM file: a real one or a made one with faults, or one whose elements lie."""
    kind = rng.random()
    if kind < 0.3:
        return mutated(rng, real_files()[int(rng.integers(len(real_files())))])
    if kind < 0.6:
        return mutated(rng, made_dicom()[int(rng.integers(len(made_dicom())))])
    return _lying(rng)


def _lying(rng: Generator) -> bytes:
    """Return a file with elements, or functional groups, that cannot be right, written past all checks."""
    many = rng.random() < 0.4
    elements: dict[str, Any] = {}
    for name in rng.choice(NUMBERED, int(rng.integers(1, 4)), replace=False):
        elements[str(name)] = str(rng.choice(WORDS))
    for name in rng.choice(SHORTS, int(rng.integers(0, 3)), replace=False):
        elements[str(name)] = int(rng.choice([0, 1, 8, 12, 15, 16, 17, 32, 64, 4096, 65_535]))
    pixels = np.stack([STORED] * 3) if many else STORED
    with pydicom.config.disable_value_validation():
        dataset = make_dataset(pixels, RescaleIntercept="-1024")
        for name, value in elements.items():
            element = pydicom.DataElement(name, "LO" if isinstance(value, str) else "US", None)
            element.value = (
                value.encode("utf-8", "replace").decode("latin-1") if isinstance(value, str) else value
            )
            dataset.add(element)
        if many:
            for sequence in ("PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence"):
                setattr(dataset, sequence, [_group(rng) for _ in range(int(rng.integers(0, 5)))])
        dataset.PixelData = pixels.tobytes()
        dataset.file_meta = pydicom.dataset.FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
        dataset.file_meta.MediaStorageSOPInstanceUID = UID("1.2.3")
        data = _written(dataset)
    return mutated(rng, data) if rng.random() < 0.2 else data


def _group(rng: Generator) -> Dataset:
    """Return a functional group of a frame, with what may not be right, or empty sequences."""
    group = Dataset()
    for sequence, name in (
        ("PlanePositionSequence", "ImagePositionPatient"),
        ("PlaneOrientationSequence", "ImageOrientationPatient"),
        ("PixelMeasuresSequence", "PixelSpacing"),
        ("PixelMeasuresSequence", "SliceThickness"),
        ("PixelValueTransformationSequence", "RescaleSlope"),
        ("FrameContentSequence", "StackID"),
    ):
        if sequence in group:
            continue
        fate = rng.random()
        if fate < 0.5:
            item = Dataset()
            item.add(pydicom.DataElement(name, "LO", str(rng.choice(WORDS[:-1]))))
            setattr(group, sequence, [item])
        elif fate < 0.6:
            setattr(group, sequence, [])
        elif fate < 0.7:
            group.add(pydicom.DataElement(sequence, "LO", "no sequence"))
    return group


@cache
def _volumes() -> tuple[bytes, ...]:
    array, affine = np.dstack([head(64)] * 3), np.diag([1.5, 1.5, 5, 1])
    made = [kind(array, affine).to_bytes() for kind in (nibabel.Nifti1Image, nibabel.Nifti2Image)]
    made.append(nibabel.Nifti1Image(array.astype(np.float64), affine).to_bytes())
    return tuple(made)


def nifti(rng: Generator) -> bytes:
    """Return a volume with faults: of its header mostly, packed or not, or of the packing."""
    data = _volumes()[int(rng.integers(3))]
    start = data[:544]
    data = (mutated(rng, start) if rng.random() < 0.5 else _header_faults(rng, start)) + data[544:]
    if data[344:348] != b"n+1\0" and rng.random() < 0.8:  # else nothing more is asked of it
        data = data[:344] + b"n+1\0" + data[348:]
    if rng.random() < 0.3:
        data = gzip.compress(data, 1, mtime=0)
        data = mutated(rng, data) if rng.random() < 0.5 else data
    return data


def _header_faults(rng: Generator, start: bytes) -> bytes:
    """Return a header of which some numbers are odd ones, each of its own size and place."""
    result = bytearray(start)
    for _ in range(int(rng.integers(1, 5))):
        place, kind = (
            (40, "<i2"),
            (70, "<i2"),
            (76, "<f4"),
            (108, "<f4"),
            (252, "<i2"),
            (256, "<f4"),
            (280, "<f4"),
        )[int(rng.integers(7))]
        place += int(rng.integers(8)) * int(kind[2])
        odd = (
            [0, -1, 1, 2, 3, 64, 32_767]
            if kind == "<i2"
            else [0, -1, 1e30, np.inf, -np.inf, np.nan, 1e9, 352.5]
        )
        value = np.array([odd[int(rng.integers(len(odd)))]]).astype(kind).tobytes()
        result[place : place + len(value)] = value
    return bytes(result)


@cache
def _pictures() -> tuple[bytes, ...]:
    gray = (STORED % 251).astype(np.uint8)
    made = []
    for kind in ("PNG", "JPEG", "TIFF"):
        for pixels in (gray, np.dstack([gray] * 3), *((STORED,) if kind != "JPEG" else ())):
            stream = io.BytesIO()
            Image.fromarray(pixels).save(stream, kind)
            made.append(stream.getvalue())
    stream = io.BytesIO()
    first = Image.fromarray(gray)
    first.save(stream, "TIFF", save_all=True, append_images=[first] * 2, compression="tiff_lzw")
    return (*made, stream.getvalue())


def picture(rng: Generator) -> bytes:
    """Return a PNG, JPEG or TIFF with faults."""
    return mutated(rng, _pictures()[int(rng.integers(len(_pictures())))])


def other(rng: Generator) -> bytes:
    """Return what is hardly a scan: bytes at random, or words, behind the start of one or of none."""
    starts = (
        b"",
        bytes(128) + b"DICM",
        b"\x89PNG\r\n\x1a\n",
        b"\xff\xd8\xff",
        b"II*\0",
        b"\x1f\x8b\x08",
        b"n+1\0",
    )
    words = b"".join(ODD_NUMBERS[int(rng.integers(len(ODD_NUMBERS)))] for _ in range(20))
    tail = rng.bytes(int(rng.integers(0, 3000))) if rng.random() < 0.7 else words
    return starts[int(rng.integers(len(starts)))] + tail


def read(data: bytes) -> str:
    """Read a file as `preprocess`, `predict` and a server do."""
    try:
        study_of(data)
        rows: list[Row] = []
        for part in read_parts(data, "slice", REDUCTION):
            if isinstance(part, RawSlice):
                reduce(part, REDUCTION)
                rows.append(Row(SOURCE, b"state", Identity.of(part), "digest", "image", len(rows)))
    except Excluded as fault:
        return f"refused: {fault}"
    records(rows, b"a key of 16 bytes")
    return "read" if rows else "refused: no slice of it"
