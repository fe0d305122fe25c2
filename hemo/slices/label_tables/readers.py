"""From the columns of each form of label table to slices and their labels."""

import difflib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from hemo.errors import HemoError
from hemo.labels import LABELS, UNLABELLED, LabelTable
from hemo.slices.label_tables.columns import (
    ANY,
    IMAGE_COLUMNS,
    NUMBER_COLUMNS,
    PATIENT_COLUMNS,
    VOLUME_COLUMNS,
    Columns,
    columns_of,
    find,
    label_columns,
    opposites,
)
from hemo.slices.label_tables.values import binary, merged, texts, with_opposites
from hemo.slices.names import plain

LONGEST: Final = 9
"""Digits of a slice's number beyond which it is none."""


def read_rsna(path: Path, table: pa.Table) -> LabelTable:
    """Read `ID_x_epidural,1`: a row a slice and label. Made for millions of rows."""
    names = _column(path, table, "id")
    values = binary(path, _column(path, table, "label"), "Label")
    cells = np.full(len(names), -1, np.int64)
    ids = pa.array([], pa.string())
    for code, label in enumerate(LABELS):
        ends = pc.ends_with(names, pattern=f"_{label}")
        stems = pc.utf8_slice_codeunits(names.filter(ends), 0, -(len(label) + 1)).combine_chunks()
        found = pc.index_in(stems, value_set=ids)
        if found.null_count:
            ids = pa.concat_arrays([ids, stems.filter(pc.is_null(found)).unique()])
            found = pc.index_in(stems, value_set=ids)
        cells[ends.to_numpy()] = found.to_numpy().astype(np.int64) * len(LABELS) + code
    unknown = np.flatnonzero(cells < 0)
    if len(unknown):
        row = int(unknown[0])
        raise HemoError(
            f"{path}: row {row + 2} names no label ({names[row]}): an ID ends in one of "
            f"{', '.join('_' + label for label in LABELS)}"
        )
    values, repeated = merged(path, cells, values, len(ids) * len(LABELS), lambda row: str(names[row]))
    return LabelTable(
        ids=ids.to_numpy(zero_copy_only=False),
        values=values.reshape(-1, len(LABELS)),
        duplicates=repeated,
    )


def read_wide(path: Path, table: pa.Table) -> LabelTable:
    """Read a row an image: a column that names it, and a column a label."""
    columns = columns_of(table.column_names)
    image, patient = find(columns, IMAGE_COLUMNS), find(columns, PATIENT_COLUMNS)
    if image is None:
        raise HemoError(
            f"{path}: no column that names the image: call it image "
            f"(it has {', '.join(table.column_names[:10])})"
        )
    ids = texts(path, table, image)
    folder = find(columns, VOLUME_COLUMNS) or patient
    if folder is not None and len(set(ids)) < len(ids):
        # Images of the same name in the folders of several volumes.
        ids = _within(texts(path, table, folder), ids)
    return _rows(path, table, ids, patients_of(path, table, patient))


def read_volume(path: Path, table: pa.Table) -> LabelTable:
    """Read a row a slice named by its volume (or patient) and number; CT-ICH's is such a table."""
    columns = columns_of(table.column_names)
    patient, number = find(columns, PATIENT_COLUMNS), find(columns, NUMBER_COLUMNS)
    volume = find(columns, VOLUME_COLUMNS) or patient
    if volume is None or number is None:
        raise HemoError(
            f"{path}: no columns that name volume and slice: call them volume and slice_number "
            f"(it has {', '.join(table.column_names[:10])})"
        )
    volumes = texts(path, table, volume)
    written = [_without_fraction(text) for text in texts(path, table, number)]
    if not all(text.isascii() and text.isdecimal() for text in written):
        # What is called a slice's number is the name of its image, in the volume's folder.
        return _rows(path, table, _within(volumes, written), patients_of(path, table, patient))
    written = [text.lstrip("0") or "0" for text in written]
    if long := [text for text in written if len(text) > LONGEST]:
        raise HemoError(f"{path}: {number} is {long[0][:20]} ...: no volume has as many slices")
    ids = _within(volumes, written)
    result = _rows(path, table, ids, patients_of(path, table, patient))
    split = [name.rpartition("/") for name in result.ids]
    return replace(
        result,
        volumes=np.array([name for name, _, _ in split], object),
        numbers=np.array([int(one) for _, _, one in split], np.int64),
    )


def _within(folders: Sequence[str], names: Sequence[str]) -> list[str]:
    """Return what slices are called that have a folder each, or a volume."""
    return [f"{folder}/{name}" for folder, name in zip(folders, names, strict=True)]


def _without_fraction(number: str) -> str:
    """Return `12` for the `12.0` or `12,0` that tables of numbers with gaps are written with."""
    return number.removesuffix(".0").removesuffix(",0")


def _column(path: Path, table: pa.Table, name: str) -> pa.ChunkedArray:
    columns = columns_of(table.column_names)
    if name not in columns:
        raise HemoError(
            f"{path}: no column {name}: it has {', '.join(table.column_names[:8])}; "
            "check the file or --labels-format"
        )
    return table.column(columns[name])


def patients_of(path: Path, table: pa.Table, column: str | None) -> list[str] | None:
    """Return the patient of each row in one spelling, None where the table has no column of them."""
    return None if column is None else [plain(name) for name in texts(path, table, column)]


def _rows(path: Path, table: pa.Table, ids: Sequence[str], patients: list[str] | None) -> LabelTable:
    """Return the table of a row a slice whose ids are known."""
    columns = columns_of(table.column_names)
    check_no_other_spelling(path, columns)
    present, others = label_columns(columns), opposites(columns)
    if not (present or others):
        raise HemoError(
            f"{path}: none of the labels {', '.join(LABELS)} among its columns "
            f"{', '.join(table.column_names[:10])}: rename the columns"
        )
    wanted = [*(present.get(label) for label in LABELS), *others]
    unique, codes, values, repeated = by_id(path, table, ids, wanted)
    values = with_opposites(path, unique, values[:, : len(LABELS)], values[:, len(LABELS) :], others)
    return LabelTable(
        ids=unique,
        values=values,
        patients=None if patients is None else one_patient(path, codes, unique, patients),
        duplicates=repeated,
    )


def by_id(
    path: Path, table: pa.Table, ids: Sequence[str], columns: Sequence[str | None]
) -> tuple[NDArray[np.object_], NDArray[np.int64], NDArray[np.int8], int]:
    """Return some columns' values with one row for each id; refuse rows in conflict.

    Parameters
    ----------
    path, table
        The label table.
    ids
        What each of its rows is of.
    columns
        Names of its columns; None for one that is not there.

    Returns
    -------
    unique, codes
        The different ids, and which of them each row has.
    values
        int8 (ids, columns): 0, 1 or -1.
    repeated
        How many rows were dropped since they said the same again.
    """
    given = np.full((len(ids), len(columns)), UNLABELLED, np.int8)
    for place, name in enumerate(columns):
        if name is not None:
            given[:, place] = binary(path, table.column(name), name)
    codes, unique = pd.factorize(np.asarray(ids, object))
    width = len(columns)
    cells = (codes[:, None].astype(np.int64) * width + np.arange(width)).ravel()
    values, repeated = merged(
        path, cells, given.ravel(), len(unique) * width, lambda cell: ids[cell // width]
    )
    return unique, codes, values.reshape(-1, width), repeated // width


def one_patient(
    path: Path, codes: NDArray[np.int64], ids: NDArray[np.object_], patients: Sequence[str]
) -> NDArray[np.object_]:
    """Return the patient of each slice; refuse a slice of two."""
    every = np.asarray(patients, object)
    result = every[np.unique(codes, return_index=True)[1]]
    other = np.flatnonzero(result[codes] != every)
    if len(other):
        raise HemoError(
            f"{path}: {ids[codes[other[0]]]} is of two patients, in row {other[0] + 2} and before: "
            "remove the wrong row"
        )
    return result


def check_no_other_spelling(path: Path, columns: Columns) -> None:
    """Refuse a column that looks like a label's, but is called otherwise: its labels would be lost unseen.

    A table may leave a label out; 0.8 is a letter or two wrong in a label's name.
    """
    present = label_columns(columns)
    others = [name for name in columns if name not in LABELS and name not in ANY]
    for label in LABELS:
        near = difflib.get_close_matches(label, others, cutoff=0.8) if label not in present else []
        if near:
            raise HemoError(f"{path}: column {columns[near[0]]}: call it {label}, or leave it out")
