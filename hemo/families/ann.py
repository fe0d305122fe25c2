"""Dense network on pixels, as the seed paper's: each layer a quarter of the one before."""

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from hemo.families._checks import check_images
from hemo.families._pixel_network import PixelNetwork
from hemo.families._training_options import (
    DEFAULT_TRAINING,
    MODERN_TRAINING,
    TRAINING_DEFAULTS,
    suggest_training,
)
from hemo.families.base import Family, Images

if TYPE_CHECKING:
    import optuna

STEPS = 16
"""Points on the way from the mean slice, at which the gradient is taken."""


class DenseNetwork(PixelNetwork):
    """Dense layers of the given widths on flattened slices."""

    jit: ClassVar[bool] = True

    def _body(self, x: Any) -> Any:
        from keras import layers

        p = self.params
        x = layers.Flatten()(x)
        for width in p["layers"]:
            x = layers.Dense(width, **self._penalty())(x)
            if p["batch_norm"]:
                x = layers.BatchNormalization()(x)
            x = layers.Activation(p["activation"])(x)
            if p["dropout"]:
                x = layers.Dropout(p["dropout"])(x)
        return x

    def attribution(self, images: Images) -> NDArray[np.float32]:
        """Return integrated gradients of the logit from the mean slice, float32 (n, height, width).

        Summed over a slice they come near to the difference of its logit from the mean slice's
        (M. Sundararajan et al., "Axiomatic attribution for deep networks", 2017), by the midpoint rule.
        """
        import tensorflow as tf
        from keras import Model

        check_images(images, self.image_shape_)
        network = Model(self.network_.input, self.network_.get_layer("logit").output)
        fractions = ((np.arange(STEPS) + 0.5) / STEPS).astype(np.float32).reshape(-1, 1, 1, 1)
        maps = np.empty((len(images), *self.image_shape_[:2]), np.float32)
        for index, image in enumerate(images):
            deviation = image.astype(np.float32) - self.mean_image_
            path = tf.constant(self.mean_image_ + fractions * deviation)
            with tf.GradientTape() as tape:
                tape.watch(path)
                logits = network(path, training=False)
            gradient = tape.gradient(logits, path).numpy().mean(axis=0)
            maps[index] = (gradient * deviation).sum(axis=-1)
        return maps


def suggest(trial: "optuna.Trial") -> dict[str, Any]:
    """Draw depth, width of the first layer and the taper from layer to layer, and how they are trained."""
    depth = trial.suggest_int("depth", 1, 6)
    width = trial.suggest_categorical("width", (64, 128, 256, 512, 1024, 4096))
    taper = trial.suggest_categorical("taper", (1, 2, 4))
    return {
        "layers": tuple(max(width // taper**layer, 4) for layer in range(depth)),
        **suggest_training(trial),
    }


FAMILY = Family(
    name="ann",
    title="Dense network",
    defaults={"layers": (4096, 1024, 256, 64, 16, 4), **TRAINING_DEFAULTS},
    build=DenseNetwork,
    suggest=suggest,
    default_trial={"depth": 6, "width": 4096, "taper": 4, **DEFAULT_TRAINING},
    modern_trial={"depth": 2, "width": 256, "taper": 4, **MODERN_TRAINING},
    load=DenseNetwork.load,
    neural=True,
    slice_bytes=lambda params, shape: 0,
    tensorflow=True,
    tiny={"layers": (16, 8), "epochs": 8, "learning_rate": 0.05},
)
