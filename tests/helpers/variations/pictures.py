"""Picture variations: modes, depths, palettes, inks, which way up, pages, and HU in disguise."""

import io
from typing import Any, Final

import cv2
import imagecodecs
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hemo.imaging.windows import apply_window
from tests.helpers.variations.kinds import Draw, Variation, head

MODES: Final = {
    "PNG": ["L", "L", "RGB", "RGBA", "LA", "P", "16", "color", "colormap", "mask", "HU", "classes"],
    "JPEG": ["L", "RGB", "CMYK", "mask", "colormap"],
    "TIFF": [
        "L",
        "RGB",
        "P",
        "CMYK",
        "16",
        "16 big",
        "16 inverted",
        "8 inverted",
        "color",
        "HU",
        "float HU",
        "pages",
    ],
}


def picture(draw: Draw) -> Variation:
    """Return a picture of a slice under the brain window."""
    kind = draw.choice(list(MODES))
    mode = draw.choice(MODES[kind])
    rows, columns = draw.choice([(64, 64), (97, 65), (80, 128), (300, 280), (520, 560)])
    hu = head(draw, rows, columns)
    gray = apply_window(hu, 40, 80)
    variation = Variation(b"", [kind, mode], [gray], gray=True, tolerance=2.5 if kind == "JPEG" else 0.0)
    if mode == "CMYK":
        variation.tolerance += 1.0
    orientation = draw.choice([None, None, 1, 2, 3, 4, 5, 6, 7, 8])
    variation.data = _encoded(draw, kind, mode, hu, gray, orientation, variation)
    if draw.number(0, 30) == 0:
        variation.data = variation.data[: len(variation.data) // 3]
        variation.exclude("^damaged|^cut off|^constant|no slice")
        variation.words.append("cut off")
    return variation


def _encoded(
    draw: Draw,
    kind: str,
    mode: str,
    hu: NDArray[Any],
    gray: NDArray[Any],
    orientation: int | None,
    v: Variation,
) -> bytes:
    if mode == "HU":
        return _disguised(draw, kind, hu, v)
    if mode == "float HU":
        v.gray, v.slices = False, [hu]
        return tiff(Image.fromarray(hu.astype(np.float32)))
    if mode == "pages":
        frames = [apply_window(head(draw, *gray.shape), 40, 80) for _ in range(3)]
        v.slices, v.positions = frames, [1.0, 2.0, 3.0]
        first, *rest = [Image.fromarray(frame) for frame in frames]
        return tiff(first, save_all=True, append_images=rest)
    if mode in ("16", "16 big", "16 inverted"):
        deep = gray.astype(np.uint16) * 257
        if kind == "PNG":
            return bytes(imagecodecs.png_encode(deep))
        if mode == "16 big":
            return tiff(Image.fromarray(deep.astype(">u2")))
        if mode == "16 inverted":
            return tiff(Image.fromarray(65_535 - deep), tiffinfo={262: 0})
        return tiff(Image.fromarray(deep), compression=draw.choice([None, "tiff_lzw", "tiff_adobe_deflate"]))
    if mode == "8 inverted":
        return white_is_zero(gray)
    if mode == "color":
        v.exclude("^color image")
        image = Image.fromarray(np.dstack([gray, np.roll(gray, 9, 0), np.roll(gray, 20, 1)]))
    elif mode == "colormap":
        v.exclude("^color image")
        image = Image.fromarray(
            cv2.applyColorMap(apply_window(hu, 40, 200), cv2.COLORMAP_JET)[..., ::-1].copy()
        )
    elif mode == "mask":
        v.exclude("^a mask", "^constant")
        image = Image.fromarray(
            np.where(hu > 55, 255, 0).astype(np.uint8) * (abs(hu - 70) < 30).astype(np.uint8)
        )
    elif mode == "classes":
        v.exclude("^a mask")
        image = Image.fromarray(((hu > -500).astype(np.uint8) + (hu > 55) + (hu > 500)).astype(np.uint8))
    elif mode == "P":
        order = np.random.default_rng(draw.number(0, 99)).permutation(256).astype(np.uint8)
        image = Image.fromarray(np.argsort(order).astype(np.uint8)[gray], "P")
        image.putpalette(np.repeat(order, 3).tobytes())
    elif mode == "LA":
        image = Image.merge("LA", [Image.fromarray(gray), Image.new("L", gray.shape[::-1], 255)])
    else:
        image = Image.fromarray(gray).convert("RGB").convert(mode) if mode != "L" else Image.fromarray(gray)
    return _saved(image, kind, orientation, v)


def _saved(image: Image.Image, kind: str, orientation: int | None, v: Variation) -> bytes:
    """Return a picture's file, lying as an orientation says it is to be turned back from."""
    options: dict[str, Any] = {"quality": 95} if kind == "JPEG" else {}
    if orientation is not None and kind != "TIFF":
        exif = Image.Exif()
        exif[0x0112] = orientation
        back = {2: [0], 3: [3], 4: [1], 5: [5], 6: [2], 7: [6], 8: [4]}.get(orientation, [])
        for method in back:  # the method that undoes what a viewer does
            image = image.transpose(Image.Transpose(method))
        options["exif"] = exif
        v.words.append(f"EXIF {orientation}")
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def tiff(image: Image.Image, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "TIFF", **options)
    return stream.getvalue()


def white_is_zero(gray: NDArray[np.uint8]) -> bytes:
    """Return a TIFF of 8 bits in which zero is white; Pillow writes none."""
    data = bytearray(tiff(Image.fromarray(255 - gray)))
    place = data.index(b"\x06\x01\x03\x00\x01\x00\x00\x00")
    data[place + 8 : place + 10] = b"\x00\x00"
    return bytes(data)


def _disguised(draw: Draw, kind: str, hu: NDArray[Any], v: Variation) -> bytes:
    """Return HU in a picture of 16 bits, with their offset said or not."""
    offset = draw.choice([-1024, -32_768, 0])
    stored = (hu.astype(np.int32) - offset).astype(np.uint16)
    v.words.append(f"offset {offset}")
    if draw.number(0, 1):
        v.hu_offset, v.gray, v.slices = offset, False, [hu]
    else:
        v.exclude("^16-bit gray that covers")
    return bytes(imagecodecs.png_encode(stored)) if kind == "PNG" else tiff(Image.fromarray(stored))
