"""Augmentation of head CT inside the training graph."""

from typing import Any


def augmentation(x: Any, strength: float, seed: int) -> Any:
    """Return slices flipped left to right, turned, shifted, zoomed, windowed and given noise at random.

    Parameters
    ----------
    x
        Keras tensor of gray levels, (n, height, width, channels).
    strength
        0 for none; at 1, a turn of up to 15 degrees, a shift of up to 6% and a zoom of up to 10% of the
        size, a window up to 15% wider or narrower and up to 10 gray levels (3 HU of the brain window) higher
        or lower, and noise of 5 gray levels.
    seed
        Of what is drawn.
    """
    if not strength:
        return x
    from keras import layers

    shared = {"fill_mode": "constant", "fill_value": 0.0, "seed": seed}
    # GaussianNoise takes deviations up to 1: the gray levels go by as 0..1.
    x = layers.RandomFlip("horizontal", seed=seed)(layers.Rescaling(1 / 255)(x))
    x = layers.RandomRotation(strength * 15 / 360, **shared)(x)
    x = layers.RandomTranslation(strength * 0.06, strength * 0.06, **shared)(x)
    x = layers.RandomZoom(strength * 0.1, **shared)(x)
    x = _window_jitter(x, strength, seed)
    x = layers.GaussianNoise(strength * 5 / 255, seed=seed)(x)
    return layers.Rescaling(255.0)(x)


def _window_jitter(x: Any, strength: float, seed: int) -> Any:
    """Return slices (0..1) as other windows would show them: what was cut off, air and bone, stays so."""
    import keras
    from keras import ops

    class WindowJitter(keras.layers.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.draw = keras.random.SeedGenerator(seed)

        def call(self, x: Any, training: bool = False) -> Any:
            if not training:
                return x
            shape = (ops.shape(x)[0], 1, 1, 1)
            gain = 1 + strength * 0.15 * keras.random.uniform(shape, -1, 1, seed=self.draw)
            level = strength * 10 / 255 * keras.random.uniform(shape, -1, 1, seed=self.draw)
            shown = ops.clip((x - 0.5) * gain + 0.5 + level, 0.0, 1.0)
            return ops.where((x <= 0) | (x >= 1), x, shown)

    return WindowJitter()(x)
