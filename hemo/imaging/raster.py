"""JPEG, PNG and TIFF pictures to gray slices, as a viewer shows them."""

import math
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from hemo.imaging.decoding import decode
from hemo.imaging.exif import jpeg_orientation, png_orientation, upright
from hemo.imaging.faults import reason
from hemo.imaging.hu import Scale, check_hu, reaches_air, to_hu
from hemo.imaging.plausible import check_gray, gray_sample, has_white, refuse_color
from hemo.imaging.raw import Excluded, Part, RawSlice
from hemo.imaging.signatures import JPEG_START, PNG_START

SMALLEST: Final = 16
LARGEST: Final = 4096
"""Height or width outside these is no slice; read from the header before anything is decoded."""

DISGUISED: Final = 8192
"""A 16-bit picture whose gray covers less of the 65,536 levels was not made to be looked at: it holds HU."""


MOST_FAILURES: Final = 500
"""PNG that may fail in this process: imagecodecs 2026.3 drops a reference to None too many whenever one does.

Python 3.11 ends when none of some 10,000 are left: further files are decoded in a process of their own.
"""

_failures = 0


def check_size(height: int, width: int) -> None:
    """Raise `Excluded` for a height or width that is no slice's."""
    if not (SMALLEST <= height <= LARGEST and SMALLEST <= width <= LARGEST):
        raise Excluded(f"{height}x{width} pixels is no slice: {SMALLEST} to {LARGEST}")


def decode_jpeg(data: bytes, least: int) -> NDArray[np.uint8]:
    """Decode a JPEG as gray, at the smallest of libjpeg's own scales that leaves at least so many pixels.

    Scales between a half and the whole are not used: they take longer than the whole. Gray is the luma of a
    color picture (ITU-R BT.601). With `least` 0 the picture is decoded in full. It comes upright, as its
    EXIF orientation says.
    """
    import simplejpeg

    height, width, *_ = simplejpeg.decode_jpeg_header(data)
    check_size(height, width)
    if not 0 < 2 * least <= min(height, width):
        gray = simplejpeg.decode_jpeg(data, colorspace="GRAY")[..., 0]
    else:
        gray = simplejpeg.decode_jpeg(data, "GRAY", min_height=least, min_width=least, min_factor=2)[..., 0]
    return upright(gray, jpeg_orientation(data))


def _refuse_color_jpeg(data: bytes, sample: NDArray[np.uint8]) -> None:
    """Raise `Excluded` where a JPEG in colors shows some, which its luma alone does not tell.

    To decode the colors too takes a tenth more. Bone is white under the window of a brain, what is drawn in
    colors hardly ever: pictures with as much white as a skull's are taken for what they seem to be.
    """
    import simplejpeg

    if not has_white(sample) and simplejpeg.decode_jpeg_header(data)[2] not in ("Gray", "GRAY"):
        refuse_color(simplejpeg.decode_jpeg(data, "RGB", min_height=SMALLEST, min_width=SMALLEST))


def _decode_png(data: bytes) -> NDArray[Any]:
    """Return the pixels as stored, (height, width) or (height, width, samples), checked for size first."""
    import imagecodecs

    global _failures
    check_size(int.from_bytes(data[20:24], "big"), int.from_bytes(data[16:20], "big"))
    if not _whole_png(data):
        raise Excluded("damaged: cut off before its end")
    orientation = png_orientation(data)
    if _failures > MOST_FAILURES:
        return upright(decode("png", data)[0], orientation)
    try:
        return upright(imagecodecs.png_decode(data), orientation)
    except Exception:  # decoders raise whatever they like; counted here, and excluded by `read`
        _failures += 1
        raise


def _whole_png(data: bytes) -> bool:
    """Tell whether the chunks of a PNG follow each other up to its end; libpng looks at their checksums."""
    place = 8
    while place + 12 <= len(data):
        if data[place + 4 : place + 8] == b"IEND":
            return True
        place += 12 + int.from_bytes(data[place : place + 4], "big")
    return False


def _gray(pixels: NDArray[Any]) -> NDArray[Any]:
    """Return one channel: the luma of RGB (ITU-R BT.601), transparency left out."""
    if pixels.ndim == 2:
        return pixels
    if pixels.shape[2] in (1, 2):
        return np.ascontiguousarray(pixels[..., 0])
    refuse_color(pixels)
    color = np.ascontiguousarray(pixels[..., :3])
    return cv2.cvtColor(color, cv2.COLOR_RGB2GRAY)


def read_raster(data: bytes, name: str = "", least: int = 0, hu_offset: int | None = None) -> list[Part]:
    """Read a picture as gray slices: one, or one a page of a TIFF.

    Pictures of 16 bits are scaled by their full range, never by their own minimum and maximum. A signed
    TIFF that reaches air is taken for HU. A picture of 16 bits whose gray covers almost nothing of its range
    holds HU that lack an offset: it is read where that is said, and left out where it is not.

    Parameters
    ----------
    data
        The file's bytes.
    name
        What the slice is called; with `_<page>` behind it where there are several.
    least
        Height and width that are enough of a JPEG (see `decode_jpeg`); 0 for all it has.
    hu_offset
        What is added to the gray of 16-bit pictures that hold HU; None where nobody said.

    Raises
    ------
    Excluded
        Where it cannot be decoded, or no page of it is a slice.
    """
    try:
        if data.startswith(JPEG_START):
            gray = decode_jpeg(data, least)
            sample = gray_sample(gray)
            _refuse_color_jpeg(data, sample)
            check_gray(gray, name, sample)
            return [RawSlice(pixels=gray, hu=False, slice_id=name, jpeg=b"" if least else data)]
        pages = [_decode_png(data)] if data.startswith(PNG_START) else decode("tiff", data)
        if len(pages) == 1:
            pixels, hu = _slice(pages[0], name, hu_offset)
            return [RawSlice(pixels=pixels, hu=hu, slice_id=name)]
        return [_page(page, number, name, hu_offset) for number, page in enumerate(pages, 1)]
    except Excluded:
        raise
    except Exception as error:  # decoders raise whatever they like; one bad file stops nothing
        raise Excluded(reason(error)) from error


def _page(pixels: NDArray[Any], number: int, name: str, hu_offset: int | None) -> Part:
    """Return a page as a slice of the stack that a TIFF is."""
    slice_id = f"{name}_{number}"
    try:
        pixels, hu = _slice(pixels, name, hu_offset)
    except Excluded as excluded:
        return Excluded(str(excluded), slice_id)
    return RawSlice(
        pixels=pixels,
        hu=hu,
        slice_id=slice_id,
        position=float(number),
        number=number,
        series=name,
        study=name,
    )


def _slice(pixels: NDArray[Any], name: str, hu_offset: int | None) -> tuple[NDArray[Any], bool]:
    """Return the pixels of a picture as gray of 8 bits or as HU, and whether they are HU."""
    pixels = _gray(pixels)
    if pixels.dtype == np.bool_:
        pixels = pixels.astype(np.uint8) * np.uint8(255)
    if pixels.dtype == np.uint8:
        check_gray(pixels, name)
        return pixels, False
    low, high = float(pixels.min()), float(pixels.max())
    if not (math.isfinite(low) and math.isfinite(high)):
        raise Excluded("pixels that are no numbers (NaN or infinite)")
    if low == high:
        raise Excluded(f"constant image: every pixel is {low:g}")
    if pixels.dtype.kind in "if" and pixels.dtype.itemsize <= 8 and low < -500:
        if not reaches_air(pixels, None):
            raise Excluded("no air around a head, so the scale of its numbers is unknown")
        return _checked_hu(pixels.astype(np.int16 if pixels.dtype == np.int16 else np.float32))
    if pixels.dtype != np.uint16:
        raise Excluded(f"pixels of {pixels.dtype} have no known scale")
    if (narrow := _narrow(pixels)) is not None:
        if hu_offset is None:
            part = (int(narrow.max()) - int(narrow.min())) / 65_536
            raise Excluded(
                f"16-bit gray that covers {part:.1%} of its range: HU without their offset "
                "(--hu-offset says what to add)"
            )
        return _checked_hu(narrow.astype(np.float32) + np.float32(hu_offset))
    pixels = ((pixels.astype(np.uint32) * 255 + 32_767) // 65_535).astype(np.uint8)
    check_gray(pixels, name)
    return pixels, False


def _narrow(pixels: NDArray[np.uint16]) -> NDArray[Any] | None:
    """Return the numbers of a 16-bit picture if they cover almost nothing of its range, signed or not."""
    if int(pixels.max()) - int(pixels.min()) < DISGUISED:
        return pixels
    signed = pixels.view(np.int16)  # negative HU that lost their sign
    return signed if int(signed.max()) - int(signed.min()) < DISGUISED else None


def _checked_hu(hu: NDArray[Any]) -> tuple[NDArray[Any], bool]:
    whole = hu.dtype.kind == "f" and bool((hu == np.rint(hu)).all()) and float(np.abs(hu).max()) < 32_767
    hu = to_hu(hu.astype(np.int16) if whole else hu, Scale(1.0, 0.0))
    check_hu(hu)
    return hu, True
