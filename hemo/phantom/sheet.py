"""A picture of what the phantom looks like: a row for each type of hemorrhage and one for none."""

from itertools import count, islice
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from hemo.labels import SUBTYPES
from hemo.phantom.study import PhantomStudy, make_study, patient_seed

MARGIN = 118
"""Pixels on the left for the names of the rows."""


def tile(study: PhantomStudy, number: int, side: int) -> NDArray[np.uint8]:
    """Return one slice in the brain window (40/80), cut to the head and scaled to `side` pixels."""
    image = study.volume[number]
    head = cv2.morphologyEx((image > -200).astype(np.uint8), cv2.MORPH_OPEN, np.ones((7, 7), np.uint8))
    rows, columns = np.flatnonzero(head.any(axis=1)), np.flatnonzero(head.any(axis=0))
    middle = [int(each.mean()) if each.size else len(image) // 2 for each in (rows, columns)]
    # One scale for all: 210 mm a side.
    half = int(105 / study.pixel)
    padded = np.pad(image, half, constant_values=-1000)
    cut = padded[middle[0] : middle[0] + 2 * half, middle[1] : middle[1] + 2 * half]
    window = np.clip(cut.astype(np.float32) / 80.0, 0.0, 1.0) * 255.0
    return np.rint(cv2.resize(window, (side, side), interpolation=cv2.INTER_AREA)).astype(np.uint8)


def write_sheet(file: Path, seed: int, *, columns: int = 7, side: int = 132) -> None:
    """Write the contact sheet, each slice of another patient, as PNG.

    A patient's slice is the one with the most blood of its type; without any, levels go from base to vertex.
    """
    kinds = (*SUBTYPES, "none")
    rows = [_row(kind, seed + place, columns, side) for place, kind in enumerate(kinds)]
    file.parent.mkdir(parents=True, exist_ok=True)
    _, picture = cv2.imencode(".png", np.vstack(rows), [cv2.IMWRITE_PNG_COMPRESSION, 9])
    file.write_bytes(picture.tobytes())  # OpenCV itself says nothing of a full disk


def _row(kind: str, seed: int, columns: int, side: int) -> NDArray[np.uint8]:
    margin = np.zeros((side, MARGIN), np.uint8)
    cv2.putText(margin, kind, (6, side // 2 + 4), cv2.FONT_HERSHEY_SIMPLEX, 0.42, 230, 1, cv2.LINE_AA)
    types = () if kind == "none" else (kind,)
    found = (
        _best(make_study(patient_seed(seed, n), types=types, size=224, slices=12), kind) for n in count()
    )
    chosen = list(islice((one for one in found if one is not None), columns))
    if kind == "none":
        chosen = [(study, 1 + place * 10 // columns) for place, (study, _) in enumerate(chosen)]
    return np.hstack([margin, *(tile(study, number, side) for study, number in chosen)])


def _best(study: PhantomStudy, kind: str) -> tuple[PhantomStudy, int] | None:
    if kind == "none":
        return study, 0
    area = (study.masks >> SUBTYPES.index(kind) & 1).sum(axis=(1, 2))
    return (study, int(area.argmax())) if area.any() else None
