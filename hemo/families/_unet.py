"""The contracting half of a U-Net that finds abnormalities in brain MRI: a segmenter's features.

M. Buda, A. Saha and M. Mazurowski, "Association of genomic subtypes of lower-grade gliomas with shape
features automatically extracted by a deep learning algorithm", 2019; network and weights are
https://github.com/mateuszbuda/brain-segmentation-pytorch (`unet.py`, MIT). Its last maps are those of the
bottleneck; the expanding half, which makes the outline of a tumour of them, is left out.
"""

from typing import Any

FEATURES = 32
"""Filters of the first block; each further block has twice as many."""

BLOCKS = (("encoder1", "enc1"), ("encoder2", "enc2"), ("encoder3", "enc3"), ("encoder4", "enc4"),
          ("bottleneck", "bottleneck"))  # fmt: skip
"""Names of the blocks, and what the names of their layers begin with."""


def unet() -> Any:
    """Return the untrained network, from gray levels 0..255 (n, height, width, 3) to maps (n, ., ., 512).

    Each channel of a slice is centred on its mean and divided by its deviation. The published network learned
    from volumes of which each channel was (`utils.py`, `normalize_volume`); of a slice alone nothing else
    is known.
    """
    import keras
    from keras import layers

    from hemo.families._token_layers import Standardised

    inputs = keras.Input((None, None, 3))
    x = Standardised(name="scaling")(inputs)
    for number, (block, short) in enumerate(BLOCKS):
        if number:
            x = layers.MaxPooling2D(2, name=f"pool{number}")(x)
        for place in (1, 2):
            name = f"{block}.{short}"
            filters = FEATURES * 2**number
            x = layers.Conv2D(filters, 3, padding="same", use_bias=False, name=f"{name}conv{place}")(x)
            x = layers.BatchNormalization(epsilon=1e-5, name=f"{name}norm{place}")(x)
            x = layers.ReLU(name=f"{name}relu{place}")(x)
    return keras.Model(inputs, x)
