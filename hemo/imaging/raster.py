"""JPEG, PNG and TIFF pictures to gray slices."""

import io
import warnings
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from hemo.imaging.formats import JPEG_START, PNG_START
from hemo.imaging.raw import Excluded, Part, RawSlice

SMALLEST: Final = 16
LARGEST: Final = 4096
"""Height or width outside these is no slice; read from the header before anything is decoded."""


def _check_size(height: int, width: int) -> None:
    if not (SMALLEST <= height <= LARGEST and SMALLEST <= width <= LARGEST):
        raise Excluded(f"{height}x{width} pixels is no slice: {SMALLEST} to {LARGEST}")


def decode_jpeg(data: bytes, least: int) -> NDArray[np.uint8]:
    """Decode a JPEG as gray, at the smallest of libjpeg's own scales that leaves at least so many pixels.

    Scales between a half and the whole are not used: they take longer than the whole. Gray is the luma of a
    color picture (ITU-R BT.601). With `least` 0 the picture is decoded in full.
    """
    import simplejpeg

    height, width, *_ = simplejpeg.decode_jpeg_header(data)
    _check_size(height, width)
    if not 0 < 2 * least <= min(height, width):
        return simplejpeg.decode_jpeg(data, colorspace="GRAY")[..., 0]
    scaled = simplejpeg.decode_jpeg(data, "GRAY", min_height=least, min_width=least, min_factor=2)
    return scaled[..., 0]


def _decoded(data: bytes) -> NDArray[Any]:
    """Return the pixels as stored, (height, width) or (height, width, samples), checked for size first."""
    import imagecodecs

    if data.startswith(PNG_START):
        _check_size(int.from_bytes(data[20:24], "big"), int.from_bytes(data[16:20], "big"))
        return imagecodecs.png_decode(data)
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with Image.open(io.BytesIO(data)) as picture:
            _check_size(picture.height, picture.width)
            return np.asarray(picture)


def _gray(pixels: NDArray[Any]) -> NDArray[Any]:
    """Return one channel: the luma of RGB (ITU-R BT.601), transparency left out."""
    if pixels.ndim == 2:
        return pixels
    if pixels.shape[2] in (1, 2):
        return np.ascontiguousarray(pixels[..., 0])
    color = np.ascontiguousarray(pixels[..., :3])
    return cv2.cvtColor(color, cv2.COLOR_RGB2GRAY)


def read_raster(data: bytes, name: str = "", least: int = 0, hu_offset: int | None = None) -> list[Part]:
    """Read one picture as a gray slice.

    Pictures of 16 bits are scaled by their full range, never by their own minimum and maximum. A signed
    16-bit TIFF is taken for HU.

    Parameters
    ----------
    data
        The file's bytes.
    name
        What the slice is called.
    least
        Height and width that are enough of a JPEG (see `decode_jpeg`); 0 for all it has.

    Raises
    ------
    Excluded
        Where it cannot be decoded, is too large or constant.
    """
    jpeg = data.startswith(JPEG_START)
    try:
        pixels = decode_jpeg(data, least) if jpeg else _gray(_decoded(data))
    except Excluded:
        raise
    except Exception as error:  # decoders raise whatever they like; one bad file stops nothing
        raise Excluded(f"cannot be decoded ({type(error).__name__})") from error
    if pixels.dtype == np.uint8:  # in half the time
        low, high, _, _ = cv2.minMaxLoc(pixels)
    else:
        low, high = pixels.min(), pixels.max()
    if low == high:
        raise Excluded(f"constant image: every pixel is {low:g}")
    if pixels.dtype.kind in "if" and low < -500:
        return [
            RawSlice(
                pixels=pixels.astype(np.int16 if pixels.dtype == np.int16 else np.float32),
                hu=True,
                slice_id=name,
            )
        ]
    if pixels.dtype == np.bool_:
        pixels = pixels.astype(np.uint8) * np.uint8(255)
    elif pixels.dtype == np.uint16:
        pixels = ((pixels.astype(np.uint32) * 255 + 32_767) // 65_535).astype(np.uint8)
    elif pixels.dtype != np.uint8:
        raise Excluded(f"pixels of {pixels.dtype} have no known scale")
    return [RawSlice(pixels=pixels, hu=False, slice_id=name, jpeg=data if jpeg and not least else b"")]
