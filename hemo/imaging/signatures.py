"""How files of each format begin: what they are is told from their bytes, never from their names."""

import gzip
import struct
import zlib
from io import BytesIO
from typing import Final

PNG_START: Final = b"\x89PNG\r\n\x1a\n"
JPEG_START: Final = b"\xff\xd8\xff"
TIFF_STARTS: Final = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")
GZIP_START: Final = b"\x1f\x8b"

EARLY_GROUPS: Final = frozenset({0x0002, 0x0008, 0x0010, 0x0018, 0x0020, 0x0028})
"""Groups that a DICOM file without preamble may begin with."""

_LITTLE_STARTS: Final = frozenset(group.to_bytes(2, "little") for group in EARLY_GROUPS)
_BIG_STARTS: Final = frozenset(group.to_bytes(2, "big") for group in EARLY_GROUPS)

SHORT_KINDS: Final = frozenset(b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split())
"""Value representations with a length of two bytes; all others have four (DICOM PS3.5, 7.1.2)."""

VALUE_KINDS: Final = SHORT_KINDS | frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())


def is_dicom(data: bytes) -> bool:
    """Tell whether bytes look like a DICOM file, with its preamble or without.

    Examples
    --------
    >>> is_dicom(bytes(128) + b"DICM"), is_dicom(b"GIF89a")
    (True, False)
    """
    return data[128:132] == b"DICM" or _begins_without_preamble(data)


def _begins_without_preamble(data: bytes) -> bool:
    """Tell whether bytes begin with two early elements, in order, in one of the three encodings."""
    start = data[:2]
    if start in _LITTLE_STARTS:
        return _two_elements(data, "<", explicit=True) or _two_elements(data, "<", explicit=False)
    return start in _BIG_STARTS and _two_elements(data, ">", explicit=True)


def _two_elements(data: bytes, order: str, explicit: bool) -> bool:
    place, last = 0, -1
    try:
        for _ in range(2):
            group, element = struct.unpack_from(f"{order}HH", data, place)
            if group not in EARLY_GROUPS or (group << 16 | element) <= last:
                return False
            last = group << 16 | element
            kind = data[place + 4 : place + 6]
            if explicit and kind not in VALUE_KINDS:
                return False
            if explicit and kind in SHORT_KINDS:
                (length,) = struct.unpack_from(f"{order}H", data, place + 6)
                place += 8 + length
            else:
                (length,) = struct.unpack_from(f"{order}I", data, place + (8 if explicit else 4))
                if length == 0xFFFFFFFF:  # a sequence: what lies in it is a reader's matter
                    return True
                place += (12 if explicit else 8) + length
    except struct.error:
        return False
    return place <= len(data)


def is_nifti(data: bytes) -> bool:
    """Tell whether bytes are a NIfTI-1 or NIfTI-2 file, plain or gzipped.

    Examples
    --------
    >>> is_nifti(bytes(344) + b"n+1" + bytes(5))
    True
    """
    if data.startswith(GZIP_START):
        try:
            data = gzip.GzipFile(fileobj=BytesIO(data)).read(352)
        except (OSError, EOFError, zlib.error):
            return False
    return data[344:348] == b"n+1\x00" or data[4:8] == b"n+2\x00"
