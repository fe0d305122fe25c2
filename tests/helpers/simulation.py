"""Prediction tables of made-up patients, with known recall and AUC."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from hemo.evaluation import predictions

SEPARATION = 2.5
SPREAD = 1.5
"""Of patients around the mean score, in units of the slices' spread around their patient."""


@pytest.fixture
def true_recall() -> float:
    return 0.8


@pytest.fixture
def true_auc() -> float:
    return float(stats.norm.cdf(SEPARATION / np.sqrt(2 * (1 + SPREAD**2))))


@pytest.fixture
def simulate(true_recall: float) -> Callable[..., pd.DataFrame]:
    """Return a maker of prediction tables of patients whose slices are alike, with known recall and AUC."""

    def make(
        seed: int, patients: int = 60, positive: int = 20, slices: int = 15, folds: int = 0
    ) -> pd.DataFrame:
        random = np.random.default_rng(seed)
        of_patient = np.where(np.arange(patients) < positive, random.integers(1, 11, patients), 0)
        patient = np.repeat(np.arange(patients), slices)
        truth = (np.tile(np.arange(slices), patients) < np.repeat(of_patient, slices)).astype(int)
        shared, own = random.normal(size=patients), random.normal(size=(patients, 2))
        effect = SPREAD * (shared[:, None] + own) / np.sqrt(2)
        score = SEPARATION * truth + effect[patient, truth] + random.normal(size=len(truth))
        threshold = SEPARATION - stats.norm.ppf(true_recall) * np.sqrt(1 + SPREAD**2)
        names = random.permutation(patients)
        return predictions.validate(
            pd.DataFrame(
                {
                    "slice_id": [f"s{row:05}" for row in range(len(truth))],
                    "patient": [f"p{name}" for name in names[patient]],
                    "study": [f"st{name}" for name in names[patient]],
                    "part": "test",
                    "fold": patient % folds if folds else -1,
                    "truth": truth,
                    "probability": 1 / (1 + np.exp(-score)),
                    "threshold": 1 / (1 + np.exp(-threshold)),
                }
            )
        )

    return make
