"""Several labels learnt by one network: unknown labels do not count, and each label is a classifier."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hemo import families
from hemo.errors import HemoError
from hemo.families._graph import Graph
from hemo.families._losses import masked_cross_entropy

CNN = {
    "trunk": "cnn",
    "filters": (8, 8),
    "epochs": 20,
    "batch_size": 8,
    "dropout": 0.0,
    "augmentation": 0.0,
    "scale": "standardise",
}

BACKBONE = {"weights": "none", "size": 64, "blocks": 1, "copies": 1, "epochs": 2, "C": 1.0}


def toy(n: int = 64, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return noise with a bright bar for label 0 and a dark one for label 1."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 2, (n, 2))
    images = rng.normal(120, 10, (n, 20, 20, 1))
    images[truth[:, 0] == 1, 3:9, 3:9] += 90
    images[truth[:, 1] == 1, 12:18, 12:18] -= 90
    return images.clip(0, 255).astype(np.uint8), truth


def right(classifier: families.Classifier, images: np.ndarray, truth: np.ndarray) -> float:
    return float(((classifier.predict_proba(images)[:, 1] > 0.5) == truth).mean())


@pytest.mark.no_cover
@pytest.mark.parametrize(
    "params",
    [
        CNN,
        {"trunk": "backbone", "weights": "none", "size": 64, "blocks": 1, "copies": 1, "epochs": 2, "C": 1.0},
    ],
    ids=["cnn", "backbone"],
)
def test_each_label_learnt_together_is_a_classifier_of_its_own(params: dict, tmp_path: Path) -> None:
    images, truth = toy()
    network: Any = families.build("multilabel", {"learning_rate": 0.003, **params})
    network.fit(images, truth, validation=toy(16, seed=1))
    other, known = toy(seed=2)
    together = network.network_(other.astype(np.float32), training=False).numpy()
    for label in range(2):
        one = network.for_label(label)
        assert right(one, other, known[:, label]) > 0.85
        np.testing.assert_allclose(one.predict_proba(other)[:, 1], together[:, label], atol=1e-5)
        families.save(one, "multilabel", tmp_path / str(label))
        loaded = families.load(tmp_path / str(label))
        np.testing.assert_array_equal(loaded.predict_proba(other), one.predict_proba(other))
        assert loaded.attribution(other[:2]).shape == (2, 20, 20)


@pytest.mark.no_cover
def test_the_trunk_is_run_once_for_all_labels_and_anew_for_another_training(monkeypatch) -> None:
    images, truth = toy()
    trained: list[Any] = [families.build("multilabel", CNN, seed).fit(images, truth) for seed in (0, 1)]
    computed = []
    run = Graph.__call__

    def counted(self, new):
        computed.append(len(new))
        return run(self, new)

    monkeypatch.setattr(Graph, "__call__", counted)
    other, _ = toy(seed=3)
    for network in trained:
        for label in range(2):
            network.for_label(label).predict_proba(other)
    assert computed == [64, 0, 64, 0]


def test_a_label_that_is_not_known_does_not_count_in_the_loss() -> None:
    loss = masked_cross_entropy()
    p = np.array([[0.9, 0.2], [0.3, 0.6]], np.float32)
    half = loss(np.array([[1, -1], [-1, -1]]), p).numpy()
    np.testing.assert_allclose(half, [-np.log(0.9), 0], rtol=1e-5)
    both = loss(np.array([[1, 0], [0, 1]]), p).numpy()
    np.testing.assert_allclose(both[1], -(np.log(0.7) + np.log(0.6)) / 2, rtol=1e-5)


def test_weights_make_both_kinds_of_each_label_count_the_same() -> None:
    truths = np.array([[1, 0], [0, 0], [0, 1], [0, -1]])
    even = np.full((4, 2), 0.5, np.float32)
    each = masked_cross_entropy(truths)(truths, even).numpy() / np.log(2)
    np.testing.assert_allclose(
        each, [(2 + 0.75) / 2, (2 / 3 + 0.75) / 2, (2 / 3 + 1.5) / 2, 2 / 3], rtol=1e-5
    )


def test_wrong_truths_of_several_labels_are_refused() -> None:
    images, truth = toy(8)
    with pytest.raises(HemoError, match="label 1 has one class only"):
        families.build("multilabel", CNN).fit(images, np.column_stack([truth[:, 0], np.zeros(8, int)]))
    with pytest.raises(HemoError, match="only 0, 1, and -1"):
        families.build("multilabel", CNN).fit(images, truth + 2)
    with pytest.raises(HemoError, match="trunk: 'oak' is unknown"):
        families.build("multilabel", {"trunk": "oak"})
