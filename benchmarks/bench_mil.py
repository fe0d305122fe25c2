"""`mil` from study labels alone against the same features learned from slices, on studies of the phantom.

`python -m benchmarks.bench_mil [STUDIES]`: 500 by default, and 150 more, of other patients, held out; six
minutes of processor time, nearly all of them the phantom's. Each way to learn has the radiological features
of the same studies, the same network and seed; what differs is the truth that it is shown. A linear model of
the same features, learned from slices, stands beside. Slice AUC of each label on the held-out studies; wanted
is that the mean from study labels is at least `LEAST` of that from slice labels, the better model's.
"""

import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hemo import families
from hemo.console import out
from hemo.display.terminal import table
from hemo.families._attention import study_truth
from hemo.families.mil import LEARN_FROM
from hemo.labels import LABELS

STUDIES = 500
HELD_OUT = 150
SIZE, SLICES = 64, 16
"""Pixels a side and slices a study that the phantom draws: a study takes half a second."""

PHANTOM_SEED = 16
SEED = 0
LEAST = 0.95
"""Share of the slice AUC that is kept: the acceptance of `mil`."""


class Slices(NamedTuple):
    """Slices as stored, (n, SIZE, SIZE, 1), their labels, (n, 6), and the study of each, (n,)."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int8]
    study: NDArray[np.intp]


def draw(index: int) -> Slices:
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
    return Slices(np.stack(slices), study.labels, np.full(len(slices), index))


def studies(first: int, count: int) -> Slices:
    """Return the slices of so many studies, each of a patient of its own."""
    with ProcessPoolExecutor(os.cpu_count(), get_context("spawn")) as pool:
        drawn = list(pool.map(draw, range(first, first + count), chunksize=8))
    return Slices(*(np.concatenate(parts) for parts in zip(*drawn, strict=True)))


def linear(data: Slices) -> list[Any]:
    """Return a linear model of slices and their neighbours for each label, learned from slices."""
    models: list[Any] = [families.build("sequence") for _ in LABELS]
    for model, truth in zip(models, data.labels.T, strict=True):
        model.fit(data.images, truth, study=data.study)
    return models


def attentive(how: str, data: Slices) -> list[Any]:
    """Return `mil` for each label; from `studies` it is shown no slice's label, but each study's."""
    model: Any = families.build("mil", {"learn_from": how}, SEED)
    shown = np.full_like(data.labels, -1) if how == "studies" else data.labels
    model.fit(data.images, shown, study=data.study, study_truth=study_truth(data.labels, data.study))
    return [model.for_label(number) for number in range(len(LABELS))]


def aucs(models: list[Any], data: Slices) -> dict[str, list[float]]:
    """Return the AUC of each label by slice, and by study: where none is judged, of its highest slice."""
    from sklearn.metrics import roc_auc_score

    rows = np.unique(data.study, return_inverse=True)[1]
    found: dict[str, list[float]] = {"slice": [], "study": []}
    for model, truth, by_study in zip(models, data.labels.T, study_truth(data.labels, rows).T, strict=True):
        p = model.predict_proba(data.images, study=data.study)[:, 1]
        if isinstance(model, families.JudgesStudies):
            judged = model.study_probability(data.images, data.study)
        else:
            judged = np.array([p[rows == one].max() for one in range(len(by_study))])
        found["slice"].append(float(roc_auc_score(truth, p)))
        found["study"].append(float(roc_auc_score(by_study, judged)))
    return found


def main(count: int = STUDIES) -> int:
    """Run the benchmark; return 1 if study labels keep too little of the slice AUC."""
    learn, test = studies(0, count), studies(count, HELD_OUT)
    ways: dict[str, Callable[[Slices], list[Any]]] = {"linear, from slices": linear}
    ways |= {f"mil, from {how}": partial(attentive, how) for how in LEARN_FROM}
    means: dict[str, float] = {}
    rows = []
    for way, fit in ways.items():
        start = time.process_time()
        models = fit(learn)
        seconds = time.process_time() - start
        for kind, values in aucs(models, test).items():
            mean = float(np.mean(values))
            rows.append((way, kind, *(f"{value:.3f}" for value in (*values, mean)), f"{seconds:.0f}"))
            if kind == "slice":
                means[way] = mean
    head = ["learned", "AUC by", *LABELS, "mean", "CPU s"]
    out.print(table(f"{count} studies of the phantom, {HELD_OUT} held out", head, rows))
    share = means["mil, from studies"] / max(means["linear, from slices"], means["mil, from slices"])
    out.print(f"from study labels alone: {share:.3f} of the best slice AUC from slice labels")
    return int(share < LEAST)


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
