"""Augmentation: what it may do to a head, and what it must leave."""

import numpy as np
import pytest

from hemo import families
from hemo.errors import HemoError
from hemo.families._augment import augmentation
from hemo.families.cnn import ConvolutionalNetwork


def augmented(images: np.ndarray, strength: float, seed: int = 0, training: bool = True) -> np.ndarray:
    import keras

    inputs = keras.Input(images.shape[1:])
    network = keras.Model(inputs, augmentation(inputs, strength, seed))
    return network(images.astype(np.float32), training=training).numpy()


def test_augmentation_changes_slices_in_training_only_and_as_the_seed_says() -> None:
    images = np.random.default_rng(0).integers(20, 200, (4, 32, 32, 1)).astype(np.uint8)
    np.testing.assert_allclose(augmented(images, 0.5, training=False), images, atol=1e-3)
    np.testing.assert_array_equal(augmented(images, 0.5), augmented(images, 0.5))
    assert (augmented(images, 0.5) != augmented(images, 0.5, seed=1)).any()
    assert augmented(images, 0.0).tolist() == images.tolist()


def test_another_window_leaves_air_black_and_bone_white() -> None:
    import keras

    from hemo.families._augment import _window_jitter

    inputs = keras.Input((1, 3, 1))
    network = keras.Model(inputs, _window_jitter(inputs, 1.0, 0))
    x = np.tile(np.array([0.0, 0.5, 1.0], np.float32).reshape(1, 1, 3, 1), (50, 1, 1, 1))
    shown = network(x, training=True).numpy()[:, 0, :, 0]
    assert (shown[:, 0] == 0).all()
    assert (shown[:, 2] == 1).all()
    assert np.ptp(shown[:, 1]) > 0.03
    assert np.abs(shown[:, 1] - 0.5).max() <= 10 / 255 + 1e-6


def test_a_pretrained_trunk_is_where_training_starts(tmp_path) -> None:
    rng = np.random.default_rng(0)
    images, truth = rng.integers(0, 255, (16, 16, 16, 1), dtype=np.uint8), np.arange(16) % 2
    small = {"filters": [4], "epochs": 1}
    first = families.build("cnn", small).fit(images, truth)
    families.save(first, "cnn", tmp_path / "model")
    still = {**small, "pretrained": str(tmp_path), "learning_rate": 1e-12}
    second = families.build("cnn", still, seed=1).fit(images, truth)
    assert isinstance(first, ConvolutionalNetwork)
    assert isinstance(second, ConvolutionalNetwork)
    before, after = (c.network_.layers[2].get_weights()[0] for c in (first, second))
    np.testing.assert_allclose(before, after, atol=1e-6)
    with pytest.raises(HemoError, match="another network"):
        families.build("cnn", {**still, "filters": [5]}).fit(images, truth)
    with pytest.raises(HemoError, match="no network.keras in it"):
        families.build("cnn", {**still, "pretrained": str(tmp_path / "none")}).fit(images, truth)
