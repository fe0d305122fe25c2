"""The labels, in the order used everywhere, and what a table says of which slice has which.

A subtype is added here and nowhere else: reading, training, comparing and serving follow `LABELS`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SUBTYPES: Final = ("epidural", "intraparenchymal", "intraventricular", "subarachnoid", "subdural")
LABELS: Final = ("any", *SUBTYPES)

STUDY_LABELS: Final = tuple(f"study_{label}" for label in LABELS)
"""Columns of what is known of whole studies, in the order of `LABELS`."""

UNLABELLED: Final = -1
"""Stands in a label's column where the table says nothing."""


@dataclass(frozen=True)
class Reads:
    """What each of several readers said of the rows of a label table.

    Attributes
    ----------
    readers
        For each label that was asked, who read for it.
    votes
        For each of these int8 (rows, readers): 0, 1, or -1 where a reader said nothing.
    """

    readers: "Mapping[str, tuple[str, ...]]"
    votes: "Mapping[str, NDArray[np.int8]]"


@dataclass(frozen=True)
class LabelTable:
    """A label table, whatever its form.

    Attributes
    ----------
    ids
        What the table calls each slice: its image, or `<volume>/<slice number>`; or each study.
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
    of_studies
        Whether a row is of a whole study, patient or series, and not of a slice.
    reads
        What each reader said, where the table has several; `values` is then what they come to.
    notes
        What was assumed, a sentence each, with the number of studies that it is of.
    """

    ids: "NDArray[np.object_]"
    values: "NDArray[np.int8]"
    format: str = ""
    patients: "NDArray[np.object_] | None" = None
    duplicates: int = 0
    volumes: "NDArray[np.object_] | None" = None
    numbers: "NDArray[np.int64] | None" = None
    of_studies: bool = False
    reads: Reads | None = None
    notes: "Mapping[str, int]" = field(default_factory=dict)
