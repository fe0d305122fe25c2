"""Train one family on one label under a protocol: predictions, operating point and a classifier to keep."""

import pandas as pd

from hemo.errors import HemoError
from hemo.slices import paper
from hemo.slices.split import Round, rounds
from hemo.training.kept import NOTHING, Epochs, Kept
from hemo.training.plan import Trained, Training
from hemo.training.pretrained import check_apart
from hemo.training.rounds import Fitted, conclude, everything, fit_round, predict


def train(
    training: Training, *, refit: bool = True, epochs: Epochs | None = None, kept: Kept = NOTHING
) -> Trained:
    """Train a family on one label.

    Parameters
    ----------
    training : Training
        The family, the label, the slices and the plan.
    refit : bool
        Whether to fit again on all patients under `cv`; without, the classifier is the last fold's, for
        those who want the predictions only.
    epochs : list, optional
        Where epochs are noted as they end, for those who want to see them then.
    kept : Kept
        What an earlier start of this training had finished, and where that of this one is put.

    Raises
    ------
    HemoError
        If the store holds too few patients with the label to learn from or to test on, or the training begins
        with a network that learned from those who are tested.
    """
    plan, store = training.plan, training.store
    trainings = _rounds(training)
    check_apart(training, trainings)
    epochs = [] if epochs is None else epochs
    again = refit and plan.protocol.refits
    fitted: Fitted | None = None

    def made(one: Round) -> tuple[dict[str, pd.DataFrame], float]:
        nonlocal fitted
        fitted, tables = _fit_and_predict(training, one, epochs, kept)
        return tables, fitted.seconds

    done = list(kept.through(trainings, training.name, epochs, made, last=not again))
    fit_seconds = sum(one.seconds for one in done)
    if again:
        whole = everything(store, plan)
        fitted = fit_round(training, whole, epochs, kept=True, unfinished=kept)
        fit_seconds += fitted.seconds
    assert fitted is not None
    tables = [one.tables[training.label] for one in done]
    trained = conclude(training, tables, fitted.classifier, epochs, fit_seconds, fitted.abridged)
    if plan.split is None:
        sample = paper.counts(store.index, training.label, trainings[0], plan.seed, plan.positives)
        trained.facts.update(sample)
    return trained


def train_fold(training: Training, number: int, kept: Kept) -> None:
    """Fit and predict a round ahead of its training, which finds what it gave in `kept`.

    Raises
    ------
    HemoError
        As `train`.
    """
    trainings, epochs = _rounds(training), Epochs()
    check_apart(training, trainings)

    def made(one: Round) -> tuple[dict[str, pd.DataFrame], float]:
        fitted, tables = _fit_and_predict(training, one, epochs, kept)
        return tables, fitted.seconds

    list(kept.through([trainings[number]], training.name, epochs, made, last=False))


def _fit_and_predict(
    training: Training, one: Round, epochs: Epochs, kept: Kept
) -> tuple[Fitted, dict[str, pd.DataFrame]]:
    """Fit on a round and predict what it tests."""
    fitted = fit_round(training, one, epochs, kept=not training.plan.protocol.refits, unfinished=kept)
    table = pd.concat(predict(training, fitted.classifier, one), ignore_index=True)
    return fitted, {training.label: table}


def _rounds(training: Training) -> list[Round]:
    """Return the rounds that a training's protocol asks for."""
    plan, index, label = training.plan, training.store.index, training.label
    if plan.split is None:
        return [paper.paper_round(index, label, plan.seed, plan.positives)]
    positive = index.loc[index[label] == 1, "patient"].nunique()
    if positive < 2:
        raise HemoError(
            f"{label}: {positive} patients of the store have it: it takes 2, one to learn from and one "
            "to test on"
        )
    return rounds(plan.split, index)
