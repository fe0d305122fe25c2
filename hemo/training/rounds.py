"""One round of a training: what is learned from, fitted, and predicted. Tuning's trials use the same."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from hemo import console, families
from hemo.errors import HemoError
from hemo.evaluation import decisions, predictions, study_decisions
from hemo.evaluation.triage import Thresholds
from hemo.families.base import Classifier, OnEpoch, Slices, Truth
from hemo.labels import LABELS
from hemo.sealed import Sealed
from hemo.slices import stored
from hemo.slices.context import label_table
from hemo.slices.sample import SAMPLINGS
from hemo.slices.split import Round, Rows, repeat_seed, set_apart
from hemo.slices.store import SliceStore
from hemo.training.kept import NOTHING, Epochs, Kept
from hemo.training.memory_limits import abridged, shown, that_fit
from hemo.training.plan import Plan, Trained, Training


@dataclass(frozen=True)
class LearningSet:
    """What a classifier is fitted on in one round.

    Attributes
    ----------
    x, y
        Slices learned from, uint8 (n, height, width, channels), which are read as they are asked for where
        there are many, and their label, (n,).
    validation
        Slices and label for early stopping; None for families without epochs.
    context
        What `fit` of the family is given beside them (see `hemo.families.fit_context`).
    seed
        Of the classifier.
    left_out
        What was left out for want of memory, in words.
    """

    x: Slices
    y: Truth
    validation: tuple[Slices, Truth] | None
    context: Mapping[str, Any]
    seed: int
    left_out: str = ""

    def fit(
        self, family: str, params: Mapping[str, Any], on_epoch: OnEpoch, checkpoint: Sealed | None = None
    ) -> "Fitted":
        """Return a classifier of the family fitted on it.

        Epochs, where the family has them, are kept in `checkpoint`, and gone on from.
        """
        classifier = families.build(family, params, self.seed)
        if isinstance(classifier, families.KeepsEpochs):
            classifier.checkpoint = checkpoint
        start = time.perf_counter()
        classifier.fit(self.x, self.y, validation=self.validation, on_epoch=on_epoch, **self.context)
        return Fitted(classifier, time.perf_counter() - start, abridged(classifier, self.left_out))


class Fitted(NamedTuple):
    """A fitted classifier.

    Attributes
    ----------
    classifier
        What was fitted.
    seconds
        That took.
    abridged
        How the fit was cut down for want of memory, in words; "" where it was not.
    """

    classifier: Classifier
    seconds: float
    abridged: str


def learning_set(training: Training, one: Round, *, decides: bool) -> LearningSet:
    """Return what a training learns from in a round.

    Families without epochs have nothing to stop early, and learn from the validation slices too; unless
    these decide about the classifier, as the operating point under `holdout` is fitted on them.

    Parameters
    ----------
    training : Training
        What is trained on what.
    one : Round
        Rows of the store.
    decides : bool
        Whether the round's validation slices decide about the classifier.
    """
    store, plan, family = training.store, training.plan, training.family
    neural = families.get(family).neural
    learned, stopped_by = one.train, one.validation
    if not neural:
        learned = one.train if decides else np.sort(np.concatenate([one.train, one.validation]))
        stopped_by = np.arange(0)
    # The sample depends on label and fold alone, so that families learn from the same slices.
    seed = repeat_seed(plan.seed, one.repeat)
    rng = np.random.default_rng([seed, LABELS.index(training.label), one.fold + 1])
    rows = _sampled(training, learned, rng)
    held = _sampled(training, stopped_by, rng) if neural else stopped_by
    rows, held, left_out = that_fit(training, rows, held)
    x, y = _slices(training, rows)
    return LearningSet(
        x=x,
        y=y,
        validation=_slices(training, held) if len(held) else None,
        context=families.fit_context(
            family,
            training.study(rows),
            label_table(store.index, rows),
            training.study(held),
            training.said_of_studies(rows),
            training.said_of_studies(held),
        ),
        seed=int(rng.integers(2**31)),
        left_out=left_out,
    )


def fit_round(
    training: Training, one: Round, epochs: Epochs, *, kept: bool, unfinished: Kept = NOTHING
) -> Fitted:
    """Fit a training's classifier on one round.

    Parameters
    ----------
    training : Training
        What is trained on what.
    one : Round
        Rows of the store.
    epochs : list
        Where epochs are noted; those of the classifier that is `kept` count as of fold -1.
    kept : bool
        Whether this is the classifier to keep.
    unfinished : Kept
        Where its epochs are until the training is finished.

    Raises
    ------
    HemoError
        If the round has no slices of both classes to learn from.
    """
    learned = learning_set(training, one, decides=training.plan.protocol.has_validation)
    if len(np.unique(learned.y)) < 2:
        where, remedy = (
            ("there are", "more patients") if one.fold < 0 else (f"fold {one.fold} has", "fewer folds")
        )
        raise HemoError(f"{training.label}: {where} no slices of both classes to learn from: use {remedy}")
    checkpoint = unfinished.checkpoint(one)
    before, spent = families.begun(checkpoint)
    announce(training, one, before)
    on_epoch = noted(epochs, one, kept=kept)
    fitted = learned.fit(training.family, training.params, on_epoch, checkpoint)
    return fitted._replace(seconds=spent + fitted.seconds)


def announce(training: Training, one: Round, before: int = 0) -> None:
    """Say where a training is: `fold 1 of 5`, and with several deals `repeat 2 of 3` in a line of its own.

    Where it goes on behind epochs that were finished `before`, say that too.
    """
    split = training.plan.split
    if before:
        console.err.print(f"{training.name}: the fit that was ended goes on behind its epoch {before}")
    if split is None:
        console.step(training.name)
        return
    where = f"fold {one.fold + 1} of {split.folds}" if one.fold >= 0 else "all patients"
    if split.repeats > 1:
        where = f"repeat {one.repeat + 1} of {split.repeats}, {where}" if one.fold >= 0 else where
        console.err.print(f"{training.name}: {where}")
    console.step(f"{training.name}: {where}")


def noted(epochs: Epochs, one: Round, *, kept: bool) -> OnEpoch:
    """Return what notes the epochs of a round's fit in a list."""

    def on_epoch(epoch: int, metrics: Mapping[str, float]) -> None:
        fold = -1 if kept else one.fold
        epochs.append({"repeat": one.repeat, "fold": fold, "epoch": epoch, **metrics})

    return on_epoch


def predicted_parts(plan: Plan, one: Round) -> dict[str, Rows]:
    """Return the rows of a round that are predicted: validation too where it decides."""
    held = {"validation": one.validation} if plan.protocol.has_validation else {}
    return {**held, "test": one.test}


def everything(store: SliceStore, plan: Plan) -> Round:
    """Return the round that learns from all patients, some of whom are set apart for early stopping."""
    learn, validation = set_apart(store.index, np.arange(len(store)), plan.seed)
    return Round(-1, learn, validation, np.arange(0))


def predict(training: Training, classifier: Classifier, one: Round) -> list[pd.DataFrame]:
    """Return the predictions of a round: a table each part.

    Where patients are kept apart, of unlabelled rows too, whose truth is -1: a study is judged by all of its
    slices.
    """
    return [
        _predict_part(training, classifier, rows, part, one)
        for part, rows in predicted_parts(training.plan, one).items()
    ]


def conclude(
    training: Training,
    tables: Sequence[pd.DataFrame],
    classifier: Classifier,
    epochs: Sequence[Mapping[str, float]],
    fit_seconds: float,
    cut_down: str = "",
) -> Trained:
    """Fit operating point and calibration to the predictions of all rounds; put together what was trained."""
    plan = training.plan
    predicted = pd.concat(tables, ignore_index=True)
    raw = predicted[predicted["truth"] >= 0].reset_index(drop=True)
    whole = plan.protocol.by_patient and predicted["study"].nunique() < predicted["slice_id"].nunique()
    by_slice = not (whole and families.get(training.family).study_labels) or _slices_tell(raw, plan)
    decided = decisions.decide(raw, plan.protocol, plan.rule, plan.calibration) if by_slice else None
    studies = None
    if whole:
        truth = training.store.studies.set_index("study")[training.label]
        studies = study_decisions.decide_each(
            predicted, truth, plan.protocol, plan.study_rule, decided.threshold if decided else None,
            plan.calibration,
        )  # fmt: skip
    facts = {  # without a section `converged` stands behind all that has one in the UI
        name if name == "converged" else f"fit/{name}": float(value)
        for name, value in classifier.convergence_.items()
    }
    facts["time/fit_s"] = fit_seconds
    if decided:
        facts["threshold"] = decided.threshold
        if plan.rule.promise:
            facts["negative_below"] = decided.negative_below
    elif studies:
        at = Thresholds(studies.negative_below, studies.threshold)
        decided = decisions.undecided(raw, at)
    assert decided is not None
    if studies:
        facts["study_threshold"] = studies.threshold
        if plan.study_rule.promise:
            facts["study_negative_below"] = studies.negative_below
    attended = predicted[[*ATTENDED]] if "attention" in predicted else None
    return Trained(
        classifier, decided.calibrator, decided.threshold, predictions.validate(decided.table),
        decided.fitted_on, pd.DataFrame(epochs), facts, training.family, studies, decided.negative_below,
        attended, cut_down,
    )  # fmt: skip


ATTENDED = ("slice_id", "study", "repeat", "part", "fold", "probability", "attention")
"""Columns of what is kept of attention."""


def _slices_tell(raw: pd.DataFrame, plan: Plan) -> bool:
    """Return whether slices of both truths are known in two parts or folds: to fit on and to judge."""
    where = "part" if plan.protocol.has_validation else "fold"
    found = raw.groupby(["repeat", "truth"])[where].nunique()
    return len(found) == 2 * plan.repeats and bool((found > 1).all())


def _predict_part(
    training: Training, classifier: Classifier, rows: Rows, part: str, one: Round
) -> pd.DataFrame:
    store, family = training.store, training.family
    truth = training.truth()[rows]
    if not training.plan.protocol.by_patient:
        rows, truth = rows[truth >= 0], truth[truth >= 0]
    table = store.index.iloc[rows][["slice_id", "patient", "study"]].reset_index(drop=True)
    found = families.scores(classifier, family, stored.slices(store, rows), training.study(rows))
    table = table.assign(
        part=part,
        fold=np.int16(one.fold),
        repeat=np.int16(one.repeat),
        truth=truth.astype(np.int8),
        probability=found.probability,
    )
    return table if found.attention is None else table.assign(attention=found.attention)


def _sampled(training: Training, rows: Rows, rng: np.random.Generator) -> Rows:
    """Return those of the rows that a classifier is shown; under `paper` the sample is drawn already."""
    plan = training.plan
    if not plan.protocol.by_patient:
        return rows
    any_hemorrhage = training.store.index["any"].to_numpy()
    return SAMPLINGS[plan.sampled(training.family)](rows, training.truth(), any_hemorrhage, rng)


def _slices(training: Training, rows: Rows) -> tuple[Slices, Truth]:
    return shown(training, rows), training.truth()[rows].astype(np.int8)
