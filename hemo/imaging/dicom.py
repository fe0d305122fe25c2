"""DICOM files to slices in HU."""

import math
import warnings
from io import BytesIO
from typing import Any, Final

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import FileDataset
from pydicom.pixels import pixel_array

from hemo.imaging.hu import Scale, check_hu, to_hu
from hemo.imaging.raw import Excluded, Part, RawSlice

TAGS: Final = [
    "SOPInstanceUID", "ImageType", "Modality", "PatientID", "StudyInstanceUID", "InstanceNumber",
    "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceLocation",
    "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence",
    "SamplesPerPixel", "PhotometricInterpretation", "NumberOfFrames", "Rows", "Columns",
    "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "PixelPaddingValue",
    "PixelPaddingRangeLimit", "RescaleIntercept", "RescaleSlope", "PixelData", "FloatPixelData",
]  # fmt: skip
"""Only these are read: the rest of a header costs time and holds what nobody needs to see."""

NATIVE: Final = {"1.2.840.10008.1.2", "1.2.840.10008.1.2.1"}
"""Transfer syntaxes whose pixels are little-endian numbers as they stand."""

LARGEST: Final = 4096
"""Rows or columns above this are no CT slice."""


def is_dicom(data: bytes) -> bool:
    """Tell whether bytes look like a DICOM file, with its preamble or (from old software) without."""
    return data[128:132] == b"DICM" or data[:4] in (
        b"\x08\x00\x05\x00",
        b"\x08\x00\x00\x00",
        b"\x08\x00\x08\x00",
    )


def _number(dataset: FileDataset, name: str) -> float:
    try:
        return float(dataset[name].value)
    except (KeyError, TypeError, ValueError):
        return math.nan


def _stored(dataset: FileDataset) -> NDArray[Any]:
    """Return the stored numbers: (rows, columns) or (frames, rows, columns)."""
    rows, columns = int(dataset.Rows), int(dataset.Columns)
    if not (0 < rows <= LARGEST and 0 < columns <= LARGEST):
        raise Excluded(f"{rows}x{columns} pixels is no CT slice")
    syntax = str(dataset.file_meta.TransferSyntaxUID)
    frames = int(dataset.get("NumberOfFrames") or 1)
    if syntax in NATIVE and dataset.BitsAllocated == 16:
        data, expected = dataset.PixelData, rows * columns * frames * 2
        if len(data) < expected:
            raise Excluded(f"short pixel data: {len(data)} bytes where {expected} are needed")
        kind = np.dtype("<i2" if dataset.PixelRepresentation else "<u2")
        shape = (rows, columns) if frames == 1 else (frames, rows, columns)
        stored = np.frombuffer(data, kind, rows * columns * frames).reshape(shape)
        unused = 16 - int(dataset.get("BitsStored") or 16)
        # Overlay bits may sit above the stored ones: shift them out, and the sign in.
        if unused and (int(stored.max()) >> (16 - unused) or int(stored.min()) >> (16 - unused) < -1):
            stored = (stored << unused) >> unused
        return stored
    return pixel_array(dataset)


def _geometry(groups: list[Any], dataset: FileDataset) -> tuple[float, tuple[float, float] | None]:
    """Return position along the normal and pixel spacing, from the header or a frame's functional groups."""

    def find(name: str, sequence: str) -> Any:
        for group in groups:
            items = group.get(sequence)
            if items and items[0].get(name) is not None:
                return items[0].get(name)
        return dataset.get(name)

    position = math.nan
    try:
        origin = [float(v) for v in find("ImagePositionPatient", "PlanePositionSequence")]
        a, b, c, d, e, f = (float(v) for v in find("ImageOrientationPatient", "PlaneOrientationSequence"))
        normal = (b * f - c * e, c * d - a * f, a * e - b * d)
        position = sum(n * o for n, o in zip(normal, origin, strict=True))
    except (TypeError, ValueError):
        position = _number(dataset, "SliceLocation")
    spacing = None
    try:
        rows, columns = (float(v) for v in find("PixelSpacing", "PixelMeasuresSequence"))
        spacing = (rows, columns) if rows > 0 and columns > 0 else None
    except (TypeError, ValueError):
        pass
    return position, spacing


def _refuse_by_header(dataset: FileDataset) -> None:
    if "PixelData" not in dataset and "FloatPixelData" not in dataset:
        raise Excluded("no pixel data")
    modality = str(dataset.get("Modality") or "")
    if modality not in ("CT", "OT", ""):
        raise Excluded(f"modality {modality}, not CT")
    kinds = [str(kind).strip().upper() for kind in dataset.get("ImageType") or []]
    if "LOCALIZER" in kinds or "SCOUT" in kinds:
        raise Excluded("localizer image")
    if int(dataset.get("SamplesPerPixel") or 1) != 1:
        raise Excluded("color image")


def read_dicom(data: bytes, name: str = "") -> list[Part]:
    """Read the slices of one DICOM file, in HU.

    Parameters
    ----------
    data
        The file's bytes.
    name
        What the slices are called; the SOPInstanceUID where empty.

    Returns
    -------
    One slice, or one for each frame of a multi-frame image; in the place of one that is unusable, the reason.
    Pictures of 8 bits without rescale tags come as gray (`hu` false).

    Raises
    ------
    Excluded
        Where the whole file is no CT slice, or cannot be decoded, with the reason.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dataset = pydicom.dcmread(BytesIO(data), specific_tags=TAGS, force=True)
            if "TransferSyntaxUID" not in dataset.file_meta:
                dataset.file_meta.TransferSyntaxUID = pydicom.uid.ImplicitVRLittleEndian
            _refuse_by_header(dataset)
            stored = _stored(dataset)
    except Excluded:
        raise
    except Exception as error:  # decoders raise whatever they like; one bad file stops nothing
        raise Excluded(f"cannot be decoded ({type(error).__name__})") from error
    uid = str(dataset.get("SOPInstanceUID") or "")
    name = name or uid
    frames = stored[np.newaxis] if stored.ndim == 2 else stored
    shared = list(dataset.get("SharedFunctionalGroupsSequence") or [])
    each = list(dataset.get("PerFrameFunctionalGroupsSequence") or [])
    number = _number(dataset, "InstanceNumber")
    parts: list[Part] = []
    many = len(frames) > 1
    for index, frame in enumerate(frames):
        groups = ([each[index]] if index < len(each) else []) + shared
        place = index + 1 if many else 0 if math.isnan(number) else int(number)
        slice_id = f"{name}_{place}" if many else name
        try:
            pixels, hu = _pixels(frame, dataset, groups)
        except Excluded as excluded:
            parts.append(Excluded(str(excluded), slice_id))
            continue
        position, spacing = _geometry(groups, dataset)
        if math.isnan(position) or (many and not each):
            position = float(place) if place else math.nan  # the order is all there is
        parts.append(
            RawSlice(
                pixels=pixels,
                hu=hu,
                slice_id=slice_id,
                patient=str(dataset.get("PatientID") or "").strip(),
                study=str(dataset.get("StudyInstanceUID") or ""),
                position=position,
                spacing=spacing,
                uid=uid,
                number=place,
            )
        )
    return parts


def _pixels(frame: NDArray[Any], dataset: FileDataset, groups: list[Any]) -> tuple[NDArray[Any], bool]:
    """Return a frame in HU and True, or an 8-bit picture as gray and False."""
    slope, intercept = _number(dataset, "RescaleSlope"), _number(dataset, "RescaleIntercept")
    for group in groups:
        items = group.get("PixelValueTransformationSequence")
        if items and math.isnan(slope):
            slope, intercept = float(items[0].RescaleSlope), float(items[0].RescaleIntercept)
    inverted = dataset.PhotometricInterpretation == "MONOCHROME1"
    if math.isnan(slope) or math.isnan(intercept) or slope == 0:
        bits = int(dataset.BitsStored)
        if bits <= 8:
            gray = frame.astype(np.uint8) << (8 - bits)
            if gray.min() == gray.max():
                raise Excluded(f"constant image: every pixel is {int(gray.min())}")
            return (255 - gray if inverted else gray), False
        if not (frame.dtype.kind == "i" and frame.min() <= -900):
            raise Excluded("no rescale tags, so the scale of its numbers is unknown")
        slope, intercept = 1.0, 0.0
    padding = _number(dataset, "PixelPaddingValue")
    limit = _number(dataset, "PixelPaddingRangeLimit")
    ends = sorted((padding, padding if math.isnan(limit) else limit))
    hu = to_hu(
        frame,
        Scale(
            slope,
            intercept,
            padding=None if math.isnan(padding) else (ends[0], ends[1]),
            unsigned12=dataset.BitsStored == 12 and dataset.PixelRepresentation == 0,
        ),
    )
    check_hu(hu)
    return hu, True
