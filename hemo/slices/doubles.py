"""Slices that an index leaves out, each with its reason: the same one met twice, doubtful label rows."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import xxhash
from numpy.typing import NDArray

from hemo.slices.arrange import ONCE_MORE
from hemo.slices.ordering import IMAGE

Reasons = list[tuple[str, str]]
"""Excluded files with their reasons."""


def _all_differ(names: pd.Series) -> bool:
    """Tell whether no name comes twice, in a tenth of the memory that pandas takes to say which does.

    By hashes, so that in one of many million cases it may say no where all differ: slower then, not wrong.
    """
    numbers = np.fromiter((xxhash.xxh3_64_intdigest(name.encode()) for name in names), np.uint64, len(names))
    numbers.sort()
    return bool((numbers[1:] != numbers[:-1]).all())


def drop_doubles(frame: pd.DataFrame) -> tuple[pd.DataFrame, Reasons]:
    """Leave out the same slice met twice, and all slices that one label row may mean."""
    reasons: Reasons = []
    names_repeat = not _all_differ(frame["slice_id"])
    if names_repeat:
        twice = frame.duplicated(["slice_id", "digest", *IMAGE])
        reasons += [(name, ONCE_MORE) for name in frame.loc[twice, "slice_id"]]
        frame = frame[~twice]
    labelled = frame["label_row"] >= 0
    if labelled.any():
        ambiguous = labelled & frame.duplicated("label_row", keep=False)
        reasons += [
            (name, "its label row fits several different images") for name in frame.loc[ambiguous, "slice_id"]
        ]
        frame = frame[~ambiguous] if ambiguous.any() else frame
    if names_repeat:
        same_name = frame.duplicated("slice_id", keep=False)
        frame = frame.copy()
        frame.loc[same_name, "slice_id"] += "~" + frame.loc[same_name, "digest"].str[:8]
    return frame, reasons


def without(
    frame: pd.DataFrame, rows: NDArray[np.intp], reasons: Sequence[str]
) -> tuple[pd.DataFrame, Reasons]:
    """Leave out some rows, each with its reason."""
    names = frame["slice_id"].to_numpy(object)[rows]
    keep = np.ones(len(frame), bool)
    keep[rows] = False
    return frame[keep], list(zip(names, reasons, strict=True))
