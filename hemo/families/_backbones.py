"""The backbones of transfer learning: networks trained on other images, each with its own input scaling.

Those of `BUILT` are built here, and read what PyTorch saved of them; the others are Keras' own
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
from hemo.families._architectures import ARCHITECTURES, weights_file
from hemo.families._channels import asked_channels, check_channels, inflated, taken, threes
from hemo.families._conv4 import conv4
from hemo.families._dinov2 import dinov2s, set_dinov2_weights
from hemo.families._lite0 import lite0
from hemo.families._named_weights import set_weights
from hemo.families._saved import load_arrays
from hemo.families._unet import unet
from hemo.families._weight_files import read_weights
from hemo.families.base import Images

if TYPE_CHECKING:
    import keras

BUILT = {"lite0": lite0, "conv4": conv4, "dinov2s": dinov2s, "unet": unet}
"""What builds the networks that are not Keras' own."""

FROM_TORCH = {"lite0": set_weights, "dinov2s": set_dinov2_weights, "unet": set_weights}
"""What gives a network the arrays of a file of PyTorch's or of safetensors."""

CAFFE_MEANS = (103.939, 116.779, 123.68)
"""ImageNet's mean blue, green and red, which ResNet50 was trained on centred."""


LEAST_SIZE = 32
"""Pixels a side, of which the backbones leave one position."""


@dataclass(frozen=True)
class Backbone:
    """A convolutional network.

    Attributes
    ----------
    name
        One of `ARCHITECTURES`.
    network : keras.Model
        From gray levels (n, height, width, channels) to maps (n, h, w, k): of three channels, or of a
        multiple of three where it learned from more.
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
        """Return the last maps of a batch of slices as a tensor (n, h, w, k).

        Raises
        ------
        HemoError
            If it learned from more than three channels, and the slices have others.
        """
        check_channels(self.network.input_shape[-1], images.shape[-1], f"backbone {self.name}")
        return self.run(as_asked(images, size, self.network.input_shape[-1]))


def as_asked(images: Images, size: int, channels: int = 3) -> Any:
    """Return slices as a backbone wants them: gray levels as a float32 tensor (n, size, size, channels).

    One channel is repeated, and of two the second; a backbone of three takes the first three of more.
    """
    import tensorflow as tf

    x = tf.constant(images[..., taken(channels, images.shape[-1])], tf.float32)
    return x if images.shape[1:3] == (size, size) else tf.image.resize(x, (size, size))


@lru_cache(maxsize=2)
def backbone(name: str, weights: str, seed: int) -> Backbone:
    """Return a backbone with its weights.

    Parameters
    ----------
    name
        One of `ARCHITECTURES`.
    weights
        `imagenet` (the published ones: of `lite0` from the installed package, of Keras' own from its cache or
        the network, of the others from the same folder), `none` (drawn at random), a file that Keras saved
        (.weights.h5, .h5, .keras), for those of `FROM_TORCH` one of PyTorch's or a .safetensors, or the
        folder of a saved classifier, whose backbone is taken: fine-tuned on the phantom, say.
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
    elif weights == "imagenet" and ARCHITECTURES[name].application:
        return as_backbone(name, _imagenet(name))
    if weights == "none":
        return as_backbone(name, build(name))
    path = weights_file(name) if weights == "imagenet" else Path(weights)
    if path.is_dir():  # a saved classifier
        path = min(path.rglob("backbone.npz"), default=path)
    if not path.is_file():
        raise HemoError(f"weights '{weights}': no such file: give imagenet, none or a path")
    return as_backbone(name, _loaded_network(name, path))


def build(name: str, weights: str | None = None, channels: int = 3) -> Any:
    """Return the network of a backbone, its input scaling inside; `weights` as Keras has it."""
    import keras

    if channels != 3:
        return inflated(build(name), threes(channels))
    if name in BUILT:
        return BUILT[name]()
    inputs = x = keras.Input((None, None, 3))
    if name == "resnet50":
        x = keras.layers.Rescaling(1.0, [-mean for mean in CAFFE_MEANS])(keras.ops.flip(x, axis=-1))
    application = getattr(keras.applications, ARCHITECTURES[name].application)
    return application(include_top=False, weights=weights, input_tensor=x if name == "resnet50" else inputs)


def save_backbone(part: Backbone, path: Path) -> None:
    """Write a backbone's weights as NumPy arrays."""
    np.savez(path, *part.network.get_weights())


def load_backbone(name: str, path: Path) -> Backbone:
    """Read what `save_backbone` wrote; classifiers that share a backbone share it in memory too."""
    weights = load_arrays(path)
    digest = _digest(weights)
    if digest not in _loaded:
        network = build(name, channels=asked_channels(weights))
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
    """Return the network with Keras' weights, fetched where they are not there and a network is."""
    try:
        with redirect_stdout(sys.stderr):  # Keras tells of its download where a command's results go
            return build(name, "imagenet")
    except Exception as fault:  # Keras raises what the network library raises
        file = weights_file(name)  # says where it is to be put
        reason = " ".join(str(fault).split())[:200]
        raise HemoError(f"{file}: not the weights that Keras asks for ({reason}): remove it") from None


def _loaded_network(name: str, path: Path) -> Any:
    """Return the network with the weights of a file, of as many channels as these were learned with."""
    network = build(name)
    try:
        if path.suffix == ".npz":
            arrays = load_arrays(path)
            channels = asked_channels(arrays)
            network = network if channels == 3 else build(name, channels=channels)
            network.set_weights(arrays)
        elif path.suffix in (".h5", ".keras"):
            network.load_weights(path)
        elif name in FROM_TORCH:
            FROM_TORCH[name](network, read_weights(path))
        else:
            raise HemoError(f"{path}: not a file of weights: give a .h5, .keras or .npz file")
    except (ValueError, KeyError, OSError, EOFError, TypeError, StopIteration) as fault:
        title, reason = ARCHITECTURES[name].title, " ".join(str(fault).split())[:200]
        raise HemoError(f"{path}: not the weights of {title} without its classes ({reason})") from None
    return network


def as_backbone(name: str, network: "keras.Model") -> Backbone:
    """Return a network as a frozen backbone, compiled."""
    import tensorflow as tf

    network.trainable = False
    shape = tf.TensorSpec((None, None, None, network.input_shape[-1]), tf.float32)
    run = tf.function(lambda x: network(x, training=False), input_signature=(shape,))
    return Backbone(name, network, _digest(network.get_weights()), run)


def _digest(weights: list[NDArray[np.float32]]) -> str:
    import xxhash

    digest = xxhash.xxh3_128()
    for array in weights:
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
