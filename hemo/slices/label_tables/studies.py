"""Label tables with a row a study, patient or series; of one reader or of several, as CQ500's reads."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from hemo.errors import HemoError
from hemo.evaluation.agreement import majority
from hemo.labels import LABELS, SUBTYPES, UNLABELLED, LabelTable, Reads
from hemo.slices.label_tables.columns import (
    IMAGE_COLUMNS,
    NUMBER_COLUMNS,
    PATIENT_COLUMNS,
    columns_of,
    find,
    label_columns,
    opposites,
    reader_columns,
    study_column,
)
from hemo.slices.label_tables.readers import by_id, check_no_other_spelling, one_patient, patients_of
from hemo.slices.label_tables.values import texts, with_opposites

CONTRADICTED: Final = "votes for any are 0 where the same reader names a subtype: they count as missing"
UNSETTLED: Final = "studies have a label on which no more than half of the readers agree: it is unknown"
UNTYPED: Final = "studies have hemorrhage by most readers, and no subtype by most of them"


def read_studies(path: Path, table: pa.Table) -> LabelTable:
    """Read a row a study: a column that names it, and a column a label, or a column a reader and label.

    Where readers have columns of their own, a study has what more than half of them say; a label that the
    table has a column of its own for has what that says.
    """
    columns = columns_of(table.column_names)
    named = study_column(columns) or find(columns, _other_names())
    if named is None:
        raise HemoError(
            f"{path}: no column that names the study: call it study "
            f"(it has {', '.join(table.column_names[:10])})"
        )
    check_no_other_spelling(path, columns)
    own, readers, others = label_columns(columns), reader_columns(columns), opposites(columns)
    if not (own or readers or others):
        raise HemoError(
            f"{path}: none of the labels {', '.join(LABELS)} among its columns "
            f"{', '.join(table.column_names[:10])}: rename the columns"
        )
    wanted = [
        *(own.get(label) for label in LABELS),
        *others,
        *(n for names in readers.values() for n in names.values()),
    ]
    unique, codes, values, repeated = by_id(path, table, texts(path, table, named), wanted)
    patients = patients_of(path, table, find(columns, PATIENT_COLUMNS))
    first = len(LABELS) + len(others)
    result = LabelTable(
        ids=unique,
        values=with_opposites(path, unique, values[:, : len(LABELS)], values[:, len(LABELS) : first], others),
        patients=None if patients is None else one_patient(path, codes, unique, patients),
        duplicates=repeated,
        of_studies=True,
    )
    return _settled(path, result, _votes(readers, values[:, first:])) if readers else result


def _other_names() -> tuple[str, ...]:
    """Return the columns that name a study where `--labels-format study` says that one does."""
    return tuple(name for name in IMAGE_COLUMNS if name not in NUMBER_COLUMNS)


def _votes(readers: Mapping[str, Mapping[str, str]], values: NDArray[np.int8]) -> Reads:
    """Return the votes by label, of values a column a label and reader."""
    votes, start = {}, 0
    for label, names in readers.items():
        votes[label] = values[:, start : start + len(names)]
        start += len(names)
    return Reads({label: tuple(names) for label, names in readers.items()}, votes)


def _settled(path: Path, table: LabelTable, reads: Reads) -> LabelTable:
    """Return a table with what its readers come to, where it does not say so itself."""
    reads, contradicted = _with_any(reads)
    values = table.values.copy()
    unsettled = np.zeros(len(values), bool)
    for label, votes in reads.votes.items():
        place = LABELS.index(label)
        truth, silent = majority(votes), values[:, place] == UNLABELLED
        values[silent, place] = truth[silent]
        unsettled |= silent & (truth == UNLABELLED)
    some = (values[:, 1:] == 1).any(axis=1)
    values[some & (values[:, 0] == UNLABELLED), 0] = 1
    if (wrong := some & (values[:, 0] == 0)).any():
        raise HemoError(
            f"{path}: any contradicts its subtypes for {int(wrong.sum())} studies, the first "
            f"{table.ids[np.flatnonzero(wrong)[0]]}: leave the column any out, or correct it"
        )
    untyped = (values[:, 0] == 1) & (values[:, 1:] == 0).all(axis=1)
    counts = {CONTRADICTED: contradicted, UNSETTLED: int(unsettled.sum()), UNTYPED: int(untyped.sum())}
    notes = {sentence: count for sentence, count in counts.items() if count}
    return replace(table, values=values, reads=reads, notes=notes)


def _with_any(reads: Reads) -> tuple[Reads, int]:
    """Fill each reader's vote for `any` in from the subtypes, and drop it where it contradicts them.

    Returns
    -------
    reads
        With a vote for `any` of each reader.
    contradicted
        How many votes were dropped: 0 where the same reader names a subtype.
    """
    everyone = list(dict.fromkeys(name for names in reads.readers.values() for name in names))
    rows = len(next(iter(reads.votes.values())))
    given = {label: np.full((rows, len(everyone)), UNLABELLED, np.int8) for label in LABELS}
    for label, names in reads.readers.items():
        given[label][:, [everyone.index(name) for name in names]] = reads.votes[label]
    subtypes = np.stack([given[label] for label in SUBTYPES])
    some, none = (subtypes == 1).any(axis=0), (subtypes == 0).all(axis=0)
    stated = given["any"]
    wrong = (stated == 0) & some
    asked = (stated != UNLABELLED).any(axis=0)  # who has a column of their own for it
    derived = np.where(some, 1, np.where(none, 0, UNLABELLED))
    votes = np.where(wrong, UNLABELLED, np.where(asked, stated, derived)).astype(np.int8)
    both, who = dict(reads.votes), dict(reads.readers)
    both["any"], who["any"] = votes, tuple(everyone)
    return Reads({label: who[label] for label in LABELS if label in who}, both), int(wrong.sum())
