"""What the frozen part of a network makes of slices and of augmented copies of them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.families._augment import augmentation
from hemo.families._feature_cache import cached_features, in_blocks
from hemo.families.base import Images, Slices

BATCH = 32


def stem_maps(
    front: Any, images: Slices, kind: str, strength: float = 0.0, seed: int = 0
) -> NDArray[np.float32]:
    """Return the maps of the frozen part, float32 (n, h, w, k).

    Parameters
    ----------
    front : keras.Model
        The frozen part, from slices to maps.
    images
        Slices, uint8 (n, height, width, channels).
    kind
        Names the frozen part: maps of the slices themselves are kept under it.
    strength, seed
        Of the augmentation (see `hemo.families._augment`); augmented slices' maps are not kept.
    """
    import keras
    import tensorflow as tf

    inputs = keras.Input(front.input_shape[1:])
    network = keras.Model(inputs, front(augmentation(inputs, strength, seed), training=False))
    run = tf.function(lambda x: network(x, training=strength > 0), reduce_retracing=True)
    shape = front.output.shape[1:]

    def compute(new: Images) -> NDArray[np.float32]:
        maps = np.empty((len(new), *shape), np.float32)
        for start in range(0, len(new), BATCH):
            maps[start : start + BATCH] = run(tf.constant(new[start : start + BATCH], tf.float32))
        return maps.reshape(len(new), int(np.prod(shape)))

    flat = in_blocks(images, compute) if strength else cached_features(images, f"maps-{kind}", compute)
    return flat.reshape(len(images), *shape)


def augmented_copies(
    copies: Sequence[NDArray[np.float32]], truth: NDArray[np.integer], batch_size: int, seed: int
) -> Any:
    """Return a `keras.utils.PyDataset` that gives one of its copies for each slice, anew in each epoch."""
    import keras

    class Copies(keras.utils.PyDataset):
        def __init__(self) -> None:
            super().__init__()
            self.rng = np.random.default_rng(seed)
            self.on_epoch_begin()

        def on_epoch_begin(self) -> None:
            self.order = self.rng.permutation(len(truth))
            self.copy = self.rng.integers(len(copies), size=len(truth))

        def __len__(self) -> int:
            return -(-len(truth) // batch_size)

        def __getitem__(self, number: int) -> tuple[NDArray[np.float32], NDArray[np.integer]]:
            rows = self.order[number * batch_size : (number + 1) * batch_size]
            return np.stack([copies[self.copy[row]][row] for row in rows]), truth[rows]

    return Copies()
