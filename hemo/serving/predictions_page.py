"""Predictions of the panel as a page: a row a study that opens, with what there is to see in its slices."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hemo.display.attribution import LEGEND, legend, overlaid
from hemo.display.numbers import UNDEFINED, number
from hemo.display.page import Mark, Row, Section, Table, render
from hemo.serving.answers import ALONE_RULE, ANY_RULE, BETWEEN, STUDY_RULE, attention_rule
from hemo.serving.inputs import reduced
from hemo.serving.models import ServedPanel
from hemo.serving.prediction import Prediction
from hemo.serving.unsure import UNSURE_RULE

LOOK = (
    "Slices in which there is something to see, those that speak for a label, have a second picture: where "
    f"the classifier that is named there looked. In it {LEGEND}; each is scaled to its own strongest place."
)

WEBP: Final = (64, 90)
"""OpenCV's IMWRITE_WEBP_QUALITY, and what is hardly told from the whole; of studies by the dozen, a fifth."""

Looked = tuple[str, NDArray[np.uint8], NDArray[np.float32]]
"""A label, a slice as its classifier sees it, and where it looked."""


def as_html(prediction: Prediction, panel: ServedPanel) -> str:
    """Return what the panel says of files, as a page."""
    parts = _parts(prediction, panel)
    sections = []
    if len(prediction.studies):
        text = (
            "The most suspicious first. The probability of each label, + where it is positive: at or above "
            "the operating point, which is said inside (any also where a subtype is); ? where triage leaves "
            "it unsure. A study that is marked as unsure should not be believed, for the reason that is said "
            f"inside. {LOOK}"
        )
        labels = [member.label for member in panel.members]
        rows = [_study(row, prediction, panel, parts) for row in prediction.studies.to_dict("records")]
        sections.append(
            Section(
                "Studies",
                text,
                header=("study", *labels, "slices seen"),
                rows=rows,
                key=_encoded(legend(), ".png"),
            )
        )
    table = prediction.table
    alone = [row for row in parts if "study" not in table or not table["study"][row]]
    if alone:
        text = f"The most suspicious first. {_plain(ALONE_RULE)}\n\n{LOOK}"
        above = _above(table.iloc[alone], panel).max(axis=0)
        shown = [parts[alone[place]] for place in np.argsort(-above, kind="stable")]
        key = _encoded(legend(), ".png")
        sections.append(Section("Slices of no study", text, parts=shown, key=key))
    if len(prediction.skipped):
        sections.append(Section("Skipped", tables={"Files that could not be used": prediction.skipped}))
    sections.append(_about(prediction, panel))
    return render("Predictions of the panel", sections, warning="\n".join(panel.warnings))


def _about(prediction: Prediction, panel: ServedPanel) -> Section:
    versions = pd.DataFrame(
        [(one.label, one.version, one.family, one.study_threshold, one.threshold) for one in panel.members],
        columns=["label", "version", "family", "operating point of studies", "of slices"],
    )
    missing = f"\n\nWithout a production version: {', '.join(prediction.missing)}."
    attended = attention_rule(prediction.table)
    rules = [
        f"Panel version {panel.version}.",
        f"{ANY_RULE} {STUDY_RULE}",
        *attended,
        ALONE_RULE,
        UNSURE_RULE,
    ]
    about = _plain("\n\n".join(rules))
    return Section("Panel", about + (missing if prediction.missing else ""), {"In production": versions})


def _study(
    row: Mapping[Any, Any], prediction: Prediction, panel: ServedPanel, parts: Mapping[int, Section]
) -> Row:
    """Return the row of a study: its answers, and inside why, and its slices."""
    labels = [member.label for member in panel.members]
    cells = [_probability(row, label) for label in labels]
    marks: list[Mark] = ["bad" if row[f"{label}_decision"] else "" for label in labels]
    seen = f"{row['seen']} of {row['of']}"
    of = prediction.table["study"].to_numpy()
    inside = [place for place in parts if of[place] == row["study"]]
    shown = [parts[place] for place in inside if len(parts[place].figures) > 1]
    rest = {
        caption: picture
        for place in inside
        if len(parts[place].figures) == 1
        for caption, picture in parts[place].figures.items()
    }
    if rest:
        others = "The other slices" if shown else "Slices"
        shown.append(Section(f"{others}, with the probability of {labels[0]}", figures=rest))
    lost = f", {row['excluded']} could not be read" if row["excluded"] else ""
    unanswered = f"\n\nNo answer for {row['unanswered']}." if row["unanswered"] else ""
    alone = f"{unanswered}\n\n{_plain(ALONE_RULE)}" if row["slice_only"] else ""
    unsure = f"Unsure: {row['unsure']}.\n\n" if row["unsure"] else ""
    text = f"{unsure}Read: {row['stack']}. Seen: {seen} that were given{lost}.{alone}"
    answers = _answers(row, panel, of_study=not row["slice_only"], speaking=True)
    title = f"{row['study']}, slice only" if row["slice_only"] else row["study"]
    title += ", unsure" if row["unsure"] else ""
    return Row((title, *cells, seen), Section("", text, {"": answers}, parts=shown), ("", *marks, ""))


def _parts(prediction: Prediction, panel: ServedPanel) -> dict[int, Section]:
    """Return a part a slice, by row: two pictures where there is something to see, else one."""
    table, titles = prediction.table, prediction.names
    speaking = _speaking(prediction, panel)
    looked = _looked(prediction, panel, np.array(sorted(speaking), np.intp))
    first = panel.members[0].label
    images = reduced(prediction.slices, panel.members[0].reduction)
    result = {}
    for row, image in enumerate(images):
        answers = table.iloc[row].to_dict()
        if row in looked:
            label, seen, where = looked[row]
            caption = f"where the classifier of {label} looked"
            if not np.abs(where).max() > 0:
                caption += ": at no place more than at others"
            figures = {"the slice": _picture(seen), caption: _picture(seen, where)}
            result[row] = Section(titles[row], tables={"": _answers(answers, panel)}, figures=figures)
        else:
            caption = f"{titles[row]}: {_probability(answers, first)}"
            tables = {"": _answers(answers, panel)}
            result[row] = Section(titles[row], tables=tables, figures={caption: _picture(image)})
    return result


def _speaking(prediction: Prediction, panel: ServedPanel) -> set[int]:
    """Return the rows of slices that are positive for a label, or speak for their study."""
    table, n = prediction.table, len(prediction.slices)
    rows: set[int] = set()
    place = {name: row for row, name in enumerate(prediction.names[:n])}
    for member in panel.members:
        decision = table[f"{member.label}_decision"][:n]
        rows.update(np.flatnonzero([bool(one) for one in decision]).tolist())
        for told in prediction.studies.get(f"{member.label}_slices", []):
            rows.update(place[name] for name in told.split(BETWEEN) if name)
    return rows


def _looked(prediction: Prediction, panel: ServedPanel, rows: NDArray[np.intp]) -> dict[int, Looked]:
    """Return where the classifier that is surest of it looked in slices; all of a label's at once."""
    result: dict[int, Looked] = {}
    strongest = _strongest(prediction.table.iloc[rows], panel)
    for label in dict.fromkeys(strongest.tolist()):
        chosen = rows[strongest == label]
        images, where = panel.attribution(label, prediction.slices, chosen)
        for row, image, one in zip(chosen.tolist(), images, where, strict=True):
            result[row] = (label, image, one)
    return result


def _strongest(table: pd.DataFrame, panel: ServedPanel) -> NDArray[np.str_]:
    """Return, for each slice, the label that stands highest above its operating point."""
    return np.array([member.label for member in panel.members])[np.argmax(_above(table, panel), axis=0)]


def _above(table: pd.DataFrame, panel: ServedPanel) -> NDArray[np.float64]:
    """Return how far each label stands above its operating point, in log odds (labels x slices)."""
    columns = []
    for member in panel.members:
        name = "any_own_probability" if member.label == "any" else f"{member.label}_probability"
        p, t = (np.clip(x, 1e-6, 1 - 1e-6) for x in (table[name].to_numpy(float), member.threshold))
        columns.append(np.nan_to_num(np.log(p / (1 - p)) - np.log(t / (1 - t)), nan=-np.inf))
    return np.array(columns)


def _answers(
    row: Mapping[Any, Any], panel: ServedPanel, *, of_study: bool = False, speaking: bool = False
) -> Table:
    """Return a study's or a slice's probability and decision of each label, and what decided."""
    answers = []
    for member in panel.members:
        decision = row[f"{member.label}_decision"]
        point = member.study_threshold if of_study else member.threshold
        unsure = bool(row.get(f"{member.label}_unsure"))
        said = "unsure" if unsure else "positive" if decision else "negative"
        said = UNDEFINED if decision is None else said
        told = (row[f"{member.label}_slices"],) if speaking else ()
        answers.append((member.label, row[f"{member.label}_probability"], point, said, *told))
    columns = ["label", "probability", "operating point", "decision"]
    columns += ["slices that speak for it"] if speaking else []
    table = pd.DataFrame(answers, columns=columns)
    attention = [row.get(f"{member.label}_attention", np.nan) for member in panel.members]
    if np.isfinite(attention).any():
        table["attention: where the network looked, not where blood is"] = [
            number(share, ".0%") for share in attention
        ]
    marks: Sequence[Mark] = ["bad" if row[f"{one.label}_decision"] else "" for one in panel.members]
    return Table(table, marks)


def _probability(row: Mapping[Any, Any], label: str) -> str:
    return number(row[f"{label}_probability"]) + (
        " +" if row[f"{label}_decision"] else " ?" if row.get(f"{label}_unsure") else ""
    )


def _plain(words: str) -> str:
    return words.replace("`", "")


def _picture(image: NDArray[np.uint8], looked: NDArray[np.float32] | None = None) -> bytes:
    """Return a WebP: the slice's middle channel, overlaid with where the model looked."""
    gray = image[..., image.shape[-1] // 2]
    color = np.repeat(gray[..., None], 3, axis=2) if looked is None else overlaid(gray, looked)
    return _encoded(color, ".webp", WEBP)


def _encoded(color: NDArray[np.uint8], kind: str, how: Sequence[int] = ()) -> bytes:
    import cv2

    return cv2.imencode(kind, np.ascontiguousarray(color[..., ::-1]), how)[1].tobytes()
