"""The network that was compiled last, for the next fit of the same layers: folds differ in weights alone.

To compile a network for training takes a second or more, each time, before its first step.
"""

import gc
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any, ClassVar, Optional, Self

import numpy as np

from hemo.families.base import Images, Slices, Truth

if TYPE_CHECKING:
    import keras


JUDGED = 32
"""Slices of a batch that is judged, which is Keras' own number."""


class Compiled:
    """A network compiled for training, which other networks of the same layers lend their weights to.

    Parameters
    ----------
    network
        With a `Rescaling` layer named `scaling`, which takes on the scale of the network that is trained.
    wrap
        Returns the compiled model around that network.

    Attributes
    ----------
    trainer : keras.Model
        The compiled model.
    """

    _last: ClassVar[tuple[Hashable, Optional["Compiled"]]] = (None, None)

    def __init__(self, network: "keras.Model", wrap: Callable[[], "keras.Model"]) -> None:
        import tensorflow as tf

        self._network = network
        scaling = network.get_layer("scaling")
        # Variables, where the layer has numbers that would be a part of what is compiled.
        scaling.scale = tf.Variable(np.atleast_1d(scaling.scale), dtype=tf.float32)
        scaling.offset = tf.Variable(np.atleast_1d(scaling.offset), dtype=tf.float32)
        self.trainer = wrap()
        self.trainer.optimizer.build(self.trainer.trainable_variables)
        self._begun = [np.array(variable) for variable in self.trainer.optimizer.variables]

    @classmethod
    def of(cls, key: Hashable, make: Callable[[], Self]) -> Self:
        """Return what was made last, if it has this key, or make it."""
        known, last = Compiled._last
        if last is None or known != key or not isinstance(last, cls):
            release()
            last = make()
            Compiled._last = key, last
        return last

    def begin(self, network: "keras.Model", seed: int) -> None:
        """Take the weights, scale and seeds of a network, and forget what the optimizer knew.

        What is in front of the network, to augment, begins with `seed`.
        """
        inside = {id(variable) for variable in self._network.variables}
        for variable in self.trainer.variables:
            if id(variable) not in inside and "seed_generator" in variable.path:
                variable.assign([seed, 0])  # as `keras.random.SeedGenerator(seed)` begins
        for own, other in zip(self._network.variables, network.variables, strict=True):
            own.assign(other)
        scaling = network.get_layer("scaling")
        self._network.get_layer("scaling").scale.assign(np.atleast_1d(scaling.scale))
        self._network.get_layer("scaling").offset.assign(np.atleast_1d(scaling.offset))
        for variable, value in zip(self.trainer.optimizer.variables, self._begun, strict=True):
            variable.assign(value)

    def end(self, network: "keras.Model") -> None:
        """Give a network the weights that were learned."""
        network.set_weights(self._network.get_weights())


def release() -> None:
    """Let go of the network that was compiled last, and of the graphs of all that nobody holds any more.

    TensorFlow keeps the gradient of each `tf.custom_gradient` that was ever traced, and with it the whole
    graph of a training step: 1.7 MB for each network, of the smallest size (its issue 97697, open in 2.21).
    """
    import keras
    from tensorflow.python.framework import ops

    Compiled._last = (None, None)
    keras.backend.clear_session(free_memory=False)
    kept = ops.gradient_registry._registry
    for name in [name for name in kept if name.startswith("CustomGradient-")]:
        del kept[name]
    gc.collect()


def shuffled(images: Slices, truth: Truth, batch_size: int, seed: int, *, whole: bool = False) -> Any:
    """Return slices and truth in batches as a `keras.utils.PyDataset`: each epoch has its own order.

    That hangs on the seed and the number of the epoch alone, and not on what was computed before. Keras reads
    the next batches while the network computes, in a thread of `tf.data`. Only `whole` batches leave out what
    is left over in an epoch.
    """
    import keras

    class Batches(keras.utils.PyDataset):
        def __init__(self) -> None:
            super().__init__()
            self.epoch = -1
            self.on_epoch_end()

        def on_epoch_end(self) -> None:
            self.epoch += 1
            self.order = np.random.default_rng([seed, self.epoch]).permutation(len(truth))

        def __len__(self) -> int:
            return len(truth) // batch_size if whole else -(-len(truth) // batch_size)

        def __getitem__(self, number: int) -> tuple[Images, Truth]:
            rows = self.order[number * batch_size : (number + 1) * batch_size]
            return images[rows], truth[rows]

    return Batches()


def in_order(images: Slices, truth: Truth, at_once: int = JUDGED) -> Any:
    """Return slices and truth, in their order, in batches as a `keras.utils.PyDataset`."""
    import keras

    class Batches(keras.utils.PyDataset):
        def __len__(self) -> int:
            return -(-len(truth) // at_once)

        def __getitem__(self, number: int) -> tuple[Images, Truth]:
            rows = slice(number * at_once, (number + 1) * at_once)
            return images[rows], truth[rows]

    return Batches()
