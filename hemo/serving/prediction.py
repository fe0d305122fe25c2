"""What the panel says of files."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from hemo.imaging import RawSlice


@dataclass(frozen=True)
class Prediction:
    """What the panel says of files.

    Attributes
    ----------
    table
        A row a slice: `file`, `slice`, then the panel's columns (see `hemo.serving.tabulate`).
    slices
        The slices themselves, in the order of the table.
    skipped
        A row a file (or slice of one) that could not be used: `file`, `reason`.
    missing
        Labels without a production version.
    """

    table: pd.DataFrame
    slices: list[RawSlice]
    skipped: pd.DataFrame
    missing: list[str]


def names(table: pd.DataFrame) -> list[str]:
    """Return what to call each slice: its own name, with the folder where several have the same."""
    own = [str(name) for name in table["slice"]]
    if len(set(own)) == len(own):
        return own
    return [f"{Path(str(file)).parent}/{name}" for file, name in zip(table["file"], own, strict=True)]
