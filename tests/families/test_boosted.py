"""Radiological features, and trees on them: as they are saved now, and as they were."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier

from hemo import families
from hemo.families._radiology import radiological_features
from hemo.families._saved import save_state
from hemo.families.boosted import Boosted


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


IMAGES = np.random.default_rng(0).integers(0, 256, (80, 16, 16, 1), dtype=np.uint8)
TRUTH = np.random.default_rng(1).integers(0, 2, 80)


@pytest.fixture(scope="module")
def noise() -> Boosted:
    """Trees on noise."""
    return Boosted({**families.get("boosted").defaults, "trees": 30}, seed=4).fit(IMAGES, TRUTH)


def estimator() -> HistGradientBoostingClassifier:
    """Return what scikit-learn makes of the same slices."""
    return HistGradientBoostingClassifier(
        max_iter=30,
        learning_rate=0.05,
        max_leaf_nodes=12,
        min_samples_leaf=15,
        l2_regularization=5.0,
        max_features=0.2,
        early_stopping=False,
        random_state=4,
    ).fit(radiological_features(IMAGES), TRUTH)


def test_the_trees_are_those_of_scikit_learn(noise: Boosted) -> None:
    direct = estimator()
    np.testing.assert_allclose(
        noise.predict_proba(IMAGES), direct.predict_proba(radiological_features(IMAGES)), rtol=1e-12
    )


def save_as_hemo_0_1_did(classifier: Boosted, folder: Path) -> None:
    """Write the form of `git show d497a6b:hemo/families/boosted.py`: trees as arrays, and JSON."""
    model = estimator()
    trees = [step[0].nodes for step in model._predictors]
    roots = np.cumsum([0, *(len(tree) for tree in trees)])[:-1].astype(np.int64)
    nodes, offset = np.concatenate(trees), np.repeat(roots, [len(tree) for tree in trees])
    arrays: dict[str, Any] = {
        "feature": nodes["feature_idx"],
        "threshold": nodes["num_threshold"],
        "left": nodes["left"].astype(np.int64) + offset,
        "right": nodes["right"].astype(np.int64) + offset,
        "value": nodes["value"],
        "leaf": nodes["is_leaf"].astype(bool),
    }
    folder.mkdir()
    np.savez(folder / "trees.npz", roots=roots, **arrays)
    save_state(classifier, folder, baseline=float(np.ravel(model._baseline_prediction)[0]))
    (folder / "family.json").write_text(json.dumps({"family": "boosted"}))


def test_trees_saved_by_hemo_0_1_say_what_they_said(noise: Boosted, tmp_path: Path) -> None:
    save_as_hemo_0_1_did(noise, tmp_path / "old")
    old = families.load(tmp_path / "old")
    np.testing.assert_allclose(old.predict_proba(IMAGES), noise.predict_proba(IMAGES), atol=1e-15)
    np.testing.assert_allclose(old.attribution(IMAGES[:2]), noise.attribution(IMAGES[:2]), atol=1e-6)
    assert old.predict_proba(IMAGES[:0]).shape == (0, 2)
    assert old.convergence_ == noise.convergence_
