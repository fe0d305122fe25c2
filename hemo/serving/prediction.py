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


def studies(table: pd.DataFrame) -> pd.DataFrame:
    """Return what is said of each study: a row a study, called by what the panel's table calls it.

    Returns
    -------
    DataFrame
        `study`, `slices` (how many were read), and for each label `LABEL_probability` and `LABEL_decision`;
        no rows where no slice names its study.
    """
    if "study" not in table:
        return pd.DataFrame({"study": [], "slices": []})
    named = table[table["study"] != ""].groupby("study", sort=False)
    answers = [name for name in map(str, table) if name.startswith("study_")]
    found = named[answers].first().rename(columns=lambda name: name.removeprefix("study_"))
    found.insert(0, "slices", named.size())
    return found.reset_index()


def names(table: pd.DataFrame) -> list[str]:
    """Return what to call each slice: its own name, with the folder where several have the same."""
    own = [str(name) for name in table["slice"]]
    if len(set(own)) == len(own):
        return own
    return [f"{Path(str(file)).parent}/{name}" for file, name in zip(table["file"], own, strict=True)]
