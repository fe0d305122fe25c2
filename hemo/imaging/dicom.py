"""DICOM files to slices in HU."""

import math
import re
import warnings
import zlib
from collections.abc import Mapping
from io import BytesIO
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hemo.imaging.dicom_native import DEFLATED, NUMBERS, TEXTS, scan, syntax
from hemo.imaging.hu import Scale, check_hu, plain_offset, to_hu
from hemo.imaging.raw import Excluded, Part, RawSlice

SMALLEST: Final = 64
LARGEST: Final = 4096
"""Rows or columns outside these are no CT slice."""

LARGEST_DECODED: Final = 1 << 29
"""Bytes that a file may take once inflated and decoded: a thousand slices. More is a decompression bomb."""

GROUPS: Final = ("PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence")

STARTS: Final = (b"\x08\x00\x00\x00", b"\x08\x00\x05\x00", b"\x08\x00\x08\x00", b"\x00\x08\x00\x05")
"""First elements of files that old software wrote without preamble."""

Values = Mapping[str, Any]
"""Elements of a header by keyword: texts, numbers, or lists of them."""


def is_dicom(data: bytes) -> bool:
    """Tell whether bytes look like a DICOM file, with its preamble or without."""
    return data[128:132] == b"DICM" or data.startswith((*STARTS, b"\x02\x00\x00\x00"))


def _floats(value: Any) -> list[float]:
    """Return the numbers of an element, none where it is absent or no number."""
    if value is None:
        return []
    try:
        if isinstance(value, str):
            return [float(v) for v in value.split("\\")]
        return [float(v) for v in value] if hasattr(value, "__iter__") else [float(value)]
    except (TypeError, ValueError):
        return []


def _number(values: Values, name: str) -> float:
    value = values.get(name)
    if value is None:
        return math.nan
    numbers = _floats(value)
    return numbers[0] if len(numbers) == 1 else math.nan


def _text(values: Values, name: str) -> str:
    return str(values.get(name) or "").strip()


def _refuse_by_header(values: Values) -> None:
    modality = _text(values, "Modality")
    if modality not in ("CT", "OT", ""):
        raise Excluded(f"modality {modality}, not CT")
    kinds = values.get("ImageType") or []
    kinds = kinds.split("\\") if isinstance(kinds, str) else list(kinds)
    if {"LOCALIZER", "SCOUT"} & {str(kind).strip().upper() for kind in kinds}:
        raise Excluded("localizer image")
    if int(values.get("SamplesPerPixel") or 1) != 1:
        raise Excluded("color image")
    rows, columns = int(values.get("Rows") or 0), int(values.get("Columns") or 0)
    if not (SMALLEST <= rows <= LARGEST and SMALLEST <= columns <= LARGEST):
        raise Excluded(f"{rows}x{columns} pixels is no CT slice")
    frames = int(values.get("NumberOfFrames") or 1)
    if frames * rows * columns * 2 > LARGEST_DECODED:
        raise Excluded(f"{frames} frames of {rows}x{columns} pixels are too many for a head")


def _refuse_bomb(data: bytes) -> None:
    """Refuse a deflated file that would inflate beyond all measure, before anything inflates it in full."""
    if DEFLATED not in data[128:4096]:
        return
    uid, place = syntax(data)
    if uid == DEFLATED:
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        size, rest = 0, data[place:]
        while rest:
            size += len(inflater.decompress(rest, 1 << 20))
            rest = inflater.unconsumed_tail
            if size > LARGEST_DECODED:
                raise Excluded(f"inflates to more than {LARGEST_DECODED >> 20} MB")


def _native(data: bytes) -> tuple[Values, NDArray[Any]] | None:
    """Read a plain file without pydicom; None where it is not plain."""
    header = scan(data)
    if header is None or header.values.get("BitsAllocated") != 16:
        return None
    values = header.values
    _refuse_by_header(values)
    rows, columns = values["Rows"], values["Columns"]
    expected = rows * columns * 2
    if header.length < expected:
        raise Excluded(f"short pixel data: {header.length} bytes where {expected} are needed")
    signed = values.get("PixelRepresentation") == 1
    stored = np.frombuffer(data, "<i2" if signed else "<u2", rows * columns, header.offset)
    return values, _used_bits(stored, values.get("BitsStored", 16), signed).reshape(rows, columns)


def _used_bits(stored: NDArray[Any], bits: int, signed: bool) -> NDArray[Any]:
    """Return 16-bit numbers without the bits above the stored ones, which may hold an overlay.

    Unsigned numbers with the very highest bit set are padding, written as a negative number: they stay so.
    """
    unused = 16 - bits
    if not 0 < unused < 16 or int(stored.max()) < 1 << (bits - signed):
        return stored
    if not signed and int(stored.max()) >= 32_768:
        return stored.view(np.int16)
    return (stored << unused) >> unused  # of signed numbers this brings the sign in


def _with_pydicom(data: bytes) -> tuple[Values, NDArray[Any]]:
    """Read any DICOM file with pydicom and its decoders."""
    import pydicom
    from pydicom.pixels import pixel_array

    _refuse_bomb(data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        names = [*TEXTS.values(), *NUMBERS.values(), *GROUPS]
        dataset = pydicom.dcmread(
            BytesIO(data), specific_tags=[*names, "PlanarConfiguration", "HighBit", "PixelData"], force=True
        )
        values = {name: dataset.get(name) for name in names}
        if "PixelData" not in dataset:
            raise Excluded("no pixel data")
        _refuse_by_header(values)
        if "TransferSyntaxUID" not in dataset.file_meta:
            dataset.file_meta.TransferSyntaxUID = pydicom.uid.ImplicitVRLittleEndian
        try:
            return values, pixel_array(dataset)
        except ValueError as error:
            if "less than expected" in str(error):
                raise Excluded("short pixel data") from error
            raise


def _group_value(groups: list[Any], sequence: str, name: str) -> Any:
    """Return a value from the functional groups of a multi-frame image, None where it has none."""
    for group in groups:
        items = group.get(sequence)
        if items and items[0].get(name) is not None:
            return items[0].get(name)
    return None


def _geometry(groups: list[Any], values: Values) -> tuple[float, tuple[float, float] | None]:
    """Return the position along the normal (NaN where unknown) and the spacing of pixels."""

    def numbers(sequence: str, name: str) -> list[float]:
        found = _group_value(groups, sequence, name)
        return _floats(values.get(name) if found is None else found)

    origin = numbers("PlanePositionSequence", "ImagePositionPatient")
    axes = numbers("PlaneOrientationSequence", "ImageOrientationPatient")
    if len(origin) == 3 and len(axes) == 6:
        a, b, c, d, e, f = axes
        normal = (b * f - c * e, c * d - a * f, a * e - b * d)
        position = sum(n * o for n, o in zip(normal, origin, strict=True))
    else:
        position = _number(values, "SliceLocation")
    spacing = numbers("PixelMeasuresSequence", "PixelSpacing")
    usable = len(spacing) == 2 and min(spacing) > 0
    return position, (spacing[0], spacing[1]) if usable else None


def _stack(groups: list[Any], values: Values) -> dict[str, Any]:
    """Return what tells the stack of a slice (see `RawSlice`)."""
    found = _group_value(groups, "PlaneOrientationSequence", "ImageOrientationPatient")
    axes = _floats(values.get("ImageOrientationPatient") if found is None else found)
    normal = None
    if len(axes) == 6:
        a, b, c, d, e, f = axes
        cross = (b * f - c * e, c * d - a * f, a * e - b * d)
        length = math.hypot(*cross)
        normal = tuple(round(n / length, 3) for n in cross) if length > 0 else None
    clock = re.fullmatch(r"(\d\d):?(\d\d):?(\d\d(?:\.\d*)?)", _text(values, "AcquisitionTime"))
    kernel = values.get("ConvolutionKernel") or ""
    kinds = values.get("ImageType") or []
    kinds = kinds.split("\\") if isinstance(kinds, str) else list(kinds)
    return {
        "series": _text(values, "SeriesInstanceUID"),
        "acquisition": _text(values, "AcquisitionNumber"),
        "normal": normal,
        "time": int(clock[1]) * 3600 + int(clock[2]) * 60 + float(clock[3]) if clock else math.nan,
        "thickness": _number(values, "SliceThickness"),
        "kernel": kernel if isinstance(kernel, str) else "\\".join(map(str, kernel)),
        "derived": str(kinds[0]).strip().upper() == "DERIVED" if kinds else False,
        "body": _text(values, "BodyPartExamined").upper(),
    }


def _pixels(
    frame: NDArray[Any], values: Values, groups: list[Any], reduced: bool
) -> tuple[NDArray[Any], bool, int]:
    """Return a frame, whether it is in HU (else gray, of 8 bits), and the offset it lacks to be so."""
    sequence = "PixelValueTransformationSequence"
    slope, intercept = _number(values, "RescaleSlope"), _number(values, "RescaleIntercept")
    if groups:
        given = [_group_value(groups, sequence, name) for name in ("RescaleSlope", "RescaleIntercept")]
        slope, intercept = (
            number if value is None else float(value)
            for number, value in zip((slope, intercept), given, strict=True)
        )
    bits = int(values.get("BitsStored") or 16)
    signed = values.get("PixelRepresentation") == 1
    if math.isnan(slope) or math.isnan(intercept) or slope == 0:
        if bits <= 8:
            gray = frame.astype(np.uint8) << (8 - bits)
            if gray.min() == gray.max():
                raise Excluded(f"constant image: every pixel is {int(gray.min())}")
            inverted = _text(values, "PhotometricInterpretation") == "MONOCHROME1"
            return (255 - gray if inverted else gray), False, 0
        if not (signed and frame.min() <= -900):
            raise Excluded("no rescale tags, so the scale of its numbers is unknown")
        slope, intercept = 1.0, 0.0  # signed numbers that reach air are HU already
    padding = None
    if values.get("PixelPaddingValue") is not None:
        ends = [_number(values, name) for name in ("PixelPaddingValue", "PixelPaddingRangeLimit")]
        ends = [end - 65_536 if signed and end > 32_767 else end for end in ends]  # written as unsigned
        low, high = ends[0], ends[0] if math.isnan(ends[1]) else ends[1]
        padding = None if math.isnan(low) else (min(low, high), max(low, high))
    scale = Scale(slope, intercept, padding, unsigned12=bits == 12 and not signed)
    offset = plain_offset(frame, scale) if reduced else None
    if offset is None:
        frame, offset = to_hu(frame, scale), 0
    check_hu(frame, offset)
    return frame, True, offset


def read_dicom(data: bytes, name: str = "", *, reduced: bool = False) -> list[Part]:
    """Read the slices of one DICOM file, in HU.

    HU do not depend on MONOCHROME1, which only says how to show them; gray pictures are inverted.

    Parameters
    ----------
    data
        The file's bytes.
    name
        What the slices are called; the SOPInstanceUID where empty.
    reduced
        Whether the slices are for a reduction alone: their pixels may then lack an `offset` to be HU.

    Returns
    -------
    One slice, or one for each frame of a multi-frame image; in the place of one that is unusable, the
    reason. Pictures of 8 bits without rescale tags come as gray (`hu` false).

    Raises
    ------
    Excluded
        Where the whole file is no CT slice, or cannot be decoded, with the reason.
    """
    try:
        values, stored = _native(data) or _with_pydicom(data)
    except Excluded:
        raise
    except Exception as error:  # decoders raise whatever they like; one bad file stops nothing
        raise Excluded(f"cannot be decoded ({type(error).__name__})") from error
    uid = _text(values, "SOPInstanceUID")
    name = name or uid
    frames = stored[np.newaxis] if stored.ndim == 2 else stored
    each, shared = (list(values[sequence] or []) if sequence in values else [] for sequence in GROUPS)
    number = _number(values, "InstanceNumber")
    many = len(frames) > 1
    parts: list[Part] = []
    for index, frame in enumerate(frames):
        groups = ([each[index]] if index < len(each) else []) + shared
        place = index + 1 if many else 0 if math.isnan(number) else int(number)
        slice_id = f"{name}_{place}" if many else name
        try:
            pixels, hu, offset = _pixels(frame, values, groups, reduced)
        except Excluded as excluded:
            parts.append(Excluded(str(excluded), slice_id))
            continue
        position, spacing = _geometry(groups, values)
        if math.isnan(position) or (many and not each):
            position = float(place) if place else math.nan  # the order is all there is
        parts.append(
            RawSlice(
                pixels=pixels,
                hu=hu,
                slice_id=slice_id,
                patient=_text(values, "PatientID"),
                study=_text(values, "StudyInstanceUID"),
                position=position,
                spacing=spacing,
                uid=uid,
                number=place,
                offset=offset,
                **_stack(groups, values),
            )
        )
    return parts
