"""What is done ahead of trainings, as tasks of their own: features that they share, and their folds.

Both are files whose existence means done: a training finds them, and makes what it does not find.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise, product

import numpy as np

from hemo import families
from hemo.runs import recording
from hemo.slices import stored
from hemo.slices.stored import StoredSlices
from hemo.training import Training, train_fold

Group = tuple[Training, ...]
"""Trainings that are one fit."""

MOST = 16_384
"""Slices whose features are a task: minutes of a backbone's work."""

LEAST = 512
"""Slices whose features are worth a task."""


@dataclass(frozen=True)
class FeaturesOf:
    """Features of the rows `start` to `stop` of a store, each kind that the trainings' families keep."""

    trainings: Group
    start: int
    stop: int

    @property
    def name(self) -> str:
        """What it is called where it failed."""
        return f"features of slices {self.start:,} to {self.stop:,}"

    def make(self) -> None:
        """Compute and keep them."""
        for training in self.trainings:
            store, rows = training.store, np.arange(self.start, self.stop)
            classifier = families.build(training.family, training.params)
            assert isinstance(classifier, families.KeepsFeatures)
            few = stored.are_few(store, len(store))  # as fits are given them, which look for them so
            classifier.keep_features(store.images(rows) if few else StoredSlices(store, rows))


@dataclass(frozen=True)
class FoldOf:
    """A fold of a fit, by its number."""

    group: Group
    number: int

    @property
    def name(self) -> str:
        """What it is called where it failed."""
        first = self.group[0]
        return f"{first.word if len(self.group) > 1 else first.name}: fold {self.number + 1}"

    def make(self) -> None:
        """Fit and predict it, and keep its predictions."""
        train_fold(self.group[0], self.number, recording.kept_of(self.group[0]))


Task = FeaturesOf | FoldOf | Group


def dealt(groups: Sequence[Group], workers: int) -> tuple[list[Task], list[tuple[int, ...]]]:
    """Return the tasks that fits are, and for each the numbers of those that it waits for.

    Features are computed first, where several workers would each compute them otherwise; folds are tasks
    where there are more workers than fits.
    """
    tasks: list[Task] = []
    if workers > 1:
        tasks += _features(groups, workers)
    features = tuple(range(len(tasks)))
    after: list[tuple[int, ...]] = [()] * len(tasks)
    for group in groups:
        waits = features if _keeps_features(group[0]) else ()
        folds = _folds(group) if workers > len(groups) else []
        own = tuple(range(len(tasks), len(tasks) + len(folds)))
        tasks += [*folds, group]
        after += [*[waits] * len(folds), waits + own]
    return tasks, after


def _keeps_features(training: Training) -> bool:
    return isinstance(families.build(training.family, training.params), families.KeepsFeatures)


def _features(groups: Sequence[Group], workers: int) -> list[FeaturesOf]:
    """Return what parts the store's slices, for the families whose features several fits need."""
    kept = [group[0] for group in groups if _keeps_features(group[0])]
    each = {json.dumps([one.family, dict(one.params)], sort_keys=True): one for one in kept}
    if len(kept) < 2:
        return []
    count = len(kept[0].store)
    parts = min(max(workers, -(-count // MOST)), count // LEAST)
    edges = np.linspace(0, count, parts + 1).astype(int).tolist() if parts > 1 else []
    return [FeaturesOf(tuple(each.values()), start, stop) for start, stop in pairwise(edges)]


def _folds(group: Group) -> list[FoldOf]:
    """Return the folds of a fit that are to be finished; none where they would not be kept."""
    first = group[0]
    split = first.plan.split
    kept = recording.kept_of(first)
    if split is None or not split.protocol.refits or kept.folder is None:
        return []
    each = product(range(split.repeats), range(split.folds))
    return [FoldOf(group, number) for number, where in enumerate(each) if not kept.holds(*where)]
