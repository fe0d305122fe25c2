"""Readers of label tables: four forms, one result (see `hemo.labels.LabelTable`)."""

import difflib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import csv

from hemo.errors import HemoError
from hemo.labels import FORMATS, LABELS, UNLABELLED, LabelTable, plain

IMAGE_COLUMNS: Final = (
    "slice_id", "image", "image_id", "imageid", "id", "file", "filename", "file_name", "path",
    "sopinstanceuid", "sop_instance_uid", "uid", "name", "slice",
)  # fmt: skip
VOLUME_COLUMNS: Final = ("volume", "volume_id", "study", "study_id", "series", "series_id", "scan", "scan_id")
NUMBER_COLUMNS: Final = ("slicenumber", "slice_number", "slice_index", "slice_no", "number", "slice")
PATIENT_COLUMNS: Final = ("patientnumber", "patient", "patient_id", "patientid", "subject", "subject_id")


def _columns(names: Sequence[str]) -> dict[str, str]:
    """Return columns by their names in one spelling."""
    return {name.strip().lower().replace(" ", "_").replace("-", "_"): name for name in names}


def _first(columns: dict[str, str], names: Sequence[str]) -> str | None:
    return next((columns[name] for name in names if name in columns), None)


def recognise(header: Sequence[str]) -> str | None:
    """Return the form of a label table told by its header, or None."""
    columns = _columns(header)
    if {"id", "label"} <= set(columns):
        return "rsna"
    if not any(label in columns for label in LABELS):
        return None
    if {"patientnumber", "slicenumber"} <= set(columns):
        return "ct-ich"
    named = _first(columns, VOLUME_COLUMNS + PATIENT_COLUMNS)
    if named and _first(columns, NUMBER_COLUMNS) and not _first(columns, IMAGE_COLUMNS[:-1]):
        return "volume"
    return "wide" if _first(columns, IMAGE_COLUMNS) else None


def read(path: Path, labels_format: str | None = None) -> LabelTable:
    """Read a label table (see `hemo.labels.read_labels`)."""
    if not path.is_file():
        raise HemoError(f"{path}: no such label table: give a CSV file with --labels")
    table = _read_csv(path)
    form = labels_format or recognise(table.column_names)
    if form is None:
        raise HemoError(
            f"{path}: unknown form, with columns {', '.join(table.column_names[:8])}: use ID,Label (RSNA) "
            f"or a column image and columns {', '.join(LABELS)}; say which with --labels-format"
        )
    if form not in FORMATS:
        raise HemoError(f"{form}: unknown form of label table: use {', '.join(FORMATS)}")
    reader = {"rsna": _read_rsna, "wide": _read_wide}.get(form, _read_volume)
    result = reader(path, table)
    if len(result.ids) == 0:
        raise HemoError(f"{path}: no rows: give a label table that has some")
    return _with_any(path, result)


def _read_csv(path: Path) -> pa.Table:
    try:
        with path.open("rb") as stream:
            header = stream.readline().decode("utf-8-sig").rstrip("\r\n").split(",")
        names = [name.strip('"') for name in header]
        # Everything as text, since an id such as 007 must keep its zeros; but the long form has millions of
        # rows, and its second column is numbers.
        types = dict.fromkeys(names, pa.string())
        if set(_columns(names)) == {"id", "label"}:
            types[_columns(names)["label"]] = pa.float32()
        table = csv.read_csv(path, convert_options=csv.ConvertOptions(column_types=types))
    except (pa.ArrowInvalid, UnicodeDecodeError) as error:
        reason = str(error).splitlines()[0][:120]
        raise HemoError(f"{path}: not a readable CSV table ({reason}): check its rows") from error
    return table.rename_columns([name.strip() for name in table.column_names])


def _column(path: Path, table: pa.Table, name: str) -> pa.ChunkedArray:
    columns = _columns(table.column_names)
    if name not in columns:
        raise HemoError(
            f"{path}: no column {name}: it has {', '.join(table.column_names[:8])}; "
            "check the file or --labels-format"
        )
    return table.column(columns[name])


def _binary(path: Path, column: pa.ChunkedArray, what: str) -> NDArray[np.int8]:
    """Return 0, 1 and, for what is missing, -1; refuse all else."""
    if pa.types.is_floating(column.type):
        numbers = column.to_numpy()
    else:
        text = column.to_pandas().fillna("").str.strip()
        numbers = pd.to_numeric(text.where(text != ""), errors="coerce").to_numpy(np.float32, na_value=np.nan)
        numbers = np.where(np.isnan(numbers) & (text != "").to_numpy(), np.inf, numbers)
    missing = np.isnan(numbers)
    wrong = np.flatnonzero(~missing & (numbers != 0) & (numbers != 1))
    if len(wrong):
        row = int(wrong[0])
        value = str(column[row]).removesuffix(".0")
        raise HemoError(f"{path}: {what} is {value} in row {row + 2}: use 0 or 1, or leave it empty")
    return np.where(missing, UNLABELLED, numbers).astype(np.int8)


def _merged(
    path: Path, places: NDArray[np.int64], values: NDArray[np.int8], count: int, name: Callable[[int], str]
) -> tuple[NDArray[np.int8], int]:
    """Return the value of each of `count` places and how many rows repeated one; refuse conflicts."""
    result = np.full(count, UNLABELLED, np.int8)
    result[places[::-1]] = values[::-1]  # of several rows the first stays
    conflict = result[places] != values
    if conflict.any():
        first = name(int(np.flatnonzero(conflict)[0]))
        raise HemoError(
            f"{path}: {int(conflict.sum())} rows contradict an earlier one, the first {first}: "
            "remove the wrong ones"
        )
    seen = np.zeros(count, bool)
    seen[places] = True
    return result, len(places) - int(seen.sum())


def _read_rsna(path: Path, table: pa.Table) -> LabelTable:
    """Read `ID_x_epidural,1`: a row a slice and label. Made for millions of rows."""
    names = _column(path, table, "id")
    values = _binary(path, _column(path, table, "label"), "Label")
    places = np.full(len(names), -1, np.int64)
    ids = pa.array([], pa.string())
    for code, label in enumerate(LABELS):
        ends = pc.fill_null(pc.ends_with(names, pattern=f"_{label}"), False)
        stems = pc.utf8_slice_codeunits(names.filter(ends), 0, -(len(label) + 1)).combine_chunks()
        found = pc.index_in(stems, value_set=ids)
        if found.null_count:
            ids = pa.concat_arrays([ids, stems.filter(pc.is_null(found)).unique()])
            found = pc.index_in(stems, value_set=ids)
        places[ends.to_numpy()] = found.to_numpy().astype(np.int64) * len(LABELS) + code
    unknown = np.flatnonzero(places < 0)
    if len(unknown):
        row = int(unknown[0])
        raise HemoError(
            f"{path}: row {row + 2} names no label ({names[row]}): an ID ends in one of "
            f"{', '.join('_' + label for label in LABELS)}"
        )
    merged, repeated = _merged(path, places, values, len(ids) * len(LABELS), lambda row: str(names[row]))
    return LabelTable(
        ids=ids.to_numpy(zero_copy_only=False),
        values=merged.reshape(-1, len(LABELS)),
        format="rsna",
        duplicates=repeated,
    )


def _rows(path: Path, table: pa.Table, ids: list[str], patients: list[str] | None, form: str) -> LabelTable:
    """Return the table of a row a slice whose ids are known."""
    columns = _columns(table.column_names)
    present = [label for label in LABELS if label in columns]
    _check_no_other_spelling(path, columns)
    if not present:
        raise HemoError(
            f"{path}: none of the labels {', '.join(LABELS)} among its columns "
            f"{', '.join(table.column_names[:10])}: rename the columns"
        )
    given = np.full((len(ids), len(LABELS)), UNLABELLED, np.int8)
    for label in present:
        name = columns[label]
        given[:, LABELS.index(label)] = _binary(path, table.column(name), name)
    codes, unique = pd.factorize(np.asarray(ids, object))
    places = (codes[:, None].astype(np.int64) * len(LABELS) + np.arange(len(LABELS))).ravel()
    merged, repeated = _merged(
        path, places, given.ravel(), len(unique) * len(LABELS), lambda place: ids[place // len(LABELS)]
    )
    first = np.unique(codes, return_index=True)[1]
    return LabelTable(
        ids=unique,
        values=merged.reshape(-1, len(LABELS)),
        format=form,
        patients=None if patients is None else np.asarray(patients, object)[first],
        duplicates=repeated // len(LABELS),
    )


def _check_no_other_spelling(path: Path, columns: dict[str, str]) -> None:
    """Refuse a column that looks like a label's, but is called otherwise: its labels would be lost unseen.

    A table may leave a label out; 0.8 is a letter or two wrong in a label's name.
    """
    for label in LABELS:
        others = [name for name in columns if name not in LABELS]
        near = difflib.get_close_matches(label, others, n=1, cutoff=0.8) if label not in columns else []
        if near:
            raise HemoError(f"{path}: column {columns[near[0]]}: call it {label}, or leave it out")


def _texts(path: Path, table: pa.Table, name: str) -> list[str]:
    values = [(value or "").strip() for value in table.column(name).to_pylist()]
    empty = next((row for row, value in enumerate(values) if not value), None)
    if empty is not None:
        raise HemoError(f"{path}: {name} is empty in row {empty + 2}: fill it or remove the row")
    return values


def _read_wide(path: Path, table: pa.Table) -> LabelTable:
    """Read a row an image: a column that names it, and a column a label."""
    columns = _columns(table.column_names)
    image, patient = _first(columns, IMAGE_COLUMNS), _first(columns, PATIENT_COLUMNS)
    if image is None:
        raise HemoError(
            f"{path}: no column that names the image: call it image "
            f"(it has {', '.join(table.column_names[:10])})"
        )
    patients = None if patient is None else [plain(name) for name in _texts(path, table, patient)]
    return _rows(path, table, _texts(path, table, image), patients, "wide")


def _read_volume(path: Path, table: pa.Table) -> LabelTable:
    """Read a row a slice named by its volume (or patient) and number; CT-ICH's is such a table."""
    columns = _columns(table.column_names)
    patient, number = _first(columns, PATIENT_COLUMNS), _first(columns, NUMBER_COLUMNS)
    volume = _first(columns, VOLUME_COLUMNS) or patient
    if volume is None or number is None:
        raise HemoError(
            f"{path}: no columns that name volume and slice: call them volume and slice_number "
            f"(it has {', '.join(table.column_names[:10])})"
        )
    volumes, numbers = _texts(path, table, volume), _texts(path, table, number)
    ids = [f"{plain(name)}/{plain(place)}" for name, place in zip(volumes, numbers, strict=True)]
    patients = None if patient is None else [plain(name) for name in _texts(path, table, patient)]
    form = "ct-ich" if {"patientnumber", "slicenumber"} <= set(columns) else "volume"
    return _rows(path, table, ids, patients, form)


def _with_any(path: Path, table: LabelTable) -> LabelTable:
    """Fill `any` in from the five where the table leaves it out, and check it where it does not."""
    given, five = table.values[:, 0], table.values[:, 1:]
    some, none = (five == 1).any(axis=1), (five == 0).all(axis=1)
    wrong = ((given == 0) & some) | ((given == 1) & none)
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise HemoError(
            f"{path}: any contradicts the five subtypes for {int(wrong.sum())} slices, the first "
            f"{table.ids[row]}: any is 1 exactly where one of them is"
        )
    derived = np.where(some, 1, np.where(none, 0, UNLABELLED)).astype(np.int8)
    values = table.values.copy()
    values[:, 0] = np.where(given == UNLABELLED, derived, given)
    return replace(table, values=values)
