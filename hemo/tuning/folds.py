"""The arrays of each fold, made once a worker and shared by all its trials."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo import families
from hemo.errors import HemoError
from hemo.families.base import Images, LabelTable, Studies, Truth
from hemo.labels import LABELS
from hemo.slices.context import label_table, stack_numbers
from hemo.slices.sample import SAMPLINGS
from hemo.slices.split import Round, Rows, Split, check_disjoint, deal, set_apart
from hemo.slices.store import SliceStore
from hemo.training import Plan

FOLDS = 4
"""With a test part of 20%, each is as large as the test part, and trials learn from 60% of the patients."""


@dataclass(frozen=True)
class Fold:
    """One fold: what a classifier learns from, stops early by, and predicts.

    Attributes
    ----------
    number
        From 0.
    x, y
        Slices learned from, sampled as in training: uint8 (n, height, width, channels) and (n,).
    validation
        Slices and truth for early stopping, of patients in neither other part; None for families without
        epochs, which learn from them too.
    tested, truth
        Labelled slices of the fold at natural prevalence, and their truth.
    seed
        Of the classifier: the same for every trial, so that trials differ by their parameters alone.
    memory
        What classifiers of this fold keep for each other (see `hemo.families.base.Classifier`).
    study, labels
        The study of each slice learned from, and all its labels.
    tested_study
        The study of each slice that is tested.
    """

    number: int
    x: Images
    y: Truth
    validation: tuple[Images, Truth] | None
    tested: Images
    truth: Truth
    seed: int
    memory: dict[Any, Any] = field(default_factory=dict)
    study: Studies | None = None
    labels: LabelTable | None = None
    tested_study: Studies | None = None


def tuning_rows(split: Split, store: SliceStore) -> Rows:
    """Return the rows of a store whose patients are not in the split's test part."""
    part = store.index["patient"].map(split.patients.set_index("patient")["part"])
    return np.flatnonzero(part.isin(("train", "validation")))


def tuning_rounds(plan: Plan, store: SliceStore) -> list[Round]:
    """Deal the patients outside the test part to folds, and set some of each round apart for early stopping.

    Raises
    ------
    HemoError
        If there are fewer patients than folds.
    """
    assert plan.split is not None
    rows = tuning_rows(plan.split, store)
    index = store.index
    patients = index["patient"].iloc[rows].nunique()
    if patients < FOLDS:
        raise HemoError(f"{patients} patients cannot be dealt to {FOLDS} folds: give more patients")
    dealt = deal(index.iloc[rows], [1 / FOLDS] * FOLDS, plan.seed).set_index("patient")["part"]
    fold = index["patient"].iloc[rows].map(dealt).to_numpy()
    result = []
    for number in range(FOLDS):
        train, validation = set_apart(index, rows[fold != number], plan.seed + 1 + number)
        result.append(Round(number, train, validation, rows[fold == number]))
        check_disjoint(result[-1], index)
    return result


def check_learnable(plan: Plan, store: SliceStore, label: str) -> None:
    """Raise HemoError if a fold has no slices of both classes to learn from, or none at all to predict."""
    y = store.index[label].to_numpy()
    for one in tuning_rounds(plan, store):
        if len(np.unique(y[one.train][y[one.train] >= 0])) < 2:
            raise HemoError(f"{label}: too few patients outside the test part have it for {FOLDS} folds")
        if not (y[one.test] >= 0).any():
            raise HemoError(f"{label}: no slice of fold {one.fold} is labelled: give more patients")


def make_folds(plan: Plan, store: SliceStore, family: str, label: str) -> list[Fold]:
    """Return the folds of a study (see `check_learnable`)."""
    y = store.index[label].to_numpy()
    return [_make_fold(plan, store, family, label, y, one) for one in tuning_rounds(plan, store)]


def _make_fold(
    plan: Plan, store: SliceStore, family: str, label: str, y: NDArray[np.int8], one: Round
) -> Fold:
    neural = families.get(family).neural
    # Drawn as in training: the sample depends on label and fold alone.
    rng = np.random.default_rng([plan.seed, LABELS.index(label), one.fold + 1])
    any_hemorrhage = store.index["any"].to_numpy()

    def sampled(rows: Rows) -> Rows:
        return SAMPLINGS[plan.sampled(family)](rows, y, any_hemorrhage, rng)

    learned = sampled(one.train if neural else np.sort(np.concatenate([one.train, one.validation])))
    stopped_by = sampled(one.validation) if neural else np.arange(0)
    both = len(np.unique(y[stopped_by])) == 2
    known = one.test[y[one.test] >= 0]
    return Fold(
        number=one.fold,
        x=store.images(learned),
        y=y[learned],
        validation=(store.images(stopped_by), y[stopped_by]) if both else None,
        tested=store.images(known),
        truth=y[known],
        seed=int(rng.integers(2**31)),
        study=stack_numbers(store.index, learned),
        labels=label_table(store.index, learned),
        tested_study=stack_numbers(store.index, known),
    )
