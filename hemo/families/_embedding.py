"""Slices as features of a frozen backbone."""

import numpy as np

from hemo.families._backbones import Backbone
from hemo.families._feature_cache import Features, cached_features, in_blocks
from hemo.families.base import Images, Slices

BATCH = 32


def embed(
    part: Backbone, images: Slices, size: int, on_disk: bool = False, mirrored: bool = False
) -> Features:
    """Return the mean and the maximum of each map of the backbone over the slice, float32 (n, 2 k).

    Parameters
    ----------
    part
        The backbone.
    images
        Slices, uint8 (n, height, width, channels).
    size
        Height and width in pixels to which slices are enlarged for the backbone.
    on_disk
        Whether features are also read from and written to the cache's files.
    mirrored
        Whether a slice has the mean of its own features and its mirror image's: heads are nearly even.
    """
    import tensorflow as tf

    if mirrored:

        def both(some: Images) -> Features:
            own, other = (embed(part, one, size, on_disk) for one in (some, some[:, :, ::-1]))
            return np.float32(0.5) * (own + other)

        return in_blocks(images, both)

    def compute(new: Images) -> Features:
        features = np.empty((len(new), 2 * part.network.output_shape[-1]), np.float32)
        for start in range(0, len(new), BATCH):
            maps = part.maps(new[start : start + BATCH], size)
            pooled = tf.concat((tf.reduce_mean(maps, (1, 2)), tf.reduce_max(maps, (1, 2))), axis=1)
            features[start : start + BATCH] = pooled
        return features

    return cached_features(images, f"{part.name}-{part.digest}-{size}", compute, on_disk)
