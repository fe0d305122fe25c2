"""Slices as features of a frozen backbone."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.errors import HemoError
from hemo.families._feature_cache import Features, remembered
from hemo.families._lite0 import lite0, published_weights, set_weights
from hemo.families._torch_file import read_torch_file
from hemo.families.base import Images

BATCH = 32


@dataclass(frozen=True)
class Backbone:
    """A frozen convolutional network.

    Attributes
    ----------
    network : keras.Model
        From gray levels (n, height, width, 3) to maps (n, h, w, k).
    digest
        Of its weights, 32 hexadecimal digits.
    """

    network: Any
    digest: str

    def maps(self, images: Images, size: int) -> Any:
        """Return the last maps of a batch of slices as a tensor (n, h, w, k).

        Slices are enlarged to `size` pixels. The network wants three channels: one is repeated, and of two
        the second; of more than three, the first three are taken.
        """
        import tensorflow as tf

        channels = np.minimum(np.arange(3), images.shape[-1] - 1)
        x = tf.constant(images[..., channels], tf.float32)
        if images.shape[1:3] != (size, size):
            x = tf.image.resize(x, (size, size))
        return self.network(x, training=False)


@lru_cache(maxsize=2)
def backbone(weights: str, seed: int) -> Backbone:
    """Return EfficientNet-Lite0.

    Parameters
    ----------
    weights
        `published` (on ImageNet, from the installed package), `none` (drawn at random), or a .pth file.
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
        network = lite0()
    else:
        path = published_weights() if weights == "published" else Path(weights)
        if not path.is_file():
            raise HemoError(f"weights '{weights}': no such file: give published, none or a .pth file")
        network = lite0()
        set_weights(network, read_torch_file(path))
    return Backbone(network, _digest(network.get_weights()))


def save_backbone(part: Backbone, path: Path) -> None:
    """Write a backbone's weights as NumPy arrays."""
    np.savez(path, *part.network.get_weights())


def load_backbone(path: Path) -> Backbone:
    """Read what `save_backbone` wrote; classifiers that share a backbone share it in memory too."""
    with np.load(path, allow_pickle=False) as arrays:
        weights = [arrays[f"arr_{index}"] for index in range(len(arrays.files))]
    digest = _digest(weights)
    if digest not in _loaded:
        network = lite0()
        network.set_weights(weights)
        _loaded[digest] = Backbone(network, digest)
    return _loaded[digest]


_loaded: dict[str, Backbone] = {}


def embed(part: Backbone, images: Images, size: int, on_disk: bool = False) -> Features:
    """Return the mean and the maximum of each map of the backbone over the slice, float32 (n, 2 k).

    Parameters
    ----------
    part
        The backbone.
    images
        Slices, uint8 (n, height, width, channels).
    size
        Height and width in pixels to which slices are enlarged for the backbone.
    on_disk
        Whether features are also read from and written to the cache's files.
    """
    import tensorflow as tf

    def compute(new: Images) -> Features:
        features = np.empty((len(new), 2 * part.network.output_shape[-1]), np.float32)
        for start in range(0, len(new), BATCH):
            maps = part.maps(new[start : start + BATCH], size)
            pooled = tf.concat((tf.reduce_mean(maps, (1, 2)), tf.reduce_max(maps, (1, 2))), axis=1)
            features[start : start + BATCH] = pooled
        return features

    return remembered(images, f"{part.digest}-{size}", compute, on_disk)


def _digest(weights: list[NDArray[np.float32]]) -> str:
    import xxhash

    digest = xxhash.xxh3_128()
    for array in weights:
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
