"""Train one family on one label under a protocol: predictions, operating point and a classifier to keep."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hemo import families
from hemo.errors import HemoError
from hemo.evaluation import decisions, predictions
from hemo.evaluation.calibration import Calibrator
from hemo.families.base import Classifier, Images, Studies
from hemo.labels import LABELS
from hemo.slices import paper
from hemo.slices.context import label_table, stack_numbers
from hemo.slices.sample import SAMPLINGS
from hemo.slices.split import Round, Rows, Split, rounds, set_apart
from hemo.slices.store import SliceStore


@dataclass(frozen=True)
class Plan:
    """How classifiers of an experiment are trained, whatever their family and label.

    Attributes
    ----------
    split
        Patients dealt; None under the `paper` protocol, which draws its own split by slice for each label.
    sampling
        `balanced` or `natural`: slices learned from. Predicted slices are always at natural prevalence.
    rule
        Rule of the operating point, such as `sensitivity_at_least:0.85`.
    positives
        Positive slices of a label's sample under `paper`.
    seed
        The one seed all others come from.
    calibration
        `none`, `sigmoid` or `isotonic` (see `hemo.evaluation.decisions`).
    """

    split: Split | None
    sampling: str
    rule: str
    positives: int
    seed: int
    calibration: str = "none"

    @property
    def protocol(self) -> str:
        """`holdout`, `cv` or `paper`."""
        return self.split.protocol if self.split else "paper"

    @property
    def split_digest(self) -> str:
        """Digest of where patients were dealt; under `paper`, what its splits by slice were drawn with."""
        return self.split.digest if self.split else f"by slice, seed {self.seed}, {self.positives} positives"

    def sampled(self, family: str) -> str:
        """Return which slices a family learns from: of whole studies none can be left out."""
        return "natural" if families.get(family).study else self.sampling


@dataclass(frozen=True)
class Trained:
    """What one training gave.

    Attributes
    ----------
    classifier
        The one to keep: under `holdout` and `paper` the one that was tested; under `cv` fitted again on
        all patients.
    calibrator
        What makes its probabilities calibrated ones, fitted off-test; None where nothing is calibrated.
    threshold
        Its operating point, fitted on validation or out-of-fold predictions (0.5 under `paper`).
    predictions
        Prediction table (see `hemo.evaluation.predictions`).
    fitted_on
        The rows that calibrator and threshold were fitted on, calibrated.
    epochs
        One row an epoch of neural families: `fold` (-1: the classifier to keep), `epoch`, `loss`, ...
    facts
        Figures of the training: `time/fit_s`, `fit/converged`, `fit/iterations`, `fit/slices`, ...
    family
        The classifier's.
    """

    classifier: Classifier
    calibrator: Calibrator | None
    threshold: float
    predictions: pd.DataFrame
    fitted_on: pd.DataFrame
    epochs: pd.DataFrame
    facts: dict[str, float]
    family: str

    def probability(self, images: Images, study: Studies | None = None) -> NDArray[np.float64]:
        """Return the calibrated probability of the label for slices as stored, float64 (n,)."""
        raw = families.positive(self.classifier, self.family, images, study)
        return raw if self.calibrator is None else self.calibrator(raw)


def train(
    store: SliceStore, plan: Plan, family: str, label: str, params: Mapping[str, Any], *, refit: bool = True
) -> Trained:
    """Train a family on one label.

    Parameters
    ----------
    store : SliceStore
        Slices and labels.
    plan : Plan
        Split, sampling, operating point and seed.
    family : str
        Name of a registered family.
    label : str
        One of the six.
    params : mapping
        Parameters of the family that differ from its defaults.
    refit : bool
        Whether to fit again on all patients under `cv`; without, the classifier is the last fold's, for
        those who want the predictions only.

    Raises
    ------
    HemoError
        If the store holds too few patients with the label to learn from or to test on.
    """
    index = store.index
    _check_learnable(index, label, plan)
    one_for_all = plan.protocol != "cv"
    if plan.split is None:
        trainings = [paper.paper_round(index, label, plan.seed, plan.positives)]
    else:
        trainings = rounds(plan.split, index)
    epochs: list[dict[str, float]] = []
    tables = []
    fit_seconds = 0.0
    for one in trainings:
        classifier, seconds = _fit(store, plan, family, label, params, one, epochs, final=one_for_all)
        fit_seconds += seconds
        for part, rows in predicted_parts(plan, one).items():
            tables.append(predict(store, plan, classifier, family, label, rows, part, one.fold))
    if refit and not one_for_all:
        whole = everything(store, plan)
        classifier, seconds = _fit(store, plan, family, label, params, whole, epochs, final=True)
        fit_seconds += seconds
    trained = conclude(plan, family, tables, classifier, epochs, fit_seconds)
    if plan.split is None:
        trained.facts.update(paper.counts(index, label, trainings[0], plan.seed, plan.positives))
    return trained


def predicted_parts(plan: Plan, one: Round) -> dict[str, Rows]:
    """Return the rows of a round that are predicted: validation too where the operating point needs it."""
    held = {"validation": one.validation} if plan.protocol == "holdout" else {}
    return {**held, "test": one.test}


def everything(store: SliceStore, plan: Plan) -> Round:
    """Return the round that learns from all patients, some of whom are set apart for early stopping."""
    learn, validation = set_apart(store.index, np.arange(len(store)), plan.seed)
    return Round(-1, learn, validation, np.arange(0))


def conclude(
    plan: Plan,
    family: str,
    tables: Sequence[pd.DataFrame],
    classifier: Classifier,
    epochs: Sequence[Mapping[str, float]],
    fit_seconds: float,
) -> Trained:
    """Fit operating point and calibration to the predictions of all rounds; put together what was trained."""
    raw = pd.concat(tables, ignore_index=True)
    decided = decisions.decide(raw, plan.protocol, plan.rule, plan.calibration)
    facts = {f"fit/{name}": float(value) for name, value in classifier.convergence_.items()}
    facts |= {"time/fit_s": fit_seconds, "threshold": decided.threshold}
    return Trained(
        classifier, decided.calibrator, decided.threshold, predictions.validate(decided.table),
        decided.fitted_on, pd.DataFrame(epochs), facts, family,
    )  # fmt: skip


def _fit(
    store: SliceStore,
    plan: Plan,
    family: str,
    label: str,
    params: Mapping[str, Any],
    one: Round,
    epochs: list[dict[str, float]],
    *,
    final: bool,
) -> tuple[Classifier, float]:
    """Fit on a round's training slices; families without epochs learn from the early-stopping slices too.

    Under `holdout` they do not, since there the validation slices fit the operating point.
    """
    neural = families.get(family).neural
    train_rows = one.train
    if not neural and plan.protocol != "holdout":
        train_rows = np.sort(np.concatenate([one.train, one.validation]))
    # The sample depends on label and fold alone, so that families learn from the same slices.
    seeds = np.random.default_rng([plan.seed, LABELS.index(label), one.fold + 1])
    rows = _learned(store, plan, family, label, train_rows, seeds)
    x, y = _slices(store, label, rows)
    if len(np.unique(y)) < 2:
        raise HemoError(
            f"{label}: fold {one.fold} has no slices of both classes to learn from: use fewer folds"
        )
    stop_rows = _learned(store, plan, family, label, one.validation, seeds) if neural else np.arange(0)
    validation = _slices(store, label, stop_rows) if len(stop_rows) else None

    def on_epoch(epoch: int, figures: Mapping[str, float]) -> None:
        epochs.append({"fold": -1 if final else one.fold, "epoch": epoch, **figures})

    classifier = families.build(family, params, int(seeds.integers(2**31)))
    context = families.fit_context(family, _studies(store, plan, rows), label_table(store.index, rows))
    start = time.perf_counter()
    classifier.fit(x, y, validation=validation, on_epoch=on_epoch, **context)
    return classifier, time.perf_counter() - start


def _learned(
    store: SliceStore, plan: Plan, family: str, label: str, rows: Rows, rng: np.random.Generator
) -> Rows:
    """Return those of the rows that a classifier is shown."""
    if plan.protocol == "paper":  # there the sample is drawn before the split
        return rows
    y = store.index[label].to_numpy()
    return SAMPLINGS[plan.sampled(family)](rows, y, store.index["any"].to_numpy(), rng)


def _slices(store: SliceStore, label: str, rows: Rows) -> tuple[NDArray[np.uint8], NDArray[np.int8]]:
    return store.images(rows), store.index[label].to_numpy()[rows].astype(np.int8)


def _studies(store: SliceStore, plan: Plan, rows: Rows) -> Studies | None:
    """Return the study of each row; a sample by slice leaves no whole studies."""
    return None if plan.protocol == "paper" else stack_numbers(store.index, rows)


def predict(
    store: SliceStore,
    plan: Plan,
    classifier: Classifier,
    family: str,
    label: str,
    rows: Rows,
    part: str,
    fold: int,
) -> pd.DataFrame:
    """Return predictions of the labelled rows; the others are shown where they are a study's."""
    truth = store.index[label].to_numpy()[rows]
    if not families.get(family).study:
        rows, truth = rows[truth >= 0], truth[truth >= 0]
    study = _studies(store, plan, rows)
    table = store.index.iloc[rows][["slice_id", "patient", "study"]].reset_index(drop=True)
    table = table.assign(
        part=part,
        fold=np.int16(fold),
        truth=truth.astype(np.int8),
        probability=families.positive(classifier, family, store.images(rows), study),
    )
    return table[truth >= 0]


def _check_learnable(index: pd.DataFrame, label: str, plan: Plan) -> None:
    positive = index.loc[index[label] == 1, "patient"].nunique()
    if plan.split is not None and positive < 2:
        raise HemoError(
            f"{label}: {positive} patients of the store have it: it takes 2, one to learn from and one "
            "to test on"
        )
