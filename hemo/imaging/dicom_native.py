"""A quick reader of plain DICOM headers: little-endian and uncompressed, as most head CT comes.

pydicom reads everything and builds an object for each element; that costs more than the pixels. This reads
the few elements that matter and gives up (None) at anything unusual, which is then pydicom's.
"""

import struct
from dataclasses import dataclass
from typing import Any, Final

from hemo.imaging.signatures import SHORT_KINDS

EXPLICIT: Final = b"1.2.840.10008.1.2.1"
IMPLICIT: Final = b"1.2.840.10008.1.2"
DEFLATED: Final = b"1.2.840.10008.1.2.1.99"

ORIGIN: Final = {
    0x00080020: "StudyDate",
    0x00080070: "Manufacturer",
    0x00081090: "ManufacturerModelName",
    0x00100030: "PatientBirthDate",
    0x00100040: "PatientSex",
    0x00101010: "PatientAge",
    0x00180060: "KVP",
}
"""Texts by which results are told apart, and nothing is read: what is wrong with them harms nobody."""

TEXTS: Final = {
    **ORIGIN,
    0x00080008: "ImageType",
    0x00080016: "SOPClassUID",
    0x00080018: "SOPInstanceUID",
    0x0008002A: "AcquisitionDateTime",
    0x00080032: "AcquisitionTime",
    0x00080060: "Modality",
    0x00080064: "ConversionType",
    0x0008103E: "SeriesDescription",
    0x00100020: "PatientID",
    0x00180015: "BodyPartExamined",
    0x00180050: "SliceThickness",
    0x00181210: "ConvolutionKernel",
    0x0020000D: "StudyInstanceUID",
    0x0020000E: "SeriesInstanceUID",
    0x00200012: "AcquisitionNumber",
    0x00200013: "InstanceNumber",
    0x00200032: "ImagePositionPatient",
    0x00200037: "ImageOrientationPatient",
    0x00200100: "TemporalPositionIdentifier",
    0x00201041: "SliceLocation",
    0x00280004: "PhotometricInterpretation",
    0x00280008: "NumberOfFrames",
    0x00280030: "PixelSpacing",
    0x00281052: "RescaleIntercept",
    0x00281053: "RescaleSlope",
    0x00281054: "RescaleType",
}
NUMBERS: Final = {
    0x00280002: "SamplesPerPixel",
    0x00280010: "Rows",
    0x00280011: "Columns",
    0x00280100: "BitsAllocated",
    0x00280101: "BitsStored",
    0x00280102: "HighBit",
    0x00280103: "PixelRepresentation",
    0x00280120: "PixelPaddingValue",
    0x00280121: "PixelPaddingRangeLimit",
}
WORDS_ONLY: Final = frozenset(
    {"SeriesDescription", "ConvolutionKernel", "BodyPartExamined", *ORIGIN.values()}
)
"""Texts in which only plain words are looked for: letters of any alphabet do not matter."""

OVERLAYS: Final = range(0x6000, 0x6020, 2)
"""Groups of overlays; element 0102 of each is the bit that it lies in."""

_WANTED: Final = {
    **{tag: (name, "latin-1" if name in WORDS_ONLY else "ascii") for tag, name in TEXTS.items()},
    **{tag: (name, "") for tag, name in NUMBERS.items()},
    **{group << 16 | 0x0102: ("OverlayBitPosition", "") for group in OVERLAYS},
}
"""Elements that matter with their coding, "" of numbers."""

PIXEL_DATA: Final = 0x7FE00010
UNDEFINED: Final = 0xFFFFFFFF
ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD

DEEPEST: Final = 16
"""Sequences within sequences beyond which a file counts as unusual."""

_EXPLICIT = struct.Struct("<HH2sH")
_IMPLICIT = struct.Struct("<HHI")
_LENGTH = struct.Struct("<I")


@dataclass(frozen=True)
class NativeHeader:
    """What a plain header says.

    Attributes
    ----------
    values
        Texts and numbers by the elements' keywords.
    offset, length
        Where the pixel data lie in the file, in bytes.
    """

    values: dict[str, Any]
    offset: int
    length: int


class _UnusualError(Exception):
    """Something that is left to pydicom."""


def _element(data: bytes, place: int, explicit: bool) -> tuple[int, int, int]:
    """Return the tag at a place, where its value starts, and the value's length."""
    if explicit:
        group, element, kind, length = _EXPLICIT.unpack_from(data, place)
        tag = group << 16 | element
        if kind in SHORT_KINDS:
            return tag, place + 8, length
        if group == 0xFFFE:
            return tag, place + 8, _LENGTH.unpack_from(data, place + 4)[0]
        if not kind.isalpha() or kind == b"UN":
            raise _UnusualError
        return tag, place + 12, _LENGTH.unpack_from(data, place + 8)[0]
    group, element, length = _IMPLICIT.unpack_from(data, place)
    return group << 16 | element, place + 8, length


def _after_sequence(data: bytes, place: int, explicit: bool, depth: int = 0) -> int:
    """Return the place behind a sequence of undefined length."""
    if depth > DEEPEST:
        raise _UnusualError
    while True:
        tag, start, length = _element(data, place, explicit)
        if tag == SEQUENCE_END:
            return start
        if tag != ITEM:
            raise _UnusualError
        place = start + length if length != UNDEFINED else _after_item(data, start, explicit, depth)


def _after_item(data: bytes, place: int, explicit: bool, depth: int) -> int:
    while True:
        tag, start, length = _element(data, place, explicit)
        if tag == ITEM_END:
            return start
        place = start + length if length != UNDEFINED else _after_sequence(data, start, explicit, depth + 1)


def syntax(data: bytes) -> tuple[bytes, int]:
    """Read the file's meta information: its transfer syntax, and where the rest starts.

    Raises
    ------
    struct.error
        Where the file ends too early.
    """
    place, uid = 132, b""
    while True:
        group, element, kind, length = _EXPLICIT.unpack_from(data, place)
        if group != 2:
            return uid, place
        start = place + 8
        if kind not in SHORT_KINDS:
            _, start, length = _element(data, place, explicit=True)
        place = start + length
        if element == 0x0010:
            uid = data[start:place].rstrip(b"\x00 ")


def scan(data: bytes) -> NativeHeader | None:
    """Read a plain header, or return None for a file that pydicom must read.

    Only files with preamble, in explicit or implicit little-endian transfer syntax, with the elements in
    order, ASCII texts, a single frame and pixel data of defined length are plain.
    """
    if data[128:132] != b"DICM":
        return None
    values: dict[str, Any] = {}
    try:
        uid, place = syntax(data)
        if uid not in (EXPLICIT, IMPLICIT):
            return None
        explicit = uid == EXPLICIT
        last = 0
        while True:
            kind = b""
            if explicit:  # most elements, without the time that a call takes
                group, element, kind, length = _EXPLICIT.unpack_from(data, place)
                tag, start = group << 16 | element, place + 8
            if kind not in SHORT_KINDS:
                tag, start, length = _element(data, place, explicit)
            if tag < last:
                return None
            last = tag
            if tag == PIXEL_DATA:
                break
            if length == UNDEFINED:
                place = _after_sequence(data, start, explicit)
                continue
            place = start + length
            wanted = _WANTED.get(tag)
            if wanted is None:
                continue
            name, coding = wanted
            if coding:
                values[name] = data[start:place].decode(coding).strip("\x00 ")
            elif name == "OverlayBitPosition":
                values.setdefault(name, []).append(int.from_bytes(data[start:place], "little"))
            elif length != 2:
                return None
            else:
                values[name] = int.from_bytes(data[start:place], "little")
    except (struct.error, _UnusualError, UnicodeDecodeError):
        return None
    if length == UNDEFINED or values.get("NumberOfFrames", "1") not in ("", "1"):
        return None
    return NativeHeader(values, start, min(length, len(data) - start))
