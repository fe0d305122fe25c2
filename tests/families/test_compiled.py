"""What is compiled for one fit serves the next, and leaves no trace in it."""

from typing import Any

import numpy as np
import pytest

from hemo import families
from hemo.families._compiled import Compiled, shuffled

NETWORKS = {
    "ann": {"layers": (8,), "dropout": 0.3, "batch_norm": True, "optimizer": "adam", "epochs": 2},
    "cnn": {"filters": (4,), "dropout": 0.3, "batch_norm": True, "augmentation": 0.5, "epochs": 2},
    "multilabel": {"trunk": "cnn", "filters": (4,), "augmentation": 0.5, "dropout": 0.3, "epochs": 2},
}


def fitted(family, bright, seed=1):
    """Return the weights and the training losses of a fit."""
    images, truth = bright
    if family == "multilabel":
        truth = np.stack((truth, 1 - truth), axis=1)
        truth[: 10 * seed : 3, 1] = -1  # so that labels weigh otherwise
    losses = []
    classifier: Any = families.build(family, {**NETWORKS[family], "scale": "standardise"}, seed)
    classifier.fit(
        images,
        truth,
        validation=(images[:20], truth[:20]),
        on_epoch=lambda _, metrics: losses.append(metrics["loss"]),
    )
    return classifier.network_.get_weights(), losses


def counted(monkeypatch):
    """Return the list to which each step is added that TensorFlow traces: only then Python runs it."""
    import keras

    traced = []
    for name in ("train_step", "test_step"):
        whole = getattr(keras.Model, name)

        def step(self, data, whole=whole):
            traced.append(whole)
            return whole(self, data)

        monkeypatch.setattr(keras.Model, name, step)
    return traced


@pytest.fixture
def bright():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 200, (40, 16, 16, 1)).astype(np.uint8)
    truth = (np.arange(40) % 2).astype(np.int8)
    return images + (truth * 40).astype(np.uint8)[:, None, None, None], truth


@pytest.mark.parametrize("family", NETWORKS)
def test_a_fit_by_what_is_compiled_already_is_that_of_a_network_compiled_anew(family, bright, monkeypatch):
    families.release()
    weights, losses = fitted(family, bright)
    _, before = Compiled._last
    images, truth = bright
    steps = counted(monkeypatch)
    fitted(family, (255 - images[:33], 1 - truth[:33]), seed=2)
    again, same = fitted(family, bright)
    assert Compiled._last[1] is before is not None
    assert not steps  # nothing was traced
    assert losses == same
    for one, other in zip(weights, again, strict=True):
        np.testing.assert_array_equal(one, other)


def test_other_layers_are_compiled_anew(bright):
    fitted("ann", bright)
    _, before = Compiled._last
    fitted("cnn", bright)
    assert Compiled._last[1] is not before


def test_each_epoch_is_a_permutation_of_its_own_by_the_seed():
    images, truth = np.arange(23, dtype=np.uint8).reshape(23, 1, 1, 1), np.arange(23)
    orders = []
    for seed in (3, 3, 4):
        batches = shuffled(images, truth, 5, seed)
        for _ in range(2):
            found = [batches[number] for number in range(len(batches))]
            for x, y in found:
                np.testing.assert_array_equal(x.ravel(), y)
            orders.append(np.concatenate([y for _, y in found]).tolist())
            batches.on_epoch_end()
    assert all(sorted(order) == truth.tolist() for order in orders)
    assert orders[:2] == orders[2:4]
    assert len({tuple(order) for order in orders}) == 4
