"""Small models of the ladder, on features of slices: fitted fold by fold, decided as any family's are."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hemo.evaluation import decisions
from hemo.families._losses import masked_cross_entropy
from hemo.labels import LABELS
from hemo.slices.context import label_table
from hemo.slices.sample import SAMPLINGS
from hemo.slices.split import Rows, rounds
from hemo.slices.store import SliceStore
from hemo.training import Plan

Matrix = NDArray[np.floating]
"""Features of all slices of a store, (n, k)."""

Fit = Callable[[Matrix, NDArray[np.int8], NDArray[np.intp], Rows, Rows, int], NDArray[np.float64]]
"""From features, truth (n, 6) and study of all slices, the rows to learn from and to predict, and the label's
number to the probabilities of the rows to predict."""


def out_of_fold(
    store: SliceStore, plan: Plan, label: str, x: Matrix, fit: Fit, sampling: str = "natural"
) -> pd.DataFrame:
    """Return the prediction table of one label, decided as any family's is."""
    assert plan.split is not None
    index, number = store.index, LABELS.index(label)
    every = np.arange(len(store))
    truth, study = label_table(index, every), store.stack
    tables = []
    for one in rounds(plan.split, index):
        learn = np.sort(np.concatenate([one.train, one.validation]))
        rng = np.random.default_rng([plan.seed, number, one.fold + 1])
        learn = SAMPLINGS[sampling](learn, truth[:, number], truth[:, 0], rng)
        table = index.iloc[one.test][["slice_id", "patient", "study"]].reset_index(drop=True)
        found = fit(x, truth, study, learn, one.test, number)
        tables.append(
            table.assign(
                part="test", fold=np.int16(one.fold), truth=truth[one.test, number], probability=found
            )
        )
    raw = pd.concat(tables, ignore_index=True)
    return decisions.decide(raw, plan.protocol, plan.rule, plan.calibration).table


def linear(strength: float, class_weight: str | None = None) -> Fit:
    """Return logistic regression on standardised features, as `transfer` and `sequence` have it."""

    def fit(x: Matrix, truth: Any, study: Any, learn: Rows, test: Rows, number: int) -> NDArray[np.float64]:
        from sklearn.linear_model import LogisticRegression

        center, deviation = x[learn].mean(axis=0), x[learn].std(axis=0)
        deviation[deviation <= 1e-6 * np.abs(center)] = 1
        model = LogisticRegression(C=strength, max_iter=2000, class_weight=class_weight)
        model.fit((x[learn] - center) / deviation, truth[learn, number])
        return model.predict_proba((x[test] - center) / deviation)[:, 1]

    return fit


def trees(class_weight: str | None = None) -> Fit:
    """Return gradient boosting with the parameters of `boosted`."""

    def fit(x: Matrix, truth: Any, study: Any, learn: Rows, test: Rows, number: int) -> NDArray[np.float64]:
        from sklearn.ensemble import HistGradientBoostingClassifier

        from hemo.families.boosted import DEFAULTS as P

        model = HistGradientBoostingClassifier(
            max_iter=P["trees"], learning_rate=P["learning_rate"], max_leaf_nodes=P["leaves"],
            min_samples_leaf=P["samples_in_leaf"], l2_regularization=P["l2"],
            max_features=P["share_of_features"], class_weight=class_weight, early_stopping=False,
            random_state=0,
        )  # fmt: skip
        return model.fit(x[learn], truth[learn, number]).predict_proba(x[test])[:, 1]

    return fit


def network(kind: str, epochs: int = 40) -> Fit:
    """Return a network over the study's slices: `gru`, forth and back, or `conv`, two convolutions of three.

    It learns the six labels at once, from whole studies, on standardised features clipped at 5 deviations.
    """
    kept: dict[bytes, Any] = {}

    def fit(x: Matrix, truth: Any, study: Any, learn: Rows, test: Rows, number: int) -> NDArray[np.float64]:
        key = x[:1].tobytes() + learn.tobytes()
        if key not in kept:
            kept[key] = _run(kind, epochs, x, truth, study, learn, test)
        return kept[key][:, number]

    return fit


def _run(
    kind: str, epochs: int, x: Matrix, truth: Any, study: NDArray[np.intp], learn: Rows, test: Rows
) -> NDArray[np.float64]:
    """Train the network over studies and return the probabilities of the rows to predict, (n, 6)."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(0)
    center, deviation = x[learn].mean(axis=0), x[learn].std(axis=0)
    scaled = np.clip((x - center) / np.where(deviation > 0, deviation, 1), -5, 5).astype(np.float32)
    longest = int(np.bincount(study).max())

    def padded(rows: Rows, values: NDArray[Any], filler: float) -> NDArray[Any]:
        result = np.full((len(np.unique(study[rows])), longest, values.shape[1]), filler, np.float32)
        for place, one in enumerate(np.unique(study[rows])):
            here = rows[study[rows] == one]
            result[place, : len(here)] = values[here]
        return result

    inputs = keras.Input((longest, x.shape[1]))
    h = layers.Dropout(0.3)(layers.Dense(32, "relu")(layers.Dropout(0.2)(inputs)))
    if kind == "gru":
        h = layers.Bidirectional(layers.GRU(16, return_sequences=True))(h)
    else:
        h = layers.Conv1D(32, 3, padding="same", activation="relu")(h)
        h = layers.Conv1D(32, 3, padding="same", activation="relu")(h)
    model = keras.Model(inputs, layers.Dense(len(LABELS), "sigmoid")(layers.Dropout(0.3)(h)))
    loss = masked_cross_entropy(None)
    model.compile(keras.optimizers.AdamW(2e-3, weight_decay=1e-2), loss)
    model.fit(padded(learn, scaled, 0), padded(learn, truth, -1), batch_size=8, epochs=epochs, verbose=0)
    found = model(padded(test, scaled, 0), training=False).numpy()
    return np.concatenate(
        [found[place, : (study[test] == one).sum()] for place, one in enumerate(np.unique(study[test]))]
    )
