"""Layers of published networks that Keras has not. It imports Keras: import it where a network is built."""

import math
from typing import Any

import keras
import tensorflow as tf
from keras import ops

PATCH = 14
"""Pixels a side of a patch of DINOv2."""

GRID = 37
"""Patches a side of the slices that DINOv2's positions were learned on, 518 pixels."""

OFFSET = 0.1
"""What DINOv2 adds to a number of patches before its positions are interpolated."""


class WholePatches(keras.layers.Layer):
    """Slices (n, height, width, k) with sides that are the nearest multiples of `PATCH`."""

    def call(self, x: Any) -> Any:
        return tf.cast(tf.image.resize(x, [whole(side) for side in ops.shape(x)[1:3]]), x.dtype)


class Standardised(keras.layers.Layer):
    """Slices (n, height, width, k), each channel centred on its mean and divided by its deviation.

    A channel of one gray level becomes 0.
    """

    def call(self, x: Any) -> Any:
        exact = ops.cast(x, "float32")  # squares of gray levels are beyond float16
        centred = exact - ops.mean(exact, (1, 2), keepdims=True)
        deviation = ops.sqrt(ops.mean(centred**2, (1, 2), keepdims=True))
        return ops.cast(centred / ops.maximum(deviation, 1e-3), self.compute_dtype)


class Tokens(keras.layers.Layer):
    """Patches (n, h, w, k) as a sequence (n, 1 + h w, k) behind the class token, positions added.

    Positions are learned on `GRID` patches a side. For others they are interpolated as DINOv2 does for this
    network (`interpolate_pos_encoding` of
    https://github.com/facebookresearch/dinov2/blob/main/dinov2/models/vision_transformer.py): cubic, not
    antialiased, with `OFFSET` added to both sides of the grid.

    Attributes
    ----------
    cls_token : keras.Variable of float32, (1, 1, k)
        What the class token is before its position is added.
    pos_embed : keras.Variable of float32, (1, 1 + `GRID`², k)
        Positions of the class token and of the patches, row by row.
    """

    def build(self, shape: tuple[int | None, ...]) -> None:
        width, draw = shape[-1], keras.initializers.TruncatedNormal(stddev=0.02)
        self.cls_token = self.add_weight(shape=(1, 1, width), initializer="zeros", name="cls_token")
        self.pos_embed = self.add_weight(shape=(1, 1 + GRID**2, width), initializer=draw, name="pos_embed")

    def call(self, patches: Any) -> Any:
        count, h, w, k = ops.shape(patches)
        learned = ops.logical_and(ops.equal(h, GRID), ops.equal(w, GRID))
        offset = ops.where(learned, 0.0, OFFSET)
        grid = ops.reshape(ops.cast(self.pos_embed[0, 1:], "float32"), (GRID, GRID, k))
        grid = ops.einsum("ha,abk,wb->hwk", cubic(h, offset), grid, cubic(w, offset))
        x = ops.reshape(patches + ops.cast(grid, patches.dtype), (-1, h * w, k))
        first = ops.broadcast_to(self.cls_token + self.pos_embed[:, :1], (count, 1, k))
        return ops.concatenate((first, x), axis=1)


class Squared(keras.layers.Layer):
    """The patches of a sequence (n, 1 + h h, k) as maps (n, h, h, k), without the class token."""

    def call(self, tokens: Any) -> Any:
        _, count, k = ops.shape(tokens)
        if isinstance(count, int):
            side = math.isqrt(count - 1)
        else:
            side = ops.cast(ops.round(ops.sqrt(ops.cast(count - 1, "float32"))), "int32")
        return ops.reshape(tokens[:, 1:], (-1, side, side, k))


def whole(side: Any) -> Any:
    """Return the nearest multiple of `PATCH`, but 0, to a number of pixels, which may be a tensor."""
    patches = (side + PATCH // 2) // PATCH
    return PATCH * (max(patches, 1) if isinstance(patches, int) else tf.maximum(patches, 1))


def cubic(size: Any, offset: Any) -> Any:
    """Return what interpolates `GRID` values to so many, float32 (size, `GRID`).

    PyTorch's bicubic interpolation (`upsample_bicubic2d`; R. Keys, "Cubic convolution interpolation for
    digital image processing", 1981, a = -0.75): the value i of the result is that at
    (i + 1/2) `GRID` / (size + offset) - 1/2, and values at the border go on beyond it.
    """
    a = -0.75
    step = GRID / (ops.cast(size, "float32") + offset)
    place = (ops.cast(ops.arange(size), "float32") + 0.5) * step - 0.5
    first = ops.floor(place)
    result = 0.0
    for tap in (-1, 0, 1, 2):
        x = ops.abs(place - first - tap)
        near = ((a + 2) * x - (a + 3)) * x * x + 1
        far = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
        weight = near if tap in (0, 1) else far
        taken = ops.clip(first + tap, 0, GRID - 1)
        result += weight[:, None] * ops.one_hot(ops.cast(taken, "int32"), GRID)
    return result
