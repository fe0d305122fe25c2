"""Radiological features, and trees without scikit-learn."""

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier

from hemo import families
from hemo.families._radiology import radiological_features


def head(size: int = 64, spot: tuple[int, int] | None = None, gray: int = 190) -> np.ndarray:
    """Return a slice: air, a ring of bone, brain, and perhaps a dense spot (row, column)."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:size, :size] / size - 0.5
    radius = np.hypot(rows, columns * 1.1)
    image = np.where(radius < 0.45, 255, 0)
    brain = radius < 0.4
    image[brain] = rng.normal(100, 6, brain.sum())
    if spot:
        near = np.hypot(rows - spot[0] / size + 0.5, columns - spot[1] / size + 0.5) < 0.06
        image[near & brain] = gray
    return image.clip(0, 255).astype(np.uint8)[..., None]


@pytest.mark.parametrize("image", [np.zeros((32, 32, 1), np.uint8), np.full((32, 32, 1), 255, np.uint8)])
def test_features_of_empty_slices_are_finite(image: np.ndarray) -> None:
    assert np.isfinite(radiological_features(image[None])).all()


def test_no_slices_have_as_many_features_as_many_slices() -> None:
    images = np.stack([head(), head(spot=(32, 20))])
    none, two = radiological_features(images[:0]), radiological_features(images)
    assert none.shape == (0, two.shape[1])
    assert radiological_features(np.repeat(images, 3, axis=3)).shape[1] == 3 * two.shape[1]


def test_features_change_little_with_the_resolution_and_the_side() -> None:
    small, large = (radiological_features(head(size, (size // 2, size // 3))[None])[0] for size in (96, 192))
    mirrored = radiological_features(head(96, (48, 96 - 32))[None])[0]
    scale = np.abs(small - radiological_features(head(96)[None])[0]).max()
    assert np.median(np.abs(small - large)) < 0.01 * scale
    assert np.median(np.abs(small - mirrored)) < 0.01 * scale


def test_a_dense_spot_is_found_wherever_it_lies() -> None:
    rng = np.random.default_rng(1)
    places = [(int(row), int(column)) for row, column in rng.integers(22, 42, (60, 2))]
    truth = np.arange(60) % 2
    images = np.stack([head(spot=place if y else None) for place, y in zip(places, truth, strict=True)])
    classifier = families.build("boosted", {"trees": 20, "learning_rate": 0.2, "samples_in_leaf": 5})
    classifier.fit(images[:40], truth[:40])
    assert ((classifier.predict_proba(images[40:])[:, 1] > 0.5) == truth[40:]).all()


def test_the_kept_trees_say_what_scikit_learn_says() -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (80, 16, 16, 1), dtype=np.uint8)
    truth = rng.integers(0, 2, 80)
    classifier = families.build("boosted", {"trees": 30}, seed=4).fit(images, truth)
    direct = HistGradientBoostingClassifier(
        max_iter=30,
        learning_rate=0.05,
        max_leaf_nodes=12,
        min_samples_leaf=15,
        l2_regularization=5.0,
        max_features=0.2,
        early_stopping=False,
        random_state=4,
    ).fit(radiological_features(images), truth)
    np.testing.assert_allclose(
        classifier.predict_proba(images), direct.predict_proba(radiological_features(images)), rtol=1e-12
    )
