import contextlib
import io
import zlib

import cv2
import imagecodecs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from hemo.imaging import Excluded, raster, read_one
from hemo.imaging.raster import read_raster
from hemo.imaging.windows import apply_window
from tests.helpers.scans import head

GRAY = apply_window(head(), 40, 80)
COLOR = np.dstack([GRAY, np.roll(GRAY, 5, 0), np.roll(GRAY, 9, 1)])


def encoded(pixels, kind, **options):
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, kind, **options)
    return stream.getvalue()


def flipped(content, place):
    return bytes(byte ^ (number == place % len(content)) for number, byte in enumerate(content))


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_gray_pictures_come_as_they_are(kind):
    raw = read_one(encoded(GRAY, kind), "a")
    assert (raw.hu, raw.slice_id, raw.patient) == (False, "a", "")
    np.testing.assert_array_equal(raw.pixels, GRAY)


def test_a_color_picture_is_no_slice_but_a_colored_mark_on_one_is():
    for kind in ("PNG", "TIFF"):
        with pytest.raises(Excluded, match="^color image"):
            read_one(encoded(COLOR, kind))
        marked = np.dstack([GRAY] * 3)
        marked[:10, :10] = [255, 255, 0]
        expected = np.asarray(Image.fromarray(marked).convert("L")).astype(int)
        assert np.abs(read_one(encoded(marked, kind)).pixels - expected).max() <= 1


def test_equal_channels_give_their_own_value():
    np.testing.assert_array_equal(read_one(encoded(np.dstack([GRAY] * 3), "PNG")).pixels, GRAY)


def test_transparency_is_left_out():
    alpha = np.arange(GRAY.size, dtype=np.uint8).reshape(GRAY.shape)
    np.testing.assert_array_equal(read_one(encoded(np.dstack([GRAY] * 3 + [alpha]), "PNG")).pixels, GRAY)
    np.testing.assert_array_equal(read_one(encoded(np.dstack([GRAY, alpha]), "PNG")).pixels, GRAY)


def test_jpeg_comes_within_its_losses():
    for pixels in (GRAY, np.dstack([GRAY] * 3)):
        raw = read_one(encoded(pixels, "JPEG", quality=95))
        assert np.abs(raw.pixels.astype(int) - GRAY).mean() < 3


def test_16_bits_are_scaled_by_their_full_range():
    deep = GRAY.astype(np.uint16) * 257
    for data in (bytes(imagecodecs.png_encode(deep)), encoded(deep, "TIFF")):
        np.testing.assert_array_equal(read_one(data).pixels, GRAY)


def test_a_signed_tiff_that_reaches_air_is_in_hu():
    data = imagecodecs.tiff_encode(head()) if hasattr(imagecodecs, "tiff_encode") else None
    if not data:
        data = cv2.imencode(".tiff", head().astype(np.float32))[1].tobytes()
    raw = read_one(bytes(data))
    assert raw.hu
    np.testing.assert_array_equal(raw.pixels, head())


def bomb(width, height):
    def chunk(name, content):
        body = name + content
        return len(content).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")

    size = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size + b"\x08\x00\x00\x00\x00") + chunk(b"IDAT", b"")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (bomb(30_000, 30_000), "30000x30000 pixels is no slice"),
        (encoded(np.zeros((8, 8), np.uint8), "PNG"), "8x8 pixels is no slice"),
        (encoded(np.full((64, 64), 7, np.uint8), "PNG"), "constant image: every pixel is 7"),
        (encoded(GRAY, "PNG")[:2000], "damaged: cut off before its end"),
        (flipped(encoded(GRAY, "PNG"), -20), "damaged: its compressed data"),
        (encoded(GRAY, "JPEG")[:400], "cut off before its end"),
        (encoded(GRAY.astype(np.int32) * 9, "TIFF"), "no known scale"),
    ],
)
def test_unusable_pictures_are_excluded_with_their_reason(data, reason):
    with pytest.raises(Excluded, match=reason):
        read_one(data)


@given(st.sampled_from(["PNG", "JPEG", "TIFF"]), st.data())
@settings(max_examples=100)
def test_any_damage_gives_a_slice_or_a_reason_and_never_another_error(kind, data):
    content = bytearray(encoded(GRAY, kind))
    content = content[: data.draw(st.integers(16, len(content)))]
    for _ in range(data.draw(st.integers(0, 6))):
        content[data.draw(st.integers(8, len(content) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(Excluded):
        read_raster(bytes(content))


def bad_png(number):
    """Return a PNG with good checksums around data that are none."""

    def chunk(name, content):
        body = name + content
        return len(content).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")

    size = (64).to_bytes(4, "big") * 2
    start = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size + b"\x08\x00\x00\x00\x00")
    return start + chunk(b"IDAT", bytes([number % 256] * 40)) + chunk(b"IEND", b"")


def test_bad_pngs_are_decoded_elsewhere_before_they_are_too_many(monkeypatch):
    monkeypatch.setattr(raster, "MOST_FAILURES", 5)
    monkeypatch.setattr(raster, "_failures", 0)
    for number in range(20):
        with pytest.raises(Excluded, match="damaged: its compressed data"):
            read_one(bad_png(number))
    assert raster._failures == 6
    np.testing.assert_array_equal(read_one(encoded(GRAY, "PNG")).pixels, GRAY)
