"""Which way up a picture is shown: the orientation in EXIF data of JPEG and PNG (CIPA DC-008, tag 274)."""

import struct
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

ORIENTATION: Final = 0x0112
UPRIGHT: Final = 1

_MARKER = struct.Struct(">BBH")


def jpeg_orientation(data: bytes) -> int:
    """Return the orientation of a JPEG, 1 (upright) to 8; 1 where it says none.

    Markers are followed up to the first scan, so that a thumbnail's EXIF is not taken for the picture's.
    """
    place, last = 2, len(data) - _MARKER.size
    while place <= last:
        start, kind, length = _MARKER.unpack_from(data, place)
        if start != 0xFF or kind in (0xDA, 0xD9):
            break
        if kind == 0xFF:  # a filling byte
            place += 1
            continue
        if kind == 0xE1 and data[place + 4 : place + 10] == b"Exif\0\0":
            return _orientation(data[place + 10 : place + 2 + length])
        place += 2 + length
    return UPRIGHT


def png_orientation(data: bytes) -> int:
    """Return the orientation of a PNG, 1 (upright) to 8; 1 where it says none (its chunk `eXIf`)."""
    place = 8
    while place + 8 <= len(data):
        length = int.from_bytes(data[place : place + 4], "big")
        if data[place + 4 : place + 8] == b"eXIf":
            return _orientation(data[place + 8 : place + 8 + length])
        place += 12 + length
    return UPRIGHT


def _orientation(exif: bytes) -> int:
    """Return the orientation in the first directory of EXIF data."""
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    if order is None:
        return UPRIGHT
    try:
        (place,) = struct.unpack_from(f"{order}I", exif, 4)
        (count,) = struct.unpack_from(f"{order}H", exif, place)
        for number in range(count):
            tag, kind, _, value = struct.unpack_from(f"{order}HHIH", exif, place + 2 + 12 * number)
            if tag == ORIENTATION:
                return value if kind == 3 and 1 <= value <= 8 else UPRIGHT
    except struct.error:
        pass
    return UPRIGHT


def upright(pixels: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Return a picture, (height, width, ...), as its orientation says it is to be shown."""
    if orientation == UPRIGHT:
        return pixels
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)
