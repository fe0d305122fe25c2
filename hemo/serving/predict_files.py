"""From files of scans to the panel's probabilities and decisions, as a table, JSON or a page."""

import base64
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hemo import console
from hemo.display import page
from hemo.errors import HemoError
from hemo.imaging import Excluded, RawSlice, check_windows
from hemo.imaging.formats import format_names
from hemo.imaging.reader import read_parts
from hemo.serving.inputs import in_study_order, study_word, which_answer
from hemo.serving.models import ANY_RULE, OWN_RULE, STUDY_RULE, ServedPanel
from hemo.slices.files import files_below, slice_name
from hemo.slices.names import natural, readable

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
        out.write_text(_as_html(prediction, panel), encoding="utf-8")


def check_out(out: Path) -> None:
    """Raise HemoError if a file's suffix is none of `FORMATS`."""
    if out.suffix not in FORMATS:
        raise HemoError(f"{out}: unknown format '{out.suffix}': end the name with {', '.join(FORMATS)}")


def _as_html(prediction: Prediction, panel: ServedPanel) -> str:
    labels = [member.label for member in panel.members]
    versions = [(m.label, m.version, m.family, f"{m.threshold:.3f}") for m in panel.members]
    parts = [
        page.table(("label", "version", "family", "operating point"), versions),
        *(page.text(sentence, "red") for sentence in panel.overridden),
        page.text(f"{ANY_RULE} {STUDY_RULE}".replace("`", ""), "quiet"),
    ]
    if prediction.missing:
        parts.append(page.text(f"Without a production version: {', '.join(prediction.missing)}.", "no"))
    if len(prediction.skipped):
        rows = prediction.skipped.itertuples(index=False)
        parts += [page.heading("Skipped"), page.table(("file", "reason"), rows)]
    parts.append(page.heading("Slices"))
    shown = _strongest(prediction.table, labels, panel)
    called = names(prediction.table)
    slices: dict[int, str] = {}
    for label in labels:
        chosen = np.flatnonzero(shown == label)
        if len(chosen):
            images, looked = panel.attribution(label, prediction.slices, chosen)
            for row, image, where in zip(chosen, images, looked, strict=True):
                one = prediction.table.iloc[row]
                slices[int(row)] = _slice_html(called[row], one, labels, label, image, where)
    return page.page("Predictions of the panel", *parts, *(slices[row] for row in sorted(slices)))


def _strongest(table: pd.DataFrame, labels: Sequence[str], panel: ServedPanel) -> NDArray[np.str_]:
    """Return, for each slice, the label that stands highest above its operating point (in log odds)."""
    columns = []
    for member in panel.members:
        name = "any_own_probability" if member.label == "any" else f"{member.label}_probability"
        p, t = (np.clip(x, 1e-6, 1 - 1e-6) for x in (table[name].to_numpy(), member.threshold))
        columns.append(np.log(p / (1 - p)) - np.log(t / (1 - t)))
    return np.array(labels)[np.argmax(columns, axis=0)]


def _slice_html(
    name: str,
    row: pd.Series,
    labels: Sequence[str],
    label: str,
    image: NDArray[np.uint8],
    looked: NDArray[np.float32],
) -> str:
    rows = [
        (one, f"{row[f'{one}_probability']:.3f}", "positive" if row[f"{one}_decision"] else "negative")
        for one in labels
    ]
    styles = ["no" if row[f"{one}_decision"] else "" for one in labels]
    where = f"right: where the classifier of {label} looked"
    if looked.max() <= 0:
        where += ": at no place more than at others"
    plain, overlay = _picture(image), _picture(image, looked)
    return (
        f'{page.text(name)}<div class="slice"><div>'
        f'<img alt="slice" src="{plain}"> <img alt="where the model looked" src="{overlay}">'
        f"{page.text(where, 'quiet')}</div>"
        f"{page.table(('label', 'probability', 'decision'), rows, styles)}</div>"
    )


def _picture(image: NDArray[np.uint8], looked: NDArray[np.float32] | None = None) -> str:
    """Return a PNG as a data URI: the slice's middle channel, overlaid with where the model looked."""
    import cv2

    gray = image[..., image.shape[-1] // 2]
    color = cv2.cvtColor(gray, cv2.COLOR_GRAY2BGR)
    if looked is not None:
        strength = np.clip(looked, 0, None)
        strength = strength / (strength.max() or 1)
        heat = cv2.applyColorMap((strength * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)
        color = np.clip(color * (1 - 0.6 * strength[..., None]) + 0.6 * heat, 0, 255).astype(np.uint8)
    _, data = cv2.imencode(".png", color)
    return "data:image/png;base64," + base64.b64encode(data.tobytes()).decode()
