"""Conv-4, the smallest backbone: for few slices, first tries, and tests.

Four times a convolution of 64 filters, batch normalisation, rectified units and 2×2 pooling (O. Vinyals et
al., "Matching networks for one shot learning", 2016). 113,000 weights, drawn at random.
"""

from typing import Any

FILTERS = 64


def conv4() -> Any:
    """Return the untrained network, from gray levels 0..255 (n, height, width, 3) to maps (n, ., ., 64)."""
    import keras
    from keras import layers

    inputs = keras.Input((None, None, 3))
    x = layers.Rescaling(1 / 127.5, -1, name="scaling")(inputs)
    for block in range(4):
        x = layers.Conv2D(FILTERS, 3, padding="same", use_bias=False, name=f"block{block}_conv")(x)
        x = layers.BatchNormalization(name=f"block{block}_bn")(x)
        x = layers.ReLU(name=f"block{block}_relu")(x)
        x = layers.MaxPooling2D(2, name=f"block{block}_pool")(x)
    return keras.Model(inputs, x)
