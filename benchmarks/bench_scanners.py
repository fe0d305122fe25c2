"""Trained on one kind of scanner and judged on the others: what does the AUC lose? On phantoms.

`python -m benchmarks.bench_scanners [FAMILY]`: 160 patients of the phantom's four scanners are read as
a hospital's files are. Of each scanner's a classifier learns, and judges those of each other scanner; those
of its own it judges out of fold.
"""

import sys
import tempfile
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold

from hemo import families
from hemo.console import err, out, track
from hemo.display.terminal import table
from hemo.imaging import Reduction
from hemo.labels import LABELS
from hemo.phantom import files
from hemo.slices.context import label_table
from hemo.slices.preprocess import preprocess
from hemo.slices.store import SliceStore
from hemo.slices.stored import slices

PATIENTS: Final = 160
FOLDS: Final = 4
MOST: Final = 0.02
"""What the AUC may lose at another scanner."""


def scanned(folder: Path) -> SliceStore:
    """Return a store of phantoms, with the scanner of each patient in its groups."""
    files.write(folder / "phantom", patients=PATIENTS, slices=12, size=256, seed=0, workers=1)
    reduction = Reduction(size=256, windows=("gray",), standard=True)
    return preprocess(
        folder / "phantom", folder / "phantom" / "labels.csv", folder / "store", reduction, workers=1
    ).store


def judged(
    store: SliceStore, family: str, learned: NDArray[np.intp], tested: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Return the probabilities of `any` of some slices, by a classifier that learned from others."""
    context = families.fit_context(family, store.stack[learned], label_table(store.index, learned))
    classifier: Any = families.build(family)
    classifier.fit(slices(store, learned), store.column("any")[learned], **context)
    return families.scores(classifier, family, slices(store, tested), store.stack[tested]).probability


def main(family: str = "ensemble") -> bool:
    """Print the AUC of each scanner's classifier on each scanner; return whether none loses too much."""
    with tempfile.TemporaryDirectory() as scratch:
        store = scanned(Path(scratch))
        assert store.groups is not None
        model = store.groups["model"].reindex(store.index["patient"]).to_numpy()
        names = sorted(set(model))
        err.print(f"{len(store):,} slices of {PATIENTS} patients; {family}, `{LABELS[0]}`")
        truth, found = store.column("any"), np.full((len(names), len(names)), np.nan)
        for row in track(iter(range(len(names))), "scanners", len(names)):
            own = np.flatnonzero(model == names[row])
            probability = np.empty(len(own))
            for learned, held in GroupKFold(FOLDS).split(own, groups=store.index["patient"].to_numpy()[own]):
                probability[held] = judged(store, family, own[learned], own[held])
            found[row, row] = roc_auc_score(truth[own], probability)
            others = np.flatnonzero(model != names[row])
            scores = judged(store, family, own, others)
            for column, name in enumerate(names):
                if column != row:
                    here = model[others] == name
                    found[row, column] = roc_auc_score(truth[others][here], scores[here])
    lines = [(name, *(f"{auc:.3f}" for auc in aucs)) for name, aucs in zip(names, found, strict=True)]
    out.print(table("AUC of `any`, by the scanner learned from", ["", *names], lines))
    lost = np.diag(found)[:, None] - found
    mean = lost.sum() / (lost.size - len(names))
    out.print(f"At another scanner it loses at most {lost.max():.3f}, in the mean {mean:.3f}")
    return bool(lost.max() <= MOST)


if __name__ == "__main__":
    sys.exit(0 if main(*sys.argv[1:2]) else 1)
