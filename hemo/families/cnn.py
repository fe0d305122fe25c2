"""Convolutional network, as the seed paper's: 3×3 convolutions with pooling between them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hemo.errors import HemoError
from hemo.families._checks import check_choices, check_images
from hemo.families._neural import BATCH, FIRST_TRAINING, TRAINING_DEFAULTS, NeuralClassifier, suggest_training
from hemo.families.base import Family, Images

if TYPE_CHECKING:
    import optuna


POOLINGS = ("flatten", "average", "max")
"""The last maps as they are (the paper's), or each one's mean or maximum over the slice."""


class ConvolutionalNetwork(NeuralClassifier):
    """3×3 convolutions of the given filters, 2×2 max-pooling between them, and one sigmoid."""

    def __init__(self, params: Mapping[str, Any], seed: int = 0) -> None:
        super().__init__(params, seed)
        check_choices(params, {"pooling": POOLINGS})

    def _body(self, x: Any) -> Any:
        from keras import layers

        p = self.params
        for depth, filters in enumerate(p["filters"]):
            if depth:
                x = layers.MaxPooling2D(2)(x)
            if min(x.shape[1:3]) < 3:
                raise HemoError(
                    f"filters: {len(p['filters'])} convolutions are too many for the slices: give fewer"
                )
            x = layers.Conv2D(filters, 3, **self._penalty())(x)
            if p["batch_norm"]:
                x = layers.BatchNormalization()(x)
            x = layers.Activation(p["activation"], name=f"maps_{depth}")(x)
        if p["pooling"] == "average":
            x = layers.GlobalAveragePooling2D()(x)
        elif p["pooling"] == "max":
            x = layers.GlobalMaxPooling2D()(x)
        else:
            x = layers.Flatten()(x)
        return layers.Dropout(p["dropout"])(x) if p["dropout"] else x

    def attribution(self, images: Images) -> NDArray[np.float32]:
        """Return Grad-CAM of the logit at the last convolution, float32 (n, height, width).

        Gradient times activation, summed over filters, where it speaks for blood, enlarged to the slice.
        The gradient is not averaged over positions first (HiResCAM; R. Draelos and L. Carin, 2020): with
        flattened maps before the output, the average would say where nothing was seen.
        """
        import keras
        import tensorflow as tf

        check_images(images, self.image_shape_)
        last = self.network_.get_layer(f"maps_{len(self.params['filters']) - 1}").output
        network = keras.Model(self.network_.input, [last, self.network_.get_layer("logit").output])
        maps = np.empty((len(images), *self.image_shape_[:2]), np.float32)
        for start in range(0, len(images), BATCH):
            with tf.GradientTape() as tape:
                activation, logits = network(images[start : start + BATCH].astype(np.float32), training=False)
            evidence = tf.nn.relu(
                tf.reduce_sum(activation * tape.gradient(logits, activation), axis=-1, keepdims=True)
            )
            maps[start : start + BATCH] = tf.image.resize(evidence, self.image_shape_[:2])[..., 0]
        return maps


def suggest(trial: "optuna.Trial") -> dict[str, Any]:
    """Draw depth, filters of the first convolution and their growth, pooling, and how they are trained."""
    depth = trial.suggest_int("depth", 2, 4)
    filters = trial.suggest_categorical("filters", (8, 16, 32))
    growth = trial.suggest_categorical("growth", (1, 2))
    return {
        "filters": tuple(filters * growth**layer for layer in range(depth)),
        "pooling": trial.suggest_categorical("pooling", POOLINGS),
        **suggest_training(trial),
    }


FAMILY = Family(
    name="cnn",
    title="Convolutional network",
    defaults={"filters": (32, 64, 128), "pooling": "flatten", **TRAINING_DEFAULTS},
    build=ConvolutionalNetwork,
    suggest=suggest,
    first={"depth": 3, "filters": 32, "growth": 2, "pooling": "flatten", **FIRST_TRAINING},
    classifier=lambda: ConvolutionalNetwork,
    neural=True,
    tensorflow=True,
    tiny={"filters": (4, 8), "epochs": 8, "learning_rate": 0.05},
)
