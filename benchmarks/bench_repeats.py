"""Whether 95% intervals of a mean over several deals hold the truth: real folds, a small classifier.

A data set is 60 patients, 20 of them with blood, whose slices are alike. A linear classifier (the difference
of the class means) is trained in five folds by patient, R times: with another deal and other random weights,
as families that are random by seed have. The truth is what such classifiers reach on new patients, over many
data sets. Compared are intervals by patients alone, and those that know of deals (see
`hemo.evaluation.bounds.error`).

    python benchmarks/bench_repeats.py [DATA SETS]
"""

import sys

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from hemo.evaluation.bounds import interval
from hemo.evaluation.intervals import basis, draw_each

PATIENTS, POSITIVE, SLICES, FEATURES, FOLDS = 60, 20, 6, 6, 5
METRIC = "auc"
DRAWS = 150
MOST = 3


def data_set(rng: np.random.Generator, patients: int, positive: int) -> tuple:
    """Return features (n, FEATURES), truth and patient of slices."""
    patient = np.repeat(np.arange(patients), SLICES)
    truth = ((patient < positive) & (np.tile(np.arange(SLICES), patients) % 2 == 0)).astype(int)
    shared = rng.normal(size=(patients, FEATURES))[patient]
    x = shared + rng.normal(size=(len(truth), FEATURES)) + 0.7 * truth[:, None]
    return x, truth, patient


def weights(x: np.ndarray, truth: np.ndarray, rng: np.random.Generator, noise: float) -> np.ndarray:
    """Return a classifier: the direction between the class means, and chance."""
    found = x[truth == 1].mean(axis=0) - x[truth == 0].mean(axis=0)
    return found + noise * rng.normal(size=FEATURES)


def table(rng: np.random.Generator, repeats: int, noise: float) -> pd.DataFrame:
    """Return out-of-fold predictions of one data set in several deals; `noise` is common to a deal's fits."""
    x, truth, patient = data_set(rng, PATIENTS, POSITIVE)
    parts = []
    for repeat in range(repeats):
        fold = rng.permutation(np.arange(PATIENTS) % FOLDS)[patient]
        seed = int(rng.integers(2**31))
        score = np.empty(len(truth))
        for number in range(FOLDS):
            here = fold == number
            score[here] = x[here] @ weights(x[~here], truth[~here], np.random.default_rng(seed), noise)
        parts.append(
            pd.DataFrame(
                {
                    "slice_id": [f"s{row:04}" for row in range(len(truth))], "patient": patient,
                    "fold": fold, "repeat": repeat, "truth": truth,
                    "probability": 1 / (1 + np.exp(-score)), "threshold": 0.6,
                }
            )
        )  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def reached(noise: float, rng: np.random.Generator, sets: int = 600) -> float:
    """Return the metric on new patients of classifiers that learned from four folds of five, in the mean."""
    learned, found = PATIENTS * (FOLDS - 1) // FOLDS, []
    new, new_truth, _ = data_set(np.random.default_rng(1), 1500, 500)
    for _ in range(sets):
        x, truth, _ = data_set(rng, learned, POSITIVE * (FOLDS - 1) // FOLDS)
        score = new @ weights(x, truth, rng, noise)
        found.append(roc_auc_score(new_truth, score))
    return float(np.mean(found))


def main(sets: int = 400) -> None:
    """Print a line a number of deals and size of what is random by seed."""
    print(f"{METRIC}, {sets} data sets: share of 95% intervals that hold the truth, and their mean width")
    for noise in (0.0, 0.4):
        truth = reached(noise, np.random.default_rng(7))
        found: dict[str, list[tuple[float, float]]] = {}
        for number in range(sets):
            predicted = table(np.random.default_rng([number, MOST]), MOST, noise)
            values, drawn = (each[METRIC] for each in draw_each(predicted, DRAWS, 0))
            patients = basis(predicted)[METRIC]
            for deals in range(1, MOST + 1):
                bounds = interval(values[:deals], drawn[:deals], patients, "share")
                found.setdefault(f"{deals} deals", []).append(bounds)
            alone = interval(float(values.mean()), drawn.mean(axis=0), patients, "share")
            found.setdefault(f"{MOST} deals, by patients alone", []).append(alone)
        for words, intervals in found.items():
            low, high = np.array(intervals).T
            held, width = np.mean((low <= truth) & (truth <= high)), np.mean(high - low)
            print(f"random by seed {noise}, truth {truth:.3f}, {words}: {held:.1%}, width {width:.3f}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
