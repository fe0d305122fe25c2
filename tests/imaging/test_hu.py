import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hemo.imaging import read_one
from hemo.imaging.hu import Scale, check_hu, to_hu
from hemo.imaging.raw import AIR, Excluded
from tests.helpers.scans import SHARED, head

LIMITS = {
    np.int16: (-32_768, 32_767),
    np.uint16: (0, 65_535),
    np.uint8: (0, 255),
    np.int32: (-70_000, 70_000),
}


@given(
    st.sampled_from(sorted(LIMITS, key=str)).flatmap(
        lambda kind: arrays(kind, (3, 4), elements=st.integers(*LIMITS[kind]))
    ),
    st.integers(-9000, 9000),
)  # fmt: skip
def test_whole_hu_are_exact_and_saturate_at_16_bits(stored, intercept):
    exact = stored.astype(np.int64) + intercept
    hu = to_hu(stored, Scale(1.0, float(intercept)))
    assert hu.dtype == np.int16
    within = exact <= 32_767 + min(intercept, 0)
    np.testing.assert_array_equal(hu[within], np.maximum(exact, AIR)[within])
    assert (hu[~within] >= 20_000).all()


@given(arrays(np.int16, (3, 4), elements=st.integers(-3000, 3000)))
def test_a_fractional_slope_gives_floats(stored):
    hu = to_hu(stored, Scale(0.5, -10.25))
    assert hu.dtype == np.float32
    np.testing.assert_allclose(hu, np.maximum(stored * 0.5 - 10.25, AIR), atol=1e-3)


@pytest.mark.parametrize("intercept", [0.0, -1024.0])
def test_negative_hu_that_wrapped_in_12_bits_come_back(intercept):
    hu = head().clip(-1024, 2000)
    hu[:2] = -1010  # air below -1000
    wrapped = (hu % 4096).astype(np.uint16)
    np.testing.assert_array_equal(to_hu(wrapped, Scale(1, intercept, unsigned12=True)), hu)


def test_bright_metal_in_an_ordinary_12_bit_image_is_not_taken_for_wrapped_air():
    hu = head()
    hu[60:64, 60:64] = 3000
    stored = (hu + 1024).astype(np.uint16)
    np.testing.assert_array_equal(to_hu(stored, Scale(1, -1024.0, unsigned12=True)), hu)


@pytest.mark.parametrize("padding", [(4095.0, 4095.0), None])
def test_what_lies_outside_a_round_field_of_view_is_not_taken_for_wrapped_air(padding):
    hu = head()
    stored = (hu + 1024).astype(np.uint16)
    corners = np.hypot(*np.indices(hu.shape) - len(hu) / 2) > 0.55 * len(hu)
    stored[corners] = 4095
    assert corners.mean() > 0.05
    found = to_hu(stored, Scale(1, -1024.0, padding, unsigned12=True))
    np.testing.assert_array_equal(found[~corners], hu[~corners])


def test_numbers_that_a_slope_multiplies_never_wrapped():
    stored = np.full((64, 64), 4000, np.uint16)
    stored[8:56, 8:56] = 2118  # 35 HU
    found = to_hu(stored, Scale(0.5, -1024.0, unsigned12=True))
    assert (found[32, 32], found[0, 0]) == (35, 976)


def test_padding_above_air_becomes_air_and_a_range_of_it_too():
    hu = head()
    stored = hu + np.int16(1024)
    stored[0, :3] = 2000
    stored[1, :3] = [1990, 1995, 2001]
    one = to_hu(stored, Scale(1, -1024, padding=(2000, 2000)))
    assert one[0, :3].tolist() == [AIR] * 3
    assert one[1, :3].tolist() == [966, 971, 977]
    assert to_hu(stored, Scale(1, -1024, padding=(1990, 2000)))[1, :3].tolist() == [AIR, AIR, 977]


def test_a_head_is_plausible():
    check_hu(head())
    check_hu(head().astype(np.float32))


@pytest.mark.parametrize(
    ("hu", "reason"),
    [
        (np.zeros((64, 64), np.int16), "constant image"),
        (np.full((64, 64), np.nan, np.float32), "no numbers"),
        (np.linspace(0, 255, 4096).reshape(64, 64).astype(np.int16), "no air around a head"),
        (np.linspace(-1000, -600, 4096).reshape(64, 64).astype(np.int16), "no tissue"),
        (np.linspace(-1000, 32_000, 4096).reshape(64, 64).astype(np.int16), "beyond any metal"),
    ],
)
def test_numbers_that_cannot_be_a_heads_hu_are_refused_with_the_reason(hu, reason):
    with pytest.raises(Excluded, match=reason):
        check_hu(hu)


def test_one_pixel_that_is_no_number_is_enough_to_refuse_a_slice():
    hu = head().astype(np.float32)
    hu[3, 5] = np.inf
    with pytest.raises(Excluded, match="no numbers"):
        check_hu(hu)


@pytest.mark.parametrize("outside", [AIR, -1000, -2000])
def test_one_number_outside_a_round_field_of_view_is_no_air_around_a_head(outside):
    y, x = np.mgrid[-1:1:128j, -1:1:128j]
    shifted = np.where(np.hypot(y, x) > 1, outside, head() + np.int16(1024)).astype(np.int16)
    for pixels, offset in ((np.maximum(shifted, AIR), 0), (shifted + np.int16(1024), -1024)):
        with pytest.raises(Excluded, match="nothing but one number below"):
            check_hu(pixels.astype(np.int16), offset)
    check_hu(np.where(head() < -300, AIR, head()).astype(np.int16) + np.int16(0))


@pytest.mark.parametrize("floored", [True, False])
@pytest.mark.parametrize("intercept", [-1024, -1000])
@pytest.mark.parametrize("bone", [1200, 1080])
def test_an_intercept_that_was_added_twice_is_refused_however_air_was_kept(floored, intercept, bone):
    stored = head()
    stored[stored > 1000] += np.int16(bone - 1200)  # 1080 becomes what looks like blood
    stored = stored.clip(0) if floored else stored
    for kept in (stored + np.int16(intercept), to_hu(stored, Scale(1.0, float(intercept)))):
        with pytest.raises(Excluded, match="the intercept is added once more"):
            check_hu(kept)
    with pytest.raises(Excluded, match="the intercept is added once more"):
        check_hu(stored, intercept)  # as read for a reduction


@pytest.mark.parametrize("part", [0.05, 0.1, 0.2, 0.4])
def test_the_top_of_a_head_in_much_air_is_not_taken_for_one_whose_intercept_was_added_twice(part):
    """Its middle is as low as a brain that was shifted; its skin, and air around it, are measured."""
    y, x = np.mgrid[-1:1:128j, -1:1:128j]
    hu = np.random.default_rng(0).normal(-1000, 12, (128, 128))
    hu[np.hypot(y, x) < part] = 40
    hu[np.hypot(y, x) < part * 0.8] = 900
    for outside in (0.9, 1.0, 2.0):  # as scanners leave what lies outside a round field of view
        check_hu(np.where(np.hypot(y, x) > outside, AIR, hu).round().astype(np.int16))


@pytest.mark.skipif(not (SHARED / "head-dicom").is_dir(), reason="head-dicom is not here")
def test_of_a_real_study_every_slice_is_read_and_none_whose_intercept_is_added_twice():
    for path in sorted((SHARED / "head-dicom").glob("*.dcm")):
        hu = read_one(path).pixels
        with pytest.raises(Excluded, match="the intercept is added once more"):
            check_hu(np.maximum(hu - 1024, AIR).astype(np.int16))
