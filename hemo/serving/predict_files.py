"""From files of scans to the panel's probabilities and decisions, as a table, JSON or a page."""

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import numpy as np
import pandas as pd
import xxhash

from hemo import console
from hemo.errors import HemoError
from hemo.imaging import Excluded, RawSlice, check_windows
from hemo.imaging.formats import format_names
from hemo.imaging.reader import read_parts
from hemo.serving.answers import ALONE_RULE, ANY_RULE, OWN_RULE, STUDY_RULE, attention_rule
from hemo.serving.arrange import in_study_order
from hemo.serving.inputs import Unread, in_words, of_one_study, own_study, unread
from hemo.serving.models import ServedPanel
from hemo.serving.prediction import Prediction, as_csv, as_records, names, studies
from hemo.serving.unsure import UNSURE_RULE
from hemo.slices.arrange import ONCE_MORE, once_more
from hemo.slices.files import SUFFIXES, files_below, slice_name
from hemo.slices.names import natural, readable
from hemo.slices.ordering import IMAGE
from hemo.whole import write_text

FORMATS = (".csv", ".json", ".html")


def predict(panel: ServedPanel, paths: Sequence[Path]) -> Prediction:
    """Predict every slice of files and folders; what cannot be used is listed with its reason.

    Of the stacks of a study one answers (see `hemo.slices.stacks.choose`); the others' slices are listed too.
    What cannot be read and names no study is taken to be of its folder's study, where that has but one and
    the file is called as a scan.

    Raises
    ------
    HemoError
        If there is no file, or none that can be used.
    """
    files = list(files_below(paths))
    if not files:
        raise HemoError(f"{paths[0]}: no {format_names()} file: give files or a folder that has some")
    found: list[tuple[str, str, RawSlice | Unread]] = []
    for folder, here in groupby(console.track(files, "reading", len(files)), key=itemgetter(0)):
        read = [(name, part) for _, name in here for part in _parts(panel, folder, name)]
        parts = of_one_study([part for _, (_, part) in read])
        for (name, (called, own)), part in zip(read, parts, strict=True):
            scan = os.path.splitext(name)[1].lower() in SUFFIXES  # a README is no slice that is lost
            found.append((readable(os.path.join(folder, name)), called, part if scan else own))
    found.sort(key=lambda entry: natural(entry[0]))
    words = in_words([part for _, _, part in found])
    found = [(file, called, part) for (file, called, _), part in zip(found, words, strict=True)]
    doubles = _once_more([part for _, _, part in found])
    twice = [(found[row][0], ONCE_MORE) for row in sorted(doubles)]
    found = [entry for row, entry in enumerate(found) if row not in doubles]
    unusable = [(file, part.reason) for file, _, part in found if isinstance(part, Unread)]
    if len(unusable) == len(found):
        raise HemoError(f"{unusable[0][0]}: {unusable[0][1]}: none of {len(files)} files can be used")
    titles = names([file for file, _, _ in found], [name for _, name, _ in found])
    console.step(f"asking the classifiers of {len(found)} slices")
    table = panel.predict_slices([part for _, _, part in found], titles, every_stack=False)
    table.insert(0, "file", [file for file, _, _ in found])
    table.insert(1, "slice", [name for _, name, _ in found])
    why_not = table["why_not"] if "why_not" in table else pd.Series("", table.index)
    other = table.index[why_not != ""]
    unusable += [*zip(table["file"][other], why_not[other], strict=True), *twice]
    slices = {row: part for row, (_, _, part) in enumerate(found) if not isinstance(part, Unread)}
    rows = [row for row in slices if not why_not[row]]
    rows = [rows[place] for place in in_study_order([slices[row] for row in rows])[0]]
    last = [row for row, (_, _, part) in enumerate(found) if isinstance(part, Unread)]
    return Prediction(
        studies=studies(table, panel.members),
        table=table.loc[[*rows, *last]].reset_index(drop=True),
        names=[titles[row] for row in [*rows, *last]],
        slices=[slices[row] for row in rows],
        skipped=pd.DataFrame(unusable, columns=["file", "reason"]),
        missing=panel.missing,
    )


def _once_more(parts: Sequence[RawSlice | Unread]) -> set[int]:
    """Return the places of slices that are another of their study once more, by the rule of a store.

    Two that name themselves by one SOPInstanceUID count as the same bytes.
    """
    rows = [row for row, part in enumerate(parts) if not isinstance(part, Unread) and part.study]
    slices = [part for part in parts if not isinstance(part, Unread) and part.study]
    if not slices:
        return set()
    image = [xxhash.xxh3_128_intdigest(np.ascontiguousarray(one.pixels).data) for one in slices]
    frame = pd.DataFrame(
        {
            "study": [one.study for one in slices],
            "slice_id": [one.slice_id for one in slices],
            "digest": [one.uid or str(row) for row, one in zip(rows, slices, strict=True)],
            "number": [one.number for one in slices],
            "position": [one.position for one in slices],
            IMAGE[0]: np.array([number >> 64 for number in image], np.uint64),
            IMAGE[1]: np.array([number & (1 << 64) - 1 for number in image], np.uint64),
        }
    )
    return {rows[place] for place in once_more(frame).tolist()}


def _parts(panel: ServedPanel, folder: str, name: str) -> list[tuple[str, RawSlice | Unread]]:
    """Return the slices of a file that all members can see, and why not the others, each with its name."""
    path = os.path.join(folder, name)
    try:
        parts = read_parts(path, slice_name(name))
    except Excluded as fault:
        parts = [fault]
    result: list[tuple[str, RawSlice | Unread]] = []
    for part in parts:
        called = readable(part.slice_id or slice_name(name))
        try:
            if isinstance(part, Excluded):
                raise part
            for reduction in panel.reductions:
                check_windows(part, reduction)
        except Excluded as fault:
            result.append((called, unread(fault, Path(path))))
        else:
            result.append((called, replace(part, slice_id=called, study=own_study(part.study))))
    return result


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
        write_text(out, as_csv(prediction))
    elif out.suffix == ".json":
        attended = attention_rule(prediction.table)
        facts = {
            **as_records(prediction),
            "skipped": prediction.skipped.to_dict("records"),
            "missing": prediction.missing,
            "panel_version": panel.version,
            "synthetic": bool(panel.synthetic),
            "warnings": panel.warnings,
            "rules": [ANY_RULE, OWN_RULE, STUDY_RULE, *attended, ALONE_RULE, UNSURE_RULE],
        }
        write_text(out, json.dumps(facts, indent=2, default=str))
    else:
        from hemo.serving import predictions_page

        write_text(out, predictions_page.as_html(prediction, panel))


def check_out(out: Path) -> None:
    """Raise HemoError if a file's suffix is none of `FORMATS`."""
    if out.suffix not in FORMATS:
        raise HemoError(f"{out}: unknown format '{out.suffix}': end the name with {', '.join(FORMATS)}")
