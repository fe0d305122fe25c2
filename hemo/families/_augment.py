"""Augmentation of head CT inside the training graph."""

from typing import Any


def augmentation(x: Any, strength: float, seed: int) -> Any:
    """Return slices flipped left to right, turned, shifted, zoomed and given noise at random.

    Parameters
    ----------
    x
        Keras tensor of gray levels, (n, height, width, channels).
    strength
        0 for none; at 1, a turn of up to 15 degrees, a shift of up to 6% and a zoom of up to 10% of the
        size, and noise of 5 gray levels.
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
    x = layers.GaussianNoise(strength * 5 / 255, seed=seed)(x)
    return layers.Rescaling(255.0)(x)
