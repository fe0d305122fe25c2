"""From files of scans to the panel's probabilities and decisions, as a table, JSON or a page."""

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from hemo import console
from hemo.errors import HemoError
from hemo.imaging import Excluded, RawSlice, check_windows
from hemo.imaging.formats import format_names
from hemo.imaging.reader import read_parts
from hemo.serving.answers import ANY_RULE, OWN_RULE, STUDY_RULE
from hemo.serving.inputs import in_study_order, study_word, which_answer
from hemo.serving.models import ServedPanel
from hemo.serving.prediction import Prediction
from hemo.slices.files import files_below, slice_name
from hemo.slices.names import natural, readable

FORMATS = (".csv", ".json", ".html")


def predict(panel: ServedPanel, paths: Sequence[Path]) -> Prediction:
    """Predict every slice of files and folders; what cannot be used is listed with its reason.

    Of the stacks of a study one answers (see `hemo.slices.stacks.choose`); the others' slices are listed too.

    Raises
    ------
    HemoError
        If there is no file, or none that can be used.
    """
    files = list(files_below(paths))
    if not files:
        raise HemoError(f"{paths[0]}: no {format_names()} file: give files or a folder that has some")
    found: list[tuple[str, RawSlice]] = []
    skipped = []
    for folder, name in console.track(files, "reading", len(files)):
        path = os.path.join(folder, name)
        shown = readable(path)
        try:
            parts = read_parts(path, slice_name(name))
        except Excluded as fault:
            parts = [fault]
        for part in parts:
            if isinstance(part, Excluded):
                skipped.append((shown, str(part)))
                continue
            try:
                for reduction in panel.reductions:
                    check_windows(part, reduction)
            except Excluded as fault:
                skipped.append((shown, str(fault)))
            else:
                called = readable(part.slice_id)
                found.append((shown, replace(part, slice_id=called, study=study_word(part.study))))
    if not found:
        raise HemoError(f"{skipped[0][0]}: {skipped[0][1]}: none of {len(files)} files can be used")
    found.sort(key=lambda entry: natural(entry[0]))
    why_not = which_answer([one for _, one in found], panel.thickness)
    skipped += [(name, reason) for (name, _), reason in zip(found, why_not, strict=True) if reason]
    found = [entry for entry, reason in zip(found, why_not, strict=True) if not reason]
    order, _ = in_study_order([one for _, one in found])
    found = [found[row] for row in order]
    lost = pd.DataFrame(skipped, columns=["file", "reason"])
    slices = [one for _, one in found]
    table = panel.predict_slices(slices)
    table.insert(0, "file", [name for name, _ in found])
    table.insert(1, "slice", [one.slice_id for one in slices])
    return Prediction(table, slices, lost, panel.missing)


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
