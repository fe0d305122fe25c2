"""Columns of label tables by what they are called, in any spelling."""

import re
import unicodedata
from collections.abc import Sequence
from typing import Final

from hemo.labels import LABELS

Columns = dict[str, str]
"""Columns as the table names them, by their names in one spelling."""

IMAGE_COLUMNS: Final = (
    "slice_id", "image", "image_id", "imageid", "image_name", "imagename", "id", "file", "filename",
    "file_name", "filepath", "file_path", "path", "sopinstanceuid", "sop_instance_uid", "uid", "name",
    "slice",
)  # fmt: skip
VOLUME_COLUMNS: Final = (
    "volume", "volume_id", "volume_name", "series", "series_id", "seriesinstanceuid", "series_instance_uid",
    "scan", "scan_id", "study", "study_id", "studyinstanceuid", "study_instance_uid",
)  # fmt: skip
NUMBER_COLUMNS: Final = (
    "slicenumber", "slice_number", "slice_index", "slice_no", "instancenumber", "instance_number", "number",
    "slice",
)  # fmt: skip
PATIENT_COLUMNS: Final = ("patientnumber", "patient", "patient_id", "patientid", "subject", "subject_id")

ANY: Final = (
    "any", "hemorrhage", "haemorrhage", "ich", "intracranial_hemorrhage", "intracranial_haemorrhage",
    "any_hemorrhage", "any_haemorrhage", "any_ich", "hemorrhage_any", "has_hemorrhage", "bleeding",
)  # fmt: skip
"""What tables call the label `any`."""

_READER: Final = re.compile(r"r[0-9]+:.")
"""How CQ500's reads name a reader's column."""


def spelled(name: str) -> str:
    """Return a column's name in one spelling.

    Examples
    --------
    >>> spelled(" Slice Number")
    'slice_number'
    """
    name = unicodedata.normalize("NFKC", name).strip().casefold()
    return re.sub(r"[\s-]+", "_", name)


def columns_of(header: Sequence[str]) -> Columns:
    """Return columns by their names in one spelling; those without a name are left out."""
    return {spelled(name): name for name in header if name.strip()}


def find(columns: Columns, names: Sequence[str]) -> str | None:
    """Return the column that has the first of some names, None where there is none."""
    return next((columns[name] for name in names if name in columns), None)


def label_columns(columns: Columns) -> dict[str, str]:
    """Return the columns of labels that a table has, by label."""
    called = {label: ANY if label == "any" else (label,) for label in LABELS}
    found = {label: find(columns, names) for label, names in called.items()}
    return {label: name for label, name in found.items() if name is not None}


def twice(header: Sequence[str]) -> tuple[str, str] | None:
    """Return two columns that are the same one in different spellings, if there are."""
    seen: dict[str, str] = {}
    for name in header:
        key = spelled(name)
        key = "any" if key in ANY else key
        if key and key in seen:
            return seen[key], name
        seen[key] = name
    return None


def of_scans(header: Sequence[str]) -> bool:
    """Tell whether a table has a row a scan, such as CQ500's reads: labels, but no slices."""
    columns = columns_of(header)
    if any(_READER.match(name) for name in columns):
        return True
    return bool(label_columns(columns)) and find(columns, VOLUME_COLUMNS + PATIENT_COLUMNS) is not None
