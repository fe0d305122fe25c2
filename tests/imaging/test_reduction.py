import io
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from hemo.errors import HemoError
from hemo.imaging import PAPER, Excluded, RawSlice, Reduction, read_one, read_reduced, reduce
from hemo.imaging.shrink import shrink
from hemo.imaging.windows import WINDOWS, apply_window
from tests.helpers.scans import head, make_dicom

RAW = RawSlice(head(256), hu=True)


@given(
    st.integers(8, 256),
    st.lists(st.sampled_from(["brain", "subdural", "bone", "40/380"]), min_size=1, max_size=4),
    st.booleans(),
    st.sampled_from(["area", "paper"]),
)
def test_the_result_has_the_asked_for_shape_and_repeats_bit_equal(size, windows, crop, resampling):
    reduction = Reduction(size, tuple(windows), crop, resampling)
    image = reduce(RAW, reduction)
    assert (image.shape, image.dtype) == ((size, size, len(windows)), np.uint8)
    np.testing.assert_array_equal(image, reduce(RAW, reduction))


@given(st.integers(8, 64), st.sampled_from([1, 2, 4, 6]), st.integers(0, 3))
def test_shrinking_by_an_even_factor_is_the_mean_of_the_squares(size, factor, seed):
    values = np.random.default_rng(seed).random((size * factor, size * factor), np.float32)
    expected = values.reshape(size, factor, size, factor).mean((1, 3))
    np.testing.assert_allclose(shrink(values, size), expected, atol=1e-5)


@given(st.integers(40, 256), st.integers(100, 512))
def test_shrinking_any_slice_is_close_to_area_resampling_in_one_step(size, side):
    values = cv2.GaussianBlur(apply_window(head(side), 40, 400), (0, 0), 1.5)
    expected = cv2.resize(values, (size, size), interpolation=cv2.INTER_AREA)
    assert np.abs(shrink(values, size).astype(int) - expected).mean() < 2


def test_a_window_is_clipped_before_it_is_averaged():
    hu = np.full((128, 128), -1000, np.int16)
    hu[:, ::2] = 3000
    image = reduce(RawSlice(hu, hu=True), Reduction(64, ("brain",), crop=False))
    assert set(np.unique(image)) <= {127, 128}  # half of the bone would be far above the window


def test_averages_keep_what_lies_between_two_whole_hu():
    hu = np.full((128, 128), 40, np.int16)
    hu[::2] = 41
    image = reduce(RawSlice(hu, hu=True), Reduction(64, ("brain",), crop=False))
    assert set(np.unique(image)) == {round(40.5 / 80 * 255)}


def test_whole_and_fractional_hu_reduce_the_same():
    for crop in (True, False):
        reduction = Reduction(64, ("brain", "bone"), crop)
        floats = RawSlice(RAW.pixels.astype(np.float32), hu=True)
        difference = reduce(RAW, reduction).astype(int) - reduce(floats, reduction)
        assert np.abs(difference).max() <= 1


@given(
    st.sampled_from([np.int16, np.uint16]),
    st.sampled_from([0, -1, -1000, -1024, -8192]),
    st.sampled_from([12, 16]),
    st.sampled_from([None, "0", "1000"]),
    st.sampled_from(["brain", "bone", "600/4000", "-1500/400", "1500.5/3000", "20000/60000"]),
    st.booleans(),
)
def test_dicom_read_for_a_reduction_reduces_as_if_read_without(kind, intercept, bits, padding, window, crop):
    stored = np.clip(head(128) * np.int16(2) - intercept, np.iinfo(kind).min, 2**bits - 1).astype(kind)
    stored[:9, :9] = np.iinfo(kind).max if bits == 16 else 4095
    stored[:9, 9:20] = 0
    tags: dict[str, Any] = {} if padding is None else {"PixelPaddingValue": int(padding)}
    data = make_dicom(stored, RescaleIntercept=str(intercept), BitsStored=bits, HighBit=bits - 1, **tags)
    reduction = Reduction(40, (window,), crop)
    try:
        raw = read_one(data)
    except Excluded as excluded:
        with pytest.raises(Excluded, match=str(excluded)):
            read_reduced(data, reduction)
        return
    ((_, image),) = read_reduced(data, reduction)
    np.testing.assert_array_equal(image, reduce(raw, reduction))


def test_channels_are_the_windows_in_their_order():
    image = reduce(RAW, Reduction(256, tuple(WINDOWS), crop=False))
    for channel, (level, width) in enumerate(WINDOWS.values()):
        np.testing.assert_array_equal(image[..., channel], apply_window(RAW.pixels, level, width))


def test_the_crop_shows_the_head_larger():
    whole, cropped = (reduce(RAW, Reduction(64, crop=crop)) for crop in (False, True))
    assert (cropped > 0).mean() > 1.5 * (whole > 0).mean()


def test_a_gray_picture_serves_any_single_window_and_no_several():
    gray = RawSlice(apply_window(head(), 40, 80), hu=False)
    for name in ("gray", "brain", "bone"):
        np.testing.assert_array_equal(reduce(gray, Reduction(128, (name,), crop=False))[..., 0], gray.pixels)
    with pytest.raises(Excluded, match="already windowed"):
        reduce(gray, Reduction(windows=("brain", "bone")))


def test_windows_that_come_as_separate_pictures_are_told_by_name():
    planes = [apply_window(head(), *WINDOWS[name]) for name in ("brain", "bone")]
    pair = RawSlice(np.dstack(planes), hu=False, channels=("brain", "bone"))
    image = reduce(pair, Reduction(128, ("bone", "brain"), crop=False))
    np.testing.assert_array_equal(image[..., 0], planes[1])
    np.testing.assert_array_equal(image[..., 1], planes[0])
    with pytest.raises(Excluded, match="subdural can only be made from HU"):
        reduce(pair, Reduction(windows=("subdural",)))


def test_gray_asked_of_hu_is_the_brain_window():
    np.testing.assert_array_equal(
        reduce(RAW, Reduction(windows=("gray",))), reduce(RAW, Reduction(windows=("brain",)))
    )


def test_the_papers_reduction_is_pillows_gray_and_default_resize():
    color = np.dstack([np.roll(apply_window(head(512), 40, 80), k, 0) for k in range(3)])
    expected = np.asarray(Image.fromarray(color).convert("L").resize((128, 128)))
    gray = np.asarray(Image.fromarray(color).convert("L"))
    image = reduce(RawSlice(gray, hu=False), PAPER)[..., 0]
    np.testing.assert_array_equal(image, expected)


def test_an_oblong_slice_keeps_its_proportions():
    hu = np.full((128, 64), 2000, np.int16)
    image = reduce(RawSlice(hu, hu=True), Reduction(64, ("bone",), crop=False))[..., 0]
    assert (image[:, :16] == 0).all()
    assert (image[:, 17:47] == 255).all()


@given(
    st.builds(
        Reduction,
        st.integers(8, 1024),
        st.lists(st.sampled_from(["brain", "gray", "40/380"]), min_size=1, max_size=3).map(tuple),
        st.booleans(),
        st.sampled_from(["area", "paper"]),
        st.integers(0, 5),
    )
)
def test_a_reduction_survives_json(reduction):
    assert Reduction.from_json(reduction.to_json()) == reduction


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        ({"size": 4}, "4: impossible size"),
        ({"windows": ()}, "none given"),
        ({"windows": ("liver",)}, "liver: unknown window"),
        ({"resampling": "cubic"}, "cubic: unknown resampling"),
        ({"neighbours": 9}, "9: impossible number"),
    ],
)
def test_an_impossible_reduction_is_refused_with_the_remedy(words, fault):
    with pytest.raises(HemoError, match=fault):
        Reduction(**words)


def test_an_unknown_part_of_a_stored_reduction_is_refused():
    with pytest.raises(HemoError, match="sharpen"):
        Reduction.from_json({**Reduction().to_json(), "sharpen": 1})


def test_what_preprocess_sees_is_what_a_served_model_sees(tmp_path):
    path = tmp_path / "ID_1.dcm"
    path.write_bytes(make_dicom(head(512)))
    reduction = Reduction(windows=("brain", "bone"))
    (raw, image) = read_reduced(path, reduction)[0]
    assert raw.slice_id == "ID_1"
    np.testing.assert_array_equal(image, reduce(read_one(path.read_bytes()), reduction))


@pytest.mark.parametrize("size", [64, 100, 128, 160, 256])
@pytest.mark.parametrize("crop", [True, False])
def test_a_jpeg_reduces_the_same_whether_read_in_full_or_at_scale(size, crop):
    stream = io.BytesIO()
    Image.fromarray(apply_window(head(520), 40, 80)).save(stream, "JPEG", quality=90)
    reduction = Reduction(size, crop=crop)
    raw = read_one(stream.getvalue())
    assert raw.pixels.shape == (520, 520)
    image = read_reduced(stream.getvalue(), reduction)[0][1]
    np.testing.assert_array_equal(image, reduce(raw, reduction))
    if not crop:  # the head's box is found to a pixel of the scale only, which shifts hard edges
        full = reduce(replace(raw, jpeg=b""), reduction)
        assert np.abs(image.astype(int) - full).mean() < 4
