"""What a training is: one family on one label, under a plan that all trainings of an experiment share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hemo import families
from hemo.evaluation.calibration import Calibrator
from hemo.evaluation.operating_point import OperatingPointRule
from hemo.evaluation.protocols import Protocol
from hemo.evaluation.study_decisions import StudyDecided
from hemo.evaluation.summary import Summary, summarize
from hemo.families import Scores
from hemo.families.base import Classifier, Images, LabelTable, Studies
from hemo.labels import LABELS, STUDY_LABELS
from hemo.slices.context import study_truth
from hemo.slices.split import Rows, Split
from hemo.slices.store import SliceStore

STUDY_RULE: Final = OperatingPointRule("sensitivity_at_least", 0.9)
"""Of the operating point of studies, where nothing else is asked for."""


@dataclass(frozen=True)
class Plan:
    """How classifiers of an experiment are trained and judged, whatever their family and label.

    Attributes
    ----------
    split
        Patients dealt; None under the `paper` protocol, which draws its own split by slice for each label.
    sampling
        `balanced` or `natural`: slices learned from. Predicted slices are always at natural prevalence.
    rule
        Of the operating point.
    positives
        Positive slices of a label's sample under `paper`.
    seed
        The one seed all others come from.
    calibration
        `none`, `sigmoid` or `isotonic` (see `hemo.evaluation.decisions`).
    draws
        Bootstrap draws of the intervals.
    study_rule
        Of the operating point of studies.
    """

    split: Split | None
    sampling: str
    rule: OperatingPointRule
    positives: int
    seed: int
    calibration: str = "none"
    draws: int = 2000
    study_rule: OperatingPointRule = STUDY_RULE

    @property
    def protocol(self) -> Protocol:
        """Of the split; without one, `paper`."""
        return self.split.protocol if self.split else Protocol.PAPER

    @property
    def repeats(self) -> int:
        """How often patients were dealt."""
        return self.split.repeats if self.split else 1

    @property
    def split_digest(self) -> str:
        """Digest of where patients were dealt; under `paper`, what its splits by slice were drawn with."""
        return self.split.digest if self.split else f"by slice, seed {self.seed}, {self.positives} positives"

    def sampled(self, family: str) -> str:
        """Return which slices a family learns from: of whole studies none can be left out."""
        return "natural" if families.get(family).study else self.sampling


@dataclass(frozen=True)
class Training:
    """One training of an experiment: a family on a label of a store, under a plan.

    Attributes
    ----------
    store
        Slices and labels.
    plan
        Split, sampling, operating point, seed and so on.
    word
        The family, or a variant of it, `cnn@wide` (see `hemo.families`).
    label
        What is learned: one of the six.
    params
        Parameters of the family that differ from its defaults.
    dataset
        Name of the data for people.
    """

    store: SliceStore
    plan: Plan
    word: str
    label: str
    params: Mapping[str, Any]
    dataset: str = ""

    @property
    def family(self) -> str:
        """Name of the family, without the variant."""
        return families.variant(self.word)[0]

    @property
    def variant(self) -> str:
        """Name of the variant; empty for the family itself."""
        return families.variant(self.word)[1]

    @property
    def title(self) -> str:
        """Name of the family, and of its variant, for people."""
        return families.title(self.word)

    @property
    def name(self) -> str:
        """`family/label`, or `family@variant/label`: what its run is called."""
        return f"{self.word}/{self.label}"

    def truth(self) -> NDArray[np.int8]:
        """Return the label of every row of the store, int8 (n,): 0, 1, or -1 where it is not known."""
        return self.store.index[self.label].to_numpy()

    def study_truth(self) -> NDArray[np.int8]:
        """Return what a table of studies says of every row's study, int8 (n,); -1 where there is none."""
        return self.store.column(STUDY_LABELS[LABELS.index(self.label)])

    @property
    def unlabelled(self) -> bool:
        """Whether the store says nothing of the label, of no slice and of no study."""
        return bool((self.truth() < 0).all() and (self.study_truth() < 0).all())

    @property
    def only_studies_labelled(self) -> bool:
        """Whether no slice is known to have the label, while something is known of studies."""
        return not (self.truth() == 1).any() and bool((self.study_truth() >= 0).any())

    def study(self, rows: Rows) -> Studies | None:
        """Return the stack of rows of the store, which is what families take for a study.

        None where a sample by slice leaves none whole.
        """
        return self.store.stack[rows] if self.plan.protocol.by_patient else None

    def said_of_studies(self, rows: Rows, labels: Sequence[str] = ()) -> LabelTable | None:
        """Return what tables of studies say of rows' stacks, of the training's label or of others.

        None where there is no such table, or no study is whole (see `hemo.slices.context.study_truth`).
        """
        whole = self.plan.protocol.by_patient
        return study_truth(self.store.index, rows, labels or (self.label,)) if whole else None


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
        Its operating point, fitted on validation or out-of-fold predictions (0.5 under `paper`); where no
        slice is judged, that of studies: a slice is then a study of its own.
    predictions
        Prediction table (see `hemo.evaluation.predictions`); without rows where studies are labelled and too
        few slices are to judge any.
    fitted_on
        The rows that calibrator and threshold were fitted on, calibrated.
    epochs
        One row an epoch of neural families: `repeat`, `fold` (-1: the classifier to keep), `epoch`, `loss`,
        ...
    facts
        Numbers of the training: `time/fit_s`, `converged`, `fit/iterations`, `fit/slices`, ...
    family
        The classifier's.
    studies
        What it says of whole studies; None under `paper`, and where each slice is a study of its own.
    negative_below
        Of triage: below it the answer is negative; the threshold where None.
    attention
        `slice_id`, `study`, `repeat`, `part`, `fold`, `probability` and `attention` of each predicted slice;
        None of families that judge slices only.
    abridged
        How the classifier's fit was cut down for want of memory, in words; "" where it was not.
    """

    classifier: Classifier
    calibrator: Calibrator | None
    threshold: float
    predictions: pd.DataFrame
    fitted_on: pd.DataFrame
    epochs: pd.DataFrame
    facts: dict[str, float]
    family: str
    studies: StudyDecided | None = None
    negative_below: float | None = None
    attention: pd.DataFrame | None = None
    abridged: str = ""

    def __repr__(self) -> str:
        """Return its family, and whom it was tested on."""
        tested = self.predictions
        return (
            f"<{self.family}: threshold {self.threshold:.3g}, predictions of {len(tested):,} slices of "
            f"{tested['patient'].nunique():,} patients>"
        )

    def summary(self, plan: Plan, part: str = "test") -> Summary:
        """Return the summary of its predictions of slices and studies, with the plan's draws and seed."""
        by_study = None if self.studies is None else self.studies.table
        return summarize(self.predictions, plan.draws, plan.seed, part, by_study)

    def probability(self, images: Images, study: Studies | None = None) -> NDArray[np.float64]:
        """Return the calibrated probability of the label for slices as stored, float64 (n,)."""
        raw = self.scores(images, study).probability
        return raw if self.calibrator is None else self.calibrator(raw)

    def scores(self, images: Images, study: Studies | None = None) -> Scores:
        """Return what the classifier gives for slices as stored, before calibration."""
        return families.scores(self.classifier, self.family, images, study)
