"""What a reader of head CT looks for, as numbers: dense spots, their place, differences of sides.

All sizes are in fractions of the slice, so that they mean the same at any resolution.
"""

from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.families._feature_cache import cached_features
from hemo.families.base import Images, Slices
from hemo.imaging.skull import BONE, head_and_brain

Gray = NDArray[np.float32]
Mask = NDArray[np.bool_]

LEVELS = (2.0, 3.0, 4.5)
"""Robust deviations above the brain's median, from which a pixel counts as dense."""

DEPTHS = (0.0, 0.02, 0.05, 0.1, 0.18, 1.0)
"""Borders of the bands of depth under the skull, in fractions of the slice."""

QUANTILES = (1, 5, 25, 50, 75, 90, 95, 98, 99, 99.7)


def cached_radiological_features(images: Slices) -> NDArray[np.float32]:
    """Return the features of slices, computing only those that this process has not computed before.

    Of slices that are too many to be held in memory they are kept in files too.
    """
    many = not isinstance(images, np.ndarray)
    return cached_features(images, "radiology", radiological_features, on_disk=many)


def keep_radiological_features(images: Slices) -> None:
    """Compute the features of slices that are too many to be held in memory, and keep them in files."""
    if not isinstance(images, np.ndarray):
        cached_radiological_features(images)


def radiological_features(images: Images) -> NDArray[np.float32]:
    """Return the features of slices, float32 (n, k): k features for each channel."""
    channels = images.shape[-1]
    rows = [np.concatenate([_features(image[..., c]) for c in range(channels)]) for image in images]
    return np.array(rows, np.float32).reshape(
        len(images), channels * _width(images.shape[1], images.shape[2])
    )


def feature_bytes(shape: tuple[int, ...]) -> int:
    """Return the bytes of the features of a slice of a (height, width, channels) in float64."""
    height, width, channels = shape
    return 8 * channels * _width(height, width)


@cache
def _width(height: int, width: int) -> int:
    """Return the number of features of one channel; asked for each time that nothing new is computed."""
    return len(_features(np.zeros((height, width), np.uint8)))


def _features(image: NDArray[np.uint8]) -> NDArray[np.float64]:
    import cv2

    size = max(image.shape)
    gray = cv2.GaussianBlur(image, (0, 0), size / 200).astype(np.float32)
    head, brain = head_and_brain(image)
    depth = cv2.distanceTransform(np.pad(brain, 1).astype(np.uint8), cv2.DIST_L2, 3)[1:-1, 1:-1] / size
    inside = gray[brain] if brain.any() else np.zeros(1, np.float32)
    median = float(np.median(inside))
    # 1.4826 makes the median absolute deviation of a normal distribution its standard deviation.
    spread = max(1.4826 * float(np.median(np.abs(inside - median))), 2.0)
    score = np.where(brain, (gray - median) / spread, 0).astype(np.float32)
    axis = float(np.nonzero(head)[1].mean()) if head.any() else (image.shape[1] - 1) / 2
    difference = _left_right(score, brain, axis, size)
    parts: list[Any] = [
        [head.mean(), brain.mean(), (image >= BONE).mean(), median, spread, inside.std(), inside.mean()],
        (np.percentile(inside, QUANTILES) - median) / spread,
        np.histogram(inside, 16, (0, 256))[0] / inside.size,
        _bands(score, depth, brain),
        _bands(np.abs(difference), depth, brain),
        np.percentile(difference[brain], (90, 97, 99.5)) if brain.any() else np.zeros(3),
    ]
    parts += [_spots(score, level, depth, brain, axis, size) for level in LEVELS]
    parts.append(_spots(difference, 3.0, depth, brain, axis, size))
    return np.concatenate([np.asarray(part, np.float64) for part in parts])


def _left_right(score: Gray, brain: Mask, axis: float, size: int) -> Gray:
    """Return how much more a place scores than its mirror image, blurred for the head is not quite even."""
    import cv2

    mirror = np.array([[-1, 0, 2 * axis], [0, 1, 0]], np.float32)
    smooth = cv2.GaussianBlur(score, (0, 0), size / 50)
    other = cv2.warpAffine(smooth, mirror, score.shape[::-1])
    both = brain & (cv2.warpAffine(brain.astype(np.uint8), mirror, score.shape[::-1]) > 0)
    return np.where(both, smooth - other, 0).astype(np.float32)


def _bands(values: Gray, depth: Gray, brain: Mask) -> list[float]:
    """Return the mean and the 95th percentile of values in each band of depth under the skull."""
    result: list[float] = []
    for low, high in pairwise(DEPTHS):
        band = values[brain & (depth > low) & (depth <= high)]
        result += [band.mean(), float(np.percentile(band, 95))] if band.size else [0.0, 0.0]
    return result


def _spots(score: Gray, level: float, depth: Gray, brain: Mask, axis: float, size: int) -> list[float]:
    """Describe the dense places: their share, their number, and the largest one's form and place."""
    import cv2

    mask = (brain & (score > level)).astype(np.uint8)
    count, labels, stats, centers = cv2.connectedComponentsWithStats(mask, connectivity=4)
    area = max(int(brain.sum()), 1)
    if count < 2:
        return [0.0] * 12
    areas = stats[1:, cv2.CC_STAT_AREA]
    number = 1 + int(areas.argmax())
    spot = labels == number
    height, width = stats[number, cv2.CC_STAT_HEIGHT], stats[number, cv2.CC_STAT_WIDTH]
    rows, columns = np.nonzero(spot)
    spreads = np.sqrt(np.maximum(np.linalg.eigvalsh(np.cov(rows, columns, bias=True) + np.eye(2) / 12), 0))
    return [
        mask.sum() / area,
        float((areas > size**2 / 4000).sum()),
        areas.max() / area,
        areas.max() / (height * width),
        float(spreads[0] / spreads[1]),
        spreads[1] / size,
        float(score[spot].mean()),
        float(score[spot].max()),
        float(depth[spot].mean()),
        float(depth[spot].max()),
        abs(centers[number][0] - axis) / size,
        centers[number][1] / size,
    ]
