"""The backbones: slices scaled as each was trained on, weights from where they are said to be."""

from pathlib import Path

import numpy as np
import pytest

from hemo import families
from hemo.errors import HemoError
from hemo.families import _architectures, _backbones
from hemo.families._architectures import ARCHITECTURES
from hemo.families._backbones import backbone, first_of_last_blocks

MEAN, DEVIATION = np.array([0.485, 0.456, 0.406]) * 255, np.array([0.229, 0.224, 0.225]) * 255

SCALED = {
    # BGR, centred (keras.applications.resnet.preprocess_input).
    "resnet50": lambda x: x[..., ::-1] - np.array([103.939, 116.779, 123.68]),
    "efficientnetv2b0": lambda x: (x - MEAN) / DEVIATION,
    "mobilenetv3": lambda x: x / 127.5 - 1,
    "convnexttiny": lambda x: (x - MEAN) / DEVIATION,
}
"""From gray levels to what each of Keras' networks was trained on."""

BLOCKS = {
    "lite0": 16,
    "conv4": 4,
    "resnet50": 16,
    "efficientnetv2b0": 21,
    "mobilenetv3": 15,
    "convnexttiny": 18,
    "dinov2s": 12,
    "unet": 5,
}


def slices(n: int = 2, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, 40, 40, channels), dtype=np.uint8)


@pytest.fixture(scope="module", autouse=True)
def _small_memory():
    yield
    backbone.cache_clear()
    _backbones._loaded.clear()


@pytest.mark.parametrize("name", SCALED)
def test_a_backbone_sees_slices_scaled_as_it_was_trained(name: str) -> None:
    import keras

    part = backbone(name, "none", 0)
    application = getattr(keras.applications, ARCHITECTURES[name].application)
    words = {} if name == "resnet50" else {"include_preprocessing": False}
    bare = application(include_top=False, weights=None, input_shape=(64, 64, 3), **words)
    # The weights of a Normalization layer are its constants.
    bare.set_weights([w.numpy() for layer in part.network.layers for w in layer.weights
                      if type(layer).__name__ != "Normalization"])  # fmt: skip
    resized = _backbones.as_asked(slices(), 64).numpy()
    expected = bare(SCALED[name](resized).astype(np.float32), training=False)
    np.testing.assert_allclose(part.maps(slices(), 64), expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_backbone_falls_into_its_blocks(name: str) -> None:
    network = backbone(name, "none", 0).network
    first = [first_of_last_blocks(name, network, k + 1) for k in range(BLOCKS[name])]
    order = [network.layers.index(layer) for layer in first]
    assert order == sorted(set(order), reverse=True)
    with pytest.raises(HemoError, match=f"it has {BLOCKS[name]}"):
        first_of_last_blocks(name, network, BLOCKS[name] + 1)


@pytest.mark.parametrize("ending", [".weights.h5", ".npz"])
def test_a_saved_file_of_weights_gives_the_same_maps(tmp_path: Path, ending: str) -> None:
    part = backbone("mobilenetv3", "none", 3)
    path = tmp_path / f"mobile{ending}"
    if ending == ".npz":
        _backbones.save_backbone(part, path)
    else:
        part.network.save_weights(path)
    read = backbone("mobilenetv3", str(path), 0)
    assert read.digest == part.digest
    np.testing.assert_array_equal(read.maps(slices(), 64), part.maps(slices(), 64))
    with pytest.raises(HemoError, match=r"not the weights of EfficientNet-Lite0"):
        backbone("lite0", str(path), 0)


def test_weights_that_cannot_be_fetched_are_told_with_the_file_its_source_and_its_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import keras

    def offline(*args: object, **words: object) -> None:
        raise Exception("URL fetch failure")

    monkeypatch.setattr(keras.applications, "ConvNeXtTiny", offline)
    with pytest.raises(HemoError) as caught:
        families.build("transfer", {"backbone": "convnexttiny"}).fit(slices(), np.array([0, 1]))
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith("convnext_tiny_notop.h5: the published weights of ConvNeXt-Tiny")
    assert f"{_architectures.KERAS}convnext/convnext_tiny_notop.h5" in message
    assert str(Path.home() / ".keras" / "models") in message


@pytest.mark.parametrize("content", [b"", b"text"])
def test_another_file_is_refused_as_weights(tmp_path: Path, content: bytes) -> None:
    for ending in (".h5", ".npz", ".bin"):
        path = tmp_path / f"weights{ending}"
        path.write_bytes(content)
        with pytest.raises(HemoError, match=rf"weights{ending}: not "):
            backbone("mobilenetv3", str(path), 0)
    with pytest.raises(HemoError, match=r"no such file"):
        backbone("mobilenetv3", str(tmp_path / "none.h5"), 0)


def test_lite0_gives_what_the_published_network_gives_in_pytorch() -> None:
    torch = pytest.importorskip("torch")
    published = pytest.importorskip("efficientnet_lite_pytorch")

    import cv2
    from sklearn.datasets import load_sample_image

    from hemo.families import _lite0
    from hemo.families._weight_files import read_weights

    image = cv2.resize(load_sample_image("china.jpg"), (224, 224), interpolation=cv2.INTER_AREA)
    theirs = published.EfficientNet.from_name("efficientnet-lite0")
    theirs.load_state_dict(torch.load(_lite0.published_weights(), weights_only=True))
    x = (torch.tensor(image[None].astype(np.float32)).permute(0, 3, 1, 2) - 127) / 128
    with torch.no_grad():
        expected = theirs.eval()(x).numpy()
    maps = backbone("lite0", "imagenet", 0).maps(image[None], 224).numpy()
    arrays = read_weights(_lite0.published_weights())
    np.testing.assert_allclose(_lite0.classes(maps, arrays), expected, rtol=1e-3, atol=2e-3)
