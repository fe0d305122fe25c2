"""From the pixel data of a DICOM file to the numbers that it stores."""

import struct
import warnings
import zlib
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from hemo.imaging.dicom_header import LARGEST_INFLATED, Values, refuse_by_header
from hemo.imaging.dicom_native import DEFLATED, EXPLICIT, NUMBERS, ORIGIN, OVERLAYS, TEXTS, scan, syntax
from hemo.imaging.raw import Excluded

if TYPE_CHECKING:
    from pydicom import Dataset

GROUPS: Final = ("PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence")

UNCOMPRESSED: Final = frozenset(
    {"1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", DEFLATED.decode()}
)
"""Transfer syntaxes of plain numbers: implicit and explicit little-endian, big-endian, deflated."""

PIXEL_DATA_TAGS: Final = (b"\xe0\x7f\x10\x00", b"\x7f\xe0\x00\x10")
FLOAT_DATA_TAGS: Final = (b"\xe0\x7f\x08\x00OF", b"\xe0\x7f\x09\x00OD")
"""How elements of pixel data begin, of whole numbers in either order of bytes, and of others."""

LOWEST: Final = -4096
"""Below this nobody writes padding."""


def stored_pixels(data: bytes) -> tuple[Values, NDArray[Any]]:
    """Return the header of a file and its stored numbers, (rows, columns) or (frames, rows, columns).

    Raises
    ------
    Excluded
        Where the header is no CT slice's, or the pixels are fewer than it says.
    """
    return _native(data) or _with_pydicom(_inflated(data))


def _native(data: bytes) -> tuple[Values, NDArray[Any]] | None:
    """Read a plain file without pydicom; None where it is not plain."""
    header = scan(data)
    if header is None or header.values.get("BitsAllocated") != 16:
        return None
    values = header.values
    refuse_by_header(values)
    rows, columns = values["Rows"], values["Columns"]
    expected = rows * columns * 2
    _check_length(header.length, expected)
    kind = "<i2" if values.get("PixelRepresentation") == 1 else "<u2"
    stored = np.frombuffer(data, kind, rows * columns, header.offset)
    return values, _without_unused_bits(stored, values).reshape(rows, columns)


def _with_pydicom(data: bytes) -> tuple[Values, NDArray[Any]]:
    """Read any DICOM file: its header with pydicom, compressed pixels in a process of their own."""
    import pydicom
    from pydicom.tag import Tag

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        names = [*TEXTS.values(), *NUMBERS.values(), *GROUPS]
        tags = [*map(Tag, [*names, "PixelData"]), *(Tag(group, 0x0102) for group in OVERLAYS)]
        dataset = pydicom.dcmread(_Stored(data), specific_tags=tags, force=True)
        values = {name: _value(dataset, name) for name in names}
        values["OverlayBitPosition"] = [
            int(dataset[group, 0x0102].value or 0) for group in OVERLAYS if (group, 0x0102) in dataset
        ]
        if "PixelData" not in dataset:
            raise Excluded(_without_pixels(data))
        refuse_by_header(values)
        element = dataset["PixelData"]
        written = str(dataset.file_meta.get("TransferSyntaxUID", ""))
        if written and written not in UNCOMPRESSED:
            return values, _decoded(data, values, written)
        if element.is_undefined_length:
            raise Excluded("compressed in a way that its header does not name")
        # What was read tells the order of bytes: a file without meta information cannot say it.
        little = dataset.original_encoding[1] is not False
        return values, _plain(element.value, values, "<" if little else ">", element.VR)


def _value(dataset: "Dataset", name: str) -> Any:
    """Return an element's value, None where it is absent, or says nothing that can be read of its origin."""
    try:
        return dataset.get(name)
    except Exception:  # pydicom raises what it likes where a value is not of its kind
        if name in ORIGIN.values():
            return None
        raise


def _without_pixels(data: bytes) -> str:
    """Return why pydicom finds no pixel data in a file."""
    if any(tag in data for tag in PIXEL_DATA_TAGS):  # it leaves out what has no end
        return "cut off within its pixel data"
    if any(tag in data for tag in FLOAT_DATA_TAGS):
        return "its pixel data are fractions, which are not read"
    return "no pixel data"


def _plain(content: bytes, values: Values, order: str, kind: str) -> NDArray[Any]:
    """Return the numbers of uncompressed pixel data."""
    allocated = int(values.get("BitsAllocated") or 16)
    if allocated not in (8, 16, 32):
        raise Excluded(f"{allocated} bits a pixel are no CT slice's")
    size = allocated // 8
    shape = _shape(values)
    expected = shape[0] * shape[1] * shape[2] * size
    _check_length(len(content), expected)
    if size == 1 and order == ">" and kind == "OW":  # bytes were swapped as halves of words
        content = np.frombuffer(content[: len(content) // 2 * 2], "<u2").byteswap().tobytes()
    letter = "i" if values.get("PixelRepresentation") == 1 else "u"
    stored = np.frombuffer(content, f"{order}{letter}{size}", expected // size)
    if order == ">":
        stored = stored.astype(stored.dtype.newbyteorder("="))
    return _without_unused_bits(stored, values).reshape(shape if shape[0] > 1 else shape[1:])


def _check_length(length: int, expected: int) -> None:
    """Raise Excluded for pixel data of less than a header says, or of so much more that it is not right."""
    if length < expected:
        raise Excluded(f"short pixel data: {length} bytes where {expected} are needed")
    if length >= 2 * expected:
        raise Excluded(f"pixel data of {length} bytes where its header says {expected}")


def _shape(values: Values) -> tuple[int, int, int]:
    return int(values.get("NumberOfFrames") or 1), int(values["Rows"]), int(values["Columns"])


def _decoded(data: bytes, values: Values, syntax: str) -> NDArray[Any]:
    """Return the numbers of compressed pixel data, decoded where a crash takes nothing else with it."""
    from hemo.imaging.decoding import decode

    (stored,) = decode("dicom", data)
    frames, rows, columns = _shape(values)
    if stored.shape not in ((rows, columns), (frames, rows, columns)):
        raise Excluded(f"decodes to {'x'.join(map(str, stored.shape))} numbers, not as its header says")
    bits, high = _bits(values, 8 * stored.itemsize)
    if high != bits - 1:
        raise Excluded(f"HighBit {high} does not fit its {bits} bits stored")
    if syntax == "1.2.840.10008.1.2.5":  # RLE packs the words as they are
        stored = _without_unused_bits(stored, values)
    return stored


def _bits(values: Values, word: int) -> tuple[int, int]:
    """Return how many bits of a word are stored, and which is the highest of them."""
    bits = int(values.get("BitsStored") or word)
    high = values.get("HighBit")
    return bits, bits - 1 if high is None else int(high)


def _without_unused_bits(stored: NDArray[Any], values: Values) -> NDArray[Any]:
    """Return numbers without the bits that are not stored, which may hold an overlay or anything else.

    Padding is written as a negative number beyond the stored bits, even where numbers are unsigned: it stays
    one, unless the header has overlays or bits are set that are no such number's.
    """
    word = 8 * stored.itemsize
    bits, high = _bits(values, word)
    signed = stored.dtype.kind == "i"
    if bits == word == high + 1:
        return stored
    if not 1 <= bits <= high + 1 <= word:
        raise Excluded(f"HighBit {high} does not fit its {bits} bits stored of {word}")
    left, below = word - 1 - high, high + 1 - bits
    if below and (stored & stored.dtype.type((1 << below) - 1)).any():
        raise Excluded(f"HighBit {high} does not fit its {bits} bits stored: the bits below are in use")
    half = 1 << (bits - 1)
    within = not below and int(stored.max()) < (half if signed else 2 * half)
    if within and not (signed and int(stored.min()) < -half):
        return stored
    shifted = (stored << left) >> (left + below)  # of signed numbers this brings the sign in
    if below or word < 16 or any(values.get("OverlayBitPosition") or ()):
        return shifted
    whole = stored.view(f"i{stored.itemsize}")
    beyond = whole[shifted != stored]
    return whole if beyond.min() >= LOWEST and beyond.max() < 0 else shifted


def _inflated(data: bytes) -> bytes:
    """Return a deflated file as it was before it was deflated, any other as it is.

    Raises
    ------
    Excluded
        Where it would inflate beyond all measure; nothing else inflates it (see `_Stored`).
    """
    if DEFLATED not in data or data[128:132] != b"DICM":
        return data
    uid, place = syntax(data)
    if uid != DEFLATED:
        return data
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    whole = bytearray(data[:128] + b"DICM" + struct.pack("<HH2sH", 2, 0x10, b"UI", len(EXPLICIT)) + EXPLICIT)
    for start in range(place, len(data), 1 << 16):
        rest = data[start : start + (1 << 16)]
        while rest and len(whole) <= LARGEST_INFLATED:
            whole += inflater.decompress(rest, 1 << 20)
            rest = inflater.unconsumed_tail
    if len(whole) > LARGEST_INFLATED:
        raise Excluded(f"inflates to more than {LARGEST_INFLATED >> 20} MB")
    if not inflater.eof:
        raise Excluded("cut off before its end")
    return bytes(whole)


class _Stored(BytesIO):
    """A file of which pydicom may read elements, but not all the rest, which it does to inflate it."""

    def read(self, size: int | None = -1, /) -> bytes:
        """Return the next `size` bytes."""
        if size is None or size < 0:
            raise Excluded("deflated in a way that is not read")
        return super().read(size)
