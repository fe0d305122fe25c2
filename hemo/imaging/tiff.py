"""TIFF to pictures, a page each, as a viewer shows them."""

import io
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hemo.imaging.raster import check_size
from hemo.imaging.raw import Excluded

MOST_PAGES: Final = 2000
MOST_PIXELS: Final = 1 << 28
"""Of all pages together: a thousand slices."""

PHOTOMETRIC, SUBFILE, WHITE_IS_ZERO = 262, 254, 0
"""Tags of TIFF 6.0, and the value of the first that shows large numbers dark."""


def pages(data: bytes) -> list[NDArray[Any]]:
    """Return the pages of a TIFF, (height, width) or (height, width, 3), thumbnails left out.

    Palettes and inks become colors, and where white is zero numbers are turned round.

    Raises
    ------
    Excluded
        For sizes that are no slice's.
    """
    with Image.open(io.BytesIO(data)) as picture:
        if picture.format != "TIFF":  # what else begins like one
            raise Excluded(f"{picture.format} is not read")
        count = int(getattr(picture, "n_frames", 1))
        if count > MOST_PAGES:
            raise Excluded(f"{count} pages are too many for a head")
        found: list[NDArray[Any]] = []
        pixels = 0
        for number in range(count):
            picture.seek(number)
            tags: Any = getattr(picture, "tag_v2", {})
            if count > 1 and int(tags.get(SUBFILE, 0) or 0) & 1:
                continue
            check_size(picture.height, picture.width)
            pixels += picture.height * picture.width
            if pixels > MOST_PIXELS:
                raise Excluded(
                    f"{count} pages of {picture.height}x{picture.width} pixels are too many for a head"
                )
            inverted = tags.get(PHOTOMETRIC) == WHITE_IS_ZERO
            found.append(_shown(picture, inverted))
        return found


def _shown(picture: Image.Image, inverted: bool) -> NDArray[Any]:
    if picture.mode in ("P", "PA", "CMYK", "YCbCr", "LAB", "HSV"):
        return np.asarray(picture.convert("RGB"))
    pixels = np.asarray(picture)
    pixels = pixels.astype(pixels.dtype.newbyteorder("="), copy=False)
    # Of 8 bits and fewer Pillow turns round itself.
    return np.iinfo(pixels.dtype).max - pixels if inverted and pixels.dtype == np.uint16 else pixels
