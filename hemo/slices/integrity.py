"""Whether a store still holds what was written: a digest of every file, and one of the content."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow.parquet as pq
import xxhash

from hemo import digests
from hemo.digests import Difference, DiffersError, Manifest
from hemo.slices.ordering import ROWS, content_digest
from hemo.slices.shards import BUILD, IMAGES, LOCK
from hemo.whole import opened

if TYPE_CHECKING:
    from hemo.slices.store import SliceStore

TABLES: Final = ("index.parquet", "exclusions.csv", "unmatched.csv", "agreement.csv")

RECORDED: Final = "files_recorded"
"""Fact of stores that have a manifest; earlier ones have none."""


NEXT: Final = "digests.next.json"
"""Digests of a store whose files are written and take their places now: `digests.json` when they have."""

PARTIAL: Final = ".tmp"
"""What is behind the name of a file that will take another's place."""


def manifest(folder: Path, tables: Sequence[str], facts_text: str) -> str:
    """Return the manifest of a store whose tables are written beside the old ones.

    Parameters
    ----------
    folder
        The store's.
    tables
        Which of `TABLES` it has.
    facts_text
        What `store.json` will say.

    Notes
    -----
    A shard's digest is that of its writing, which its record keeps: nothing large is read again, and a shard
    that was changed since does not become right by adding slices to its store.
    """
    shards = folder / "shards"
    records = sorted(shards.glob("*.parquet"))
    kept: dict[str, digests.Digest] = {}
    unknown = []
    for record in records:
        said = (pq.read_metadata(record).metadata or {}).get(IMAGES.encode())
        images = {record.with_suffix(".npy").name: None} if said is None else digests.from_text(said.decode())
        unknown += [f"shards/{record.name}", *(f"shards/{name}" for name, one in images.items() if not one)]
        kept |= {f"shards/{name}": one for name, one in images.items() if one}
    kept |= digests.of_files(folder, unknown)
    kept |= {name: digests.of_file(folder / f"{name}{PARTIAL}") for name in tables}
    return digests.to_text({**kept, "store.json": digests.of_bytes(facts_text.encode())})


def differences(store: "SliceStore", known: str = "") -> list[Difference]:
    """Return what is not as it was written, file by file, several read at a time.

    Parameters
    ----------
    store
        To be compared with its manifest; one of before there were manifests with the digest of its content.
    known
        Digest of the manifest as somebody else recorded it: where it is another, the store was built anew, or
        manifest and files were changed together, and the content is compared as well.
    """
    if not store.facts.get(RECORDED):
        return _of_content(store)
    if known and known != store.files_digest and (found := _of_content(store)):
        return found
    recorded = _recorded(store.folder)
    if recorded is None:
        return [Difference(digests.FILE, "gone, or no manifest")]
    return digests.compare(store.folder, recorded, _foreign(store.folder, recorded))


def check(store: "SliceStore", known: str = "") -> None:
    """Raise DiffersError where a store is not as it was written (see `differences`)."""
    if (store.folder / NEXT).exists():
        raise DiffersError(
            f"{store.folder}: `hemo preprocess` was stopped as it ended: run the same command again"
        )
    if found := differences(store, known):
        raise DiffersError(
            f"{store.folder}: not what was written: {digests.words(found)}: build the store anew, elsewhere, "
            "or put a copy back"
        )


def _foreign(folder: Path, recorded: Manifest) -> list[str]:
    """Return the files among the shards that no manifest has and no stopped addition left.

    Such an addition leaves new shards with their records, or a record alone, which the next one takes or
    removes: no index has a row of them yet.
    """
    passing = {LOCK, BUILD}
    names = {
        f"shards/{path.name}"
        for path in (folder / "shards").iterdir()
        if path.suffix != PARTIAL and path.name not in passing
    }
    last = max(name for name in recorded if name.endswith(".npy"))
    return [
        name
        for name in names - set(recorded)
        if name < last or f"{name.removesuffix('.npy').removesuffix('.parquet')}.parquet" not in names
    ]


def _recorded(folder: Path) -> Manifest | None:
    try:
        with opened(folder / digests.FILE) as stream:
            return digests.from_text(stream.read().decode())
    except (OSError, ValueError):
        return None


def _of_content(store: "SliceStore") -> list[Difference]:
    hashes = np.empty((len(store), 2), np.uint64)
    for start in range(0, len(store), ROWS):
        rows = np.arange(start, min(start + ROWS, len(store)))
        found = b"".join(xxhash.xxh3_128_digest(image.data) for image in store.stored(rows))
        hashes[rows] = np.frombuffer(found, ">u8").reshape(-1, 2)
    if content_digest(store.index, hashes, store.reduction) == store.digest:
        return []
    return [Difference("shards, index.parquet or store.json", "changed: the content's digest is another")]
