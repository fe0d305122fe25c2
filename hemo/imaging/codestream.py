"""How large a compressed picture says it is, read before a decoder asks for the memory."""

import struct
from typing import Final

JPEG_2000_START: Final = b"\xff\x4f\xff\x51"
"""Start of codestream and its size (ISO/IEC 15444-1, A.4 and A.5), raw or within the boxes of a JP2."""

JP2_START: Final = b"\x00\x00\x00\x0cjP  "
"""Signature box of a JP2 (ISO/IEC 15444-1, I.5.1)."""

FRAMES: Final = frozenset({*range(0xC0, 0xD0), 0xF7}) - {0xC4, 0xC8, 0xCC}
"""Markers of a frame's header in JPEG (ISO/IEC 10918-1, B.1.1.3) and JPEG-LS (14495-1, C.1.1)."""


def claimed_size(stream: bytes) -> tuple[int, int] | None:
    r"""Return height and width that a JPEG, JPEG-LS or JPEG 2000 claims; None where it says none.

    Examples
    --------
    >>> claimed_size(b"\xff\xd8\xff\xf7\x00\x0b\x08\xea\x60\xea\x60\x01\x01\x11\x00")
    (60000, 60000)
    """
    try:
        if stream[:2] == b"\xff\xd8":
            return _of_jpeg(stream)
        if stream.startswith((JPEG_2000_START, JP2_START)):  # other streams, as RLE's, may hold these bytes
            place = stream.index(JPEG_2000_START)
            width, height, left, top = struct.unpack_from(">4I", stream, place + 8)
            return height - top, width - left
    except (struct.error, ValueError):  # cut off before it says so
        pass
    return None


def _of_jpeg(stream: bytes) -> tuple[int, int] | None:
    place = 2
    while True:
        mark, kind, length = struct.unpack_from(">BBH", stream, place)
        if mark != 0xFF or kind == 0xDA:
            return None
        if kind == 0xFF:  # a filling byte
            place += 1
        elif kind in FRAMES:
            height, width = struct.unpack_from(">HH", stream, place + 5)
            return height, width
        else:
            place += 2 + length
