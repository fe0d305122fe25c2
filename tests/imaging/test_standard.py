import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hemo.errors import HemoError
from hemo.imaging import RawSlice, Reduction, reduce, standard

STANDARD = Reduction(size=128, windows=("gray",), standard=True)


def hu(side=200, tilt=0.0):
    """A head in HU: an oval of brain with darker ventricles and a spot of blood, bone around it, skin."""
    rows, columns = (np.mgrid[0:side, 0:side] - (side - 1) / 2) / side
    turned = np.radians(tilt)
    down, across = (
        rows * np.cos(turned) - columns * np.sin(turned),
        columns * np.cos(turned) + rows * np.sin(turned),
    )
    away = np.hypot(down / 0.40, across / 0.31)
    grain = np.random.default_rng(0).normal(0, 6, (side, side))
    head = np.full((side, side), -1000.0)
    head[away < 1.13] = 45
    head[away < 1.06] = 900
    brain = away < 0.94
    head[brain] = (36 + grain)[brain]
    head[np.hypot(down / 0.08, (abs(across) - 0.05) / 0.03) < 1] = 8
    head[np.hypot(down - 0.12, across - 0.15) < 0.05] = 65
    return cv2.GaussianBlur(head, (0, 0), 0.8)


def shown(level=40.0, width=120.0, **words):
    return np.rint(np.clip((hu(**words) - level + width / 2) / width, 0, 1) * 255).astype(np.uint8)


def seen(gray):
    return reduce(RawSlice(pixels=gray, hu=False), STANDARD)[..., 0].astype(float)


def apart(one, other):
    """Return the mean difference of gray where the unchanged is brain, but for its grain."""
    one, other = (cv2.GaussianBlur(image, (0, 0), 2) for image in (one, other))
    inside = cv2.erode((one > 40).astype(np.uint8) * (one < 200).astype(np.uint8), np.ones((5, 5))) > 0
    return float(np.abs(one - other)[inside].mean())


def plain(gray):
    reduced = reduce(RawSlice(pixels=gray, hu=False), Reduction(size=128, windows=("gray",)))
    return reduced[..., 0].astype(float)


@pytest.mark.parametrize("window", [(40, 80), (35, 100), (50, 150), (80, 200)])
def test_a_slice_looks_the_same_in_whatever_window_it_was_saved(window):
    assert apart(seen(shown()), seen(shown(*map(float, window)))) < 5
    assert apart(plain(shown()), plain(shown(*map(float, window)))) > (6 if window != (40, 80) else 2)


@given(gamma=st.floats(0.7, 1.5))
@settings(max_examples=10, deadline=None)
def test_a_gamma_is_undone(gamma):
    gray = np.rint(255 * (shown() / 255) ** gamma).astype(np.uint8)
    assert apart(seen(shown()), seen(gray)) < 5


def test_inverted_gray_is_undone_to_the_level():
    assert np.array_equal(seen(255 - shown()), seen(shown()))


def test_hu_look_as_their_picture_does():
    found = reduce(RawSlice(pixels=hu().astype(np.int16), hu=True), STANDARD)[..., 0].astype(float)
    assert apart(seen(shown()), found) < 4


@pytest.mark.parametrize("wide", [1, 6])
def test_a_white_frame_is_no_part_of_a_slice(wide):
    framed = shown()
    framed[:wide] = framed[-wide:] = framed[:, :wide] = framed[:, -wide:] = 255
    assert apart(seen(shown()), seen(framed)) < 1


def test_a_white_page_is_no_part_of_a_slice():
    page = np.pad(shown(), 30, constant_values=255)
    assert np.array_equal(standard.freed(page)[30:-30, 30:-30], shown())
    assert apart(seen(shown()), seen(page)) < 3


def test_what_lies_beside_the_head_is_black():
    gray = shown()
    cv2.putText(gray, "NAME", (2, 12), cv2.FONT_HERSHEY_SIMPLEX, 0.4, 255, 1)
    gray[196:199, 20:180] = 220
    found = seen(gray)
    assert not found[:14, :24].any()
    assert not found[-14:, :24].any()
    assert plain(gray)[:14, :24].any()


@pytest.mark.parametrize("tilt", [-20.0, 15.0])
def test_a_head_that_is_turned_is_upright(tilt):
    before, after = (standard.look(of(shown(tilt=tilt)).astype(np.uint8)).tilt for of in (plain, seen))
    assert abs(abs(before) - abs(tilt)) < 3
    assert abs(after) < 3


def test_a_slice_without_a_brain_is_left_as_it_is():
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
