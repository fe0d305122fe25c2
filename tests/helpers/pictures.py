"""Small gray pictures for tests, each different from all others."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np


def picture(seed: int, size: int = 24) -> np.ndarray:
    """Return a gray picture, uint8 (size, size)."""
    return np.random.default_rng(seed).integers(40, 250, (size, size), np.uint8)


def write_pictures(folder: Path, names: Sequence[str], seed: int = 0) -> None:
    """Write a picture of each name into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        (folder / name).write_bytes(
            cv2.imencode(".png", picture(seed + hash_of(folder, number)))[1].tobytes()
        )


def hash_of(folder: Path, number: int) -> int:
    """Return a number for a picture of a folder, the same in every process."""
    return sum(folder.name.encode()) * 1000 + number
