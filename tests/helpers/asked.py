"""Slices that are read as they are asked for, as a large store's are."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


class Asked:
    """Over an array, what `hemo.slices.stored.StoredSlices` is to a family; it notes how many are read."""

    def __init__(self, images: NDArray[np.uint8]) -> None:
        self._images = images
        self.shape, self.dtype = images.shape, images.dtype
        self.most = 0

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, rows: Any) -> NDArray[np.uint8]:
        found = self._images[rows]
        self.most = max(self.most, len(found))
        return found

    def take(self, rows: NDArray[np.integer], axis: int = 0) -> "Asked":
        return Asked(self._images.take(rows, axis=axis))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return self._images
