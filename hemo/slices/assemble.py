"""From the shards' records and a label table to a store's index, exclusions and digest."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import xxhash
from numpy.typing import NDArray

from hemo.imaging.reduction import Reduction
from hemo.labels import LABELS, UNLABELLED, LabelTable
from hemo.slices.ordering import IMAGE, ROWS, content_digest, hashes, order_of
from hemo.slices.pseudonyms import keyed_hash, pseudonym
from hemo.slices.records import RECORD
from hemo.slices.shards import durable, sync_folder

Reasons = list[tuple[str, str]]
"""Excluded files with their reasons."""


@dataclass(frozen=True)
class Assembled:
    """What a store's records and labels come to.

    Attributes
    ----------
    index
        The index (see `SliceStore.index`).
    exclusions
        Files and reasons.
    unmatched
        Ids of label rows that no image answers to.
    digest
        The content's digest.
    patients_known
        Whether every slice names its patient.
    """

    index: pd.DataFrame
    exclusions: pd.DataFrame
    unmatched: list[str]
    digest: str
    patients_known: bool


@dataclass(frozen=True)
class _Lookup:
    """Rows of a label table by the keyed hashes of their ids, in rising order."""

    hashes: NDArray[np.int64]
    rows: NDArray[np.intp]

    @classmethod
    def of(cls, labels: LabelTable, key: bytes) -> Self:
        hashes = np.fromiter((keyed_hash(key, name) for name in labels.ids), np.int64, len(labels.ids))
        order = np.argsort(hashes)
        return cls(hashes[order], order)

    def match(self, names: pa.ChunkedArray) -> NDArray[np.int32]:
        """Return the row of the label table that each slice answers to, -1 for none."""
        flat = names.combine_chunks()
        values = flat.flatten().to_numpy(zero_copy_only=False)
        place = np.searchsorted(self.hashes, values)
        place[place == len(self.hashes)] = 0
        result = np.full(len(flat), -1, np.int32)
        slices = np.repeat(np.arange(len(flat)), np.diff(flat.offsets.to_numpy()))
        # Backwards, so that a slice's first name has the last word.
        hits = np.flatnonzero(self.hashes[place] == values)[::-1]
        result[slices[hits]] = self.rows[place[hits]]
        return result


def _read(paths: Sequence[Path], labels: LabelTable | None, key: bytes) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the slices of all shards, with the row of the label table each answers to, and the excluded.

    Shard by shard, since names that a slice may have take more room than all that is kept of it.
    """
    lookup = None if labels is None else _Lookup.of(labels, key)
    columns = [name for name in RECORD.names if name != "source" and (name != "names" or lookup)]
    slices, excluded = [], []
    for path in paths:
        with pq.ParquetFile(path, pre_buffer=False) as file:
            table = file.read(columns, use_threads=False)
        out = pc.less(table["row"], 0)
        excluded.append(table.filter(out).select(["file", "reason"]))
        table = table.filter(pc.invert(out))
        rows = np.full(len(table), -1, np.int32) if lookup is None else lookup.match(table["names"])
        shard = np.full(len(table), int(path.stem), np.int32)
        further = {
            "shard": shard,
            "label_row": rows,
            **dict(zip(IMAGE, hashes(table["image"]).T, strict=True)),
        }
        table = table.select([name for name in columns if name not in ("names", "file", "reason", "image")])
        for name, values in further.items():
            table = table.append_column(name, pa.array(values))
        slices.append(table.combine_chunks())
    frame = pa.concat_tables(slices).to_pandas(split_blocks=True)
    del slices
    return frame, pa.concat_tables(excluded).to_pandas()


def _all_differ(names: pd.Series) -> bool:
    """Tell whether no name comes twice, in a tenth of the memory that pandas takes to say which does.

    By hashes, so that in one of many million cases it may say no where all differ: slower then, not wrong.
    """
    numbers = np.fromiter((xxhash.xxh3_64_intdigest(name.encode()) for name in names), np.uint64, len(names))
    numbers.sort()
    return bool((numbers[1:] != numbers[:-1]).all())


def _drop_doubles(frame: pd.DataFrame) -> tuple[pd.DataFrame, Reasons]:
    """Leave out the same slice met twice, and all slices that one label row may mean."""
    reasons: Reasons = []
    names_repeat = not _all_differ(frame["slice_id"])
    if names_repeat:
        twice = frame.duplicated(["slice_id", "digest", *IMAGE])
        reasons += [(name, "the same slice once more") for name in frame.loc[twice, "slice_id"]]
        frame = frame[~twice]
    labelled = frame["label_row"] >= 0
    if labelled.any():
        ambiguous = labelled & frame.duplicated("label_row", keep=False)
        reasons += [
            (name, "its label row fits several different images") for name in frame.loc[ambiguous, "slice_id"]
        ]
        frame = frame[~ambiguous] if ambiguous.any() else frame
    if names_repeat:
        same_name = frame.duplicated("slice_id", keep=False)
        frame = frame.copy()
        frame.loc[same_name, "slice_id"] += "~" + frame.loc[same_name, "digest"].str[:8]
    return frame, reasons


def assemble(
    paths: Sequence[Path],
    labels: LabelTable | None,
    previous: pd.DataFrame | None,
    reduction: Reduction,
    key: bytes,
) -> Assembled:
    """Join records and labels into an index.

    Parameters
    ----------
    paths
        The shards' records.
    labels
        The label table, if any.
    previous
        The index before, whose names and labels stay where the table says nothing.
    reduction, key
        The store's.
    """
    frame, excluded = _read(paths, labels, key)
    pa.default_memory_pool().release_unused()
    values = np.full((len(frame), len(LABELS)), UNLABELLED, np.int8)
    unmatched: list[str] = []
    if previous is not None:
        before = previous.set_index(["shard", "row"]).reindex(
            pd.MultiIndex.from_frame(frame[["shard", "row"]])
        )
        old = before["slice_id"].notna().to_numpy()
        values[old] = before.loc[old, list(LABELS)].to_numpy(np.int8)
        named = before["patient"].to_numpy() != frame["patient"].to_numpy()
        frame.loc[old & named, "known"] = True  # by the table of that time
        for column in ("slice_id", "patient"):
            frame.loc[old, column] = before.loc[old, column].to_numpy()
    if labels is not None:
        matched = frame["label_row"].to_numpy()
        found = matched >= 0
        values[found] = labels.values[matched[found]]
        unmatched = labels.ids[np.setdiff1d(np.arange(len(labels.ids)), matched)].tolist()
        if labels.patients is not None:
            codes = [pseudonym(key, "patient", name) for name in labels.patients[matched[found]]]
            frame.loc[found, "patient"] = codes
            frame.loc[found, "known"] = True
        if labels.format in ("rsna", "wide"):
            frame.loc[found, "slice_id"] = labels.ids[matched[found]]
        elif found.any():  # the table's own name holds the patient's: keep the number behind it
            numbers = [name.rpartition("/")[2] for name in labels.ids[matched[found]]]
            frame.loc[found, "slice_id"] = frame.loc[found, "patient"] + "/" + numbers
    for number, label in enumerate(LABELS):
        frame[label] = values[:, number].copy()
    frame, doubles = _drop_doubles(frame)
    patients_known = bool(frame["known"].all())
    images = np.stack([frame.pop(name).to_numpy() for name in IMAGE], axis=1)
    order = order_of(frame, images)
    exclusions = pd.concat([excluded, pd.DataFrame(doubles, columns=["file", "reason"])])
    names = ["slice_id", "patient", "study", "position", "digest", *LABELS, "shard", "row"]
    columns = {}
    for name in names:
        columns[name] = frame.pop(name).take(order).reset_index(drop=True)
        pa.default_memory_pool().release_unused()
    index = pd.DataFrame(columns, copy=False)
    images = images[order]
    return Assembled(
        index=index,
        exclusions=exclusions.sort_values(["file", "reason"]).reset_index(drop=True),
        unmatched=unmatched,
        digest=content_digest(index, images, reduction),
        patients_known=patients_known,
    )


def label_counts(index: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Return positive, negative and unlabelled slices and positive patients of each label."""
    counts = {}
    for label in LABELS:
        values = index[label].to_numpy()
        counts[label] = {
            "positive": int((values == 1).sum()),
            "negative": int((values == 0).sum()),
            "unlabelled": int((values == UNLABELLED).sum()),
            "patients": int(index["patient"][values == 1].nunique()),
        }
    return counts


def replace_text(path: Path, text: str) -> None:
    """Write a file by a temporary one beside it, so that it is never seen half written."""
    partial = path.with_name(f"{path.name}.tmp")
    with partial.open("w") as stream:
        stream.write(text)
        durable(stream)
    os.replace(partial, path)
    sync_folder(path.parent)


def write_index(folder: Path, index: pd.DataFrame) -> None:
    """Write a store's index."""
    partial = folder / "index.parquet.tmp"
    with partial.open("wb") as stream:
        schema = pa.Schema.from_pandas(index, preserve_index=False)
        # Dictionaries of values that hardly repeat take several times the memory of the rows.
        with pq.ParquetWriter(stream, schema, use_dictionary=False) as writer:
            for start in range(0, len(index), ROWS):
                writer.write_table(pa.Table.from_pandas(index.iloc[start : start + ROWS], schema))
        durable(stream)
    os.replace(partial, folder / "index.parquet")


def write_assembled(folder: Path, assembled: Assembled, facts: dict[str, Any]) -> None:
    """Write index, exclusions and, last, `store.json`, which makes the store count as finished."""
    write_index(folder, assembled.index)
    replace_text(folder / "exclusions.csv", assembled.exclusions.to_csv(index=False))
    unmatched = folder / "unmatched.csv"
    if assembled.unmatched:
        replace_text(unmatched, pd.Series(assembled.unmatched, name="label_row").to_csv(index=False))
    else:
        unmatched.unlink(missing_ok=True)
    replace_text(folder / "store.json", json.dumps(facts, indent=2) + "\n")
