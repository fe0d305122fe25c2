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

NO_HEMORRHAGE: Final = (
    "no_hemorrhage", "no_haemorrhage", "no_ich", "no_intracranial_hemorrhage", "no_intracranial_haemorrhage",
    "no_bleed", "no_bleeding", "without_hemorrhage",
)  # fmt: skip
"""What tables call the opposite of `any`."""

NORMAL: Final = ("normal", "healthy", "no_finding", "no_findings")
"""Columns whose 1 says that there is no hemorrhage either; their 0 may be of a fracture."""

SHORT: Final = {
    "epidural": ("edh",),
    "intraparenchymal": ("iph",),
    "intraventricular": ("ivh",),
    "subarachnoid": ("sah",),
    "subdural": ("sdh",),
}
"""What readers' tables, such as CQ500's, call subtypes."""

WORDS: Final = {label: ANY if label == "any" else (label, *SHORT.get(label, ())) for label in LABELS}
"""All that tables call a label."""

_LABEL_OF: Final = {word: label for label, words in WORDS.items() for word in words}

LOOSE: Final = ("name", "id", "uid")
"""Columns that name a slice where nothing else does, or a study where readers have columns of their own."""

_READER: Final = re.compile(
    r"\s*(?P<reader>[^:]*[^:\s])\s*:\s*(?P<word>[^:]+)|"
    r"\s*(?P<numbered>(?:r|reader|rater|radiologist)[\s_-]?[0-9]+)[\s_.-]+(?P<numbered_word>.+)",
    re.IGNORECASE,
)
"""How tables name the column of a reader and a label: `R1:ICH` (CQ500), `reader 2_epidural`."""


_AGAIN: Final = re.compile(r"(.+)\.[0-9]+")
"""How pandas calls a column whose name was there before: `any.1`."""


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
    found = {label: find(columns, names) for label, names in WORDS.items()}
    return {label: name for label, name in found.items() if name is not None}


def opposites(columns: Columns) -> list[str]:
    """Return the columns of a table that say where there is no hemorrhage."""
    return [columns[name] for name in (*NO_HEMORRHAGE, *NORMAL) if name in columns]


def has_labels(columns: Columns) -> bool:
    """Tell whether a table has a column of labels."""
    return bool(label_columns(columns) or opposites(columns))


def of_reader(name: str) -> tuple[str, str] | None:
    """Return the reader and the label that a column is of, None where it is none of a reader.

    Examples
    --------
    >>> of_reader("R1:ICH"), of_reader("Reader 2 epidural"), of_reader("R1:Fracture")
    (('R1', 'any'), ('Reader 2', 'epidural'), None)
    """
    found = _READER.fullmatch(name)
    if found is None:
        return None
    label = _LABEL_OF.get(spelled(found["word"] or found["numbered_word"]))
    return None if label is None else (found["reader"] or found["numbered"], label)


def reader_columns(columns: Columns) -> dict[str, dict[str, str]]:
    """Return the columns of readers that a table has, by label and reader."""
    called: dict[str, str] = {}
    result: dict[str, dict[str, str]] = {label: {} for label in LABELS}
    for name in columns.values():
        if (found := of_reader(name)) is not None:
            reader = called.setdefault(spelled(found[0]), found[0])
            result[found[1]][reader] = name
    return {label: readers for label, readers in result.items() if readers}


def study_column(columns: Columns) -> str | None:
    """Return the column that names the study (or patient, or series) that a row is of, if there is one."""
    names = VOLUME_COLUMNS + PATIENT_COLUMNS
    return find(columns, names + LOOSE if reader_columns(columns) else names)


def twice(header: Sequence[str]) -> tuple[str, str] | None:
    """Return two columns that are the same one in different spellings, if there are."""
    seen: dict[str, str] = {}
    for name in header:
        reader = of_reader(name)
        key = f"{spelled(reader[0])}:{reader[1]}" if reader else spelled(name)
        again = _AGAIN.fullmatch(key)
        key = again[1] if again and again[1] in _LABEL_OF else key
        key = _LABEL_OF.get(key, key)
        if key and key in seen:
            return seen[key], name
        seen[key] = name
    return None
