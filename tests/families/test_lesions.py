"""Blood that is drawn to learn from, and what marks it."""

from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hemo import families
from hemo.errors import HemoError
from hemo.families import _marker
from hemo.families._canonical import SIDE, canonical, pose
from hemo.families._cells import surroundings
from hemo.families._drawn_blood import BONE, KINDS, draw
from hemo.families._marker import Marker, learned, marked, odds


def head(seed: int = 0, turn: float = 0.0, size: int = 96) -> np.ndarray:
    """Return a slice: a skull, a brain, ventricles and sulci, and noise."""
    rng = np.random.default_rng(seed)
    image = np.zeros((size, size), np.uint8)
    middle, axes = (size // 2, size // 2), np.array([0.36, 0.45]) * size
    for gray, shrunk in ((250, 1.0), (105, 0.88)):
        cv2.ellipse(image, middle, tuple((axes * shrunk).astype(int)), turn, 0, 360, gray, -1)
    for side in (-1, 1):
        cv2.ellipse(
            image, (middle[0] + side * size // 14, middle[1]), (size // 40, size // 9), 0, 0, 360, 60, -1
        )
    return (image + rng.normal(0, 4, image.shape) * (image > 0)).clip(0, 255).astype(np.uint8)


def triple(*seeds: int, turn: float = 0.0) -> np.ndarray:
    """Return a slice between its neighbours."""
    return np.stack([head(seed, turn) for seed in (seeds or (0, 1, 2))], axis=-1)


@pytest.fixture(scope="module")
def marker() -> Marker:
    clean = (triple(number, number + 1, number + 2) for number in range(60))
    return Marker.from_parts(learned(clean, trees=30, seed=1))


@given(st.floats(-40, 40))
@settings(max_examples=10)
def test_a_turned_head_comes_upright(turn: float) -> None:
    assert pose(head(turn=turn)).tilt == pytest.approx(-turn, abs=1.5)
    brain = canonical(triple(turn=turn)).brain[1]
    assert pose(brain.astype(np.uint8) * 100).tilt == pytest.approx(0, abs=2)


def test_a_head_is_as_large_whatever_the_resolution() -> None:
    fine = np.stack([head(seed, size=192) for seed in range(3)], axis=-1)
    assert np.mean(canonical(fine).brain[1] != canonical(triple()).brain[1]) < 0.03


@given(st.sampled_from(KINDS), st.integers(0, 2**32 - 1))
@settings(max_examples=40)
def test_drawn_blood_is_bright_lies_in_the_brain_and_is_told_where(kind: str, seed: int) -> None:
    seen = canonical(triple())
    found = draw(np.random.default_rng(seed), seen, kind)
    if found is None:
        return
    drawn, cover = found
    assert drawn.shape == cover.shape == (3, SIDE, SIDE)
    assert cover.min() >= 0
    assert cover.max() <= 1
    assert not cover[~seen.brain].any()
    assert (drawn <= np.maximum(seen.gray, BONE)).all()
    whole = cv2.erode(cover[1], np.ones((5, 5))) > 0.95
    if whole.any():
        assert np.median(drawn[1][whole]) > seen.median
    far = cv2.dilate(cover[1], np.ones((9, 9))) == 0
    np.testing.assert_allclose(drawn[1][far], seen.gray[1][far], atol=0.01)


def test_each_kind_of_blood_is_drawn() -> None:
    seen = canonical(triple())
    rng = np.random.default_rng(0)
    assert all(any(draw(rng, seen, kind) for _ in range(40)) for kind in KINDS)


def test_a_marker_finds_blood_that_it_has_not_seen_where_it_is(marker: Marker) -> None:
    clean = triple(100, 101, 102)
    bloody = clean.copy()
    spot = np.zeros((96, 96), np.uint8)
    cv2.circle(spot, (60, 40), 6, 1, -1)
    bloody[..., 1] = np.where(spot, 160, clean[..., 1])
    found = odds(bloody, [marker])
    assert found[spot > 0].mean() > 0
    assert found[40, 60] > np.quantile(odds(clean, [marker]), 0.999)
    assert marked(bloody, [marker])[0] > marked(clean, [marker])[0]


def test_a_slice_without_a_brain_has_nothing_marked(marker: Marker) -> None:
    air = np.zeros((96, 96, 3), np.uint8)
    assert np.isfinite(marked(air, [marker])).all()
    assert odds(air, [marker]).max() <= marker.maps(*surroundings(canonical(air))).max()


def bloody(n: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return slices, their truth and their study of four."""
    truth = np.arange(n) // 2 % 2
    images = np.stack([head(seed + number) for number in range(n)])
    for image in images[truth == 1]:
        cv2.circle(image, (58, 36), 8, 165, -1)
    return images[..., None], truth, np.repeat(np.arange(n // 4), 4)


def test_labels_of_the_same_slices_share_their_markers(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HEMO_CACHE", str(tmp_path))
    images, truth, study = bloody(48, 0)
    labels = np.zeros((48, 6), np.int8)
    labels[:, 0] = labels[:, 2] = truth
    rare = truth * (np.arange(48) % 8 < 4)

    def fit(y: np.ndarray, seed: int) -> families.Classifier:
        lesions = families.build("lesions", {"trees": 10}, seed)
        return lesions.fit(images, y, study=study, labels=labels)  # type: ignore[call-arg]

    first = fit(truth, 0)
    monkeypatch.setattr(_marker, "learned", lambda *_, **__: pytest.fail("learned again"))
    second = fit(rare, 1)
    assert [one.digest for one in first.markers_] == [one.digest for one in second.markers_]  # type: ignore[attr-defined]


def test_slices_that_are_learned_from_are_described_by_a_marker_that_has_not_seen_them() -> None:
    images, truth, study = bloody(48, 0)
    shown: list[set[bytes]] = []
    kept = _marker.learned

    def spy(triples: Iterable[np.ndarray], trees: int, seed: int) -> list[bytes]:
        given = list(triples)
        shown.append({one[..., 1].tobytes() for one in given})
        return kept(given, trees, seed)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_marker, "learned", spy)
        families.build("lesions", {"trees": 11}).fit(images, truth, study=study)  # type: ignore[call-arg]
    left_out = [
        {number for number in set(study) if not shows & {one.tobytes() for one in images[study == number]}}
        for shows in shown
    ]
    assert set.union(*left_out) == set(study)
    assert sum(map(len, left_out)) == len(set(study))


def test_slices_that_all_have_blood_are_refused() -> None:
    images, truth, study = bloody(8, 0)
    labels = np.ones((8, 6), np.int8)
    with pytest.raises(HemoError, match="blood drawn into slices that have none"):
        families.build("lesions").fit(images, truth, study=study, labels=labels)  # type: ignore[call-arg]
