import cv2
import numpy as np
import pytest

from hemo.errors import HemoError
from hemo.imaging import RawSlice, Reduction, reduce, standard
from tests.helpers.drawn_heads import hu, shown

PLAIN = Reduction(size=128, windows=("gray",))
STANDARD = Reduction(size=128, windows=("gray",), standard=True)


def seen(gray, made=STANDARD):
    return reduce(RawSlice(pixels=gray, hu=False), made)[..., 0].astype(float)


def apart(one, other):
    """Return the mean difference of gray, but for grain."""
    one, other = (cv2.GaussianBlur(image, (0, 0), 2) for image in (one, other))
    return float(np.abs(one - other).mean())


def test_inverted_gray_is_turned_back_to_the_level():
    assert np.array_equal(seen(255 - shown()), seen(shown()))
    assert apart(seen(255 - shown(), PLAIN), seen(shown(), PLAIN)) > 50


def test_hu_look_as_a_picture_of_the_window_does():
    found = reduce(RawSlice(pixels=hu().astype(np.int16), hu=True), STANDARD)[..., 0].astype(float)
    assert apart(seen(shown()), found) < 6  # the head's box is found in HU


@pytest.mark.parametrize("wide", [1, 6])
def test_a_white_frame_is_no_part_of_a_slice(wide):
    framed = shown()
    framed[:wide] = framed[-wide:] = framed[:, :wide] = framed[:, -wide:] = 255
    assert apart(seen(shown()), seen(framed)) < 1
    if wide > 1:  # else the head's box leaves it out
        assert apart(seen(shown(), PLAIN), seen(framed, PLAIN)) > 3


def test_a_white_page_is_no_part_of_a_slice():
    page = np.pad(shown(), 30, constant_values=255)
    assert np.array_equal(standard.freed(page)[30:-30, 30:-30], shown())
    assert apart(seen(shown()), seen(page)) < 3


def test_what_lies_beside_the_head_is_black():
    gray = shown()
    cv2.putText(gray, "NAME", (2, 12), cv2.FONT_HERSHEY_SIMPLEX, 0.4, 255, 1)
    gray[196:199, 20:180] = 220
    assert not seen(gray)[:14, :24].any()
    assert not seen(gray)[-14:, :24].any()
    assert seen(gray, PLAIN)[:14, :24].any()


def test_the_head_itself_is_left_as_it_is():
    one, other = seen(shown()), seen(shown(), PLAIN)
    assert np.array_equal(one[one > 0], other[one > 0])
    assert other[one == 0].mean() < 1


def test_a_slice_without_a_head_is_left_as_it_is():
    gray = np.zeros((64, 64), np.uint8)
    gray[30:34, 30:34] = 90
    assert seen(gray).max() == pytest.approx(90, abs=2)


def test_a_picture_that_is_white_all_over_loses_nothing():
    white = np.full((40, 40), 255, np.uint8)
    assert standard.freed(white).shape == (40, 40)


def test_one_look_goes_with_gray_alone():
    with pytest.raises(HemoError, match="window gray"):
        Reduction(windows=("brain",), standard=True)
    with pytest.raises(HemoError, match="window gray"):
        Reduction(windows=("gray",), resampling="paper", standard=True)


def test_reductions_of_before_are_written_as_before():
    assert "standard" not in Reduction().to_json()
    assert Reduction.from_json(STANDARD.to_json()) == STANDARD
