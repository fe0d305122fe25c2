"""Where a classifier looks, asked by covering places: for what has no gradient."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from hemo.families.base import Images
from hemo.imaging.skull import head_and_brain

STEPS = 8
"""Steps along each side of a slice at which windows are covered to see what they change."""

WINDOWS = (1, 2, 4)
"""Sides of the windows in steps. Trees answer to thresholds: a small window alone may change nothing."""


def occlusion_map(images: Images, logit: Callable[[Images], NDArray[np.float64]]) -> NDArray[np.float32]:
    """Return how much the logit falls when a place is covered, float32 (n, height, width).

    Windows of an eighth, a quarter and a half of the slice are painted, one by one, in the median gray level
    of its brain; a place has the mean fall over the windows of each size that hold it, averaged over the
    sizes. What is outside the brain is left as it is: within a broken skull the features know no brain, and
    every piece of the skull would seem to be what was looked at.

    Parameters
    ----------
    images
        Slices, uint8 (n, height, width, channels).
    logit
        From slices that stand alone to their logits, (n,).
    """
    height, width = images.shape[1:3]
    tops = np.linspace(0, height, STEPS + 1).astype(int)
    lefts = np.linspace(0, width, STEPS + 1).astype(int)
    maps = np.zeros((len(images), height, width), np.float32)
    for index, image in enumerate(images):
        painted, brain = image.copy(), np.zeros((height, width), bool)
        for channel in range(image.shape[-1]):
            inside = head_and_brain(image[..., channel])[1]
            painted[inside, channel] = np.median(image[inside, channel]) if inside.any() else 0
            brain |= inside
        whole = logit(image[None])[0]
        for side in WINDOWS:
            places = [
                (slice(tops[row], tops[row + side]), slice(lefts[column], lefts[column + side]))
                for row, column in np.ndindex(STEPS - side + 1, STEPS - side + 1)
            ]
            covered = np.repeat(image[None], len(places), axis=0)
            for number, place in enumerate(places):
                covered[number][place] = painted[place]
            total, times = np.zeros((2, height, width))
            for place, fall in zip(places, whole - logit(covered), strict=True):
                total[place] += fall
                times[place] += 1
            maps[index] += brain * total / times / len(WINDOWS)
    return maps
