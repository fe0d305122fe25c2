"""The backbones of transfer learning: networks trained on photographs, each with its own input scaling.

EfficientNet-Lite0 is built here (see `hemo.families._lite0`); the others are Keras' own
(https://keras.io/api/applications/), which scale gray levels 0..255 themselves, but for ResNet50: before it,
channels are reversed and centred on ImageNet's means (`keras.applications.resnet.preprocess_input`).
"""

import re
import sys
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hemo.errors import HemoError
from hemo.families._lite0 import lite0, published_weights, set_weights
from hemo.families._saved import load_arrays
from hemo.families._torch_file import read_torch_file
from hemo.families.base import Images

if TYPE_CHECKING:
    import keras

ADDRESS = "https://storage.googleapis.com/tensorflow/keras-applications/"
"""Where Keras fetches the weights of its networks from."""

CAFFE_MEANS = (103.939, 116.779, 123.68)
"""ImageNet's mean blue, green and red, which ResNet50 was trained on centred."""


@dataclass(frozen=True)
class Architecture:
    """A kind of backbone.

    Attributes
    ----------
    title
        The name for people.
    block
        Regular expression at the start of the names of a block's layers; its groups tell blocks apart.
    application
        The function of `keras.applications` that builds it; empty for EfficientNet-Lite0.
    file
        Its ImageNet weights without the classes, below `ADDRESS`.
    """

    title: str
    block: str
    application: str = ""
    file: str = ""


ARCHITECTURES = {
    "lite0": Architecture("EfficientNet-Lite0", r"_blocks\.(\d+)"),
    "resnet50": Architecture(
        "ResNet50",
        r"conv(\d)_block(\d+)",
        "ResNet50",
        "resnet/resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5",
    ),
    "efficientnetv2b0": Architecture(
        "EfficientNetV2-B0",
        r"block(\d)([a-z])_",
        "EfficientNetV2B0",
        "efficientnet_v2/efficientnetv2-b0_notop.h5",
    ),
    "mobilenetv3": Architecture(
        "MobileNetV3-Large",
        r"expanded_conv(?:_(\d+))?_",
        "MobileNetV3Large",
        "mobilenet_v3/weights_mobilenet_v3_large_224_1.0_float_no_top_v2.h5",
    ),
    "convnexttiny": Architecture(
        "ConvNeXt-Tiny",
        r"convnext_tiny_stage_(\d)_block_(\d)",
        "ConvNeXtTiny",
        "convnext/convnext_tiny_notop.h5",
    ),
}
"""The backbones by the word that names them."""


@dataclass(frozen=True)
class Backbone:
    """A convolutional network.

    Attributes
    ----------
    name
        One of `ARCHITECTURES`.
    network : keras.Model
        From gray levels (n, height, width, 3) to maps (n, h, w, k).
    digest
        Of its weights, 32 hexadecimal digits.
    run : tf.function
        The network as a compiled graph, in which convolutions are fused with what follows them.
    """

    name: str
    network: "keras.Model"
    digest: str
    run: Any

    def maps(self, images: Images, size: int) -> Any:
        """Return the last maps of a batch of slices as a tensor (n, h, w, k)."""
        return self.run(three_channels(images, size))


def three_channels(images: Images, size: int) -> Any:
    """Return slices as a backbone wants them: gray levels as a float32 tensor (n, size, size, 3).

    One channel is repeated, and of two the second; of more than three, the first three are taken.
    """
    import tensorflow as tf

    channels = np.minimum(np.arange(3), images.shape[-1] - 1)
    x = tf.constant(images[..., channels], tf.float32)
    return x if images.shape[1:3] == (size, size) else tf.image.resize(x, (size, size))


@lru_cache(maxsize=2)
def backbone(name: str, weights: str, seed: int) -> Backbone:
    """Return a backbone with its weights.

    Parameters
    ----------
    name
        One of `ARCHITECTURES`.
    weights
        `imagenet` (of `lite0` from the installed package, of the others from Keras' cache or the network),
        `none` (drawn at random), a file that Keras saved (.weights.h5, .h5, .keras) or for `lite0` a .pth, or
        the folder of a saved classifier, whose backbone is taken: fine-tuned on the phantom, say.
    seed
        Of weights drawn at random.

    Raises
    ------
    HemoError
        If the weights are not there, or the file is something else.
    """
    import keras

    if weights == "none":
        keras.utils.set_random_seed(seed)
    elif weights == "imagenet" and name != "lite0":
        return as_backbone(name, _imagenet(name))
    network = build(name)
    if weights != "none":
        path = published_weights() if weights == "imagenet" else Path(weights)
        if path.is_dir():  # a saved classifier
            path = min(path.rglob("backbone.npz"), default=path)
        if not path.is_file():
            raise HemoError(f"weights '{weights}': no such file: give imagenet, none or a path")
        _load(name, network, path)
    return as_backbone(name, network)


def build(name: str, weights: str | None = None) -> Any:
    """Return the network of a backbone, its input scaling inside; `weights` as Keras has it."""
    import keras

    if name == "lite0":
        return lite0()
    inputs = x = keras.Input((None, None, 3))
    if name == "resnet50":
        x = keras.layers.Rescaling(1.0, [-mean for mean in CAFFE_MEANS])(keras.ops.flip(x, axis=-1))
    application = getattr(keras.applications, ARCHITECTURES[name].application)
    return application(include_top=False, weights=weights, input_tensor=x if name == "resnet50" else inputs)


@lru_cache
def width(name: str) -> int:
    """Return how many maps a backbone ends in."""
    return int(build(name).output_shape[-1])


@lru_cache
def map_bytes(name: str, blocks: int, size: int) -> int:
    """Return the bytes of the maps that go into the last blocks of a backbone, of a slice of a size."""
    import keras

    network = build(name)
    cut = first_of_last_blocks(name, network, blocks).input if blocks else network.output
    shape = keras.Model(network.input, cut).compute_output_shape((1, size, size, 3))
    return 4 * int(np.prod(shape))


def save_backbone(part: Backbone, path: Path) -> None:
    """Write a backbone's weights as NumPy arrays."""
    np.savez(path, *part.network.get_weights())


def load_backbone(name: str, path: Path) -> Backbone:
    """Read what `save_backbone` wrote; classifiers that share a backbone share it in memory too."""
    weights = load_arrays(path)
    digest = _digest(weights)
    if digest not in _loaded:
        network = build(name)
        network.set_weights(weights)
        _loaded[digest] = as_backbone(name, network)
    return _loaded[digest]


_loaded: dict[str, Backbone] = {}


def first_of_last_blocks(name: str, network: "keras.Model", blocks: int) -> Any:
    """Return the first layer of the last so many blocks of a backbone's network.

    Raises
    ------
    HemoError
        If the network has fewer blocks.
    """
    first: dict[tuple[str, ...], Any] = {}
    for layer in network.layers:
        found = re.match(ARCHITECTURES[name].block, layer.name)
        if found:
            first.setdefault(found.groups(), layer)
    if not 0 < blocks <= len(first):
        raise HemoError(f"blocks: {blocks} of {ARCHITECTURES[name].title}: it has {len(first)}")
    return list(first.values())[-blocks]


def split(name: str, network: "keras.Model", blocks: int) -> "tuple[keras.Model, keras.Model]":
    """Return the frozen part of a backbone's network, and a copy of its last blocks, to be trained.

    Batch normalisation goes on with its statistics of photographs: few slices have poor ones. It must be
    frozen for that: `training=False` where the tail is called gives way to how the whole model is called.
    """
    import keras

    cut = first_of_last_blocks(name, network, blocks).input if blocks else network.output
    if not blocks:
        inputs = keras.Input(cut.shape[1:])
        return network, keras.Model(inputs, keras.layers.Identity()(inputs), name="tail")
    last = keras.Model(cut, network.output)
    tail = keras.models.clone_model(last)
    tail.set_weights(last.get_weights())
    for layer in tail.layers:
        layer.trainable = not isinstance(layer, keras.layers.BatchNormalization)
    tail.name = "tail"
    return keras.Model(network.input, cut, name="stem"), tail


def _imagenet(name: str) -> Any:
    architecture = ARCHITECTURES[name]
    try:
        with redirect_stdout(sys.stderr):  # Keras tells of its download where a command's results go
            return build(name, "imagenet")
    except Exception:  # Keras raises what the network library raises
        folder, file = Path.home() / ".keras" / "models", Path(architecture.file).name
        raise HemoError(
            f"{file}: the ImageNet weights of {architecture.title} are not in {folder} and could not be "
            f"fetched: download {ADDRESS}{architecture.file} elsewhere and put it there, or give `weights` "
            "its path"
        ) from None


def _load(name: str, network: "keras.Model", path: Path) -> None:
    """Give the network the weights of a file."""
    try:
        if path.suffix == ".npz":
            network.set_weights(load_arrays(path))
        elif path.suffix in (".h5", ".keras"):
            network.load_weights(path)
        elif name == "lite0":
            set_weights(network, read_torch_file(path))
        else:
            raise HemoError(f"{path}: not a file of weights: give a .h5, .keras or .npz file")
    except (ValueError, KeyError, OSError, EOFError, TypeError) as fault:
        title, reason = ARCHITECTURES[name].title, " ".join(str(fault).split())[:200]
        raise HemoError(f"{path}: not the weights of {title} without its classes ({reason})") from None


def as_backbone(name: str, network: "keras.Model") -> Backbone:
    """Return a network as a frozen backbone, compiled."""
    import tensorflow as tf

    network.trainable = False
    shape = tf.TensorSpec((None, None, None, 3), tf.float32)
    run = tf.function(lambda x: network(x, training=False), input_signature=(shape,))
    return Backbone(name, network, _digest(network.get_weights()), run)


def _digest(weights: list[NDArray[np.float32]]) -> str:
    import xxhash

    digest = xxhash.xxh3_128()
    for array in weights:
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
