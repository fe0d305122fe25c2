"""From the shards' records and a label table to a store's index, exclusions and digest."""

import hashlib
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
from numpy.typing import NDArray

from hemo.imaging.reduction import Reduction
from hemo.labels import LABELS, UNLABELLED, LabelTable
from hemo.slices.pseudonyms import keyed_hash, pseudonym
from hemo.slices.shards import RECORD, durable, sync_folder

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
        table = pq.read_table(path, columns=columns, use_threads=False)
        out = pc.less(table["row"], 0)
        excluded.append(table.filter(out).select(["file", "reason"]))
        table = table.filter(pc.invert(out))
        rows = np.full(len(table), -1, np.int32) if lookup is None else lookup.match(table["names"])
        shard = np.full(len(table), int(path.stem), np.int32)
        table = table.select([name for name in columns if name not in ("names", "file", "reason")])
        slices.append(
            table.append_column("shard", pa.array(shard)).append_column("label_row", pa.array(rows))
        )
    frame = pa.concat_tables(slices).to_pandas(split_blocks=True)
    del slices
    return frame, pa.concat_tables(excluded).to_pandas()


def _drop_doubles(frame: pd.DataFrame) -> tuple[pd.DataFrame, Reasons]:
    """Leave out the same slice met twice, and all slices that one label row may mean."""
    twice = frame.duplicated(["slice_id", "digest", "image"])
    reasons: Reasons = [(name, "the same slice once more") for name in frame.loc[twice, "slice_id"]]
    if twice.any():
        frame = frame[~twice]
    labelled = frame["label_row"] >= 0
    ambiguous = labelled & frame.duplicated("label_row", keep=False)
    reasons += [
        (name, "its label row fits several different images") for name in frame.loc[ambiguous, "slice_id"]
    ]
    if ambiguous.any():
        frame = frame[~ambiguous]
    same_name = frame.duplicated("slice_id", keep=False)
    if same_name.any():
        frame = frame.copy()
        frame.loc[same_name, "slice_id"] += "~" + frame.loc[same_name, "digest"].str[:8]
    return frame, reasons


def _digests(images: NDArray[np.bytes_], codes: NDArray[np.intp]) -> NDArray[np.bytes_]:
    """Return for each group the digest of its images; equal codes stand together."""
    starts = np.flatnonzero(np.r_[True, codes[1:] != codes[:-1]][: len(codes)])
    result = np.empty(len(starts), "S32")
    for start, end in zip(starts, np.append(starts, len(codes))[1:], strict=True):
        result[codes[start]] = hashlib.blake2b(images[start:end].tobytes(), digest_size=16).hexdigest()
    return result


def _order(frame: pd.DataFrame, images: NDArray[np.bytes_]) -> NDArray[np.intp]:
    """Return the order of slices by patient, study and position, that no name, path or key decides.

    Patients and studies follow the digest of their images.
    """
    position = frame["position"].to_numpy()
    study, patient = pd.factorize(frame["study"])[0], pd.factorize(frame["patient"])[0]
    order = np.lexsort((images, position, study))
    by_study = _digests(images[order], study[order])[study]
    order = order[np.lexsort((by_study[order], patient[order]))]
    by_patient = _digests(images[order], patient[order])[patient]
    return np.lexsort((images, position, study, by_study, patient, by_patient))


def content_digest(index: pd.DataFrame, images: NDArray[np.bytes_], reduction: Reduction) -> str:
    """Return the digest of an ordered index and its images' digests: images, labels, grouping and options."""
    hasher = hashlib.blake2b(digest_size=16)
    hasher.update(json.dumps(reduction.to_json(), sort_keys=True).encode())
    hasher.update(images.tobytes())
    hasher.update(np.ascontiguousarray(index[list(LABELS)].to_numpy(np.int8)).tobytes())
    for group in ("patient", "study"):
        hasher.update(pd.factorize(index[group])[0].astype("<i4").tobytes())
    return hasher.hexdigest()


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
        else:  # the table's own name holds the patient's: keep the number behind it
            numbers = [name.rpartition("/")[2] for name in labels.ids[matched[found]]]
            frame.loc[found, "slice_id"] = frame.loc[found, "patient"] + "/" + numbers
    for number, label in enumerate(LABELS):
        frame[label] = values[:, number].copy()
    frame, doubles = _drop_doubles(frame)
    patients_known = bool(frame["known"].all())
    column = pa.table({"image": frame.pop("image")})["image"].cast(pa.binary()).cast(pa.binary(32))
    images = np.frombuffer(column.combine_chunks().buffers()[1], "S32", len(frame))
    order = _order(frame, images)
    exclusions = pd.concat([excluded, pd.DataFrame(doubles, columns=["file", "reason"])])
    names = ["slice_id", "patient", "study", "position", "digest", *LABELS, "shard", "row"]
    index = frame[names].take(order).reset_index(drop=True)
    return Assembled(
        index=index,
        exclusions=exclusions.sort_values(["file", "reason"]).reset_index(drop=True),
        unmatched=unmatched,
        digest=content_digest(index, images[order], reduction),
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
        index.to_parquet(stream, index=False)
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
