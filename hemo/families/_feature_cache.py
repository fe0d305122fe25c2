"""Features of slices, computed once for each slice and kept by its content.

So labels, trials and resumed runs share them although their samples differ.
"""

import os
import uuid
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hemo.families.base import Images

KEPT_BYTES = 512 * 2**20
"""Memory for kept features."""

Features = NDArray[np.float32]

_kept: OrderedDict[bytes, Features] = OrderedDict()
_files_read: set[Path] = set()


def cached_features(
    images: Images, kind: str, compute: Callable[[Images], Features], on_disk: bool = False
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
    import xxhash

    folder = cache_folder() / kind
    if on_disk:
        _read_files(folder)
    prefix = f"{kind}/{images.shape[1:]}/".encode()
    keys = [prefix + xxhash.xxh3_128_digest(np.ascontiguousarray(image).data) for image in images]
    missing = {key: row for row, key in enumerate(keys) if key not in _kept}
    computed = compute(images[list(missing.values())])
    new = {key: row.copy() for key, row in zip(missing, computed, strict=True)}
    features = np.empty((len(keys), computed.shape[1]), np.float32)
    for row, key in enumerate(keys):
        features[row] = new[key] if key in new else _kept[key]
    if on_disk and new:
        _write_file(folder, prefix, new)
    _kept.update(new)
    size = sum(row.nbytes for row in _kept.values()) if new else 0
    while size > KEPT_BYTES:
        size -= _kept.popitem(last=False)[1].nbytes
    return features


def cache_folder() -> Path:
    """Return the folder of cached features: `HEMO_CACHE`, by default `~/.cache/hemo`."""
    return Path(os.environ.get("HEMO_CACHE") or Path.home() / ".cache" / "hemo") / "features"


def _read_files(folder: Path) -> None:
    for path in sorted(set(folder.glob("*.npz")) - _files_read):
        with np.load(path, allow_pickle=False) as arrays:
            prefix = arrays["prefix"].tobytes()
            keys = [prefix + digest.tobytes() for digest in arrays["digests"]]
            _kept.update(zip(keys, arrays["features"], strict=True))
        _files_read.add(path)


def _write_file(folder: Path, prefix: bytes, new: dict[bytes, Features]) -> None:
    """Write features under a name of their own, whole or not at all: processes may share the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{uuid.uuid4().hex}.npz"
    partial = path.with_suffix(".partial")
    digests = np.array([np.frombuffer(key[len(prefix) :], np.uint8) for key in new])
    with partial.open("wb") as file:
        np.savez(
            file,
            prefix=np.frombuffer(prefix, np.uint8),
            digests=digests,
            features=np.stack(list(new.values())),
        )
    partial.replace(path)
    _files_read.add(path)
