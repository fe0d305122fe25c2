import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hemo.imaging.crop import cut, head_box
from hemo.imaging.raw import RawSlice
from hemo.imaging.windows import apply_window
from tests.helpers.present import present
from tests.helpers.scans import SHARED, head


def bounds(size, shift):
    """Where the head of `scans.head` ends: top, left, bottom, right."""
    middle = [(1 + s) / 2 * size for s in shift]
    return middle[0] - 0.35 * size, middle[1] - 0.3 * size, middle[0] + 0.35 * size, middle[1] + 0.3 * size


@given(st.tuples(st.floats(-0.2, 0.1), st.floats(-0.3, 0.3)), st.sampled_from([128, 256, 512]))
def test_the_box_is_a_square_that_holds_the_head_and_little_else(shift, size):
    for raw in (
        RawSlice(head(size, shift=shift), hu=True),
        RawSlice(apply_window(head(size, shift=shift), 40, 80), hu=False),
    ):
        top, left, bottom, right = head_box(raw)
        assert bottom - top == right - left
        expected = bounds(size, shift)
        slack = 3 * size / 128
        assert top <= expected[0] + slack
        assert left <= expected[1] + slack
        assert bottom >= expected[2] - slack
        assert right >= expected[3] - slack
        assert bottom - top <= 0.7 * size * 1.15


def test_the_thin_table_is_left_out():
    top, _, bottom, _ = head_box(RawSlice(head(256, shift=(-0.2, 0)), hu=True))
    assert bottom < 0.93 * 256
    assert top < bottom


def test_a_small_vertex_is_not_blown_up():
    y, x = np.mgrid[:512, :512]
    hu = np.where(np.hypot(y - 256, x - 256) < 60, 500, -1000).astype(np.int16)
    side = np.diff(np.array(head_box(RawSlice(hu, hu=True, spacing=(0.5, 0.5))))[[0, 2]])[0]
    assert side == 300  # 150 mm


def test_without_a_head_the_whole_image_is_kept():
    hu = np.full((128, 100), -1000, np.int16)
    assert head_box(RawSlice(hu, hu=True)) == (0, 0, 128, 100)


@given(st.integers(1, 9), st.integers(1, 9), st.integers(-3, 3), st.integers(-3, 3), st.integers(4, 12))
def test_cutting_equals_cutting_from_a_padded_image(height, width, top, left, side):
    pixels = np.arange(1, height * width + 1).reshape(height, width)
    padded = np.pad(pixels, 20)
    if top + side <= 0 or left + side <= 0 or top >= height or left >= width:
        return
    expected = padded[20 + top : 20 + top + side, 20 + left : 20 + left + side]
    np.testing.assert_array_equal(cut(pixels, (top, left, top + side, left + side), 0), expected)


def test_an_oblong_image_is_made_square_around_its_middle():
    result = cut(np.ones((4, 7), np.uint8), (0, 0, 4, 7), 0)
    assert result.shape == (7, 7)
    assert result.sum(axis=1).tolist() == [0, 7, 7, 7, 7, 0, 0]


@pytest.mark.skipif(not (SHARED / "head-dicom").is_dir(), reason="the shared head study is not here")
def test_the_heads_of_a_real_study_are_found_without_their_table():
    from hemo.imaging import read_one

    sides = []
    for path in sorted((SHARED / "head-dicom").glob("*.dcm")):
        raw = read_one(path)
        top, _, bottom, _ = head_box(raw)
        sides.append((bottom - top) * present(raw.spacing)[0])
    assert min(sides) >= 150
    assert max(sides) <= 250  # mm; the image is 250 mm wide
    assert np.median(sides) < 230
