"""Slices in one pose: upright, centred, at one size, so that a place means the same in each of them."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from hemo.imaging.skull import head_and_brain

SIDE = 128
"""Pixels a side of the canonical slice: about 1.7 mm each."""

ROUND = 1.08
"""Ratio of the brain's axes below which it is too round to tell which way is up."""

TILT = 60.0
"""Degrees beyond which the long axis is not taken for the way up: heads are laid, not put, into a scanner."""

SHARE = (0.40, 0.52)
"""Least and most of a slice's side that half a head may take: the vertex is not blown up to a whole head."""

Gray = NDArray[np.float32]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Pose:
    """Where a head lies in its slice.

    Attributes
    ----------
    centre
        Column and row of the middle of the head's box, in pixels.
    tilt
        Degrees by which the head is turned; 0 where it is too round to tell.
    reach
        Pixels from the centre to the border of the canonical slice.
    brain
        What lies within the skull, (height, width).
    """

    centre: tuple[float, float]
    tilt: float
    reach: float
    brain: Mask

    def matrix(self, tilt: float) -> NDArray[np.float64]:
        """Return the affine map from the slice to the canonical one, (2, 3), if its tilt were this."""
        import cv2

        found = cv2.getRotationMatrix2D(self.centre, -tilt, SIDE / 2 / self.reach)
        found[:, 2] += SIDE / 2 - np.array(self.centre)
        return np.asarray(found, np.float64)


def pose(image: NDArray[np.uint8]) -> Pose:
    """Return where the head lies in a slice, uint8 (height, width)."""
    return _pose(image.tobytes(), image.shape[0], image.shape[1])


@lru_cache(8)  # slices that follow each other ask for the same ones
def _pose(content: bytes, height: int, width: int) -> Pose:
    image = np.frombuffer(content, np.uint8).reshape(height, width)
    head, brain = head_and_brain(image)
    size = max(image.shape)
    seen = next((one for one in (brain, head) if one.mean() > 0.003), np.ones_like(head))
    rows, columns = np.nonzero(seen)
    spread, axes = np.linalg.eigh(np.cov(columns, rows))
    tilt = float(np.degrees(np.arctan2(axes[0, 1], axes[1, 1])))
    tilt = (tilt + 90) % 180 - 90
    if np.sqrt(spread[1] / max(spread[0], 1e-6)) < ROUND or abs(tilt) > TILT:
        tilt = 0.0
    if head.any():
        rows, columns = np.nonzero(head)
    reach = 0.53 * max(np.ptp(rows), np.ptp(columns))
    centre = (float(columns.min() + columns.max()) / 2, float(rows.min() + rows.max()) / 2)
    return Pose(centre, tilt, float(np.clip(reach, SHARE[0] * size, SHARE[1] * size)), brain)


@dataclass(frozen=True)
class Canonical:
    """A slice between its neighbours, in one pose.

    Attributes
    ----------
    gray
        Gray levels of the slice before, the slice, and the slice after, float32 (3, SIDE, SIDE).
    brain
        What lies within their skulls, (3, SIDE, SIDE).
    depth
        Distance from the edge of the brain, in sides of the slice, float32 (3, SIDE, SIDE).
    median, spread
        Of the slice's brain, in gray levels: the spread is a robust standard deviation.
    matrix
        From the slice to the canonical one, (2, 3).
    """

    gray: Gray
    brain: Mask
    depth: Gray
    median: float
    spread: float
    matrix: NDArray[np.float64]


def canonical(triple: NDArray[np.uint8]) -> Canonical:
    """Return a slice between its neighbours in one pose, from uint8 (height, width, 3): before, own, after.

    They are turned by the median of their tilts, so that neighbours lie over each other.
    """
    import cv2

    poses = [pose(triple[..., place]) for place in range(3)]
    tilt = float(np.median([one.tilt for one in poses]))
    fine = max(triple.shape[:2]) / 366  # the noise of single pixels, which the smaller picture would alias
    gray, brain, depth = np.empty((3, 3, SIDE, SIDE), np.float32)
    for place, one in enumerate(poses):
        matrix = one.matrix(tilt)
        smooth = cv2.GaussianBlur(np.ascontiguousarray(triple[..., place]), (0, 0), fine)
        gray[place] = cv2.warpAffine(smooth, matrix, (SIDE, SIDE))
        brain[place] = cv2.warpAffine(one.brain.astype(np.uint8) * 255, matrix, (SIDE, SIDE)) > 127
        framed = np.pad(brain[place], 1).astype(np.uint8)
        depth[place] = cv2.distanceTransform(framed, cv2.DIST_L2, 5)[1:-1, 1:-1] / SIDE
    inside = gray[1][brain[1] > 0]
    if not inside.size:
        inside = np.zeros(1, np.float32)
    median = float(np.median(inside))
    # 1.4826 makes the median absolute deviation of a normal distribution its standard deviation.
    spread = max(1.4826 * float(np.median(np.abs(inside - median))), 2.0)
    return Canonical(gray, brain > 0, depth, median, spread, poses[1].matrix(tilt))
