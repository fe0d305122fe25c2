"""The seed paper's sample and split: by slice, balanced per label. For comparison with the paper only.

Slices of one patient fall on both sides of such a split, which inflates every figure on real data.
"""

import numpy as np
import pandas as pd

from hemo.errors import HemoError
from hemo.labels import LABELS
from hemo.slices.sample import balanced
from hemo.slices.split import Round

TEST_SHARE = 0.2
"""6,290 slices per label: 5,032 for training and 1,258 for test."""

VALIDATION_SHARE = 0.1
"""5,032 slices: 4,528 for training and 504 for early stopping."""


def paper_round(index: pd.DataFrame, label: str, seed: int, positives: int = 3145) -> Round:
    """Draw the paper's balanced sample for one label and split it by slice.

    Parameters
    ----------
    index : DataFrame
        A store's index.
    label : str
        One of the six.
    seed : int
        Draws the sample and the split; both differ between labels.
    positives : int
        Positive slices wanted; fewer are taken where the store holds fewer.

    Raises
    ------
    HemoError
        If there are too few slices to fill train, validation and test.
    """
    rng = np.random.default_rng([seed, LABELS.index(label)])
    y = index[label].to_numpy()
    sample = balanced(np.arange(len(index)), y, index["any"].to_numpy(), rng, most=positives)
    train, test = _halves(sample, y, TEST_SHARE, rng)
    train, validation = _halves(train, y, VALIDATION_SHARE, rng)
    if min(len(np.unique(y[part])) for part in (train, validation, test)) < 2:
        raise HemoError(f"{label}: {int((y == 1).sum())} positive slices are too few for the paper's split")
    return Round(-1, train, validation, test)


def _halves(
    rows: np.ndarray, y: np.ndarray, share: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Divide rows at random in two, the second holding `share` of them, positives and negatives alike."""
    size = int(np.ceil(share * len(rows)))
    positive, negative = rng.permutation(rows[y[rows] == 1]), rng.permutation(rows[y[rows] != 1])
    from_positive = size // 2
    second = np.concatenate([positive[:from_positive], negative[: size - from_positive]])
    first = np.concatenate([positive[from_positive:], negative[size - from_positive :]])
    return np.sort(first), np.sort(second)
