"""The labels, in the order used everywhere, and what a table says of which slice has which.

A subtype is added here and nowhere else: reading, training, comparing and serving follow `LABELS`.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SUBTYPES: Final = ("epidural", "intraparenchymal", "intraventricular", "subarachnoid", "subdural")
LABELS: Final = ("any", *SUBTYPES)

UNLABELLED: Final = -1
"""Stands in a label's column where the table says nothing."""


@dataclass(frozen=True)
class LabelTable:
    """A label table, whatever its form.

    Attributes
    ----------
    ids
        What the table calls each slice: its image, or `<volume>/<slice number>`.
    values
        int8 (n, labels), a column a label in the order of `LABELS`: 0, 1 or -1 (unlabelled).
    format
        The name of its form (see `hemo.slices.label_tables.FORMATS`).
    patients
        The table's own patient of each slice; None where it has no such column.
    duplicates
        Rows dropped because they said the same again.
    volumes, numbers
        The volume of each slice and its number there; None where the table names images.
    """

    ids: "NDArray[np.object_]"
    values: "NDArray[np.int8]"
    format: str = ""
    patients: "NDArray[np.object_] | None" = None
    duplicates: int = 0
    volumes: "NDArray[np.object_] | None" = None
    numbers: "NDArray[np.int64] | None" = None
