"""Train one family on one label under a protocol: predictions, operating point and a classifier to keep."""

from hemo.errors import HemoError
from hemo.slices import paper
from hemo.slices.split import Round, rounds
from hemo.training.plan import Trained, Training
from hemo.training.rounds import Epochs, conclude, everything, fit_round, predict


def train(training: Training, *, refit: bool = True, epochs: Epochs | None = None) -> Trained:
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

    Raises
    ------
    HemoError
        If the store holds too few patients with the label to learn from or to test on.
    """
    plan, store = training.plan, training.store
    trainings = _rounds(training)
    epochs = [] if epochs is None else epochs
    tables = []
    fit_seconds = 0.0
    for one in trainings:
        classifier, seconds = fit_round(training, one, epochs, kept=not plan.protocol.refits)
        fit_seconds += seconds
        tables += predict(training, classifier, one)
    if refit and plan.protocol.refits:
        classifier, seconds = fit_round(training, everything(store, plan), epochs, kept=True)
        fit_seconds += seconds
    trained = conclude(training, tables, classifier, epochs, fit_seconds)
    if plan.split is None:
        sample = paper.counts(store.index, training.label, trainings[0], plan.seed, plan.positives)
        trained.facts.update(sample)
    return trained


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
