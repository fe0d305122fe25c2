"""What is said where a folder of scans, or a label table, gives a store nothing."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from hemo.labels import LabelTable
from hemo.slices.assemble import Assembled
from hemo.slices.names import readable


def nothing_usable(images: Path, store: Path, reasons: "pd.Series[str]") -> str:
    """Return what to say where every slice is excluded: the commonest reasons, and where the others are."""
    counts = reasons.value_counts()
    common = "; ".join(f"{number:,} {reason}" for reason, number in counts.head(3).items())
    more = f"; {len(counts) - 3:,} more reasons" if len(counts) > 3 else ""
    listed = f"each is listed in {store / 'exclusions.csv'}"
    return f"{images}: no usable slice of {len(reasons):,}: {common}{more}: {listed}"


def nothing_matches(
    labels: str, images: Path, table: LabelTable, examples: Sequence[str], result: Assembled
) -> str:
    """Return what to say where not one row of a table names an image."""
    refused = [
        str(reason) for reason in result.exclusions["reason"] if str(reason).startswith("its volume's label")
    ]
    if refused:
        return (
            f"{labels}: no row could be given to a slice of {images}: {refused[0]}: name the images by file"
        )
    ids = table.ids.tolist()
    rows = ", ".join(map(str, ids[:: -(-len(ids) // 3)]))
    files = ", ".join(map(readable, examples))
    if table.of_studies:
        return (
            f"{labels}: not one row names a study of {images}: rows such as {rows}; scans such as {files}: "
            "name studies by folder, PatientID, StudyInstanceUID or SeriesInstanceUID"
        )
    whole = "" if table.volumes is not None else ", or say --labels-format study where a row is a whole study"
    return (
        f"{labels}: not one row names an image of {images}: rows such as {rows}; images such as {files}: "
        f"name them by file, path, SOPInstanceUID, or volume and slice number{whole}"
    )
