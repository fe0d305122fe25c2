"""From files of scans to the panel's probabilities and decisions, as a table, JSON or a page."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from hemo import console
from hemo.errors import HemoError
from hemo.imaging import Excluded, RawSlice, check_windows
from hemo.imaging.reader import SUFFIXES, read_parts
from hemo.serving.inputs import study_word
from hemo.serving.models import ANY_RULE, OWN_RULE, STUDY_RULE, ServedPanel

FORMATS = (".csv", ".json", ".html")


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


def predict(panel: ServedPanel, paths: Sequence[Path]) -> Prediction:
    """Predict every slice of files and folders; what cannot be used is listed with its reason.

    Raises
    ------
    HemoError
        If there is no file, or none that can be used.
    """
    files = list(_files(paths))
    if not files:
        raise HemoError(
            f"{paths[0]}: no DICOM, NIfTI, PNG or JPEG file: give files or a folder that has some"
        )
    found: list[tuple[str, RawSlice]] = []
    skipped = []
    for file in console.track(files, "reading", len(files)):
        try:
            parts = read_parts(file)
        except Excluded as fault:
            parts = [fault]
        for part in parts:
            if isinstance(part, Excluded):
                skipped.append((str(file), str(part)))
                continue
            try:
                for reduction in panel.reductions:
                    check_windows(part, reduction)
            except Excluded as fault:
                skipped.append((str(file), str(fault)))
            else:
                found.append((str(file), replace(part, study=study_word(part.study))))
    lost = pd.DataFrame(skipped, columns=["file", "reason"])
    if not found:
        raise HemoError(f"{skipped[0][0]}: {skipped[0][1]}: none of {len(files)} files can be used")
    found.sort(key=_in_order)
    slices = [one for _, one in found]
    table = panel.predict_slices(slices)
    table.insert(0, "file", [name for name, _ in found])
    table.insert(1, "slice", [one.slice_id for one in slices])
    return Prediction(table, slices, lost, panel.missing)


def names(table: pd.DataFrame) -> list[str]:
    """Return what to call each slice: its own name, with the folder where several have the same."""
    own = [str(name) for name in table["slice"]]
    if len(set(own)) == len(own):
        return own
    return [f"{Path(str(file)).parent}/{name}" for file, name in zip(table["file"], own, strict=True)]


def write(prediction: Prediction, panel: ServedPanel, out: Path) -> None:
    """Write a prediction as CSV, JSON or HTML, by the file's suffix.

    Raises
    ------
    HemoError
        If the suffix is none of these.
    """
    check_out(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    if out.suffix == ".csv":
        prediction.table.to_csv(out, index=False)
    elif out.suffix == ".json":
        facts = {
            "predictions": prediction.table.to_dict("records"),
            "skipped": prediction.skipped.to_dict("records"),
            "missing": prediction.missing,
            "warnings": panel.overridden,
            "rules": [ANY_RULE, OWN_RULE, STUDY_RULE],
        }
        out.write_text(json.dumps(facts, indent=2, default=str))
    else:
        from hemo.serving import predictions_page

        out.write_text(predictions_page.as_html(prediction, panel), encoding="utf-8")


def check_out(out: Path) -> None:
    """Raise HemoError if a file's suffix is none of `FORMATS`."""
    if out.suffix not in FORMATS:
        raise HemoError(f"{out}: unknown format '{out.suffix}': end the name with {', '.join(FORMATS)}")


def _in_order(entry: tuple[str, RawSlice]) -> tuple[str, float, list[tuple[int, str]]]:
    """Return the key that puts slices in the order of their study and position, others by file.

    Numbers in names count as numbers: 2.jpg comes before 10.jpg.
    """
    name, one = entry
    parts = [(int(part) if part.isdecimal() else 0, part) for part in re.split(r"(\d+)", name)]
    return (one.study, one.position if np.isfinite(one.position) else 0.0, parts)


def _files(paths: Sequence[Path]) -> Iterator[Path]:
    """Yield files; of a folder, those below it that may be scans, sorted."""
    for path in paths:
        if path.is_dir():
            for file in sorted(path.rglob("*")):
                if file.is_file() and (file.suffix.lower() in SUFFIXES or not file.suffix):
                    yield file
        elif path.exists():
            yield path
        else:
            raise HemoError(f"{path}: no such file or folder: give scans that exist")
