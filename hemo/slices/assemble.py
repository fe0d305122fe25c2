"""From the shards' records and a label table to a store's index, exclusions and digest."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from hemo.imaging.reduction import Reduction
from hemo.labels import LABELS, STUDY_LABELS, UNLABELLED, LabelTable
from hemo.slices.arrange import (
    GEOMETRY,
    NORMAL,
    ONCE_MORE,
    in_order,
    once_more,
    one_patient_a_study,
    stacks_of,
    which_answer,
)
from hemo.slices.changes import Present, outdated
from hemo.slices.doubles import Reasons, drop_doubles, without
from hemo.slices.groups import columns_of
from hemo.slices.labelling import label_rows, labels_of
from hemo.slices.matching import Records
from hemo.slices.ordering import IMAGE, content_digest, hashes, order_of
from hemo.slices.pseudonyms import slice_ids
from hemo.slices.study_labels import AMBIGUOUS, OF_SEVERAL, contradictions

KEPT = [
    "slice_id", "patient", "study", "study_uid", "known", "thickness", "digest", "image", "row", "groups",
    *GEOMETRY,
]  # fmt: skip
"""Columns of the records that an index is made of."""

ROUGH = ["thickness", "time", *NORMAL]
"""Columns that need no more than four bytes."""

JUDGED = ["kernel", "derived", "body"]
"""Further ones by which one of a study's stacks is chosen."""


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
    matched
        How many slices the label table says something of.
    digest
        The content's digest.
    patients_known
        Whether every slice names its patient.
    notes
        What was assumed and what changed, a sentence each, with the number of slices or files it is of.
    thickness
        Median slice thickness in millimetres; NaN where unknown.
    row_patients
        Of a table of studies, the patient of each row; "" where no slice answers to it.
    """

    index: pd.DataFrame
    exclusions: pd.DataFrame
    unmatched: list[str]
    matched: int
    digest: str
    patients_known: bool
    notes: dict[str, int]
    thickness: float
    row_patients: NDArray[np.object_]


@dataclass(frozen=True)
class Answering:
    """Which stacks of a study are kept: all, or the one that answers for it (see `hemo.slices.stacks`).

    Attributes
    ----------
    best
        Whether only that one.
    thickness
        Slice thickness in millimetres that is wanted; that of routine head CT where None.
    """

    best: bool = False
    thickness: float | None = None


def _read(
    paths: Sequence[Path], records: Records, further: Sequence[str]
) -> tuple[pd.DataFrame, pd.DataFrame, Counter[str]]:
    """Return the slices of all shards that count, the excluded files that count, and notes.

    Shard by shard, since names that a slice may have take more room than all that is kept of it.
    """
    slices, excluded = [], []
    notes: Counter[str] = Counter()
    columns = [*KEPT, *further, "file", "reason", "notes"]
    for path, table in zip(paths, records.read(columns), strict=True):
        out = pc.less(table["row"], 0)
        excluded.append(table.filter(out).select(["file", "reason"]))
        table = table.filter(pc.invert(out))
        for one in pc.value_counts(table["notes"]).to_pylist():
            for sentence in (one["values"] or "").split("\n"):
                notes[sentence] += one["counts"] if sentence else 0
        shard = np.full(len(table), int(path.stem), np.int32)
        added = {"shard": shard, **dict(zip(IMAGE, hashes(table["image"]).T, strict=True))}
        table = table.select([name for name in (*KEPT, *further) if name != "image"])
        for name in ROUGH:
            column = table.column_names.index(name)
            table = table.set_column(column, name, table[name].cast(pa.float32()))
        for name, values in added.items():
            table = table.append_column(name, pa.array(values))
        slices.append(table.combine_chunks())
    frame = pa.concat_tables(slices).to_pandas(split_blocks=True)
    del slices
    return frame, pa.concat_tables(excluded).to_pandas(), +notes


def assemble(
    paths: Sequence[Path],
    labels: LabelTable | None,
    previous: pd.DataFrame | None,
    reduction: Reduction,
    key: bytes,
    present: Present | None = None,
    answering: Answering = Answering(),
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
    present
        The files that there are now; what is not as it was when it was read is left out.
    answering
        Which stacks of a study are kept.
    """
    old, changes = outdated(paths, present, previous)
    current = ~old
    by_number = labels is not None and labels.volumes is not None
    further = [
        *(JUDGED if answering.best else []),
        *(["path"] if previous is not None else []),
        *(["file_number", "many"] if by_number else []),
    ]
    frame, excluded, notes = _read(paths, Records(paths, current), further)
    pa.default_memory_pool().release_unused()
    one_patient_a_study(frame)
    frame["stack"] = stacks_of(frame)
    frame = frame.drop(columns=["acquisition", *NORMAL[:2]])
    reasons: Reasons = []
    if len(twice := once_more(frame)):
        frame, reasons = without(frame, twice, [ONCE_MORE] * len(twice))
    several = _several(frame)
    studies = frame["study"] if answering.best and several else None
    if answering.best and several:
        why = which_answer(frame, answering.thickness)
        stack = frame["stack"].to_numpy()
        out = np.flatnonzero(np.isin(stack, list(why)))
        frame, others = without(frame, out, [why[int(code)] for code in stack[out]])
        reasons += others
    elif several:
        notes["slices are of studies with several stacks, kept apart (one of them with --series best)"] = (
            several
        )
    order, equal = in_order(frame)
    if equal:
        notes["slices lie at the position of another of their stack: in the order of numbers and names"] = (
            equal
        )
    frame["rank"] = np.empty(len(frame), np.int32)
    frame.loc[frame.index[order], "rank"] = np.arange(len(frame), dtype=np.int32)
    thickness = (
        float(np.nanmedian(values)) if np.isfinite(values := frame["thickness"].to_numpy()).any() else np.nan
    )
    rows, refused = np.full(len(frame), -1, np.int32), dict[int, str]()
    if labels is not None and len(frame):
        rows, refused, ambiguous = label_rows(frame, paths, current, labels, key, studies)
        notes[AMBIGUOUS] = ambiguous
    frame["label_row"] = rows
    done = {*GEOMETRY, *further, "thickness"} - {"position", "number", "path"}
    frame = frame.drop(columns=[name for name in frame if name in done])
    values, of_study, several_studies = labels_of(frame, labels, previous, changes, present, key)
    if labels is not None and labels.patients is not None:
        named = frame["patient"].to_numpy(object)
        one_patient_a_study(frame)
        if parted := int((frame["patient"].to_numpy(object) != named).sum()):
            notes["slices are of studies that the label table gives to several patients: taken as one's"] = (
                parted
            )
    notes.update({**changes.sentences(), OF_SEVERAL: several_studies})
    if of_study is not None:
        notes.update(contradictions(pd.factorize(frame["study"])[0], values, of_study))
    unmatched: list[str] = []
    if labels is not None:
        lost = np.setdiff1d(np.arange(len(labels.ids)), frame["label_row"].to_numpy())
        unmatched = labels.ids[lost].tolist()
    for number, label in enumerate(LABELS):
        frame[label] = values[:, number].copy()
    if of_study is not None and (of_study != UNLABELLED).any():
        for number, name in enumerate(STUDY_LABELS):
            frame[name] = of_study[:, number].copy()
    matched = int((frame["label_row"] >= 0).sum())
    row_patients = _row_patients(frame, labels)
    if refused:
        frame, others = without(frame, np.array(list(refused), np.intp), list(refused.values()))
        reasons += others
    if labels is not None and labels.of_studies:
        frame["label_row"] = np.int32(-1)  # one row is for many slices
    frame, doubles = drop_doubles(frame)
    reasons += doubles
    patients_known = bool(frame["known"].all())
    images = np.stack([frame.pop(name).to_numpy() for name in IMAGE], axis=1)
    order = order_of(frame, images)
    exclusions = pd.concat([excluded, pd.DataFrame(reasons, columns=["file", "reason"])])
    frame = frame.rename(columns={"slice_id": "name"})
    names = ["name", "patient", "study", "stack", "position", "digest", *LABELS]
    names += [*(name for name in STUDY_LABELS if name in frame), "shard", "row"]
    columns = {}
    for name in names:
        columns[name] = frame.pop(name).take(order).reset_index(drop=True)
        pa.default_memory_pool().release_unused()
    groups = columns_of(frame.pop("groups").take(order).reset_index(drop=True), columns["patient"])
    columns = {"slice_id": pd.Series(slice_ids(key, columns["name"])), **columns}
    columns["stack"] = pd.Series(pd.factorize(columns["stack"])[0].astype(np.int32))
    index = pd.DataFrame(columns | groups, copy=False)
    images = images[order]
    return Assembled(
        index=index,
        exclusions=exclusions.sort_values(["file", "reason"]).reset_index(drop=True),
        unmatched=unmatched,
        matched=matched,
        digest=content_digest(index, images, reduction),
        patients_known=patients_known,
        notes=dict(+notes),
        thickness=thickness,
        row_patients=row_patients,
    )


def _row_patients(frame: pd.DataFrame, labels: LabelTable | None) -> NDArray[np.object_]:
    """Return the patient of each row of a table of studies, "" where it has no slice."""
    result = np.full(len(labels.ids) if labels is not None and labels.of_studies else 0, "", object)
    if len(result):
        found = frame[frame["label_row"] >= 0]
        result[found["label_row"].to_numpy()] = found["patient"].to_numpy()
    return result


def _several(frame: pd.DataFrame) -> int:
    """Return how many slices are of studies that have several stacks."""
    study = pd.factorize(frame["study"])[0]
    pairs = np.unique(np.stack([study, frame["stack"].to_numpy()], axis=1), axis=0)
    stacks = np.bincount(pairs[:, 0], minlength=int(study.max(initial=-1)) + 1)
    return int((stacks[study] > 1).sum()) if len(study) else 0
