"""Scans made for tests: a head of ellipses in HU, as DICOM bytes or files."""

import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from hemo.imaging import Excluded, RawSlice

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
"""Real data, where it is present."""

UIDS = {
    "explicit": ExplicitVRLittleEndian,
    "implicit": ImplicitVRLittleEndian,
    "big": ExplicitVRBigEndian,
    "deflated": DeflatedExplicitVRLittleEndian,
}


def head(size: int = 128, seed: int = 0, shift: tuple[float, float] = (0, 0)) -> NDArray[np.int16]:
    """Return a slice in HU: air, a ring of bone, brain with noise, and a thin table below."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
    radius = np.hypot((y - shift[0]) / 0.7, (x - shift[1]) / 0.6)
    hu = np.full((size, size), -1000.0)
    hu[radius < 1] = 30
    hu[(radius > 0.85) & (radius < 0.97)] = 1200
    hu[abs(y - 0.93) < 1.2 / size] = 400  # the table
    return (hu + rng.normal(0, 5, hu.shape)).round().astype(np.int16)


def make_dataset(stored: NDArray[Any], **elements: Any) -> Dataset:
    """Return a CT image; further elements, or None for one to leave out, by keyword."""
    dataset = Dataset()
    dataset.SOPClassUID = CTImageStorage
    dataset.SOPInstanceUID = "1.2.826.0.1.3680043.8.498.1"
    dataset.Modality = "CT"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.PatientID = "P-1"
    dataset.PatientName = "DOE^JANE"
    dataset.StudyInstanceUID = "1.2.826.0.1.3680043.8.498.2"
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.Rows, dataset.Columns = stored.shape[-2:]
    if stored.ndim == 3:
        dataset.NumberOfFrames = len(stored)
    dataset.BitsAllocated = dataset.BitsStored = 8 * stored.dtype.itemsize
    dataset.PixelRepresentation = int(stored.dtype.kind == "i")
    dataset.RescaleIntercept, dataset.RescaleSlope = "0", "1"
    dataset.PixelSpacing = ["1.5", "1.5"]
    for keyword, value in elements.items():
        if value is not None:
            setattr(dataset, keyword, value)
        elif keyword in dataset:
            delattr(dataset, keyword)
    dataset.HighBit = dataset.BitsStored - 1
    return dataset


def make_dicom(stored: NDArray[Any], syntax: str = "explicit", **elements: Any) -> bytes:
    """Return a DICOM file of stored numbers, uncompressed in the syntax named."""
    dataset = make_dataset(stored, **elements)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = UIDS[syntax]
    dataset.file_meta.MediaStorageSOPClassUID = CTImageStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    order: Literal["<", ">"] = ">" if syntax == "big" else "<"
    dataset.PixelData = stored.astype(stored.dtype.newbyteorder(order)).tobytes()
    if dataset.BitsAllocated == 8 and len(dataset.PixelData) % 2:
        dataset.PixelData += b"\0"
    stream = io.BytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def slices_of(parts: Iterable[RawSlice | Excluded]) -> list[RawSlice]:
    """Return a file's slices, none of which may be excluded."""
    slices = []
    for part in parts:
        assert isinstance(part, RawSlice), part
        slices.append(part)
    return slices
