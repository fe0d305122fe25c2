"""A whole backbone trained end to end: in which numbers, on which devices, by which steps, what is kept."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hemo import families
from hemo.errors import HemoError
from hemo.families import _devices, end_to_end
from hemo.families._backbones import backbone

TINY = {**families.get("end_to_end").tiny, "epochs": 1, "batch_size": 16}

SHARED = """
import sys
import numpy as np
import tensorflow as tf
processor = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(processor, [tf.config.LogicalDeviceConfiguration()] * 2)
from hemo import families
from hemo.families import end_to_end
rng = np.random.default_rng(0)
truth = rng.integers(0, 2, (48, 2))
truth[:5, 1] = -1
images = rng.integers(0, 200, (48, 16, 16, 1)) + 50 * (truth[:, :1, None, None] > 0)
images = images.astype(np.uint8)
found = []
for names in ([], ["CPU:0", "CPU:1"]):
    end_to_end.devices = lambda: names
    params = {**families.get("end_to_end").tiny, "epochs": 1, "dropout": 0.0, "learning_rate": 1e-3}
    one = families.build("end_to_end", params, 1)
    one.fit(images[:32], truth[:32], (images[32:47], truth[32:47]))
    found.append(one.network_.get_weights())
print(max(np.abs(a - b).max() for a, b in zip(*found)))
try:
    families.build("end_to_end", {**params, "batch_size": 5}, 1).fit(images, truth)
except Exception as fault:
    print(fault)
"""
"""Trains on one device and on two, and prints by how much their weights differ."""


def toy(n: int = 32, seed: int = 0, channels: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Return noise with a bright bar for label 0, in the last channel, and a dark one for label 1."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 2, (n, 2))
    images = rng.normal(120, 10, (n, 24, 24, channels))
    images[truth[:, 0] == 1, 3:11, 3:11, -1] += 90
    images[truth[:, 1] == 1, 13:21, 13:21, -1] -= 90
    return images.clip(0, 255).astype(np.uint8), truth


@pytest.fixture(scope="module")
def wide() -> Any:
    """Return a network of two labels, one unknown here and there, on seven channels."""
    images, truth = toy(64, channels=7)
    truth[::7, 1] = -1
    return families.build("end_to_end", {**TINY, "epochs": 6, "precision": "bfloat16"}, 1).fit(images, truth)


def test_what_only_the_last_of_seven_channels_shows_is_learnt_for_each_label(
    wide: Any, tmp_path: Path
) -> None:
    images, truth = toy(seed=2, channels=7)
    for label in range(2):
        one = wide.for_label(label)
        probability = one.predict_proba(images)[:, 1]
        assert ((probability > 0.5) == truth[:, label]).mean() > 0.85
        families.save(one, "end_to_end", tmp_path / str(label))
        loaded = families.load(tmp_path / str(label))
        np.testing.assert_array_equal(loaded.predict_proba(images)[:, 1], probability)
    assert {weight.dtype for weight in wide.network_.weights} == {"float32"}
    assert wide.network_.get_layer("backbone").compute_dtype == "float32"  # bfloat16 was training's


def test_a_slice_and_its_mirror_image_are_judged_alike(wide: Any) -> None:
    images, _ = toy(4, seed=3, channels=7)
    one = wide.for_label(0)
    np.testing.assert_allclose(one.predict_proba(images), one.predict_proba(images[:, :, ::-1]), atol=1e-5)
    looked = one.attribution(images)
    np.testing.assert_allclose(looked, one.attribution(images[:, :, ::-1])[:, :, ::-1], atol=1e-5)


def test_its_backbone_is_the_weights_of_others_on_slices_of_as_many_channels(
    wide: Any, tmp_path: Path
) -> None:
    families.save(wide.for_label(0), "end_to_end", tmp_path / "model")
    begun = {"weights": str(tmp_path / "model"), "backbone": "conv4", "size": 32}
    images, truth = toy(64, seed=4, channels=7)
    for name in ("transfer", "mil"):
        more = {"features": "frozen", "epochs": 30, "learning_rate": 0.005} if name == "mil" else {"C": 1.0}
        one: Any = families.build(name, {**begun, **more}, 1).fit(images, truth[:, 0])
        families.save(one, name, tmp_path / name)
        found = families.load(tmp_path / name).predict_proba(images)[:, 1]
        assert ((found > 0.5) == truth[:, 0]).mean() > 0.9  # of the last channel, which three would not show
    with pytest.raises(HemoError, match="learned from 7 to 9 channels, the slices have 3"):
        families.build("transfer", begun).fit(images[..., :3], truth[:, 0])
    backbone.cache_clear()


def trainer(**params: Any) -> Any:
    images, truth = toy()
    one: Any = families.build("end_to_end", {**TINY, **params}, 1)
    one.image_shape_, one.n_labels = images.shape[1:], 2
    one._prepare(images, truth)
    return one._trainer(truth)


def test_steps_warm_up_and_shrink_along_a_cosine() -> None:
    rate = trainer(epochs=50, warmup=0.1, learning_rate=0.01).optimizer._learning_rate  # 100 steps
    assert [float(rate(step)) for step in (0, 5, 10, 55, 100)] == pytest.approx([0, 0.005, 0.01, 0.005, 0])


def test_training_in_float16_scales_its_loss_and_augments_in_float32() -> None:
    import keras

    made = trainer(precision="float16", augmentation=0.5)
    assert isinstance(made.optimizer, keras.optimizers.LossScaleOptimizer)
    network = made.layers[-1]
    assert network.get_layer("backbone").get_layer("block0_conv").compute_dtype == "float16"
    assert network.get_layer("logit").compute_dtype == "float32"
    assert {layer.compute_dtype for layer in made.layers[:-1]} == {"float32"}
    assert keras.config.dtype_policy().name == "float32"


def test_auto_is_what_the_oldest_graphics_processor_has(monkeypatch: pytest.MonkeyPatch) -> None:
    import tensorflow as tf

    found: list[tuple[int, int]] = []
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: found)
    details = lambda device: {"compute_capability": device}  # noqa: E731
    monkeypatch.setattr(tf.config.experimental, "get_device_details", details)
    said = []
    for capabilities in ([], [(8, 0)], [(9, 0), (7, 5)], [(9, 0), (6, 1)]):
        found[:] = capabilities
        said.append(_devices.precision("auto"))
    assert said == ["float32", "bfloat16", "float16", "float32"]
    assert _devices.precision("float16") == "float16"


def test_batches_that_take_more_memory_than_was_promised_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEMO_MEMORY", "1500 MB")
    images, truth = toy()
    large = {"backbone": "lite0", "weights": "none", "size": 256, "batch_size": 32}
    with pytest.raises(HemoError, match=r"batch_size: .* of size 256 takes .* 1500 MB .* give batch_size=\d"):
        families.build("end_to_end", large).fit(images, truth)
    with pytest.raises(HemoError, match="size"):
        families.build("end_to_end", {**large, "size": 2000}).fit(images, truth)


def test_two_devices_learn_what_one_does(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", SHARED], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    gap, refused = done.stdout.strip().splitlines()
    assert float(gap) < 1e-4  # sums in another order; weights change by 0.01
    assert "batch_size: 5 cannot be shared among 2 devices" in refused


def test_wrong_words_are_refused() -> None:
    for params, words in (
        ({"precision": "float8"}, "precision: 'float8' is unknown"),
        ({"average": 1.0}, "average: '1.0' is out of range"),
        ({"warmup": -1}, "warmup"),
        ({"size": 16}, "size: 16 is too small"),
    ):
        with pytest.raises(HemoError, match=words):
            families.build("end_to_end", params)
    with pytest.raises(HemoError, match="nobody publishes"):
        end_to_end.backbone("conv4", "imagenet", 0)
