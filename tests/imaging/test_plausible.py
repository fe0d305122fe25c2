"""Masks, colors and stretched pixels are told from slices by what they show."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hemo.imaging import Excluded
from hemo.imaging.plausible import check_gray, check_spacing, refuse_color
from hemo.imaging.windows import WINDOWS, apply_window
from tests.helpers.scans import head


@given(st.integers(0, 99), st.sampled_from(sorted(WINDOWS)), st.integers(32, 512))
def test_no_windowed_slice_is_a_mask_or_in_color(seed, window, size):
    gray = apply_window(head(size, seed=seed), *WINDOWS[window])
    check_gray(gray, "12_mask")
    refuse_color(np.dstack([gray] * 3))


@given(st.integers(0, 6), st.integers(24, 600))
def test_a_picture_of_a_few_classes_is_a_mask(classes, size):
    rng = np.random.default_rng(classes)
    levels = rng.integers(0, classes + 2, (4, 4)).astype(np.uint8)
    levels[0, 0], levels[0, 1] = 0, classes + 1
    picture = np.kron(levels, np.ones((size // 4, size // 4), np.uint8))
    if classes < 6:
        with pytest.raises(Excluded, match="^a mask"):
            check_gray(picture)
        with pytest.raises(Excluded, match="^a mask"):
            check_gray(np.multiply(picture, 36, dtype=np.uint8), "7_seg")


def test_few_levels_of_gray_alone_make_no_mask_of_a_drawing():
    check_gray(np.array([[0, 90], [160, 255]], np.uint8).repeat(40, 0).repeat(40, 1), "7")


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_a_picture_is_in_color_where_more_than_a_hundredth_of_it_is(kind):
    gray = apply_window(head(100), 40, 80).astype(kind) * kind(1 if kind == np.uint8 else 257)
    picture = np.dstack([gray] * 3)
    picture[:9, :9, 0] = np.iinfo(kind).max
    refuse_color(picture)
    picture[:, :20, 0] = np.iinfo(kind).max
    with pytest.raises(Excluded, match="^color image"):
        refuse_color(picture)


def test_pixels_are_squares_or_nearly_so():
    check_spacing((0.5, 0.6))
    with pytest.raises(Excluded, match="pixels of 0.5 x 5 mm"):
        check_spacing((0.5, 5.0))
