import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hemo.errors import HemoError
from hemo.imaging.windows import WINDOWS, apply_window, window

HU = arrays(np.int16, (4, 5), elements=st.integers(-1024, 3071))


@pytest.mark.parametrize("name", [*WINDOWS, "40/380", "600/4000"])
def test_a_window_maps_its_bounds_to_0_and_255(name):
    level, width = window(name)
    bounds = np.array([[level - width / 2, level + width / 2]])
    for kind in (np.int16, np.float32):
        assert apply_window(bounds.astype(kind), level, width).tolist() == [[0, 255]]


@given(HU, st.sampled_from(sorted(WINDOWS)))
def test_windowing_is_clip_and_scale_by_the_bounds_rounded_to_nearest(hu, name):
    level, width = WINDOWS[name]
    exact = np.clip((hu - (level - width / 2)) / width, 0, 1) * 255
    assert np.abs(apply_window(hu, level, width) - exact).max() <= 0.5 + 1e-3


@given(HU, st.sampled_from(sorted(WINDOWS)))
def test_whole_and_fractional_hu_give_the_same_window(hu, name):
    level, width = WINDOWS[name]
    np.testing.assert_array_equal(
        apply_window(hu, level, width), apply_window(hu.astype(np.float32), level, width)
    )


@given(HU)
def test_windowing_never_reverses_two_values(hu):
    order = np.argsort(hu, axis=None, kind="stable")
    assert (np.diff(apply_window(hu, 40, 80).ravel()[order].astype(int)) >= 0).all()


def test_a_window_that_reaches_beyond_16_bits_is_computed_in_floats():
    assert apply_window(np.array([[0]], np.int16), 0, 80_000).tolist() == [[128]]


@pytest.mark.parametrize("name", ["liver", "40/0", "40/-80", "40", "a/b", ""])
def test_an_unknown_window_is_refused_with_those_that_exist(name):
    with pytest.raises(HemoError, match="brain, subdural, bone, gray, or LEVEL/WIDTH"):
        window(name)
