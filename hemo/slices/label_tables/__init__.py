"""Label tables: CSV files of several forms, read into one (see `hemo.labels.LabelTable`).

A form is an object of `FORMATS`: the command line's choices and help, recognition by header and the
sentences of refusal follow from it. Imported by `--help`, so what is heavy is imported where a table is read.
"""

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hemo.errors import HemoError
from hemo.labels import LABELS, LabelTable
from hemo.slices.label_tables.columns import (
    IMAGE_COLUMNS,
    LOOSE,
    NO_HEMORRHAGE,
    NORMAL,
    NUMBER_COLUMNS,
    PATIENT_COLUMNS,
    VOLUME_COLUMNS,
    WORDS,
    Columns,
    columns_of,
    find,
    has_labels,
    reader_columns,
    study_column,
)

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["FORMATS", "LabelFormat", "forms", "headers", "read_labels", "recognize"]


@dataclass(frozen=True)
class LabelFormat:
    """One form of label table.

    Attributes
    ----------
    name
        The word of `--labels-format`.
    header, row
        What its header and a row look like, for people.
    recognizes
        Tells from the columns, by their normalized names, whether a table has this form; the first of
        `FORMATS` that says so is taken.
    read
        Reads the table's columns, all of them texts but RSNA's numbers.
    """

    name: str
    header: str
    row: str
    recognizes: Callable[[Columns], bool]
    read: Callable[[Path, "pa.Table"], LabelTable]


def _is_rsna(columns: Columns) -> bool:
    return {"id", "label"} <= set(columns)


def _read_rsna(path: Path, table: "pa.Table") -> LabelTable:
    from hemo.slices.label_tables import readers

    return readers.read_rsna(path, table)


def _is_ct_ich(columns: Columns) -> bool:
    return has_labels(columns) and {"patientnumber", "slicenumber"} <= set(columns)


def _read_volume(path: Path, table: "pa.Table") -> LabelTable:
    from hemo.slices.label_tables import readers

    return readers.read_volume(path, table)


def _is_volume(columns: Columns) -> bool:
    named = find(columns, VOLUME_COLUMNS + PATIENT_COLUMNS)
    numbered = find(columns, NUMBER_COLUMNS)
    other_images = find(columns, tuple(name for name in IMAGE_COLUMNS if name not in NUMBER_COLUMNS))
    return bool(has_labels(columns) and named and numbered and not other_images)


def _is_wide(columns: Columns) -> bool:
    return has_labels(columns) and find(columns, IMAGE_COLUMNS) is not None


def _read_wide(path: Path, table: "pa.Table") -> LabelTable:
    from hemo.slices.label_tables import readers

    return readers.read_wide(path, table)


def _is_study(columns: Columns) -> bool:
    readers = reader_columns(columns)
    images = [name for name in IMAGE_COLUMNS if not (readers and name in LOOSE)]
    sliced = find(columns, (*NUMBER_COLUMNS, *images))
    return (has_labels(columns) or bool(readers)) and study_column(columns) is not None and sliced is None


def _read_studies(path: Path, table: "pa.Table") -> LabelTable:
    from hemo.slices.label_tables import studies

    return studies.read_studies(path, table)


FORMATS: Final[tuple[LabelFormat, ...]] = (
    LabelFormat("rsna", "ID,Label", "ID_0123_epidural,1", _is_rsna, _read_rsna),
    LabelFormat("ct-ich", "PatientNumber,SliceNumber,...", "49,1,0,...", _is_ct_ich, _read_volume),
    LabelFormat(
        "volume", "volume,slice_number,any,...", "patient-3.nii.gz,12,0,...", _is_volume, _read_volume
    ),
    LabelFormat("study", "study,any,epidural,...", "patient-3,1,0,...", _is_study, _read_studies),
    LabelFormat("wide", "image,any,epidural,...", "scan-17.png,1,1,...", _is_wide, _read_wide),
)
"""The forms of label tables, in the order in which a header is compared with them."""


def forms() -> str:
    """Return a line a form, for help: its word, its header and a row."""
    return "\n".join(f"  {one.name:<8} {one.header:<30} {one.row}" for one in FORMATS)


def headers() -> str:
    """Return all names of columns that are known, by what they name, in lines for help."""
    kinds = {
        "image": IMAGE_COLUMNS,
        "volume or study": VOLUME_COLUMNS,
        "slice number": NUMBER_COLUMNS,
        "patient": PATIENT_COLUMNS,
        **WORDS,
        "not any": (*NO_HEMORRHAGE, *NORMAL),
    }
    filled = (
        textwrap.wrap(
            ", ".join(dict.fromkeys(words)), 76, initial_indent=f"  {kind}: ", subsequent_indent="    "
        )
        for kind, words in kinds.items()
    )
    return "\n".join(line for lines in filled for line in lines)


def recognize(header: Sequence[str]) -> str | None:
    """Return the form of a label table, told by its header, or None.

    Examples
    --------
    >>> recognize(["ID", "Label"])
    'rsna'
    """
    columns = columns_of(header)
    return next((one.name for one in FORMATS if one.recognizes(columns)), None)


def read_labels(path: str | Path, labels_format: str | None = None) -> LabelTable:
    """Read a label table.

    Separated by commas, semicolons or tabs, in UTF-8, UTF-16 or Windows' Western European, with any line
    ends. `any` is filled in from its subtypes where the table leaves it out, and checked against them where
    not. Where several readers have columns of their own, a study has what more than half of them say (see
    `hemo.evaluation.agreement.majority`).

    Parameters
    ----------
    path
        A CSV file.
    labels_format
        The name of one of `FORMATS`; told from the header where None.

    Raises
    ------
    HemoError
        For a missing file, an unknown form, a wrong or doubled column, an unknown label, a value that is
        neither 0 nor 1, rows in conflict, or an `any` that contradicts its subtypes.
    """
    from hemo.slices.label_tables.text import read_table
    from hemo.slices.label_tables.values import with_any

    path = Path(path)
    if not path.is_file():
        raise HemoError(f"{path}: no such label table: give a CSV file with --labels")
    table = read_table(path)
    header = ", ".join(name[:40] for name in table.column_names[:8])
    word = labels_format or recognize(table.column_names)
    if word is None:
        raise HemoError(
            f"{path}: unknown form, with columns {header}: use {FORMATS[0].header} (RSNA) or a column image "
            f"(or study) and columns {', '.join(LABELS)}; say which with --labels-format"
        )
    chosen = next((one for one in FORMATS if one.name == word), None)
    if chosen is None:
        raise HemoError(f"{word}: unknown form of label table: use {', '.join(one.name for one in FORMATS)}")
    result = chosen.read(path, table)
    if len(result.ids) == 0:
        raise HemoError(f"{path}: no rows: give a label table that has some")
    # Readers may agree on blood, and not on its type: what they come to is checked where it is made.
    checked = with_any(path, result) if result.reads is None else result
    return replace(checked, format=chosen.name)
