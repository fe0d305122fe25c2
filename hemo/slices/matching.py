"""Which row of a label table each slice answers to, for tables that name images.

Names are compared as keyed hashes (see `hemo.slices.records`): a store never holds what a table is matched
by. Zeros before numbers count for all rows of a table or for none.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from hemo.labels import LabelTable
from hemo.slices.arrays import matrix
from hemo.slices.files import slice_name
from hemo.slices.names import normalized, without_zeros
from hemo.slices.pseudonyms import keyed_hash
from hemo.slices.records import DEPTH, NAMES, RECORD

Rows = NDArray[np.int32]
"""The row of the label table that each slice answers to, -1 for none."""

UID, SLICE, FILE, STEM = range(len(NAMES))

_MIX: Final = np.int64(-7046029254386353131)  # an odd number: 2^64 over the golden ratio
"""Makes one number of a folder's and a file's hash."""


@dataclass(frozen=True)
class Records:
    """The finished records of a store, for reading some columns of the slices that count.

    Attributes
    ----------
    paths
        Of the shards' records.
    kept
        Which records of all shards, one behind another, count: neither excluded nor outdated.
    """

    paths: Sequence[Path]
    kept: NDArray[np.bool_]

    def read(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Yield columns of the slices that count, shard by shard."""
        start = 0
        for path in self.paths:
            with pq.ParquetFile(path, pre_buffer=False) as file:
                there = [name for name in columns if name in file.schema_arrow.names]
                table = file.read(there, use_threads=False)
            for place, name in enumerate(columns):  # younger than the record
                if name not in there:
                    table = table.add_column(place, name, pa.nulls(len(table), RECORD.field(name).type))
            yield table.filter(pa.array(self.kept[start : start + len(table)]))
            start += len(table)


@dataclass(frozen=True)
class Lookup:
    """Rows of a label table by the keyed hashes of what they are called, in rising order."""

    hashes: NDArray[np.int64]
    rows: NDArray[np.intp]

    @classmethod
    def of(cls, hashes: NDArray[np.int64], rows: NDArray[np.intp]) -> "Lookup":
        """Return the lookup of some rows by their hashes."""
        order = np.argsort(hashes, kind="stable")
        return cls(hashes[order], rows[order])

    def find(self, values: NDArray[np.int64]) -> NDArray[np.intp]:
        """Return the row of each hash, -1 where there is none."""
        if len(self.hashes) == 0:
            return np.full(values.shape, -1, np.intp)
        where = np.searchsorted(self.hashes, values)
        where[where == len(self.hashes)] = 0
        return np.where((self.hashes[where] == values) & (values != 0), self.rows[where], -1)


@dataclass(frozen=True)
class _Ids:
    """What a table calls its images, in parts.

    Attributes
    ----------
    folders
        The folders' names before each file's.
    files
        The files' names.
    shared
        How many folders all of them begin with.
    """

    folders: list[list[str]]
    files: list[str]
    shared: int

    @classmethod
    def of(cls, ids: Iterable[str], zeros: bool) -> "_Ids":
        names = [normalized(name) for name in ids]
        if not zeros:
            names = [without_zeros(name) for name in names]
        if not any("/" in name for name in names):
            return cls([[]] * len(names), names, 0)
        parts = [[part for part in name.split("/") if part not in ("", ".")] or [""] for name in names]
        folders = [one[:-1] for one in parts]
        low, high = min(folders), max(folders)
        shared = next((n for n, (a, b) in enumerate(zip(low, high, strict=False)) if a != b), len(low))
        return cls(folders, [one[-1] for one in parts], min(shared, len(high)))

    def distinct(self) -> bool:
        """Tell whether no two rows have the same name."""
        names = {"/".join([*folder, file]) for folder, file in zip(self.folders, self.files, strict=True)}
        return len(names) == len(self.files)

    @property
    def deepest(self) -> int:
        """How many shared folders there are at most to compare too."""
        return min(self.shared, DEPTH)


def match_images(records: Records, labels: LabelTable, key: bytes) -> Rows:
    """Return the row of the table that each slice answers to.

    A row names an image by its SOPInstanceUID, its file (with its suffix, another or none), or the end of
    its path, as far as the folders that all rows begin with; these are compared too where that tells more
    images apart. Of the ways to read a table the one is taken by which most rows name one image each.
    """
    best, most = np.full(int(records.kept.sum()), -1, np.int32), -1
    for zeros in (True, False):
        ids = _Ids.of(labels.ids, zeros)
        if not zeros and not ids.distinct():
            continue
        for further in range(ids.deepest + 1):
            rows = _matched(records, ids, further, zeros, key)
            counts = np.bincount(rows[rows >= 0], minlength=len(labels.ids))
            alone = int((counts == 1).sum())
            if alone > most:
                best, most = rows, alone
            if alone == len(labels.ids):
                return best
    return best


def _matched(records: Records, ids: _Ids, further: int, zeros: bool, key: bytes) -> Rows:
    depths = np.array([min(len(folder) - ids.shared + further, DEPTH, len(folder)) for folder in ids.folders])
    full = np.fromiter((keyed_hash(key, name) for name in ids.files), np.int64, len(ids.files))
    shortened = (slice_name(name) for name in ids.files)
    bare = np.fromiter((keyed_hash(key, name) for name in shortened), np.int64, len(ids.files))
    lookups = []
    for depth in np.unique(depths):
        rows = np.flatnonzero(depths == depth)
        tail = np.zeros(len(rows), np.int64)
        if depth:
            ends = ("/".join(ids.folders[row][-depth:]) for row in rows)
            tail = np.fromiter((keyed_hash(key, end) for end in ends), np.int64, len(rows))
        named, shortly = (Lookup.of(_mixed(tail, one[rows], depth), rows) for one in (full, bare))
        lookups.append((int(depth), named, shortly))
    levels: list[list[NDArray[np.int32]]] = [[], [], [], []]
    for table in records.read(["names", "tails"]):
        if len(table) == 0:
            continue
        names, tails = matrix(table["names"]), matrix(table["tails"])
        names = names[:, : len(NAMES)] if zeros else names[:, len(NAMES) :]
        found = [np.full(len(names), -1, np.int32) for _ in levels]
        for depth, named, shortly in lookups:
            if depth == 0:
                _add(found[0], named.find(names[:, UID]))
            for start in range(0, tails.shape[1], 2 * DEPTH) if depth else (0,):
                tail = tails[:, start + depth - 1 + (0 if zeros else DEPTH)]
                _add(found[1], named.find(_mixed(tail, names[:, FILE], depth)))
                _add(found[2], named.find(_mixed(tail, names[:, STEM], depth)))
                _add(found[2], named.find(_mixed(tail, names[:, SLICE], depth)))
                _add(found[3], shortly.find(_mixed(tail, names[:, STEM], depth)))
        for level, some in zip(levels, found, strict=True):
            level.append(some)
    return _first_level([np.concatenate([np.empty(0, np.int32), *level]) for level in levels], len(ids.files))


def _mixed(tail: NDArray[np.int64], name: NDArray[np.int64], depth: int) -> NDArray[np.int64]:
    """Return one hash of a file's and, unless the depth is 0, its folders'; 0 where either is unknown."""
    if depth == 0:
        return name
    with np.errstate(over="ignore"):
        return np.where((name == 0) | (tail == 0), 0, tail * _MIX + name)


def _add(found: NDArray[np.int32], rows: NDArray[np.intp]) -> None:
    """Note rows for slices that have none yet."""
    new = (found < 0) & (rows >= 0)
    found[new] = rows[new]


def _first_level(levels: Sequence[NDArray[np.int32]], count: int) -> Rows:
    """Return each slice's row by the first level that names it; a row that one names is not for the next."""
    result = np.full(len(levels[0]), -1, np.int32)
    named = np.zeros(count, bool)
    for rows in levels:
        new = (rows >= 0) & (result < 0)
        new[new] = ~named[rows[new]]
        result[new] = rows[new]
        named[rows[new]] = True
    return result
