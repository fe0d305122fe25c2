"""Leakage: what a split by slice adds to every metric, and what crosses a split that should not.

Slices of one patient look alike. Where they fall on both sides of a split, a classifier is tested on patients
that it knows, and its metrics say nothing of new ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hemo.evaluation import intervals, paired
from hemo.evaluation.protocols import Protocol
from hemo.slices.split import Round, Rows, make_split, rounds
from hemo.slices.store import SliceStore
from hemo.training import Training, train

METRICS: Final = (
    "auc", "average_precision", "recall_at_specificity_80", "recall", "specificity", "precision", "accuracy",
)  # fmt: skip
"""What is compared between the two splits."""

FEWEST_PATIENTS: Final = 5
"""Positive patients below which a label's inflation cannot be told from chance."""


@dataclass(frozen=True)
class Inflation:
    """One family on one label, trained under two splits of the same slices.

    Attributes
    ----------
    by_slice, by_patient
        Out-of-fold prediction tables over the same slices; both name the true patients.
    metrics
        A row a metric of `METRICS`: `metric`; `by_slice` and `by_patient`, with `_low` and `_high`; and
        `inflation`, the first less the second, with the 95% interval of the paired difference. All
        intervals are by cluster bootstrap over patients.
    """

    by_slice: pd.DataFrame
    by_patient: pd.DataFrame
    metrics: pd.DataFrame


class View(SliceStore):
    """Some rows of a store, or all.

    Parameters
    ----------
    store
        The store that is looked at.
    rows
        Row numbers of its index; None for all.
    strangers
        Whether to see each slice as of a patient of its own: splits by patient are then by slice.
    """

    def __init__(self, store: SliceStore, rows: Rows | None = None, *, strangers: bool = False) -> None:
        super().__init__(store.folder, store.facts)
        self._store = store
        self._rows = np.arange(len(store)) if rows is None else rows
        index = store.index.iloc[self._rows].reset_index(drop=True)
        self.index = index.assign(patient=index["slice_id"]) if strangers else index

    def __len__(self) -> int:
        return len(self._rows)

    @cached_property
    def stack(self) -> NDArray[np.intp]:
        """The stack of every row of the view as a number, intp (n,)."""
        return self._store.stack[self._rows]

    def images(self, rows: Sequence[int] | NDArray[np.integer] | None = None) -> NDArray[np.uint8]:
        """Return images of rows of the view's index."""
        return self._store.images(self._rows if rows is None else self._rows[np.asarray(rows, np.intp)])


def inflation(training: Training, *, rows: Rows | None = None, folds: int = 5) -> Inflation:
    """Train a family with the same parameters, sampling, folds and seed, split by slice and by patient.

    Parameters
    ----------
    training
        What is trained on what; of its plan all but the split. The store has at least as many patients as
        folds, two of them or more with the label.
    rows
        Slices to train and test on; all where None.
    folds
        Of both splits.
    """
    store, plan = training.store, training.plan
    tables = []
    for strangers in (True, False):
        view = View(store, rows, strangers=strangers)
        split = make_split(view.index, Protocol.CV, plan.seed, folds=folds)
        one = replace(training, store=view, plan=replace(plan, split=split))
        tables.append(train(one, refit=False).predictions)
    by_slice, by_patient = tables
    patient = store.index.set_index("slice_id")["patient"]
    by_slice = by_slice.assign(patient=by_slice["slice_id"].map(patient))
    both = {"by_slice": by_slice, "by_patient": by_patient}
    metrics = pd.DataFrame({"metric": METRICS})
    for name, table in both.items():
        found = intervals.bootstrap(table, plan.draws, plan.seed, METRICS)
        metrics[[name, f"{name}_low", f"{name}_high"]] = found[["value", "low", "high"]]
    difference = paired.compare(both, plan.draws, plan.seed, METRICS)
    metrics[["inflation", "inflation_low", "inflation_high"]] = difference[["difference", "low", "high"]]
    return Inflation(by_slice, by_patient, metrics)


def enough_patients(index: pd.DataFrame, label: str) -> bool:
    """Return whether at least `FEWEST_PATIENTS` patients have a label."""
    return int(index.loc[index[label] == 1, "patient"].nunique()) >= FEWEST_PATIENTS


def patients_on_both_sides(trainings: Sequence[Round], patient: pd.Series) -> int:
    """Return how many patients are both learned from and tested in some round."""
    names = patient.to_numpy()
    shared: set[str] = set()
    for one in trainings:
        shared |= set(names[_learned(one)]) & set(names[one.test])
    return len(shared)


def across(pairs: pd.DataFrame, trainings: Sequence[Round]) -> NDArray[np.bool_]:
    """Return which pairs of slices have one that is learned from and one that is tested in the same round.

    Parameters
    ----------
    pairs
        Near-duplicates (see `hemo.slices.duplicates.find`).
    trainings
        Rounds of a split.
    """
    result = np.zeros(len(pairs), bool)
    if pairs.empty:
        return result
    ends = pairs[["first", "second"]].to_numpy()
    slices = 1 + max(int(ends.max()), *(int(_everything(one).max()) for one in trainings))
    for one in trainings:
        side = np.zeros(slices, np.int8)
        side[_learned(one)], side[one.test] = 1, 2
        result |= side[ends].sum(axis=1) == 3
    return result


def both_splits(store: SliceStore, folds: int, seed: int) -> dict[str, list[Round]]:
    """Return the rounds of the two splits that are compared: `by slice` and `by patient`."""
    return {
        name: rounds(make_split(view.index, Protocol.CV, seed, folds=folds), view.index)
        for name, view in (("by slice", View(store, strangers=True)), ("by patient", store))
    }


def _learned(one: Round) -> NDArray[np.intp]:
    return np.concatenate([one.train, one.validation])


def _everything(one: Round) -> NDArray[np.intp]:
    return np.concatenate([one.train, one.validation, one.test])
