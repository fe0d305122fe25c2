"""Train a family that learns all labels at once: one fit a round, a classifier for each label."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hemo import families
from hemo.errors import HemoError
from hemo.families.base import Classifier, LearnsTogether
from hemo.labels import LABELS
from hemo.slices.sample import SAMPLINGS
from hemo.slices.split import Round, Rows, rounds
from hemo.slices.store import SliceStore
from hemo.training.one_label import Plan, Trained, conclude, everything, predict, predicted_parts


def train_together(
    store: SliceStore, plan: Plan, family: str, params: Mapping[str, Any]
) -> dict[str, Trained | HemoError]:
    """Train a family on all labels at once.

    Slices learned from are those of any label's sample; each label's loss counts where it is known.

    Parameters
    ----------
    store : SliceStore
        Slices and labels.
    plan : Plan
        Split, sampling, operating point and seed.
    family : str
        Name of a registered family that learns labels together.
    params : mapping
        Parameters of the family that differ from its defaults.

    Returns
    -------
    dict
        Each label's training. Time of fits is that of all labels together. A label without slices of both
        classes in every round takes no part: it has the reason instead.

    Raises
    ------
    HemoError
        Under the `paper` protocol, which draws a split for each label.
    """
    if plan.split is None:
        raise HemoError(f"{family}: protocol paper draws a split for each label: use cv or holdout")
    trainings = rounds(plan.split, store.index)
    labels = [label for label in LABELS if _learnable(store, plan, label, trainings)]
    epochs: list[dict[str, float]] = []
    tables: dict[str, list[pd.DataFrame]] = {label: [] for label in labels}
    kept: dict[str, Classifier] = {}
    seconds = 0.0
    final = plan.protocol != "cv"
    for one in trainings if labels else []:
        kept, spent = _fit(store, plan, family, labels, params, one, epochs, final=final)
        seconds += spent
        for label in labels:
            for part, rows in predicted_parts(plan, one).items():
                tables[label].append(predict(store, plan, kept[label], family, label, rows, part, one.fold))
    if labels and not final:
        kept, spent = _fit(store, plan, family, labels, params, everything(store, plan), epochs, final=True)
        seconds += spent
    result: dict[str, Trained | HemoError] = {}
    for label in LABELS:
        if label in kept:
            result[label] = conclude(plan, family, tables[label], kept[label], epochs, seconds)
        else:
            result[label] = HemoError(f"{label}: too few patients have it for every round: use fewer folds")
    return result


def _learnable(store: SliceStore, plan: Plan, label: str, trainings: Sequence[Round]) -> bool:
    y = store.index[label].to_numpy()
    whole = [] if plan.protocol != "cv" else [everything(store, plan)]
    return all(len(np.unique(y[one.train][y[one.train] >= 0])) == 2 for one in [*trainings, *whole])


def _fit(
    store: SliceStore,
    plan: Plan,
    family: str,
    labels: Sequence[str],
    params: Mapping[str, Any],
    one: Round,
    epochs: list[dict[str, float]],
    *,
    final: bool,
) -> tuple[dict[str, Classifier], float]:
    """Fit on a round's training slices; return each label's classifier and the seconds of the fit."""
    seeds = np.random.default_rng([plan.seed, len(LABELS), one.fold + 1])
    rows = _sampled(store, plan, labels, one.train, seeds)
    held = _sampled(store, plan, labels, one.validation, seeds)

    def on_epoch(epoch: int, figures: Mapping[str, float]) -> None:
        epochs.append({"fold": -1 if final else one.fold, "epoch": epoch, **figures})

    network = families.build(family, params, int(seeds.integers(2**31)))
    if not isinstance(network, LearnsTogether):
        raise HemoError(f"family '{family}' learns one label at a time: it has no for_label")
    truths = store.index[list(labels)].to_numpy(np.int8)
    start = time.perf_counter()
    network.fit(
        store.images(rows),
        truths[rows],
        validation=(store.images(held), truths[held]) if len(held) else None,
        on_epoch=on_epoch,
    )
    return {
        label: network.for_label(number) for number, label in enumerate(labels)
    }, time.perf_counter() - start


def _sampled(
    store: SliceStore, plan: Plan, labels: Sequence[str], rows: Rows, rng: np.random.Generator
) -> Rows:
    """Return the rows that the sample of any label holds."""
    any_hemorrhage: NDArray[np.int8] = store.index["any"].to_numpy()
    samples = [
        SAMPLINGS[plan.sampling](rows, store.index[label].to_numpy(), any_hemorrhage, rng) for label in labels
    ]
    return np.unique(np.concatenate(samples))
