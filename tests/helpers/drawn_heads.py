"""Heads drawn with a few ellipses, in HU and as pictures: enough skull and brain for what looks at gray."""

import cv2
import numpy as np
from numpy.typing import NDArray


def hu(side: int = 200, grain: float = 6.0, seed: int = 0, brain_hu: float = 36.0) -> NDArray[np.float64]:
    """Return a head in HU: brain with darker ventricles and a spot of blood, bone around it, skin, air."""
    rows, columns = (np.mgrid[0:side, 0:side] - (side - 1) / 2) / side
    away = np.hypot(rows / 0.40, columns / 0.31)
    noise = np.random.default_rng(seed).normal(0, grain, (side, side))
    head = np.full((side, side), -1000.0)
    head[away < 1.13] = 45
    head[away < 1.06] = 900
    brain = away < 0.94
    head[brain] = (brain_hu + noise)[brain]
    head[np.hypot(rows / 0.08, (abs(columns) - 0.05) / 0.03) < 1] = 8
    head[np.hypot(rows - 0.12, columns - 0.15) < 0.05] = 65
    return np.asarray(cv2.GaussianBlur(head, (0, 0), 0.8), np.float64)


def shown(level: float = 40.0, width: float = 120.0, **words: float) -> NDArray[np.uint8]:
    """Return such a head as a picture of a window; `words` are those of `hu`."""
    gray = np.clip((hu(**words) - level + width / 2) / width, 0, 1) * 255  # type: ignore[arg-type]
    return np.rint(gray).astype(np.uint8)
