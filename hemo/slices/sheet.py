"""A contact sheet of a store: some slices of each label, to look at."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from hemo.errors import HemoError
from hemo.labels import LABELS
from hemo.slices.store import SliceStore
from hemo.whole import replacing

GAP = 4
TITLE = 20


def _drawn(
    candidates: NDArray[np.integer], patients: NDArray[Any], count: int, rng: np.random.Generator
) -> list[int]:
    """Draw slices, of as many patients as there are before a second one of any."""
    order = rng.permutation(candidates)
    seen: dict[Any, int] = {}
    occurrence = []
    for row in order:
        occurrence.append(seen.get(patients[row], 0))
        seen[patients[row]] = occurrence[-1] + 1
    return [int(row) for row in order[np.argsort(occurrence, kind="stable")][:count]]


def contact_sheet(store: SliceStore, columns: int = 10, seed: int = 0) -> NDArray[np.uint8]:
    """Return one row of slices for each label, for none and for the unlabelled, uint8 (height, width).

    The first channel of each slice is shown (with neighbours: the middle slice's first window).
    """
    index = store.index
    rng = np.random.default_rng(seed)
    groups = [(label, np.flatnonzero(index[label].to_numpy() == 1)) for label in LABELS]
    groups.append(("no hemorrhage", np.flatnonzero(index["any"].to_numpy() == 0)))
    groups.append(("unlabelled", np.flatnonzero(index["any"].to_numpy() < 0)))
    patients = index["patient"].to_numpy(object)
    size = store.image_shape[0]
    middle = store.reduction.neighbours * len(store.reduction.windows)
    bands = []
    for name, rows in groups:
        if len(rows) == 0:
            continue
        chosen = _drawn(rows, patients, columns, rng)
        band = np.full((TITLE + size, columns * (size + GAP)), 32, np.uint8)
        title = f"{name}: {len(rows)} slices, {len(set(patients[rows]))} patients"
        cv2.putText(band, title, (4, TITLE - 6), cv2.FONT_HERSHEY_SIMPLEX, 0.45, 255, 1, cv2.LINE_AA)
        for column, image in enumerate(store.images(chosen)):
            left = column * (size + GAP)
            band[TITLE:, left : left + size] = image[..., middle]
        bands.append(band)
    return np.vstack(bands)


def write_sheet(store: SliceStore, path: Path, columns: int = 10, seed: int = 0) -> None:
    """Write the contact sheet as a PNG.

    Raises
    ------
    HemoError
        If the file cannot be written.
    """
    encoded = cv2.imencode(".png", contact_sheet(store, columns, seed))[1]
    try:
        with replacing(path) as partial:
            partial.write_bytes(encoded.tobytes())
    except OSError as error:
        raise HemoError(
            f"{path}: cannot be written ({error.strerror}): give another file with --out"
        ) from error
