"""Features of slices, computed once for each slice and kept by its content.

So labels, trials and resumed runs share them although their samples differ.
"""

import os
import uuid
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

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
    named = {f"arr_{number}": np.frombuffer(part, np.uint8) for number, part in enumerate(parts)}
    _write(path, named)
    return parts


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
    path = folder / f"{uuid.uuid4().hex}.npz"
    digests = np.array([np.frombuffer(key[len(prefix) :], np.uint8) for key in new])
    features = np.stack(list(new.values()))
    _write(path, {"prefix": np.frombuffer(prefix, np.uint8), "digests": digests, "features": features})
    _files_read.add(path)


def _write(path: Path, arrays: Mapping[str, Any]) -> None:
    """Write arrays whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{uuid.uuid4().hex}.partial")
    with partial.open("wb") as file:
        np.savez(file, **arrays)
    partial.replace(path)
