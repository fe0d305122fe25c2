"""Slices unlike those that a classifier learned from are told, and those like them are not."""

import json
from dataclasses import replace

import numpy as np
import pytest

from hemo.errors import HemoError
from hemo.imaging import RawSlice, Reduction, reduce
from hemo.serving import unlike

PATIENTS, SLICES = 24, 12
BRAIN = Reduction()


def head(random: np.random.Generator, height: float) -> RawSlice:
    """Return a head drawn in HU: skull, brain, ventricles and noise; smaller towards the vertex."""
    side = 160
    down, across = np.mgrid[:side, :side] - side / 2 + random.normal(size=2)[:, None, None]
    size = np.sqrt(1 - 0.8 * height**2)
    radius = np.hypot(down / (62 * size * random.normal(1, 0.03)), across / (50 * size))
    hu = np.where(radius < 1, 900.0, -1000.0)
    hu[radius < 0.92] = 35 + random.normal(0, 2)
    hu[np.hypot(down / 14, (np.abs(across) - 6) / 3) < size - 0.4] = 5
    return RawSlice((hu + random.normal(0, 6, hu.shape)).astype(np.float32), hu=True, spacing=(1.4, 1.4))


def heads(seed: int, patients: int) -> list[RawSlice]:
    random = np.random.default_rng(seed)
    return [head(random, height) for _ in range(patients) for height in np.linspace(0, 0.9, SLICES)]


def shown(learned: unlike.Learned, slices: list[RawSlice], reduction: Reduction = BRAIN) -> list[str]:
    return learned.reasons(unlike.describe(np.stack([reduce(one, reduction) for one in slices]), BRAIN))


def share(reasons: list[str]) -> float:
    return float(np.mean([bool(reason) for reason in reasons]))


@pytest.fixture(scope="module")
def learned() -> unlike.Learned:
    images = np.stack([reduce(one, BRAIN) for one in heads(0, PATIENTS)])
    found = unlike.fit(images, np.repeat(np.arange(PATIENTS), SLICES).tolist(), BRAIN)
    assert found is not None
    return found


def test_other_heads_are_like_what_was_learned_from_at_whatever_resolution(learned):
    others = heads(1, 20)
    assert share(shown(learned, others)) <= 0.05
    larger = [
        replace(one, pixels=np.kron(one.pixels, np.ones((2, 2), np.float32)), spacing=(0.7, 0.7))
        for one in others
    ]
    assert share(shown(learned, larger)) <= 0.15  # whose noise is another


@pytest.mark.parametrize(
    ("alter", "reason"),
    [
        (lambda gray, _: 255 - gray, unlike.HEAD),
        (lambda gray, random: random.integers(0, 256, gray.shape, dtype=np.uint8), unlike.HEAD),
        (lambda gray, _: np.zeros_like(gray), unlike.HEAD),
        (lambda gray, _: gray // 2, unlike.GRAY),
    ],
    ids=["inverted", "noise", "black", "half as bright"],
)
def test_what_is_no_head_or_another_window_is_told_with_the_reason(learned, alter, reason):
    random = np.random.default_rng(2)
    plain = Reduction(size=160, crop=False)
    pictures = [RawSlice(alter(reduce(one, plain)[..., 0], random), hu=False) for one in heads(3, 2)]
    reasons = shown(learned, pictures)
    assert share(reasons) >= 0.95
    assert reasons.count(reason) > len(reasons) / 2


def test_the_bone_window_of_the_same_slices_is_told(learned):
    reasons = shown(learned, heads(4, 4), replace(BRAIN, windows=("bone",)))
    assert set(reasons) == {unlike.GRAY}


def test_a_slice_is_described_by_its_own_channels_not_its_neighbours(learned):
    images = np.stack([reduce(one, BRAIN) for one in heads(5, 2)])
    between = np.concatenate([255 - images, images, 255 - images], axis=3)
    stacked = replace(BRAIN, neighbours=1)
    np.testing.assert_array_equal(unlike.describe(between, stacked), unlike.describe(images, BRAIN))


def test_few_patients_teach_nothing():
    images = np.stack([reduce(one, BRAIN) for one in heads(0, 9)])
    assert unlike.fit(images, np.repeat(np.arange(9), SLICES).tolist(), BRAIN) is None


def test_what_was_learned_is_the_same_under_other_names_and_after_json(learned):
    images = np.stack([reduce(one, BRAIN) for one in heads(0, PATIENTS)])
    names = [f"z{99 - number}" for number in np.repeat(np.arange(PATIENTS), SLICES)]
    again = unlike.fit(images, names, BRAIN)
    assert again is not None
    assert again.to_json() == learned.to_json()
    read = unlike.Learned.from_json(json.loads(json.dumps(learned.to_json())))
    assert read.to_json() == learned.to_json()
    with pytest.raises(HemoError, match="what slices look like"):
        unlike.Learned.from_json({"low": [0]})


def test_a_study_is_unsure_where_more_than_half_of_its_slices_are():
    assert unlike.of_study(["", "", unlike.FAR]) == ""
    assert unlike.of_study([unlike.FAR, unlike.GRAY, unlike.GRAY, ""]) == f"{unlike.GRAY} (3 of 4 slices)"
    assert unlike.of_study([]) == ""
