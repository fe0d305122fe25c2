"""Features of slices, computed once for each slice and kept by its content.

So labels, trials and resumed runs share them although their samples differ.
"""

import os
import uuid
from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.families.base import Images, Slices

KEPT_BYTES = 512 * 2**20
"""Memory for kept features."""

BLOCK = 2048
"""Slices at a time, of those that are read as they are asked for."""

Features = NDArray[np.float32]

_kept: OrderedDict[bytes, Features] = OrderedDict()


def in_blocks(images: Slices, compute: Callable[[Images], NDArray[Any]]) -> NDArray[Any]:
    """Return what `compute` makes of slices, (n, ...): of an array at one go, else of a block at a time."""
    if isinstance(images, np.ndarray):
        return compute(images)
    first = compute(images[:BLOCK])
    result = np.empty((len(images), *first.shape[1:]), first.dtype)
    result[:BLOCK] = first
    for start in range(BLOCK, len(images), BLOCK):
        result[start : start + BLOCK] = compute(images[start : start + BLOCK])
    return result


def cached_features(
    images: Slices, kind: str, compute: Callable[[Images], Features], on_disk: bool = False
) -> Features:
    """Return features of slices, computing only those that are not kept.

    Parameters
    ----------
    images
        Slices, uint8 (n, height, width, channels).
    kind
        Names the features and all that they depend on beside the slice; also the folder's name.
    compute
        From slices, none included, to their features, float32 (n, k).
    on_disk
        Whether features are also read from and written to files under `cache_folder`.
    """
    return in_blocks(images, lambda block: _cached(block, kind, compute, on_disk))


def _cached(images: Images, kind: str, compute: Callable[[Images], Features], on_disk: bool) -> Features:
    import xxhash

    shape = "x".join(map(str, images.shape[1:]))
    prefix = f"{kind}/{shape}/".encode()
    digests = [xxhash.xxh3_128_digest(np.ascontiguousarray(image).data) for image in images]
    files = _Files.of(cache_folder() / kind / shape) if on_disk else None
    missing = {digest: row for row, digest in enumerate(digests) if prefix + digest not in _kept}
    new = files.read([*missing]) if files else {}
    rows = [row for digest, row in missing.items() if digest not in new]
    computed = compute(images[rows])
    own = {digests[row]: each.copy() for row, each in zip(rows, computed, strict=True)}
    if files and own:
        files.write(own)
    new |= own
    features = np.empty((len(digests), computed.shape[1]), np.float32)
    for row, digest in enumerate(digests):
        features[row] = new[digest] if digest in new else _kept[prefix + digest]
    _kept.update((prefix + digest, each) for digest, each in new.items())
    size = sum(row.nbytes for row in _kept.values()) if new else 0
    while size > KEPT_BYTES:
        size -= _kept.popitem(last=False)[1].nbytes
    return features


class _Files:
    """Features in the files of a folder, of which only the slices' digests are held in memory.

    A computed block is a file of features and one of digests, each written whole or not at all, under a name
    of its own: processes may share the folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._seen: list[Path] = []
        self._digests = np.zeros(
            0, "S16"
        )  # sorted; digests that differ but in zeros at their end count as one
        self._places = np.zeros((0, 2), np.int32)  # number of the file, and the row in it

    @staticmethod
    @cache
    def of(folder: Path) -> "_Files":
        """Return those of a folder: its files are looked at once in a process."""
        return _Files(folder)

    def read(self, digests: list[bytes]) -> dict[bytes, Features]:
        """Return the features that are there of some slices."""
        self._look()
        wanted = np.array(digests, "S16")
        at = np.searchsorted(self._digests, wanted)
        at[at == len(self._digests)] = 0
        known = len(self._digests) > 0
        there = np.flatnonzero(self._digests[at] == wanted) if known else np.zeros(0, np.intp)
        found: dict[bytes, Features] = {}
        places = self._places[at[there]]
        for number in np.unique(places[:, 0]):
            here = places[:, 0] == number
            try:
                rows = np.load(self._seen[number], mmap_mode="r", allow_pickle=False)[places[here, 1]]
            except (OSError, ValueError):  # whoever tidied up meanwhile: they are computed again
                continue
            found |= {digests[one]: row for one, row in zip(there[here], rows, strict=True)}
        return found

    def write(self, new: Mapping[bytes, Features]) -> None:
        """Keep the features of some slices."""
        path = self.folder / f"{uuid.uuid4().hex}.npy"
        _write(path, lambda file: np.save(file, np.stack(list(new.values()))))
        digests = np.frombuffer(b"".join(new), np.uint8).reshape(len(new), 16)
        _write(_digests_of(path), lambda file: np.save(file, digests))
        self._note(path, digests)

    def _look(self) -> None:
        """Take note of files that others wrote."""
        known = set(self._seen)
        for listed in sorted(self.folder.glob("*.digests")):
            path = listed.with_suffix(".npy")
            if path not in known:
                self._note(path, np.load(listed, allow_pickle=False))

    def _note(self, path: Path, digests: NDArray[np.uint8]) -> None:
        places = np.column_stack((np.full(len(digests), len(self._seen)), np.arange(len(digests))))
        both = np.concatenate((self._digests, np.ascontiguousarray(digests).view("S16").ravel()))
        order = np.argsort(both, kind="stable")
        self._digests = both[order]
        self._places = np.concatenate((self._places, places.astype(np.int32)))[order]
        self._seen.append(path)


def _digests_of(path: Path) -> Path:
    return path.with_suffix(".digests")


def cached_parts(kind: str, digest: str, compute: Callable[[], list[bytes]]) -> list[bytes]:
    """Return what `compute` gives, computing it only where no file of the digest holds it.

    Parameters
    ----------
    kind
        Names the folder under `cache_folder`.
    digest
        Of all that the parts depend on.
    compute
        Gives the parts.
    """
    path = cache_folder() / kind / f"{digest}.npz"
    if path.is_file():
        with np.load(path, allow_pickle=False) as arrays:
            return [arrays[f"arr_{number}"].tobytes() for number in range(len(arrays.files))]
    parts = compute()
    named: dict[str, Any] = {
        f"arr_{number}": np.frombuffer(part, np.uint8) for number, part in enumerate(parts)
    }
    _write(path, lambda file: np.savez(file, **named))
    return parts


def cache_folder() -> Path:
    """Return the folder of cached features: `HEMO_CACHE`, by default `~/.cache/hemo`."""
    return Path(os.environ.get("HEMO_CACHE") or Path.home() / ".cache" / "hemo") / "features"


def _write(path: Path, fill: Callable[[Any], None]) -> None:
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{uuid.uuid4().hex}.partial")
    with partial.open("wb") as file:
        fill(file)
    partial.replace(path)
