"""The six labels, in the order used everywhere, and the readers of label tables."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from hemo.errors import HemoError

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

SUBTYPES: Final = ("epidural", "intraparenchymal", "intraventricular", "subarachnoid", "subdural")
LABELS: Final = ("any", *SUBTYPES)

UNLABELLED: Final = -1
"""Stands in a label's column where the table says nothing."""

FORMATS: Final = ("rsna", "wide", "volume", "ct-ich")
"""The forms of label tables, as the word of `--labels-format`."""


@dataclass(frozen=True)
class LabelTable:
    """A label table, whatever its form.

    Attributes
    ----------
    ids
        What the table calls each slice: a name, or `<volume>/<slice number>` without leading zeros.
    values
        int8 (n, 6), a column a label in the order of `LABELS`: 0, 1 or -1 (unlabelled).
    format
        One of `FORMATS`.
    patients
        The table's own patient of each slice; None where it has no such column.
    duplicates
        Rows dropped because they said the same again.
    """

    ids: "NDArray[np.object_]"
    values: "NDArray[np.int8]"
    format: str
    patients: "NDArray[np.object_] | None" = None
    duplicates: int = 0


IMAGE_COLUMNS: Final = (
    "slice_id", "image", "image_id", "imageid", "id", "file", "filename", "file_name", "path", "slice",
    "sopinstanceuid", "sop_instance_uid", "uid", "name",
)  # fmt: skip
VOLUME_COLUMNS: Final = ("volume", "volume_id", "study", "study_id", "series", "series_id", "scan", "scan_id")
NUMBER_COLUMNS: Final = ("slicenumber", "slice_number", "slice_index", "number", "slice", "slice_no")
PATIENT_COLUMNS: Final = ("patientnumber", "patient", "patient_id", "patientid", "subject", "subject_id")


def _folded(name: str) -> str:
    return name.strip().lower().replace(" ", "_").replace("-", "_")


def _first(columns: dict[str, str], names: Sequence[str]) -> str | None:
    return next((columns[name] for name in names if name in columns), None)


def recognise(header: Sequence[str]) -> str | None:
    """Return the form of a label table told by its header, or None."""
    columns = {_folded(name): name for name in header}
    if {"id", "label"} <= set(columns):
        return "rsna"
    if not any(label in columns for label in LABELS):
        return None
    if {"patientnumber", "slicenumber"} <= set(columns):
        return "ct-ich"
    number = _first(columns, NUMBER_COLUMNS)
    if (
        number
        and _first(columns, VOLUME_COLUMNS + PATIENT_COLUMNS)
        and not _first(columns, IMAGE_COLUMNS[:-5])
    ):
        return "volume"
    return "wide" if _first(columns, IMAGE_COLUMNS) else None


def read_labels(path: str | Path, labels_format: str | None = None) -> LabelTable:
    """Read a label table.

    Parameters
    ----------
    path
        A CSV file.
    labels_format
        One of `FORMATS`; told from the header where None.

    Raises
    ------
    HemoError
        For a missing file, an unknown form, a wrong column, an unknown label, a value that is neither 0
        nor 1, rows in conflict, or an `any` that contradicts the five.
    """
    path = Path(path)
    if not path.is_file():
        raise HemoError(f"{path}: no such label table: give a CSV file with --labels")
    table = _read_csv(path)
    form = labels_format or recognise(table.column_names)
    if form is None:
        raise HemoError(
            f"{path}: unknown form, with columns {', '.join(table.column_names[:8])}: use ID,Label "
            f"(RSNA), or an image column and columns {', '.join(LABELS)}; say which with --labels-format"
        )
    if form not in FORMATS:
        raise HemoError(f"{form}: unknown form of label table: use {', '.join(FORMATS)}")
    readers: dict[str, Callable[[Path, Any], LabelTable]] = {
        "rsna": _read_rsna,
        "wide": _read_wide,
        "volume": _read_volume,
        "ct-ich": _read_volume,
    }
    result = readers[form](path, table)
    if len(result.ids) == 0:
        raise HemoError(f"{path}: no rows: give a label table that has some")
    return _with_any(path, result)


def _read_csv(path: Path) -> "pa.Table":
    import pyarrow as pa
    from pyarrow import csv

    try:
        with path.open("rb") as stream:
            first = stream.readline().decode("utf-8-sig")
        names = [name.strip().strip('"') for name in first.rstrip("\r\n").split(",")]
        # Everything as text: an id such as 007 must keep its zeros.
        types = dict.fromkeys(names, pa.string())
        if len(names) == 2:  # the long form has millions of rows; its numbers are read as such
            types[names[1]] = pa.float32()
        options = csv.ConvertOptions(column_types=types)
        table = csv.read_csv(path, convert_options=options)
    except (pa.ArrowInvalid, UnicodeDecodeError) as error:
        reason = str(error).splitlines()[0][:120]
        raise HemoError(
            f"{path}: not a readable CSV table ({reason}): check its separators and rows"
        ) from error
    return table.rename_columns([name.strip() for name in table.column_names])


def _column(path: Path, table: "pa.Table", name: str) -> "pa.ChunkedArray":
    columns = {_folded(have): have for have in table.column_names}
    if name not in columns:
        raise HemoError(
            f"{path}: no column {name}: it has {', '.join(table.column_names[:8])}; "
            "check the file or --labels-format"
        )
    return table.column(columns[name])


def _binary(path: Path, values: "NDArray[Any]", what: str) -> "NDArray[np.int8]":
    """Return 0, 1 and -1 (for missing) or refuse."""
    import numpy as np

    missing = np.isnan(values)
    wrong = ~missing & (values != 0) & (values != 1)
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise HemoError(f"{path}: {what} is {values[row]:g} in row {row + 2}: use 0 or 1, or leave it empty")
    return np.where(missing, UNLABELLED, values).astype(np.int8)


def _numbers(path: Path, column: "pa.ChunkedArray", what: str) -> "NDArray[Any]":
    import pandas as pd

    text = column.to_pandas()
    numbers = pd.to_numeric(text.where(text != ""), errors="coerce")
    wrong = numbers.isna() & text.notna() & (text != "")
    if wrong.any():
        row = int(wrong.to_numpy().nonzero()[0][0])
        raise HemoError(
            f"{path}: {what} is {text.iloc[row]!r} in row {row + 2}: use 0 or 1, or leave it empty"
        )
    return numbers.to_numpy(float)


def _merged(
    path: Path,
    places: "NDArray[np.int64]",
    values: "NDArray[np.int8]",
    count: int,
    name: Callable[[int], str],
) -> tuple["NDArray[np.int8]", int]:
    """Return the value of each of `count` places and how many rows repeated one; refuse conflicts."""
    import numpy as np

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


def _read_rsna(path: Path, table: "pa.Table") -> LabelTable:
    """Read `ID_x_epidural,1`: a row a slice and label."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    names, given = _column(path, table, "id"), _column(path, table, "label")
    if pa.types.is_string(given.type):
        given = pa.chunked_array([pa.array(_numbers(path, given, "Label"))])
    values = _binary(path, given.to_numpy().astype(np.float32), "Label")
    label_of = np.full(len(names), -1, np.int8)
    cut = names
    for code, label in enumerate(LABELS):
        ends = pc.ends_with(names, pattern=f"_{label}")
        label_of[ends.to_numpy()] = code
        cut = pc.if_else(ends, pc.utf8_slice_codeunits(cut, 0, -(len(label) + 1)), cut)
    unknown = np.flatnonzero(label_of < 0)
    if len(unknown):
        raise HemoError(
            f"{path}: row {unknown[0] + 2} names no label ({names[int(unknown[0])]}): an ID ends in one of "
            f"{', '.join('_' + label for label in LABELS)}"
        )
    encoded = cut.combine_chunks().dictionary_encode()
    codes, ids = encoded.indices.to_numpy(), encoded.dictionary
    places = codes.astype(np.int64) * len(LABELS) + label_of
    merged, repeated = _merged(path, places, values, len(ids) * len(LABELS), lambda row: str(names[row]))
    return LabelTable(
        ids=ids.to_pandas().to_numpy(object),
        values=merged.reshape(-1, len(LABELS)),
        format="rsna",
        duplicates=repeated,
    )


def plain(name: str) -> str:
    """Return a volume's or patient's name as tables and folders agree on it: no suffix, no leading zeros."""
    name = name.strip()
    for suffix in (".nii.gz", ".nii"):
        name = name.removesuffix(suffix)
    return str(int(name)) if name.isdecimal() else name


def _rows(
    path: Path, table: "pa.Table", ids: "list[str]", patients: "list[str] | None", form: str
) -> LabelTable:
    """Return the table of a row a slice whose ids are known."""
    import numpy as np
    import pandas as pd

    columns = {_folded(name): name for name in table.column_names}
    present = [label for label in LABELS if label in columns]
    if not present:
        raise HemoError(
            f"{path}: none of the labels {', '.join(LABELS)} among its columns "
            f"{', '.join(table.column_names[:10])}: rename the columns"
        )
    given = np.full((len(ids), len(LABELS)), UNLABELLED, np.int8)
    for label in present:
        numbers = _numbers(path, table.column(columns[label]), columns[label])
        given[:, LABELS.index(label)] = _binary(path, numbers, columns[label])
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


def _texts(path: Path, table: "pa.Table", name: str) -> list[str]:
    values = table.column(name).to_pylist()
    empty = next((row for row, value in enumerate(values) if not value), None)
    if empty is not None:
        raise HemoError(f"{path}: {name} is empty in row {empty + 2}: fill it or remove the row")
    return [value.strip() for value in values]


def _read_wide(path: Path, table: "pa.Table") -> LabelTable:
    """Read a row an image: a column that names it, and a column a label."""
    columns = {_folded(name): name for name in table.column_names}
    image, patient = _first(columns, IMAGE_COLUMNS), _first(columns, PATIENT_COLUMNS)
    if image is None:
        raise HemoError(
            f"{path}: no column that names the image: call it image "
            f"(it has {', '.join(table.column_names[:10])})"
        )
    patients = None if patient is None else _texts(path, table, patient)
    return _rows(path, table, _texts(path, table, image), patients, "wide")


def _read_volume(path: Path, table: "pa.Table") -> LabelTable:
    """Read a row a slice named by its volume (or patient) and number; CT-ICH's is such a table."""
    columns = {_folded(name): name for name in table.column_names}
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
    import numpy as np

    given, five = table.values[:, 0], table.values[:, 1:]
    some, all_none = (five == 1).any(axis=1), (five == 0).all(axis=1)
    wrong = ((given == 0) & some) | ((given == 1) & all_none)
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise HemoError(
            f"{path}: any contradicts the five subtypes for {int(wrong.sum())} slices, the first "
            f"{table.ids[row]}: any is 1 exactly where one of them is"
        )
    derived = np.where(some, 1, np.where(all_none, 0, UNLABELLED)).astype(np.int8)
    values = table.values.copy()
    values[:, 0] = np.where(given == UNLABELLED, derived, given)
    return replace(table, values=values)
