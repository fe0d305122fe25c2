"""What a network that is begun with learned from: its patients must not be those that are tested.

A classifier that is logged with a network in it, which another training may begin with (`weights=FOLDER`,
`pretrained=FOLDER`), is accompanied by digests of the slices that it learned from.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hemo import console
from hemo.errors import HemoError
from hemo.slices.split import Round
from hemo.slices.store import SliceStore
from hemo.training.plan import Training

LEARNED: Final = "learned_from.npy"
"""Digests of slices, uint64 (n,), sorted; beside the network's weights."""

NETWORKS: Final = ("backbone.npz", "network.keras")
"""Files of a saved classifier that others begin with."""

WORDS: Final = ("weights", "pretrained")
"""Parameters that name what is begun with, of families and of an ensemble's members."""


def check_apart(training: Training, rounds: Iterable[Round]) -> None:
    """Refuse to test patients whose slices a network has learned from that the training begins with.

    They are known by the content of their files, whatever store these were read into; a network without a
    record of them is used, and that is said.

    Raises
    ------
    HemoError
        With the number of such patients.
    """
    for word, path in _begun_with(training.params):
        learned = _read(path)
        if learned is None:
            console.err.print(
                f"{training.word}: nothing says what the network of {word}={path} learned from: if it saw "
                "patients of this store, metrics are too good"
            )
            continue
        index = training.store.index
        known = np.isin(_digests(training.store, np.arange(len(index))), learned)
        patients = index["patient"].to_numpy()
        tested = np.unique(np.concatenate([patients[one.test] for one in rounds]))
        seen = np.isin(tested, patients[known]).sum()
        if seen:
            raise HemoError(
                f"{word} '{path}': its network learned from {seen} of the {len(tested)} patients that are "
                "tested here, whose metrics would be too good: give one trained on other data, or train both "
                "under holdout with the same seed"
            )


def record(training: Training, tested: NDArray[np.bool_], folder: Path) -> None:
    """Write what a saved classifier learned from beside its network, if it has one.

    Parameters
    ----------
    training
        What was trained on what; what its own network was begun with counts too.
    tested
        Which rows of the store it has not seen, bool (n,): all others it may have.
    folder
        Of the saved classifier.
    """
    if not any(path for name in NETWORKS for path in folder.rglob(name)):
        return
    found = [_digests(training.store, np.flatnonzero(~tested))]
    before = [_read(path) for _, path in _begun_with(training.params)]
    found += [digests for digests in before if digests is not None]
    np.save(folder / LEARNED, np.unique(np.concatenate(found)), allow_pickle=False)


def _begun_with(params: Mapping[str, Any]) -> Iterator[tuple[str, Path]]:
    """Yield the words and the paths of networks that parameters name."""
    for word, value in params.items():
        if isinstance(value, Mapping):
            yield from _begun_with(value)
        elif word in WORDS and value and Path(str(value)).exists():
            yield word, Path(str(value))


def _read(path: Path) -> NDArray[np.uint64] | None:
    """Return what a network learned from; None where nothing says that."""
    files = sorted(path.rglob(LEARNED)) if path.is_dir() else [path.with_name(LEARNED)]
    try:
        return np.concatenate([np.load(file, allow_pickle=False) for file in files]) if files else None
    except (OSError, ValueError, EOFError):
        return None


def _digests(store: SliceStore, rows: NDArray[np.integer]) -> NDArray[np.uint64]:
    """Return short digests of the content of the files that slices came from, uint64 (n,)."""
    contents = store.index["digest"].to_numpy()[rows]
    each = [
        hashlib.blake2b(str(one).encode(), digest_size=8, person=b"hemo learned").digest() for one in contents
    ]
    return np.frombuffer(b"".join(each), np.uint64)
