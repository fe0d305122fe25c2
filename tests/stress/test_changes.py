import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hemo.errors import HemoError
from hemo.imaging import Excluded, Reduction
from hemo.imaging.windows import apply_window
from hemo.slices.store import SliceStore
from hemo.stress import changes, pictures
from hemo.stress.changes import KINDS, Change
from hemo.stress.stack import Stack
from tests.helpers.stores import write_store

SIDE = 64


def head(slices=5, shown=(40.0, 80.0)):
    """A stack of discs of brain in a ring of bone, which grow from slice to slice, with a bright spot."""
    rows, columns = np.mgrid[0:SIDE, 0:SIDE] - (SIDE - 1) / 2
    away = np.hypot(rows, columns)
    stack = []
    for number in range(slices):
        radius = 18 + number
        gray = np.where(away < radius, 110, np.where(away < radius + 4, 255, 0))
        gray[20:26, 20 + number : 26 + number] = 190
        stack.append(gray)
    return Stack.of(np.array(stack), shown)


def every():
    """All values of all kinds."""
    return [Change(((kind, value),)) for kind in KINDS for value in kind.values + kind.beyond]


@pytest.mark.parametrize("change", every(), ids=lambda change: change.name)
def test_a_change_is_a_pure_function_that_gives_gray_levels(change):
    stack = head()
    before = stack.pixels.copy()
    one, two = change(stack, 3), change(stack, 3)
    assert np.array_equal(stack.pixels, before)
    assert np.array_equal(one.pixels, two.pixels)
    assert one.pixels.dtype == np.float32
    assert 0 <= one.pixels.min() <= one.pixels.max() <= 255
    assert len(one.pixels) == len(one.places)
    unlike = one.pixels.shape != before.shape or not np.allclose(one.pixels, before)
    # This window is shown already; this kernel is finer than so coarse pixels.
    assert unlike or one.quality or change.name in ("window=40/80", "kernel=sharp")


@pytest.mark.parametrize("change", every(), ids=lambda change: change.name)
def test_hu_are_changed_too(change):
    hu = Stack.of(np.linspace(-1000, 1500, 3 * SIDE * SIDE).reshape(3, SIDE, SIDE), None)
    assert np.isfinite(change(hu, 0).pixels).all()


@given(value=st.integers(0, 255), level=st.integers(20, 80), width=st.integers(60, 300))
def test_another_window_of_a_picture_is_that_window_of_its_hu(value, level, width):
    shown = Change.parse(f"window={level}/{width}")
    found = shown(Stack.of(np.full((1, 8, 8), value), (40.0, 80.0)), 0).pixels[0, 0, 0]
    if value in (0, 255):
        assert found == value  # nobody knows what it was
    else:
        hu = value / 255 * 80
        assert abs(found - float(apply_window(np.array([hu]), level, width)[0])) <= 0.5 + 1e-3


def test_black_is_shown_as_white_and_back():
    stack, inverted = head(), Change.parse("inverted")
    assert np.allclose(inverted(inverted(stack, 0), 0).pixels, stack.pixels)


def test_every_second_slice_says_which_ones_are_left():
    assert Change.parse("every=2")(head(5), 0).places.tolist() == [0, 2, 4]


def test_thick_slices_are_means_of_neighbours_and_the_ends_of_what_is_there():
    stack = head(3)
    thick = Change.parse("thickness=2")(stack, 0).pixels
    assert np.allclose(thick[1], stack.pixels[0] / 4 + stack.pixels[1] / 2 + stack.pixels[2] / 4)
    assert np.allclose(thick[0], 0.75 * stack.pixels[0] + 0.25 * stack.pixels[1])


def test_a_tilt_leaves_the_middle_row_and_takes_others_from_neighbours():
    stack = head(5)
    tilted = Change.parse("tilt=10")(stack, 0).pixels
    assert np.allclose(tilted[2, SIDE // 2], stack.pixels[2, SIDE // 2])
    assert not np.allclose(tilted[2, 2:20], stack.pixels[2, 2:20])


def test_noise_is_as_strong_as_it_says_and_leaves_black_and_white():
    stack = Stack.of(np.full((4, 128, 128), 120.0), (40.0, 80.0))
    stack.pixels[:, :10], stack.pixels[:, 10:20] = 0, 255
    noisy = Change.parse("noise=3")(stack, 1).pixels
    assert abs(noisy[:, 20:].std() * 80 / 255 - 3) < 0.2
    assert (noisy[:, :10] == 0).all()
    assert (noisy[:, 10:20] == 255).all()


def test_a_sharp_kernel_makes_edges_steeper_and_a_soft_one_flatter():
    step = Stack.of(np.tile(np.where(np.arange(512) < 256, 60.0, 180.0), (1, 16, 1)), (40.0, 80.0))
    steepest = {
        name: np.diff(Change.parse(f"kernel={name}")(step, 0).pixels[0, 8]).max()
        for name in ("soft", "sharp")
    }
    own = np.diff(step.pixels[0, 8])
    assert Change.parse("kernel=sharp")(step, 0).pixels.max() > step.pixels.max()
    assert steepest["soft"] < own.max() < steepest["sharp"]


def test_a_crop_leaves_the_head_and_no_table():
    stack = head(1)
    stack.pixels[:, 60:62, 10:50] = 200
    cropped = Change.parse("crop=0")(stack, 0).pixels[0]
    assert cropped.shape == (SIDE, SIDE)
    assert (cropped == 255).sum() > 1.2 * (stack.pixels == 255).sum()  # larger
    assert not ((cropped[-3:] > 190) & (cropped[-3:] < 210)).any()


def test_changes_are_applied_in_the_order_in_which_they_are_written():
    one = Change.parse("window=80/200+size=32+jpeg=75")
    assert one.name == "window=80/200+size=32+jpeg=75"
    found = one(head(), 0)
    assert found.pixels.shape == (5, 32, 32)
    assert found.shown == (80.0, 200.0)
    assert found.quality == 75
    again = Change.parse("jpeg=10+frame=0.01")(head(), 0)
    assert again.quality == 0  # the frame is drawn on what the JPEG left
    assert not np.allclose(again.pixels[0, 20:40, 20:40], head().pixels[0, 20:40, 20:40])


def test_changes_are_named_by_kind_or_by_value():
    assert [one.name for one in changes.chosen("jpeg=60,flip")] == ["jpeg=60", "flip=sides", "flip=face"]
    assert len(changes.chosen()) == len(every())
    usual = {one.name: one.usual for one in changes.chosen("flip,jpeg")}
    assert usual == {
        "flip=sides": True, "flip=face": False, "jpeg=75": True, "jpeg=50": True, "jpeg=25": False,
    }  # fmt: skip


@pytest.mark.parametrize(
    "words",
    [
        "gama", "jpeg=high", "size=3", "flip=up", "thickness=9", "kernel=hard", "window=bright", "every=1",
        "table=oak",
    ],
)  # fmt: skip
def test_what_is_no_change_is_refused_before_anything_is_read(words):
    with pytest.raises(HemoError, match=words.partition("=")[2] or words):
        changes.chosen(words)


@pytest.fixture
def shown(tmp_path):
    """Pictures of two stacks of four slices."""
    images = np.concatenate([head(4).pixels, head(4).pixels]).astype(np.uint8)
    images[4:] = images[4:, :, ::-1]
    return pictures.Shown(write_store(tmp_path / "store", images, ["p"] * 4 + ["q"] * 4), (40.0, 80.0))


MADE = Reduction(size=32, windows=("gray",))


def test_what_is_not_changed_is_seen_as_reading_sees_it(shown):
    found = pictures.seen(shown, None, MADE, np.ones(8, bool), 0)
    assert found.rows.tolist() == list(range(8))
    assert found.images.shape == (8, 32, 32, 1)
    assert not len(found.refused)


def test_only_stacks_that_are_asked_for_are_seen(shown):
    wanted = np.arange(8) == 6
    assert pictures.seen(shown, Change.parse("every"), MADE, wanted, 0).rows.tolist() == [4, 6]


def test_slices_that_reading_refuses_are_counted_by_reason(shown, monkeypatch):
    def refusing(data, name, made):
        raise Excluded("too strange")

    monkeypatch.setattr(pictures, "read_parts", refusing)
    found = pictures.seen(shown, None, MADE, np.ones(8, bool), 0)
    assert len(found.rows) == 0
    assert found.images.shape == (0, 32, 32, 1)
    assert found.refused.to_dict() == {"too strange": 8}


def test_a_picture_is_refused_where_a_classifier_sees_several_windows_of_hu(shown):
    two = Reduction(size=32, windows=("brain", "subdural"))
    found = pictures.seen(shown, None, two, np.ones(8, bool), 0)
    assert "already windowed" in found.refused.index[0]


def test_hu_are_taken_back_from_the_finest_window_that_shows_them(tmp_path):
    hu = np.array([-1024.0, -800, -150, 5, 33.3, 75, 150, 290, 900])
    kept = np.stack([apply_window(hu, *map(float, name.split("/"))) for name in pictures.KEPT], axis=-1)
    found = pictures._hu(kept[None, None])[0, 0]
    assert np.abs(found - hu)[[3, 4, 5]].max() < 0.2
    assert np.abs(found - hu)[[6, 7]].max() < 1
    assert np.abs(found - hu).max() < 8.1


def test_slices_are_called_as_in_the_store_of_the_run_whatever_their_place(tmp_path):
    images = head(4).pixels.astype(np.uint8)
    one = write_store(tmp_path / "one", images, ["p"] * 4)
    other = write_store(tmp_path / "other", images, ["p"] * 4)
    one.index["slice_id"] = ["0-aa", "1-bb", "2-cc", "3-dd"]
    other.index["slice_id"] = ["5-dd", "6-cc", "7-bb", "8-ee"]
    other.index["digest"] = one.index["digest"].to_numpy()[[3, 2, 1, 0]]
    found = pictures.Shown(one, None).called_as_in(other)["slice_id"].tolist()
    assert found == ["other 0-aa", "7-bb", "6-cc", "5-dd"]
    assert isinstance(one, SliceStore)
