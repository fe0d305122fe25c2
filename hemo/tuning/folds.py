"""The arrays of each fold, made once a worker and shared by all its trials."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hemo.errors import HemoError
from hemo.families.base import Slices, Studies, Truth
from hemo.slices import stored
from hemo.slices.split import Round, Rows, Split, check_disjoint, deal, set_apart
from hemo.slices.store import SliceStore
from hemo.training import Plan, Training
from hemo.training.pretrained import check_apart
from hemo.training.rounds import LearningSet, learning_set

FOLDS = 4
"""With a test part of 20%, each is as large as the test part, and trials learn from 60% of the patients."""


@dataclass(frozen=True)
class Fold:
    """One fold: what a classifier learns from, and what it predicts.

    Attributes
    ----------
    number
        From 0.
    learned
        Slices learned from, sampled as in training, and what early stopping goes by: of patients that are
        not tested. Its seed is the same for every trial, so that trials differ by their parameters alone.
    tested, truth
        Labelled slices of the fold at natural prevalence, and their truth.
    tested_study
        The study of each slice that is tested.
    shared
        What classifiers of this fold keep for each other (see `hemo.families.base.Classifier`).
    """

    number: int
    learned: LearningSet
    tested: Slices
    truth: Truth
    tested_study: Studies | None
    shared: dict[Any, Any] = field(default_factory=dict)


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


def check_learnable(training: Training) -> None:
    """Raise HemoError if a fold has no slices of both classes to learn from, or none at all to predict."""
    y, label = training.truth(), training.label
    if training.only_studies_labelled:
        raise HemoError(
            f"{label}: no slice of the store is labelled 1: tuning compares families by slices' labels"
        )
    for one in tuning_rounds(training.plan, training.store):
        if len(np.unique(y[one.train][y[one.train] >= 0])) < 2:
            raise HemoError(f"{label}: too few patients outside the test part have it for {FOLDS} folds")
        if not (y[one.test] >= 0).any():
            raise HemoError(f"{label}: no slice of fold {one.fold} is labelled: give more patients")


def make_folds(training: Training) -> list[Fold]:
    """Return the folds of a study (see `check_learnable`)."""
    trainings = tuning_rounds(training.plan, training.store)
    check_apart(training, trainings)
    return [_make_fold(training, one) for one in trainings]


def _make_fold(training: Training, one: Round) -> Fold:
    y = training.truth()
    known = one.test[y[one.test] >= 0]
    return Fold(
        number=one.fold,
        # Here no threshold is fitted on the validation slices: they stop networks early, no more.
        learned=learning_set(training, one, decides=False),
        tested=stored.slices(training.store, known),
        truth=y[known],
        tested_study=training.study(known),
    )
