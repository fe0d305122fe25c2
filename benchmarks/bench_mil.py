"""`mil` from study labels alone against the same features learned from slices, on studies of the phantom.

`python -m benchmarks.bench_mil [STUDIES]` (500 by default, and 150 more that are held out, of other patients): 7
minutes of processor time, nearly all of it the phantom's. Both learn from the radiological features of the same
studies, with the same network and seed; what differs is the truth that they are shown. Slice AUC on the held-out
studies, label by label; wanted is that the mean from study labels is at least `LEAST` of that from slice labels.
"""

import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
from numpy.typing import NDArray

from hemo.console import out
from hemo.display.terminal import table
from hemo.labels import LABELS

STUDIES = 500
HELD_OUT = 150
SIZE, SLICES = 64, 16
"""Pixels a side and slices a study that the phantom draws: a study takes half a second."""

PHANTOM_SEED = 16
SEED = 0
LEAST = 0.95
"""Share of the slice AUC that is kept: the acceptance of `mil`."""

Drawn = tuple[NDArray[np.uint8], NDArray[np.int8]]
"""Slices of a study as stored, (slices, SIZE, SIZE, 1), and their labels, (slices, 6)."""


def draw(index: int) -> Drawn:
    """Return the first study of a patient of the phantom, reduced as a store's slices are."""
    import cv2

    from hemo.imaging.raw import RawSlice
    from hemo.imaging.reduction import Reduction, reduce
    from hemo.phantom import make_study, patient_seed, profile

    cv2.setNumThreads(1)
    types = profile(PHANTOM_SEED, index)
    study = make_study(patient_seed(PHANTOM_SEED, index), types=types, study=0, size=SIZE, slices=SLICES)
    small = Reduction(size=SIZE)
    slices = [
        reduce(RawSlice(hu, hu=True, slice_id=name), small)
        for name, hu in zip(study.slice_ids, study.volume, strict=True)
    ]
    return np.stack(slices), study.labels


def studies(count: int) -> tuple[NDArray[np.uint8], NDArray[np.int8], NDArray[np.intp]]:
    """Return the slices of so many studies, their labels, (n, 6), and the study of each, (n,)."""
    with ProcessPoolExecutor(os.cpu_count(), get_context("spawn")) as pool:
        drawn = list(pool.map(draw, range(count), chunksize=8))
    images, labels = (np.concatenate(parts) for parts in zip(*drawn, strict=True))
    return images, labels, np.repeat(np.arange(count), [len(one) for one, _ in drawn])
