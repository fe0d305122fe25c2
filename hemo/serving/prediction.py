"""What the panel says of files."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hemo.evaluation.calibration import logit
from hemo.imaging import RawSlice
from hemo.serving.answers import BETWEEN
from hemo.serving.member import Member
from hemo.whole import csv_text


@dataclass(frozen=True)
class Prediction:
    """What the panel says of files.

    Attributes
    ----------
    studies
        A row a study, the most suspicious first (see `studies`).
    table
        A row a slice: `file`, `slice`, then the panel's columns (see `ServedPanel.predict_slices`). Slices
        that could not be read come last; those of stacks that do not answer for their study are not in it.
    names
        What each of its rows is called where slices are named.
    slices
        The slices that were read, in the order of the table.
    skipped
        A row a file (or slice of one) that could not be used: `file`, `reason`.
    missing
        Labels without a production version.
    """

    studies: pd.DataFrame
    table: pd.DataFrame
    names: list[str]
    slices: list[RawSlice]
    skipped: pd.DataFrame
    missing: list[str]

    @property
    def synthetic_scans(self) -> bool:
        """Whether each slice that was read says that a program drew it."""
        return all(one.synthetic for one in self.slices)


def studies(table: pd.DataFrame, members: Sequence[Member]) -> pd.DataFrame:
    """Return what is said of each study: a row a study, called by what the panel's table calls it.

    Returns
    -------
    DataFrame
        The most suspicious first: the one that stands highest above an operating point, in log odds. `study`,
        for each label `LABEL_probability`, `LABEL_decision` and `LABEL_slices` (names of those that speak for
        it), `seen`, `of` and `excluded` (slices that answer, that were sent, that could not be read), `stack`
        (what was read and why), `slice_only`, `unanswered` and `synthetic`. No rows where no slice names its
        study.
    """
    if "study" not in table:
        return pd.DataFrame({"study": []})
    read = (table["study"] != "") & (table["why_not"] == "")
    if "error" in table:
        read &= table["error"] == ""
    grouped = table[read].groupby("study", sort=False)
    answers = [name for name in map(str, table) if name.startswith("study_")]
    found = table[read].drop_duplicates("study").set_index("study")[answers]
    found = found.rename(columns=lambda name: name.removeprefix("study_"))
    found["slice_only"] = grouped["slice_only"].all()
    found["unanswered"] = grouped["unanswered"].first().where(found["slice_only"], "")
    found["synthetic"] = grouped["synthetic"].any()
    found = found.reset_index()
    return found.iloc[np.argsort(-_suspicion(found, members), kind="stable")].reset_index(drop=True)


def _suspicion(found: pd.DataFrame, members: Sequence[Member]) -> np.ndarray:
    """Return how far each study lies above the operating point of a label, in log odds, at most (n,)."""
    result = np.full(len(found), -np.inf)
    for member in members:
        point = np.where(found["slice_only"], member.threshold, member.study_threshold)
        probability = found[f"{member.label}_probability"].to_numpy(float)
        result = np.fmax(result, logit(probability) - logit(point))
    return result


def names(files: Sequence[str], slices: Sequence[str]) -> list[str]:
    """Return what to call each slice: its own name, with the folder where several have the same."""
    own = [name.replace(BETWEEN, ", ") for name in slices]
    if len(set(own)) == len(own):
        return own
    return [f"{Path(file).parent}/{name}" for file, name in zip(files, own, strict=True)]


def as_csv(prediction: Prediction) -> str:
    """Return studies and slices as one table: the column `row` says which of the two a row is."""
    whole, slices = prediction.studies, _slices(prediction.table)
    counts = {name: whole[name].astype("Int64") for name in ("seen", "of", "excluded") if name in whole}
    both = pd.concat(
        [whole.assign(row="study", **counts).astype(object), slices.assign(row="slice").astype(object)]
    )
    first = [name for name in ("row", "study", "file", "slice", "error") if name in both]
    return csv_text(both[[*first, *(name for name in both if name not in first)]])


def as_records(prediction: Prediction) -> dict[str, list[dict[str, Any]]]:
    """Return `studies`, then `predictions` of slices: None is what is empty, names of slices are lists."""
    whole = prediction.studies.copy()
    for name in whole.columns[whole.columns.str.endswith("_slices")]:
        whole[name] = [text.split(BETWEEN) if text else [] for text in whole[name]]
    return {"studies": _records(whole), "predictions": _records(_slices(prediction.table))}


def _slices(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table of slices without what its study's row says."""
    of_studies = [
        name
        for name in map(str, table)
        if name.startswith("study_") and not name.endswith(("_probability", "_decision"))
    ]
    return table.drop(columns=of_studies)


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    rows = table.astype(object).to_dict("records")
    return [
        {
            str(name): None if isinstance(value, float) and np.isnan(value) else value
            for name, value in row.items()
        }
        for row in rows
    ]
