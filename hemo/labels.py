"""The six labels, in the order used everywhere, and the table that says which slice has which."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import numpy as np
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


def read_labels(path: str | Path, labels_format: str | None = None) -> LabelTable:
    """Read a label table.

    `any` is filled in from the five where the table leaves it out, and checked against them where not.

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
    from hemo.slices.label_tables import read

    return read(Path(path), labels_format)


def plain(name: str) -> str:
    """Return a volume's or patient's name as tables and folders agree on it: no suffix, no leading zeros."""
    name = name.strip()
    for suffix in (".nii.gz", ".nii"):
        name = name.removesuffix(suffix)
    return str(int(name)) if name.isascii() and name.isdecimal() else name
