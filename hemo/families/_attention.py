"""Attention over the slices of a study: additive multiple-instance learning.

A study is a bag of slices whose truth is that of its worst slice. Each slice has a logit of its own for each
label, and each label an attention over the slices of a study, by the gated attention of M. Ilse, J. Tomczak
and M. Welling ("Attention-based deep multiple instance learning", 2018, eq. 9). The study's logit is the
attention-weighted sum of its slices' logits, not a function of their weighted features: so the sum says what
each slice adds (S. Javed et al., "Additive MIL: intrinsically interpretable multiple instance learning for
pathology", 2022), and a slice's logit is a judgement of the slice.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hemo.families._losses import masked_cross_entropy

if TYPE_CHECKING:
    import keras

BATCH = 4096
"""Slices at a time in prediction: a few MB of hidden units."""

NOWHERE = -1e9
"""Score of what pads a study: after the softmax, exactly no attention."""

HIDDEN = -1e4
"""What is added to the score of a slice that is hidden in training: where all of a study are, none is."""

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Bags:
    """Studies to learn from.

    Attributes
    ----------
    features
        Standardised features of the slices, float32 (n, k).
    study
        The study of each slice, 0, 1, 2, ..., (n,).
    slices
        What is known of each slice, int8 (n, labels): 0, 1, or -1 for nothing.
    studies
        What is known of each study, int8 (studies, labels).
    """

    features: NDArray[np.float32]
    study: NDArray[np.intp]
    slices: NDArray[np.int8]
    studies: NDArray[np.int8]


def slice_network(k: int, labels: int, hidden: int, dropout: float) -> "keras.Model":
    """Return the network of single slices, untrained.

    It takes in standardised features (studies, slices, k), and gives each slice's logits and its scores,
    whose softmax over a study is the attention, both (studies, slices, labels). No slice sees another in it.
    The last four weights are kernel and bias of logits, then of scores.
    """
    import keras
    from keras import layers

    inputs = keras.Input((None, k), name="features")
    x = layers.Dense(hidden, "relu", name="hidden")(layers.Dropout(dropout)(inputs))
    x = layers.Dropout(dropout)(x)
    content = layers.Dense(hidden, "tanh", name="content")(x)
    gate = layers.Dense(hidden, "sigmoid", name="gate")(x)
    logit = layers.Dense(labels, name="logit")(x)
    score = layers.Dense(labels, name="score")(layers.Multiply()([content, gate]))
    return keras.Model(inputs, [logit, score])


def study_network(network: "keras.Model", hidden: float, *, apart: bool) -> "keras.Model":
    """Return the network that is trained: probabilities of slices and of studies, from a slice network.

    It takes in features of padded studies, (studies, slices, k), and which of them are slices, 1 or 0,
    (studies, slices); its weights are those of the slice network. With `apart`, a study's loss teaches the
    attention and what it shares with the logits, but not by way of these.

    In training the share `hidden` of the slices is hidden from the attention, others each time: it would
    else go to the most telling slices alone, and what the others show would never be learned as positive.
    """
    import keras
    from keras import layers, ops

    features = keras.Input(network.input_shape[1:])
    real = keras.Input((None,))
    logit, score = network(features)
    seen = ops.cast(layers.Dropout(hidden)(real) > 0, "float32")
    score = score + ops.expand_dims(NOWHERE * (1 - real) + HIDDEN * (1 - seen), -1)
    attention = ops.softmax(score, axis=1)
    pooled = ops.sum(attention * (ops.stop_gradient(logit) if apart else logit), axis=1)
    slices = layers.Activation("sigmoid", name="slices")(logit)
    studies = layers.Activation("sigmoid", name="studies")(pooled)
    return keras.Model([features, real], {"slices": slices, "studies": studies})


def run(network: "keras.Model", features: NDArray[np.float32]) -> tuple[Values, Values]:
    """Return logits and scores of slices, float64 (n, labels) each, from features (n, k)."""
    labels = network.output_shape[0][-1]
    logit, score = np.empty((2, len(features), labels))
    for start in range(0, len(features), BATCH):
        part = slice(start, start + BATCH)
        logit[part], score[part] = (one.numpy()[0] for one in network(features[None, part], training=False))
    return logit, score


def attention(score: Values, study: NDArray[np.intp]) -> Values:
    """Return the softmax of scores over each study's slices, of the shape of `score`.

    Examples
    --------
    >>> attention(np.zeros(4), np.array([0, 1, 1, 2])).tolist()
    [1.0, 0.5, 0.5, 1.0]
    """
    highest = np.full((study.max(initial=-1) + 1, *score.shape[1:]), -np.inf)
    np.maximum.at(highest, study, score)
    raised = np.exp(score - highest[study])
    return raised / summed(raised, study)[study]


def summed(values: Values, study: NDArray[np.intp]) -> Values:
    """Return the sum over each study's slices, (studies, ...)."""
    result = np.zeros((study.max(initial=-1) + 1, *values.shape[1:]))
    np.add.at(result, study, values)
    return result


def study_truth(slices: NDArray[np.int8], study: NDArray[np.intp]) -> NDArray[np.int8]:
    """Return the largest known label of each study's slices, (studies, labels); -1 where none is known.

    Examples
    --------
    >>> slices = np.array([[0], [1], [-1], [0], [-1]], np.int8)
    >>> study_truth(slices, np.array([0, 0, 0, 1, 2])).tolist()
    [[1], [0], [-1]]
    """
    result = np.full((study.max(initial=-1) + 1, slices.shape[1]), -1, np.int8)
    np.maximum.at(result, study, slices)
    return result


def batches(bags: Bags, size: int, seed: int | None) -> Any:
    """Return studies in batches of `size`, padded to the longest, as a `keras.utils.PyDataset`.

    With a `seed` each epoch has its own order, drawn from it.
    """
    import keras

    members = np.split(np.argsort(bags.study, kind="stable"), np.cumsum(np.bincount(bags.study))[:-1])
    rng = np.random.default_rng(seed)

    class Batches(keras.utils.PyDataset):
        def __init__(self) -> None:
            super().__init__()
            self.order = np.arange(len(members))
            self.on_epoch_end()

        def __len__(self) -> int:
            return -(-len(members) // size)

        def __getitem__(self, number: int) -> tuple[Any, Any]:
            chosen = self.order[number * size : (number + 1) * size]
            return padded(bags, [members[one] for one in chosen], bags.studies[chosen])

        def on_epoch_end(self) -> None:
            if seed is not None:
                self.order = rng.permutation(len(members))

    return Batches()


def padded(bags: Bags, members: Sequence[NDArray[np.intp]], studies: NDArray[np.int8]) -> tuple[Any, Any]:
    """Return what the study network takes in for studies with these rows, and their truth."""
    longest = max(map(len, members))
    features = np.zeros((len(members), longest, bags.features.shape[1]), np.float32)
    real = np.zeros((len(members), longest), np.float32)
    slices = np.full((len(members), longest, bags.slices.shape[1]), -1, np.int8)
    for number, rows in enumerate(members):
        features[number, : len(rows)] = bags.features[rows]
        real[number, : len(rows)] = 1
        slices[number, : len(rows)] = bags.slices[rows]
    return (features, real), {"slices": slices, "studies": studies}


def slice_loss(truths: NDArray[np.integer] | None) -> Callable[[Any, Any], Any]:
    """Return the mean of `masked_cross_entropy` over those slices of a study of which something is known."""
    from keras import ops

    of_slices = masked_cross_entropy(truths)

    def loss(truth: Any, probability: Any) -> Any:
        known = ops.cast(ops.any(truth >= 0, axis=-1), "float32")
        return ops.sum(of_slices(truth, probability), axis=-1) / ops.maximum(ops.sum(known, axis=-1), 1.0)

    return loss


def known_accuracy() -> "keras.Metric":
    """Return a metric: the share of known labels that the probability is on the right side of 0.5 for."""
    import keras
    from keras import ops

    class Accuracy(keras.metrics.Mean):
        def update_state(self, truth: Any, probability: Any, sample_weight: Any = None) -> Any:
            right = ops.equal(probability >= 0.5, truth == 1)
            return super().update_state(ops.cast(right, "float32"), ops.cast(truth >= 0, "float32"))

    return Accuracy(name="accuracy")
