"""Train a family that learns all labels at once: one fit a round, a classifier for each label."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from hemo import families
from hemo.errors import HemoError
from hemo.families.base import Classifier, LearnsTogether
from hemo.labels import LABELS
from hemo.slices.context import label_table
from hemo.slices.sample import SAMPLINGS
from hemo.slices.split import Round, Rows, repeat_seed, rounds
from hemo.training import one_label
from hemo.training.kept import NOTHING, Epochs, Kept
from hemo.training.memory_limits import abridged, shown, that_fit
from hemo.training.one_label import train
from hemo.training.plan import Trained, Training
from hemo.training.pretrained import check_apart
from hemo.training.rounds import announce, conclude, everything, noted, predict


def train_together(training: Training, kept: Kept = NOTHING) -> dict[str, Trained | HemoError]:
    """Train a family on all labels at once.

    Slices learned from are those of any label's sample; each label's loss counts where it is known.

    Parameters
    ----------
    training : Training
        Of a family that learns labels together; its label is not looked at.
    kept : Kept
        What an earlier start of this training had finished, and where that of this one is put.

    Returns
    -------
    dict
        Each label's training. Time of fits is that of all labels together. A label without slices of both
        classes in every round takes no part: it has the reason instead.

    Raises
    ------
    HemoError
        Under the `paper` protocol, which draws a split for each label; or if it begins with a network that
        learned from patients who are tested.
    """
    plan, store = training.plan, training.store
    trainings, each, labels = _taught(training)
    whole = [everything(store, plan)] if plan.protocol.refits else []
    epochs: Epochs = []
    networks: dict[str, Classifier] = {}
    cut_down = ""

    def made(one: Round) -> tuple[dict[str, pd.DataFrame], float]:
        nonlocal networks, cut_down
        networks, spent, cut_down = _fit(training, labels, one, epochs, kept, kept=not whole)
        return _predict_each(each, networks, one), spent

    asked = trainings if labels else []
    done = list(kept.through(asked, training.word, epochs, made, last=not whole))
    seconds = sum(one.seconds for one in done)
    for one in whole if labels else []:
        networks, spent, cut_down = _fit(training, labels, one, epochs, kept, kept=True)
        seconds += spent
    result: dict[str, Trained | HemoError] = {}
    for label in LABELS:
        if label in networks:
            try:
                result[label] = conclude(
                    each[label],
                    [one.tables[label] for one in done],
                    networks[label],
                    epochs,
                    seconds,
                    cut_down,
                )
            except HemoError as fault:  # nothing to fit this label's operating point on
                result[label] = HemoError(f"{label}: {fault}")
        else:
            result[label] = HemoError(f"{label}: too few patients have it for every round: use fewer folds")
    return result


def train_label(training: Training, epochs: Epochs | None = None, kept: Kept = NOTHING) -> Trained:
    """Train a family on the training's label, whether it learns labels one by one or together.

    Epochs of one that learns them one by one are noted in `epochs` as they end, where that is given. What an
    earlier start had finished is taken from `kept`.

    Raises
    ------
    HemoError
        If the store holds too few patients with the label.
    """
    if not families.get(training.family).together:
        return train(training, epochs=epochs, kept=kept)
    trained = train_together(training, kept)[training.label]
    if isinstance(trained, HemoError):
        raise trained
    return trained


def train_fold(training: Training, number: int, kept: Kept) -> None:
    """Fit and predict a round ahead of its training, which finds what it gave in `kept`.

    Raises
    ------
    HemoError
        As the training would.
    """
    if not families.get(training.family).together:
        one_label.train_fold(training, number, kept)
        return
    trainings, each, labels = _taught(training)
    epochs: Epochs = []

    def made(one: Round) -> tuple[dict[str, pd.DataFrame], float]:
        networks, spent, _ = _fit(training, labels, one, epochs, kept, kept=False)
        return _predict_each(each, networks, one), spent

    if labels:
        list(kept.through([trainings[number]], training.word, epochs, made, last=False))


def _taught(training: Training) -> tuple[list[Round], dict[str, Training], list[str]]:
    """Return the rounds, each label's training, and the labels that every round can learn.

    Raises
    ------
    HemoError
        See `train_together`.
    """
    plan, store = training.plan, training.store
    if plan.split is None:
        raise HemoError(f"{training.word}: protocol paper draws a split for each label: use cv or holdout")
    trainings = rounds(plan.split, store.index)
    check_apart(training, trainings)
    whole = [everything(store, plan)] if plan.protocol.refits else []
    each = {label: replace(training, label=label) for label in LABELS}
    return trainings, each, [label for label in LABELS if _learnable(each[label], [*trainings, *whole])]


def _predict_each(
    each: Mapping[str, Training], networks: Mapping[str, Classifier], one: Round
) -> dict[str, pd.DataFrame]:
    """Return each label's predictions of a round."""
    return {
        label: pd.concat(predict(each[label], network, one), ignore_index=True)
        for label, network in networks.items()
    }


def _learnable(training: Training, trainings: Sequence[Round]) -> bool:
    """Return whether every round learns from both classes, of studies too where the family does."""
    by_slice, by_study = training.truth(), training.study_truth()
    for one in trainings:
        known = {*by_slice[one.train].tolist()}
        if families.get(training.family).study_labels:
            known |= {*by_study[one.train].tolist()}
        if not {0, 1} <= known:
            return False
    return True


def _fit(
    training: Training, labels: Sequence[str], one: Round, epochs: Epochs, unfinished: Kept, *, kept: bool
) -> tuple[dict[str, Classifier], float, str]:
    """Fit on a round's training slices; return each label's classifier, the seconds, and what is cut down."""
    store = training.store
    checkpoint = unfinished.checkpoint(one)
    before, spent = families.begun(checkpoint)
    announce(training, one, before)
    rng = np.random.default_rng([repeat_seed(training.plan.seed, one.repeat), len(LABELS), one.fold + 1])
    rows = _sampled(training, labels, one.train, rng)
    held = _sampled(training, labels, one.validation, rng)
    rows, held, left_out = that_fit(training, rows, held)
    network = families.build(training.family, training.params, int(rng.integers(2**31)))
    if not isinstance(network, LearnsTogether):
        raise HemoError(f"family '{training.family}' learns one label at a time: it has no for_label")
    if isinstance(network, families.KeepsEpochs):
        network.checkpoint = checkpoint
    truths = store.index[list(labels)].to_numpy(np.int8)
    start = time.perf_counter()
    context = families.fit_context(
        training.family,
        training.study(rows),
        label_table(store.index, rows),
        training.study(held),
        training.said_of_studies(rows, labels),
        training.said_of_studies(held, labels),
    )
    network.fit(
        shown(training, rows),
        truths[rows],
        validation=(shown(training, held), truths[held]) if len(held) else None,
        on_epoch=noted(epochs, one, kept=kept),
        **context,
    )
    seconds = spent + time.perf_counter() - start
    each = {label: network.for_label(number) for number, label in enumerate(labels)}
    return each, seconds, abridged(network, left_out)


def _sampled(training: Training, labels: Sequence[str], rows: Rows, rng: np.random.Generator) -> Rows:
    """Return the rows that the sample of any label holds; whole studies where the family learns from them."""
    if families.get(training.family).study:
        return rows
    index, draw = training.store.index, SAMPLINGS[training.plan.sampling]
    any_hemorrhage = index["any"].to_numpy()
    samples = [draw(rows, index[label].to_numpy(), any_hemorrhage, rng) for label in labels]
    return np.unique(np.concatenate(samples))
