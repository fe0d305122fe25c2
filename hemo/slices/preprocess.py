"""From scans and a label table to a slice store: in parallel, resumable, incremental."""

import fcntl
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from hemo.cluster import Cluster
from hemo.errors import HemoError
from hemo.imaging.reduction import Reduction
from hemo.labels import LabelTable
from hemo.slices import integrity
from hemo.slices.assemble import Answering, assemble
from hemo.slices.changes import Present
from hemo.slices.facts import facts_of
from hemo.slices.label_tables import read_labels
from hemo.slices.pseudonyms import fingerprint, key_path, keyed_hash, load_or_make_key
from hemo.slices.reads import readers_facts
from hemo.slices.records import path_hash
from hemo.slices.refusals import nothing_matches, nothing_usable
from hemo.slices.shards import BUILD, LOCK, ShardTask, shard_path, sync_folder
from hemo.slices.sources import Packed, Source, find_sources
from hemo.slices.store import KEYED, SCHEMA, SliceStore, read_facts, read_named
from hemo.slices.workers import begin_build, locked, started, write_shards
from hemo.slices.writing import replace_text, take_places, write_assembled
from hemo.whole import csv_text

LARGEST_SHARD: Final = 8192
SMALLEST_SHARD: Final = 128
SHARDS: Final = 32
"""A small store is cut into about this many shards, so that several workers end at nearly the same time."""


@dataclass(frozen=True)
class Summary:
    """What `preprocess` did.

    Attributes
    ----------
    store
        The finished store.
    decoded
        Files decoded now, as against those found done.
    excluded
        Number of excluded files by reason, most frequent first.
    unlabelled
        Slices without any label.
    unmatched
        Label rows without an image.
    duplicates
        Rows of the label table that repeated another.
    notes
        What was assumed and what changed, a sentence each, with the number of slices or files it is of.
    """

    store: SliceStore
    decoded: int
    excluded: dict[str, int]
    unlabelled: int
    unmatched: int
    duplicates: int
    notes: dict[str, int]


def preprocess(
    images: str | Path,
    labels: str | Path | None,
    store: str | Path,
    reduction: Reduction | None = None,
    *,
    labels_format: str | None = None,
    answering: Answering | None = None,
    workers: int = 1,
    place: Cluster | None = None,
    key: str | Path | None = None,
    progress: Callable[[Iterator[None], int], Iterator[None]] | None = None,
    check: Callable[[LabelTable], None] | None = None,
) -> Summary:
    """Build a slice store, go on with an unfinished one, or add new files to a finished one.

    Parameters
    ----------
    images
        Folder of scans (or one file).
    labels
        Label table; None for scans without labels.
    store
        Folder of the store; made where it is absent.
    reduction
        How slices become small arrays; a store's own where None, or the default for a new one.
    labels_format
        Form of the label table; told from its header where None.
    answering
        Which stacks of a study are kept; what the store was made with where None, or all for a new one.
    workers
        Processes that decode.
    place
        The cluster whose jobs or workers decode; None for processes of this machine.
    key
        File with the key of the pseudonyms; beside the store, and made there at first, where None.
    progress
        Wraps an iterator that yields once for each file done, given their total.
    check
        Raises HemoError where the label table will not do: before a scan is read.

    Raises
    ------
    HemoError
        For absent or unusable input, a label table of which not one row matches, or a store made with other
        options. Unusable files are excluded instead.
    """
    pa.set_memory_pool(pa.system_memory_pool())  # Arrow's own keeps twice of what it once held
    images, store = Path(images), Path(store)
    if place:  # workers may be in another folder
        images, store = images.absolute(), store.absolute()
    table = None if labels is None else read_labels(labels, labels_format)
    if table is not None and check:
        check(table)
    facts = read_facts(store) if store.exists() else None
    if store.exists() and not store.is_dir():
        raise HemoError(f"{store}: a file, where the store's folder is to be: give another with --store")
    begun = {"shards", "store.json.tmp", LOCK}  # what a build leaves that was killed before it said so
    if facts is None and store.is_dir() and {path.name for path in store.iterdir()} - begun:
        raise HemoError(f"{store}: holds something else than a slice store: give another folder with --store")
    chosen = _agreed(store, facts, reduction)
    kept = _agreed_on_stacks(store, facts, answering)
    with started(workers, place) as pool:
        sources = find_sources(images, chosen.windows)
        secret = load_or_make_key(Path(key) if key else key_path(store), make=facts is None)
        if facts is not None and facts["key"] != fingerprint(secret):
            raise HemoError(f"{store}: made with another key: give that one with --key, or another --store")
        shards = store / "shards"
        shards.mkdir(parents=True, exist_ok=True)
        with _alone(store, shards) as build:
            facts = _whole(store)
            basis = {
                "schema": SCHEMA,
                "reduction": chosen.to_json(),
                "series": "best" if kept.best else "all",
                "wanted_thickness": kept.thickness,
                "slice_ids": KEYED,
                "key": fingerprint(secret),
            }
            if facts is None:
                replace_text(store / "store.json", json.dumps(basis, indent=2) + "\n")
            done = _finished(store, shards)
            first = 1 + max((int(path.stem) for path in done), default=-1)
            states = _states(sources, secret) if done else np.empty(0, np.int64)
            present = _present(images, sources, states, first, secret) if done else None
            fresh = _fresh(sources, states, done)
            tasks = [
                ShardTask(first + number, shards, Packed.of(chunk), chosen, secret, build)
                for number, chunk in enumerate(_chunks(fresh))
            ]
            examples = [f"{one.below}/{one.file}".lstrip("/") for one in sources[:: -(-len(sources) // 3)]]
            del sources, states, fresh
            pa.default_memory_pool().release_unused()  # of all the process holds, where it is glibc
            decoded = sum(len(task.sources) for task in tasks)
            ticks = write_shards(tasks, workers, pool)
            for _ in progress(ticks, decoded) if progress else ticks:
                pass
            del tasks
            previous = read_named(store) if facts is not None and "digest" in facts else None
            pa.default_memory_pool().release_unused()
            try:
                result = assemble(_finished(store, shards), table, previous, chosen, secret, present, kept)
            except HemoError as fault:
                raise HemoError(f"{labels}: {fault}") from None
            if len(result.index) == 0:
                replace_text(store / "exclusions.csv", csv_text(result.exclusions))
                raise HemoError(nothing_usable(images, store, result.exclusions["reason"]))
            if table is not None and result.matched == 0:
                raise HemoError(nothing_matches(str(labels), images, table, examples, result))
            readers = readers_facts(table, result.row_patients) or (facts or {}).get("readers")
            if table is not None:
                result.notes.update(table.notes)
            facts = {**basis, **facts_of(result), **({"readers": readers} if readers else {})}
            pa.default_memory_pool().release_unused()
            write_assembled(store, result, facts)
    return Summary(
        store=SliceStore.open(store),
        decoded=decoded,
        excluded=facts["excluded"],
        unlabelled=facts["labels"]["any"]["unlabelled"],
        unmatched=len(result.unmatched),
        duplicates=0 if table is None else table.duplicates,
        notes=result.notes,
    )


def _agreed(store: Path, facts: dict[str, Any] | None, reduction: Reduction | None) -> Reduction:
    """Return the reduction that store and caller agree on."""
    if facts is None:
        return reduction or Reduction()
    made = Reduction.from_json(facts["reduction"])
    if reduction is not None and reduction != made:
        ours, theirs = reduction.to_json(), made.to_json()
        name = next(name for name in ours if ours[name] != theirs[name])
        raise HemoError(
            f"{store}: made with {name} {theirs[name]}, not {ours[name]}: use its options, or another --store"
        )
    return made


def _agreed_on_stacks(store: Path, facts: dict[str, Any] | None, answering: Answering | None) -> Answering:
    """Return which stacks store and caller agree to keep."""
    if facts is None:
        return answering or Answering()
    made = Answering(facts["series"] == "best", facts["wanted_thickness"])
    if answering is not None and answering.best != made.best:
        raise HemoError(f"{store}: made with --series {facts['series']}: use that, or another --store")
    return made


@contextmanager
def _alone(store: Path, shards: Path) -> Iterator[str]:
    """Keep other builds out, wait for workers of a killed one that write, and give this build's name."""
    try:
        with locked(store, fcntl.LOCK_EX | fcntl.LOCK_NB):
            with locked(shards, fcntl.LOCK_EX):
                build = begin_build(shards)
            try:
                yield build
            finally:
                (shards / BUILD).unlink()
    except BlockingIOError:
        raise HemoError(f"{store}: another process builds this store: wait for it to end") from None


def _whole(store: Path) -> dict[str, Any] | None:
    """Return a store's facts: what a stopped build had written counts, what was changed since does not."""
    if (store / integrity.NEXT).exists():
        take_places(store)
    facts = read_facts(store)
    if facts is not None and "digest" in facts:
        integrity.check(SliceStore(store, facts))  # else what is added would make it count as right
    return facts


def _finished(store: Path, shards: Path) -> list[Path]:
    """Return the records of complete shards; remove what a killed writer left."""
    for path in [*store.glob("*.tmp"), *shards.glob("*.tmp")]:
        path.unlink()
    records = []
    for path in sorted(shards.glob("*.parquet")):
        if shard_path(shards, int(path.stem)).exists():
            records.append(path)
        else:
            path.unlink()
    sync_folder(shards)
    return records


def _states(sources: list[Source], key: bytes) -> NDArray[np.int64]:
    """Return the keyed hash of each source's files as they are now."""
    return np.fromiter((keyed_hash(key, one.state().hex()) for one in sources), np.int64, len(sources))


def _present(images: Path, sources: list[Source], states: NDArray[np.int64], new: int, key: bytes) -> Present:
    """Return what is on disk now, as records know it."""
    paths = np.fromiter((path_hash(key, source) for source in sources), np.int64, len(sources))
    folder = 0 if images.is_file() else keyed_hash(key, str(images.resolve()))
    return Present(np.sort(states), np.sort(paths), folder, new)


def _fresh(sources: list[Source], states: NDArray[np.int64], done: list[Path]) -> list[Source]:
    """Return the sources that no finished shard was made from."""
    if not done:
        return sources
    seen = np.concatenate([pq.read_table(path, columns=["source"])["source"].to_numpy() for path in done])
    return [source for source, known in zip(sources, np.isin(states, seen), strict=True) if not known]


def _chunks(sources: list[Source]) -> Iterator[list[Source]]:
    size = min(max(-(-len(sources) // SHARDS), SMALLEST_SHARD), LARGEST_SHARD)
    for start in range(0, len(sources), size):
        yield sources[start : start + size]
