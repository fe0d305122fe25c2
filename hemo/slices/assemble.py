"""From the shards' records and a label table to a store's index, exclusions and digest."""

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from hemo.imaging.reduction import Reduction
from hemo.labels import LABELS, UNLABELLED, LabelTable
from hemo.slices.pseudonyms import keyed_hash, pseudonym
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


def read_records(paths: Sequence[Path]) -> pa.Table:
    """Return the records of all shards, with the column `shard`."""
    tables = []
    for path in paths:
        table = pq.read_table(path)
        shard = pa.array(np.full(len(table), int(path.stem), np.int32))
        tables.append(table.append_column("shard", shard))
    return pa.concat_tables(tables)


def _match(names: pa.ChunkedArray, labels: LabelTable, key: bytes) -> NDArray[np.intp]:
    """Return the row of the label table that each slice answers to, -1 for none."""
    hashes = np.fromiter((keyed_hash(key, name) for name in labels.ids), np.int64, len(labels.ids))
    order = np.argsort(hashes)
    flat = names.combine_chunks()
    values = flat.values.to_numpy(zero_copy_only=False)
    offsets = flat.offsets.to_numpy()
    place = np.searchsorted(hashes, values, sorter=order)
    place[place == len(order)] = 0
    row = order[place]
    hit = hashes[row] == values
    result = np.full(len(flat), -1, np.intp)
    slices = np.repeat(np.arange(len(flat)), np.diff(offsets))
    hits = np.flatnonzero(hit)[::-1]  # backwards, so that a slice's first name has the last word
    result[slices[hits]] = row[hits]
    return result


def _drop_doubles(frame: pd.DataFrame) -> tuple[pd.DataFrame, Reasons]:
    """Leave out the same slice met twice, and all slices that one label row may mean."""
    twice = frame.duplicated(["slice_id", "digest", "image"])
    reasons: Reasons = [(name, "the same slice once more") for name in frame.loc[twice, "slice_id"]]
    frame = frame[~twice]
    labelled = frame["label_row"] >= 0
    ambiguous = labelled & frame.duplicated("label_row", keep=False)
    reasons += [
        (name, "its label row fits several different images") for name in frame.loc[ambiguous, "slice_id"]
    ]
    frame = frame[~ambiguous].copy()
    same_name = frame.duplicated("slice_id", keep=False)
    frame.loc[same_name, "slice_id"] += "~" + frame.loc[same_name, "digest"].str[:8]
    return frame, reasons


def _ordered(frame: pd.DataFrame) -> pd.DataFrame:
    """Sort slices by patient, study and position, in an order that no name, path or key decides.

    Patients and studies follow the digest of their images.
    """
    frame = frame.sort_values(["study", "position", "image"], na_position="last")
    for group in ("study", "patient"):
        if group == "patient":
            frame = frame.sort_values(["patient", "study_order"], kind="stable")
        digests = frame.groupby(group, sort=False)["image"].agg(
            lambda images: hashlib.blake2b("".join(images).encode(), digest_size=16).hexdigest()
        )
        frame[f"{group}_order"] = frame[group].map(digests)
    keys = ["patient_order", "patient", "study_order", "study", "position", "image"]
    frame = frame.sort_values(keys, na_position="last")
    return frame.drop(columns=["patient_order", "study_order"]).reset_index(drop=True)


def content_digest(frame: pd.DataFrame, reduction: Reduction) -> str:
    """Return the digest of an ordered index with the column `image`: images, labels, grouping and options."""
    hasher = hashlib.blake2b(digest_size=16)
    hasher.update(json.dumps(reduction.to_json(), sort_keys=True).encode())
    hasher.update("".join(frame["image"]).encode())
    hasher.update(np.ascontiguousarray(frame[list(LABELS)].to_numpy(np.int8)).tobytes())
    for group in ("patient", "study"):
        hasher.update(pd.factorize(frame[group])[0].astype("<i4").tobytes())
    return hasher.hexdigest()


def assemble(
    records: pa.Table,
    labels: LabelTable | None,
    previous: pd.DataFrame | None,
    reduction: Reduction,
    key: bytes,
) -> Assembled:
    """Join records and labels into an index.

    Parameters
    ----------
    records
        From `read_records`.
    labels
        The label table, if any.
    previous
        The index before, whose names and labels stay where the table says nothing.
    reduction, key
        The store's.
    """
    excluded = records.filter(pa.compute.less(records["row"], 0)).select(["file", "reason"]).to_pandas()
    records = records.filter(pa.compute.greater_equal(records["row"], 0))
    kept = ["slice_id", "patient", "study", "known", "position", "digest", "image", "shard", "row"]
    frame = records.select(kept).to_pandas()
    values = np.full((len(frame), len(LABELS)), UNLABELLED, np.int8)
    frame["label_row"] = -1
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
        matched = _match(records["names"], labels, key)
        found = matched >= 0
        values[found] = labels.values[matched[found]]
        frame["label_row"] = matched
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
    frame[list(LABELS)] = values
    frame, doubles = _drop_doubles(frame)
    frame = _ordered(frame)
    exclusions = pd.concat([excluded, pd.DataFrame(doubles, columns=["file", "reason"])])
    columns = ["slice_id", "patient", "study", "position", "digest", *LABELS, "shard", "row"]
    return Assembled(
        index=frame[columns],
        exclusions=exclusions.sort_values(["file", "reason"]).reset_index(drop=True),
        unmatched=unmatched,
        digest=content_digest(frame, reduction),
        patients_known=bool(frame["known"].all()),
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
