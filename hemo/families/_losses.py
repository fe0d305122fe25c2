"""The loss of several labels learnt together, some of them unknown."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray


def masked_cross_entropy(truths: NDArray[np.integer] | None = None) -> Callable[[Any, Any], Any]:
    """Return the mean binary cross-entropy over the labels of a slice that are known.

    Parameters
    ----------
    truths
        Truth of the training slices, 1, 0 or -1 where it is not known, (n, labels): positives and negatives
        of each label get weights that make both kinds count the same. None: no weights.
    """
    negative, positive = _weights(truths, 1)

    def loss(truth: Any, probability: Any) -> Any:
        return _cross_entropy(truth, probability, negative, positive)

    return loss


class MaskedCrossEntropy:
    """The loss of `masked_cross_entropy` with weights that can be others for the next fit.

    Parameters
    ----------
    labels
        How many are learnt together.
    """

    def __init__(self, labels: int) -> None:
        import keras

        self._weights = [keras.Variable(each, trainable=False) for each in _weights(None, labels)]

    def weigh(self, truths: NDArray[np.integer] | None) -> None:
        """Let both kinds of each label of `truths`, (n, labels), count the same; None: as they are."""
        for variable, each in zip(self._weights, _weights(truths, self._weights[0].shape[0]), strict=True):
            variable.assign(each)

    def __call__(self, truth: Any, probability: Any) -> Any:
        """Return the loss of each slice."""
        return _cross_entropy(truth, probability, *self._weights)


def _weights(truths: NDArray[np.integer] | None, labels: int) -> NDArray[np.float32]:
    """Return the weights of negatives and of positives, float32 (2, labels)."""
    if truths is None:
        return np.ones((2, labels), np.float32)
    known = np.maximum((truths >= 0).sum(axis=0), 1)
    of_kinds = [known / (2 * np.maximum((truths == kind).sum(axis=0), 1)) for kind in (0, 1)]
    return np.array(of_kinds, np.float32)


def _cross_entropy(truth: Any, probability: Any, negative: Any, positive: Any) -> Any:
    from keras import ops

    truth = ops.cast(truth, "float32")
    p = ops.clip(probability, 1e-7, 1 - 1e-7)
    each = -positive * truth * ops.log(p) - negative * (1 - truth) * ops.log(1 - p)
    known = ops.cast(truth >= 0, "float32")
    return ops.sum(each * known, axis=-1) / ops.maximum(ops.sum(known, axis=-1), 1.0)
