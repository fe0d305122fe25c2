"""From a folder of scans to stacks as they are shown, and from changed stacks to what classifiers see."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hemo.errors import HemoError
from hemo.imaging import Excluded, RawSlice, Reduction, read_parts, reduce
from hemo.imaging.windows import WINDOWS
from hemo.slices.context import whole_stacks
from hemo.slices.preprocess import preprocess
from hemo.slices.sources import find_sources
from hemo.slices.store import SliceStore
from hemo.stress.changes import Change
from hemo.stress.shown import saved
from hemo.stress.stack import Stack

KEPT: Final = ("40/80", "100/400", "1024/4096")
"""Windows in which HU are kept while they are judged: of each pixel the finest that shows it is taken back,
so that brain and blood keep a third of a HU."""

LARGEST: Final = 1024
"""Pixels a side beyond which pictures are made smaller before anything is changed."""


@dataclass(frozen=True)
class Shown:
    """Slices as they are before they are reduced, and their labels.

    Attributes
    ----------
    store
        Whole pictures of them.
    shown
        Level and width of the window that they show; None of HU.
    """

    store: SliceStore
    shown: tuple[float, float] | None

    def called_as_in(self, other: SliceStore) -> pd.DataFrame:
        """Return the index with slices called as in another store of the same scans and key.

        What slices are called starts with their place in the store, which depends on what is stored of them;
        their keyed hash is the same, and so is their file's digest. Those that the other does not have keep
        their own id.
        """
        own, theirs = (
            one["patient"] + one["slice_id"].str.rpartition("-")[2] + one["digest"]
            for one in (self.store.index, other.index)
        )
        ids = pd.Series(other.index["slice_id"].to_numpy(), theirs)
        found = own.map(ids[~ids.index.duplicated(keep=False)])
        return self.store.index.assign(slice_id=found.fillna("other " + self.store.index["slice_id"]))

    def stacks(self, wanted: NDArray[np.bool_]) -> Iterator[tuple[NDArray[np.intp], Stack]]:
        """Yield the rows and the pixels of each stack that has a wanted slice, in order."""
        stack = self.store.stack
        for rows in whole_stacks(stack, 1):
            if wanted[rows].any():
                stored = self.store.stored(rows)
                pixels = stored[..., 0] if self.shown else _hu(stored)
                yield rows, Stack.of(pixels, self.shown)


def shown(
    images: Path,
    labels: Path,
    folder: Path,
    made: Reduction,
    *,
    labels_format: str | None = None,
    workers: int = 1,
    key: Path | None = None,
    window: tuple[float, float] = WINDOWS["brain"],
) -> Shown:
    """Read scans as whole pictures into a store that is thrown away.

    Parameters
    ----------
    images, labels, labels_format, workers, key
        As of `hemo.slices.preprocess.preprocess`.
    folder
        Where to.
    made
        The reduction of what will judge them.
    window
        Level and width of the window that pictures show.

    Raises
    ------
    HemoError
        If they cannot be read, or the classifier sees several windows of pictures.
    """
    side, hu = _first(images, made)
    if not hu and len(made.windows) > 1:
        raise HemoError(
            f"{images}: pictures in {len(made.windows)} windows of one slice are not changed together: "
            "judge a classifier that sees one"
        )
    whole = Reduction(size=side, windows=KEPT if hu else made.windows, crop=False, hu_offset=made.hu_offset)
    found = preprocess(
        images, labels, folder, whole, labels_format=labels_format, workers=workers, key=key
    )  # fmt: skip
    return Shown(found.store, None if hu else window)


def _first(images: Path, made: Reduction) -> tuple[int, bool]:
    """Return the side of the first slice that can be read, and whether it is in HU."""
    for source in find_sources(images, made.windows):
        try:
            parts = read_parts(source.paths[0], hu_offset=made.hu_offset)
        except Excluded:
            continue
        for one in parts:
            if isinstance(one, RawSlice):
                return int(np.clip(max(one.pixels.shape[:2]), 64, LARGEST)), one.hu
    raise HemoError(f"{images}: no slice in it can be read: give another folder")


def _hu(stored: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return HU of slices that are kept in the windows of `KEPT`, float32 (n, height, width)."""
    bounds = [tuple(map(float, name.split("/"))) for name in KEPT]
    level, width = bounds[-1]
    found = level - width / 2 + stored[..., -1].astype(np.float32) * np.float32(width / 255)
    for channel in range(len(KEPT) - 2, -1, -1):
        level, width = bounds[channel]
        gray = stored[..., channel]
        fine = level - width / 2 + gray.astype(np.float32) * np.float32(width / 255)
        found = np.where((gray > 0) & (gray < 255), fine, found)
    return found


@dataclass(frozen=True)
class Seen:
    """What classifiers see of changed slices.

    Attributes
    ----------
    rows
        Rows of the index, rising, (n,): those that are left, and were not refused.
    images
        As they are reduced, uint8 (n, size, size, channels), without neighbours as channels.
    refused
        Slices that reading refused, by reason.
    """

    rows: NDArray[np.intp]
    images: NDArray[np.uint8]
    refused: pd.Series


def seen(of: Shown, change: Change | None, made: Reduction, wanted: NDArray[np.bool_], seed: int) -> Seen:
    """Change the stacks that have a wanted slice, save each slice, and read it as a user's file is read.

    Gray levels are saved as PNG, or as the JPEG that the change ends in, and go the whole way of a file; HU
    are reduced as they are.

    Parameters
    ----------
    of
        The slices.
    change
        What is done; None: nothing.
    made
        The reduction of what will judge them.
    wanted
        Of each row of the index, whether its stack is asked for.
    seed
        Of what is drawn at random.
    """
    rows, images, reasons = [], [], []
    for places, stack in of.stacks(wanted):
        changed = change(stack, seed + int(places[0])) if change else stack
        for place, pixels in zip(places[changed.places], changed.pixels, strict=True):
            try:
                raw = _read(pixels, changed, made)
                images.append(reduce(raw, made))
            except Excluded as reason:
                reasons.append(str(reason))
                continue
            rows.append(place)
    shape = (0, made.size, made.size, len(made.windows))
    found = np.stack(images) if images else np.zeros(shape, np.uint8)
    return Seen(np.array(rows, np.intp), found, pd.Series(reasons, dtype=str).value_counts())


def _read(pixels: NDArray[np.float32], of: Stack, made: Reduction) -> RawSlice:
    if of.shown is None:
        return RawSlice(pixels=np.rint(pixels).astype(np.int16), hu=True)
    (part,) = read_parts(saved(pixels, of.quality), "slice", made)
    if isinstance(part, Excluded):
        raise part
    return part
