"""The running average of a network's weights, which generalises better than those of its last step.

Keras' own (`use_ema` of its optimizers) averages trainable weights alone: the statistics of batch
normalisation stay those of the last steps' weights, and the first steps, of weights drawn at random, weigh as
much as the last. Here all weights are averaged, and the first steps are forgotten (B. Polyak and A. Juditsky,
"Acceleration of stochastic approximation by averaging", 1992; the decay is that of TensorFlow's
`ExponentialMovingAverage` with `num_updates`).
"""

from typing import Any

import numpy as np


def weight_average(network: Any, momentum: float) -> Any:
    """Return a `keras.callbacks.Callback` that averages a network's weights while it is trained.

    The network has its averages wherever it is judged, from a validation to the beginning of the next epoch,
    and at the end; in between it has the weights of its last step.

    Parameters
    ----------
    network : keras.Model
        What is averaged: the model that is trained, or a part of it.
    momentum
        Of the average, below 1. After n steps it is (1 + n) / (10 + n) where that is less.

    Returns
    -------
    keras.callbacks.Callback
        With `variables`, all that a fit needs to go on, and `shown`, whether the averages are in the network.
    """
    import keras
    import tensorflow as tf

    class WeightAverage(keras.callbacks.Callback):
        def __init__(self) -> None:
            super().__init__()
            self.shown = False
            self._own = [variable.value for variable in network.weights]
            self._other = [tf.Variable(np.asarray(variable), trainable=False) for variable in network.weights]
            self._steps = tf.Variable(0.0, trainable=False)
            self._follow = tf.function(self._followed)

        @property
        def variables(self) -> list[Any]:
            return [self._steps, *self._other]

        def _followed(self) -> None:
            self._steps.assign_add(1.0)
            kept = tf.minimum(momentum, (1 + self._steps) / (10 + self._steps))
            for average, value in zip(self._other, self._own, strict=True):
                average.assign_sub((1 - kept) * (average - value))

        def _swap(self) -> None:
            for variable, other in zip(network.weights, self._other, strict=True):
                value = np.asarray(variable)
                variable.assign(other)
                other.assign(value)
            self.shown = not self.shown

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            self._follow()

        def on_test_begin(self, logs: Any = None) -> None:
            if not self.shown:
                self._swap()

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            if self.shown:
                self._swap()

        def on_train_end(self, logs: Any = None) -> None:
            if not self.shown:
                self._swap()

    return WeightAverage()
