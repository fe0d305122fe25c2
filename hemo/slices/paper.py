"""The seed paper's sample and split: by slice, balanced per label. For comparison with the paper only.

Slices of one patient fall on both sides of such a split, which inflates every metric on real data.
"""

import numpy as np
import pandas as pd

from hemo.errors import HemoError
from hemo.labels import LABELS, SUBTYPES
from hemo.slices.split import Round, Rows

POSITIVES = 3145
"""Positive slices of each label: as many as the rarest type, epidural, had."""

TEST_SHARE = 0.2
"""6,290 slices per label: 5,032 for training and 1,258 for test."""

VALIDATION_SHARE = 0.1
"""5,032 slices: 4,528 for training and 504 for early stopping."""


def paper_sample(index: pd.DataFrame, seed: int, positives: int = POSITIVES) -> Rows:
    """Draw the sample of the whole store from which every label's set is drawn.

    The paper says that its sample has 3,145 slices of each type and 18,301 in all, and that 17% of them
    are positive for a label, but not how slices without hemorrhage came in. Five draws of 3,145 cannot
    make 18,301; six can, with 569 slices drawn twice, and 3,145 of 18,301 are 17%. So the sixth is taken
    to be of slices without hemorrhage, which are then just as many as the negatives of `any` have to be.

    Parameters
    ----------
    index : DataFrame
        A store's index.
    seed : int
        Draws the slices.
    positives : int
        Slices wanted in each of the six draws; where the store holds fewer, all of them are taken.

    Returns
    -------
    intp array
        Chosen rows, in rising order; a slice that was drawn for several types is there once.
    """
    rng = np.random.default_rng([seed, len(LABELS)])
    groups = [np.flatnonzero(index[label] == 1) for label in SUBTYPES]
    groups.append(np.flatnonzero(index["any"] == 0))
    drawn = [rng.choice(group, min(positives, len(group)), replace=False) for group in groups]
    return np.unique(np.concatenate(drawn))


def paper_set(index: pd.DataFrame, label: str, seed: int, positives: int = POSITIVES) -> Rows:
    """Draw the paper's balanced set for one label from the sample.

    Half of the set is positive; the negatives are drawn at random from the sample's others: slices with
    another hemorrhage and slices with none.

    Parameters
    ----------
    index, label, seed, positives
        See `paper_round`.

    Returns
    -------
    intp array
        Chosen rows, in rising order.
    """
    sample = paper_sample(index, seed, positives)
    y = index[label].to_numpy()
    groups = sample[y[sample] == 1], sample[y[sample] == 0]
    size = min(positives, *map(len, groups))
    rng = np.random.default_rng([seed, LABELS.index(label)])
    return np.sort(np.concatenate([rng.choice(group, size, replace=False) for group in groups]))


def paper_round(index: pd.DataFrame, label: str, seed: int, positives: int = POSITIVES) -> Round:
    """Draw the paper's set for one label (see `paper_set`) and split it by slice.

    Parameters
    ----------
    index : DataFrame
        A store's index.
    label : str
        One of the six.
    seed : int
        Draws the sample, which all labels share, and the label's set and split.
    positives : int
        Positive slices wanted; where there are fewer positives or negatives, fewer of both are taken.

    Raises
    ------
    HemoError
        If there are too few slices to fill train, validation and test.
    """
    rng = np.random.default_rng([seed, LABELS.index(label), 1])
    y = index[label].to_numpy()
    rows = paper_set(index, label, seed, positives)
    train, test = _apart(rows, y, TEST_SHARE, rng)
    train, validation = _apart(train, y, VALIDATION_SHARE, rng)
    if min(len(np.unique(y[part])) for part in (train, validation, test)) < 2:
        raise HemoError(
            f"{label}: {(y == 1).sum()} positive and {(y == 0).sum()} negative slices are too few for the "
            "paper's split: give more slices, or use protocol cv"
        )
    one = Round(-1, train, validation, test)
    check_apart(one)
    return one


def counts(index: pd.DataFrame, label: str, one: Round, seed: int, positives: int) -> dict[str, float]:
    """Return how many slices the paper's sample and a label's parts hold here, as metrics of a run."""
    learned = len(one.train) + len(one.validation)
    return {
        "paper/sample_slices": float(len(paper_sample(index, seed, positives))),
        "paper/positive_slices": float((index[label].to_numpy()[_all(one)] == 1).sum()),
        "paper/training_slices": float(learned),
        "paper/early_stopping_slices": float(len(one.validation)),
        "paper/test_slices": float(len(one.test)),
    }


def check_apart(one: Round) -> None:
    """Raise ValueError if a slice is in two parts of a round, or twice in one."""
    rows = _all(one)
    twice = len(rows) - len(np.unique(rows))
    if twice:
        raise ValueError(f"fold {one.fold}: {twice} slices are in two parts")


def _all(one: Round) -> Rows:
    return np.concatenate([one.train, one.validation, one.test])


def _apart(rows: Rows, y: np.ndarray, share: float, rng: np.random.Generator) -> tuple[Rows, Rows]:
    """Divide rows at random in two, the second holding `share` of them, positives and negatives alike."""
    size = int(np.ceil(share * len(rows)))
    positive, negative = rng.permutation(rows[y[rows] == 1]), rng.permutation(rows[y[rows] == 0])
    from_positive = size // 2
    second = np.concatenate([positive[:from_positive], negative[: size - from_positive]])
    first = np.concatenate([positive[from_positive:], negative[size - from_positive :]])
    return np.sort(first), np.sort(second)
