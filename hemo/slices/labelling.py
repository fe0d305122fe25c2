"""What a label table and the index before say of a store's slices: labels, names and patients."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from numpy.typing import NDArray

from hemo.labels import LABELS, STUDY_LABELS, UNLABELLED, LabelTable
from hemo.slices.arrange import in_order, places_in
from hemo.slices.changes import Changes, Present, inherited
from hemo.slices.matching import Records, match_images
from hemo.slices.numbering import Numbered, match_volumes
from hemo.slices.pseudonyms import pseudonym
from hemo.slices.study_labels import answered_by_another, given_to_slices, joined, match_studies

_FOLDERS = re.compile(r"[/\\]")


def label_rows(
    frame: pd.DataFrame,
    paths: Sequence[Path],
    current: NDArray[np.bool_],
    labels: LabelTable,
    key: bytes,
    studies: pd.Series | None = None,
) -> tuple[NDArray[np.int32], dict[int, str], int]:
    """Return the row of the label table of each slice, and what had to be left out.

    `studies` is the study of each slice, stacks that do not answer among them, where one answers for each.

    Returns
    -------
    rows
        -1 where there is none.
    refused
        Why the slices of refused volumes have none.
    ambiguous
        How many rows of a table of studies fit several names.
    """
    usable = np.concatenate(
        [pq.read_table(path, columns=["row"], use_threads=False)["row"].to_numpy() >= 0 for path in paths]
    )
    records = Records(paths, current & usable)
    slices = frame.index.to_numpy()
    if labels.of_studies:
        rows, ambiguous = match_studies(records, labels, key)
        return (
            rows[slices] if studies is None else answered_by_another(rows, studies, slices),
            {},
            ambiguous,
        )
    if labels.volumes is None:
        return match_images(records, labels, key)[slices], {}, 0
    stack = frame["stack"].to_numpy().copy()
    # Pictures that name no patient count as patients of their own, but a folder of them may be a volume.
    alone = ~frame["known"].to_numpy(bool)
    stack[alone] = stack.max() + 1 + pd.factorize(frame["series"].to_numpy()[alone])[0]
    order, _ = in_order(frame.assign(stack=stack))
    facts = Numbered(
        stack=stack,
        place=places_in(stack, order),
        position=frame["position"].to_numpy(),
        number=frame["number"].to_numpy(),
        file_number=frame["file_number"].to_numpy(),
        many=frame["many"].to_numpy(bool),
    )
    fitted = match_volumes(records, Records(paths, current & ~usable), slices, facts, labels, key)
    return fitted.rows, fitted.refused, 0


def labels_of(
    frame: pd.DataFrame,
    labels: LabelTable | None,
    previous: pd.DataFrame | None,
    changes: Changes,
    present: Present | None,
    key: bytes,
) -> tuple[NDArray[np.int8], NDArray[np.int8] | None, int]:
    """Return labels of slices and of their studies; name slices and patients as table and index before.

    Returns
    -------
    slices, studies
        (n, labels) each: a slice's own labels, and those that tables of studies have given to its study;
        None where there was no such table.
    several
        How many positive rows of a table of studies are of several studies.
    """
    said_before = previous is not None and STUDY_LABELS[0] in previous
    said = said_before or (labels is not None and labels.of_studies)
    every = [*LABELS, *(STUDY_LABELS if said else ())]
    both = np.full((len(frame), len(every)), UNLABELLED, np.int8)
    if previous is not None:
        previous = previous.assign(**{name: np.int8(UNLABELLED) for name in every if name not in previous})
        before = previous.set_index(["shard", "row"]).reindex(
            pd.MultiIndex.from_frame(frame[["shard", "row"]])
        )
        old = before["slice_id"].notna().to_numpy()
        both[old] = before.loc[old, every].to_numpy(np.int8)
        named = before["patient"].to_numpy() != frame["patient"].to_numpy()
        frame.loc[old & named, "known"] = True  # by the table of that time
        for column in ("slice_id", "patient"):
            frame.loc[old, column] = before.loc[old, column].to_numpy()
        fresh = ~old if present is None else frame["shard"].to_numpy() >= present.new
        taken = inherited(frame, previous, changes, fresh & ~old, every)
        if len(taken):
            rows = frame.index.get_indexer(taken.index)
            both[rows] = taken[every].to_numpy(np.int8)
            by_table = taken[taken["patient"] != taken["own_patient"]]
            frame.loc[by_table.index, "patient"] = by_table["patient"]
            frame.loc[by_table.index, "known"] = True
            same = taken[~taken["renamed"].astype(bool)]
            frame.loc[same.index, "slice_id"] = same["slice_id"]
    values, of_study = both[:, : len(LABELS)], both[:, len(LABELS) :]
    given, several = np.full_like(of_study, UNLABELLED), 0
    if labels is not None:
        matched = frame["label_row"].to_numpy()
        found = matched >= 0
        if labels.patients is not None:
            codes = [pseudonym(key, "patient", name) for name in labels.patients[matched[found]]]
            frame.loc[found, "patient"] = codes
            frame.loc[found, "known"] = True
        if labels.of_studies:
            given, several = given_to_slices(matched, pd.factorize(frame["study"])[0], labels.values)
        else:
            values[found] = labels.values[matched[found]]
            _name_slices(frame, labels, matched, found)
    if not said:
        return values, None, 0
    return *joined(values, of_study, given), several


def _name_slices(
    frame: pd.DataFrame, labels: LabelTable, matched: NDArray[np.int32], found: NDArray[np.bool_]
) -> None:
    """Call slices what a table of slices calls them, unless that names a patient."""
    if labels.volumes is None:
        # The folders of a path may be named by patients: such a slice keeps the name it has.
        bare = found.copy()
        bare[found] = [not _FOLDERS.search(name) for name in labels.ids[matched[found]]]
        frame.loc[bare, "slice_id"] = labels.ids[matched[bare]]
    elif found.any():  # the table's own name holds the patient's: keep the number behind it
        numbers = [name.rpartition("/")[2] for name in labels.ids[matched[found]]]
        frame.loc[found, "slice_id"] = frame.loc[found, "patient"] + "/" + numbers
