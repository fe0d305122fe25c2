"""What surrounds each cell of a slice, as numbers: what a marker of blood looks at."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hemo.families._canonical import SIDE, Canonical, Gray, Mask

CELLS: Final = SIDE // 2
"""Cells a side of the map: some 3.4 mm each."""


def surroundings(seen: Canonical) -> tuple[Gray, Mask]:
    """Return what surrounds each cell, float32 (CELLS, CELLS, 29), and which cells are brain.

    How much denser than the brain's median it is at several scales, in gray levels and in deviations of the
    slice; against its wider surroundings, the other side, what lies as deep under the skull, and the
    neighbouring slices; how it varies; depth and place.
    """
    import cv2

    weights = seen.brain.astype(np.float32)
    # Bone and calcium must not shine into the brain.
    inner = np.where(seen.brain, np.clip(seen.gray - seen.median, -60, 110), 0).astype(np.float32)
    own, brain = inner[1], seen.brain[1]
    smooth = {scale: _mean(own, weights[1], scale) for scale in (1, 2, 4, 8)}
    features: list[Gray] = []
    for field in smooth.values():
        features += [halved(field), halved(field / _deviation(field[brain]))]
    features += [halved(smooth[1] - smooth[4]), halved(smooth[2] - smooth[8])]
    for scale in (2, 4):
        other = smooth[scale][:, ::-1]
        features.append(halved(smooth[scale] - np.maximum(other, cv2.GaussianBlur(other, (0, 0), 1))))
    features.append(halved(smooth[4] - cv2.GaussianBlur(smooth[4][:, ::-1], (0, 0), 3)))
    around = [halved(_mean(inner[place], weights[place], scale)) for place in (0, 2) for scale in (1.5, 3)]
    features += [*around, np.minimum(around[1], around[3])]
    near = np.ones((9, 9))
    features += [halved(cv2.dilate(smooth[1], near)), halved(cv2.erode(smooth[1], near))]
    variance = cv2.GaussianBlur(own**2, (0, 0), 3) - cv2.GaussianBlur(own, (0, 0), 3) ** 2
    features.append(halved(np.sqrt(np.maximum(variance, 0))))
    features.append(halved((seen.gray[1] > 225) * weights[1]))
    depth, inside = halved(seen.depth[1]), halved(weights[1]) > 0.5
    ring = _against_ring(halved(smooth[2]), depth, inside)
    flat = np.ones((CELLS, CELLS), np.float32)
    across = np.linspace(-1, 1, CELLS, dtype=np.float32)
    features += [
        depth,
        ring,
        cv2.GaussianBlur(ring, (0, 0), 1.5),
        flat * np.abs(across),
        flat * across[:, None],
        flat * weights[1].mean(),
        flat * np.float32(seen.spread),
    ]
    return np.stack(features, axis=-1).astype(np.float32), inside


def halved(field: NDArray[Any]) -> Gray:
    """Return the mean of a field in each cell, float32 (CELLS, CELLS)."""
    import cv2

    return np.asarray(
        cv2.resize(field.astype(np.float32), (CELLS, CELLS), interpolation=cv2.INTER_AREA), np.float32
    )


def _mean(field: Gray, weights: Gray, scale: float) -> Gray:
    """Return the weighted mean around each pixel, by a Gaussian of `scale` pixels."""
    import cv2

    near = cv2.GaussianBlur(weights, (0, 0), scale)
    return np.asarray(cv2.GaussianBlur(field, (0, 0), scale) / np.maximum(near, 0.05), np.float32)


def _deviation(values: Gray) -> float:
    """Return a robust standard deviation, at least one gray level."""
    if len(values) <= 50:
        return 1.0
    return max(1.4826 * float(np.median(np.abs(values - np.median(values)))), 1.0)


def _against_ring(field: Gray, depth: Gray, inside: Mask) -> Gray:
    """Return how much more each cell has than the median of those as deep under the skull."""
    band = np.minimum(depth / 0.02, 12).astype(int)
    result = np.zeros_like(field)
    for number in range(13):
        here = inside & (band == number)
        if here.sum() > 5:
            result[here] = field[here] - np.median(field[here])
    return result
