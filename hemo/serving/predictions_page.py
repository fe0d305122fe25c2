"""Predictions of the panel as a page: studies, and every slice with where the classifier looked."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hemo.display.page import Section, Table, render
from hemo.serving.answers import ANY_RULE, STUDY_RULE
from hemo.serving.models import ServedPanel
from hemo.serving.prediction import Prediction, names, studies


def as_html(prediction: Prediction, panel: ServedPanel) -> str:
    """Return what the panel says of files, as a page."""
    versions = pd.DataFrame(
        [(one.label, one.version, one.family, one.study_threshold, one.threshold) for one in panel.members],
        columns=["label", "version", "family", "operating point of studies", "of slices"],
    )
    missing = f"\n\nWithout a production version: {', '.join(prediction.missing)}."
    about = f"{ANY_RULE} {STUDY_RULE}".replace("`", "") + (missing if prediction.missing else "")
    warning = "\n".join(panel.overridden)
    sections = [Section("Panel", about, {"In production": versions}, warning=warning)]
    labels = [member.label for member in panel.members]
    whole = [
        Section(f"{row['study']}, {row['slices']} slices", tables={"": _answers(row, labels)})
        for _, row in studies(prediction.table).iterrows()
    ]
    if whole:
        sections.append(Section("Studies", parts=whole))
    if len(prediction.skipped):
        sections.append(Section("Skipped", tables={"Files that could not be used": prediction.skipped}))
    sections.append(Section("Slices", parts=_slices(prediction, panel)))
    return render("Predictions of the panel", sections)


def _slices(prediction: Prediction, panel: ServedPanel) -> list[Section]:
    """Return a part a slice, in their order; attributions are made for all slices of a label at once."""
    labels = [member.label for member in panel.members]
    strongest = _strongest(prediction.table, labels, panel)
    titles = names(prediction.table)
    slices: dict[int, Section] = {}
    for label in labels:
        chosen = np.flatnonzero(strongest == label)
        if len(chosen):
            images, looked = panel.attribution(label, prediction.slices, chosen)
            for row, image, where in zip(chosen, images, looked, strict=True):
                answers = _answers(prediction.table.iloc[row], labels)
                slices[int(row)] = _part(titles[row], answers, label, image, where)
    return [slices[row] for row in sorted(slices)]


def _part(
    title: str, answers: Table, label: str, image: NDArray[np.uint8], looked: NDArray[np.float32]
) -> Section:
    where = f"where the classifier of {label} looked"
    if looked.max() <= 0:
        where += ": at no place more than at others"
    pictures = {"the slice": _picture(image), where: _picture(image, looked)}
    return Section(title, tables={"": answers}, figures=pictures)


def _answers(row: pd.Series, labels: Sequence[str]) -> Table:
    positive = [bool(row[f"{label}_decision"]) for label in labels]
    answers = pd.DataFrame(
        {
            "label": labels,
            "probability": [float(row[f"{label}_probability"]) for label in labels],
            "decision": ["positive" if one else "negative" for one in positive],
        }
    )
    return Table(answers, ["bad" if one else "" for one in positive])


def _strongest(table: pd.DataFrame, labels: Sequence[str], panel: ServedPanel) -> NDArray[np.str_]:
    """Return, for each slice, the label that stands highest above its operating point (in log odds)."""
    columns = []
    for member in panel.members:
        name = "any_own_probability" if member.label == "any" else f"{member.label}_probability"
        p, t = (np.clip(x, 1e-6, 1 - 1e-6) for x in (table[name].to_numpy(), member.threshold))
        columns.append(np.log(p / (1 - p)) - np.log(t / (1 - t)))
    return np.array(labels)[np.argmax(columns, axis=0)]


def _picture(image: NDArray[np.uint8], looked: NDArray[np.float32] | None = None) -> bytes:
    """Return a PNG: the slice's middle channel, overlaid with where the model looked."""
    import cv2

    gray = image[..., image.shape[-1] // 2]
    color = cv2.cvtColor(gray, cv2.COLOR_GRAY2BGR)
    if looked is not None:
        strength = np.clip(looked, 0, None)
        strength = strength / (strength.max() or 1)
        heat = cv2.applyColorMap((strength * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)
        color = np.clip(color * (1 - 0.6 * strength[..., None]) + 0.6 * heat, 0, 255).astype(np.uint8)
    _, data = cv2.imencode(".png", color)
    return data.tobytes()
