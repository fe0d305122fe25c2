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
    from keras import ops

    negative, positive = np.ones((2, 1 if truths is None else truths.shape[1]), np.float32)
    if truths is not None:
        known = np.maximum((truths >= 0).sum(axis=0), 1)
        negative, positive = (
            (known / (2 * np.maximum((truths == kind).sum(axis=0), 1))).astype(np.float32) for kind in (0, 1)
        )

    def loss(truth: Any, probability: Any) -> Any:
        truth = ops.cast(truth, "float32")
        p = ops.clip(probability, 1e-7, 1 - 1e-7)
        each = -positive * truth * ops.log(p) - negative * (1 - truth) * ops.log(1 - p)
        known = ops.cast(truth >= 0, "float32")
        return ops.sum(each * known, axis=-1) / ops.maximum(ops.sum(known, axis=-1), 1.0)

    return loss
