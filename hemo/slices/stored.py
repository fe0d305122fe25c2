"""Slices of a store that are read as they are asked for: as many as there are, in the room of a few."""

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from hemo import memory

if TYPE_CHECKING:
    from hemo.slices.store import SliceStore

SHARE: Final = 16
"""Part of the room for data that slices may take as one array: a learner copies it, and some keep several."""


class StoredSlices:
    """Rows of a store as an array that is never whole in memory.

    Indexing reads, and gives an array; `take` and `len` read nothing. `np.asarray` reads all.

    Parameters
    ----------
    store
        Where they lie.
    rows
        Of its index, (n,).

    Attributes
    ----------
    shape
        (n, height, width, channels).
    dtype
        uint8.
    """

    def __init__(self, store: "SliceStore", rows: NDArray[np.integer]) -> None:
        self._store = store
        self._rows = np.asarray(rows, np.intp)
        self.shape = (len(self._rows), *store.image_shape)
        self.dtype = np.dtype(np.uint8)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, rows: Any) -> NDArray[np.uint8]:
        wanted = self._rows[rows]
        return self._store.images(wanted) if wanted.ndim else self._store.images(wanted[None])[0]

    def take(self, rows: NDArray[np.integer], axis: int = 0) -> "StoredSlices":
        """Return some of the slices, as NumPy's `take` does along the first axis; nothing is read."""
        assert axis == 0
        return StoredSlices(self._store, self._rows[rows])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return self._store.images(self._rows).astype(dtype or np.uint8, copy=False)


def slices(store: "SliceStore", rows: NDArray[np.integer]) -> NDArray[np.uint8] | StoredSlices:
    """Return rows of a store: as an array where that is small, else read as they are asked for."""
    return store.images(rows) if are_few(store, len(rows)) else StoredSlices(store, rows)


def are_few(store: "SliceStore", count: int) -> bool:
    """Return whether so many slices of a store are given as an array."""
    return count * int(np.prod(store.image_shape)) <= memory.room() // SHARE
