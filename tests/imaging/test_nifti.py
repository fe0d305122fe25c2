import gzip

import nibabel
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hemo.imaging import Excluded, RawSlice, read, read_parts
from hemo.imaging.nifti import read_nifti
from tests.helpers.scans import head, slices_of

VOLUME = np.stack([head(64, seed=k, shift=(0.02 * k, -0.03 * k)) for k in range(5)])
"""Slices from the feet up, rows to the back and columns to the left, as DICOM has them."""

CANONICAL = VOLUME.transpose(2, 1, 0)[::-1, ::-1]
"""The same as RAS+: first axis to the right, second to the front, third up."""


def volume_bytes(array, affine, kind=nibabel.Nifti1Image):
    return kind(array, affine).to_bytes()


def oriented(order, flips):
    """Return the volume on disk in another orientation, and its affine."""
    affine = np.diag([0.5, 0.6, 5.0, 1])
    image = nibabel.Nifti1Image(np.ascontiguousarray(CANONICAL), affine)
    target = np.array([[axis, sign] for axis, sign in zip(order, flips, strict=True)])
    return image.as_reoriented(target)


@given(st.permutations([0, 1, 2]), st.tuples(*[st.sampled_from([1, -1])] * 3))
@settings(max_examples=48)
def test_slices_come_out_the_same_whatever_the_order_on_disk(order, flips):
    parts = slices_of(read_nifti(oriented(order, flips).to_bytes(), "case7"))
    np.testing.assert_array_equal(np.stack([part.pixels for part in parts]), VOLUME)
    assert [part.position for part in parts] == pytest.approx([0, 5, 10, 15, 20])
    assert parts[0].spacing == pytest.approx((0.6, 0.5))
    numbers = [part.number for part in parts]
    assert numbers in ([1, 2, 3, 4, 5], [5, 4, 3, 2, 1])
    assert [part.slice_id for part in parts] == [f"case7_{number}" for number in numbers]
    assert {part.patient for part in parts} == {"case7"}


def test_numbers_count_slices_as_they_lie_on_disk():
    for flip, numbers in ((1, [1, 2, 3, 4, 5]), (-1, [5, 4, 3, 2, 1])):
        parts = slices_of(read_nifti(oriented([0, 1, 2], [1, 1, flip]).to_bytes()))
        assert [part.number for part in parts] == numbers


@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
def test_both_versions_are_read_plain_and_gzipped(kind, tmp_path):
    data = volume_bytes(np.ascontiguousarray(CANONICAL), np.eye(4), kind)
    for content in (data, gzip.compress(data)):
        path = tmp_path / "case.nii.gz"
        path.write_bytes(content)
        slices = read(path)
        assert slices[0].slice_id == "case_1"
        np.testing.assert_array_equal(np.stack([s.pixels for s in slices]), VOLUME)


def test_a_scale_in_the_header_is_applied():
    image = nibabel.Nifti1Image(np.ascontiguousarray(CANONICAL), np.eye(4))
    image.header.set_slope_inter(0.5, -100)
    slices = read(image.to_bytes(), "a")
    assert slices[0].pixels.dtype == np.float32
    np.testing.assert_allclose(np.stack([s.pixels for s in slices]), np.maximum(VOLUME * 0.5 - 100, -1024))


def test_an_empty_slice_does_not_cost_the_volume():
    array = np.ascontiguousarray(CANONICAL).copy()
    array[:, :, 2] = -1024
    parts = read_parts(volume_bytes(array, np.eye(4)), "a")
    assert [isinstance(part, RawSlice) for part in parts] == [True, True, False, True, True]
    assert parts[2].slice_id == "a_3"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (volume_bytes((CANONICAL > 0).astype(np.uint8), np.eye(4)), "no air around a head"),
        (volume_bytes(np.zeros((4, 4, 4, 3), np.int16), np.eye(4)), "3 volumes in one file"),
        (volume_bytes(np.zeros((4, 4), np.int16), np.eye(4)), "no volume"),
        (volume_bytes(np.ascontiguousarray(CANONICAL), np.eye(4))[:5000], "cut off: holds"),
        (
            gzip.compress(volume_bytes(np.ascontiguousarray(CANONICAL), np.eye(4)), mtime=0)[:-3000],
            "cut off|damaged|neither",
        ),
    ],
)
def test_what_is_no_volume_in_hu_is_excluded_with_its_reason(data, reason):
    with pytest.raises(Excluded, match=reason):
        read(data)
