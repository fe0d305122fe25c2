"""Head and brain in a slice that is shown in a brain's window: what lies within bone."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

BONE: Final = 235
"""Gray level from which a pixel counts as bone: the brain window ends below bone."""

AIR: Final = 12
"""Gray level up to which a pixel counts as air."""

Mask = NDArray[np.bool_]


def head_and_brain(image: NDArray[np.uint8]) -> tuple[Mask, Mask]:
    """Return the head, and what lies within its skull; without a closed skull, within its outer tenth."""
    import cv2  # here, since families import this, and `hemo --help` them

    size = max(image.shape)
    head = _filled(_largest(image > AIR))
    width = 2 * max(size // 64, 1) + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width, width))
    bone = cv2.morphologyEx((image >= BONE).astype(np.uint8), cv2.MORPH_CLOSE, kernel)
    skull = _largest(bone > 0)
    brain = _largest(_filled(skull) & ~skull & (image > AIR))
    if brain.mean() < 0.3 * head.mean():
        margin = cv2.distanceTransform(np.pad(head, 1).astype(np.uint8), cv2.DIST_L2, 3)[1:-1, 1:-1]
        brain = (margin > 0.1 * size) & (image < BONE)
    return head, brain


def _largest(mask: Mask) -> Mask:
    import cv2

    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=4)
    if count < 2:
        return mask
    return labels == 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())


def _filled(mask: Mask) -> Mask:
    import cv2

    outside = np.pad((~mask).astype(np.uint8), 1, constant_values=1)
    cv2.floodFill(outside, None, (0, 0), 2)
    return outside[1:-1, 1:-1] != 2
