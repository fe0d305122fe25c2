"""Where a convolutional network looked."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.families.base import Images

BATCH = 64


def grad_cam(inputs: Any, maps: Any, logit: Any, images: Images) -> NDArray[np.float32]:
    """Return Grad-CAM of the logit at maps, float32 (n, height, width); all three are Keras tensors.

    Gradient times activation, summed over filters, where it speaks for blood, enlarged to the slice.
    The gradient is not averaged over positions first (HiResCAM; R. Draelos and L. Carin, 2020): with
    flattened maps before the output, the average would say where nothing was seen.
    """
    import keras
    import tensorflow as tf

    looked = keras.Model(inputs, [maps, logit])
    result = np.empty(images.shape[:3], np.float32)
    for start in range(0, len(images), BATCH):
        with tf.GradientTape() as tape:
            activation, logits = looked(images[start : start + BATCH].astype(np.float32), training=False)
        evidence = tf.nn.relu(
            tf.reduce_sum(activation * tape.gradient(logits, activation), axis=-1, keepdims=True)
        )
        result[start : start + BATCH] = tf.image.resize(evidence, images.shape[1:3])[..., 0]
    return result
