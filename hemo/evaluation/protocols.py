"""How patients are dealt between learning and testing, and what that makes of the metrics."""

from dataclasses import dataclass
from enum import StrEnum

from hemo.errors import HemoError


@dataclass(frozen=True)
class Sentences:
    """What a protocol means, in words for people.

    Attributes
    ----------
    caveat
        What its metrics are of.
    chosen
        How the best family of a label is chosen.
    dealt
        What was dealt, above the table of the split.
    tested
        Of whom the predictions are, as the beginning of a run's note.
    short
        How a registered version was tested, inside a sentence.
    card
        The split, as a model card says it.
    """

    caveat: str
    chosen: str
    dealt: str
    tested: str
    short: str
    card: str


class Protocol(StrEnum):
    """A protocol of training and testing; as text it is its word in experiment files and MLflow.

    >>> Protocol("cv").by_patient, Protocol.PAPER.by_patient
    (True, False)
    """

    CV = "cv"
    """Folds by patient; out-of-fold predictions are pooled, the kept classifier is fitted on all patients."""

    HOLDOUT = "holdout"
    """Patients are dealt to train, validation and test."""

    PAPER = "paper"
    """The seed paper's: slices are dealt, a balanced sample for each label; threshold 0.5."""

    @property
    def by_patient(self) -> bool:
        """Whether no tested patient was learned from; where not, the metrics do not hold for new patients."""
        return self is not Protocol.PAPER

    @property
    def has_validation(self) -> bool:
        """Whether patients are kept for fitting the operating point and for choosing the family.

        Where not, out-of-fold predictions serve for both.
        """
        return self is Protocol.HOLDOUT

    @property
    def refits(self) -> bool:
        """Whether the kept classifier is fitted again on all patients, after those that were tested."""
        return self is Protocol.CV

    @property
    def words(self) -> Sentences:
        """What it means, for people."""
        return _SENTENCES[self]


_SENTENCES = {
    Protocol.CV: Sentences(
        caveat="Metrics are of out-of-fold predictions: every patient is predicted by a model that never "
        "saw it.",
        chosen="by out-of-fold recall at specificity 0.80, then AUC",
        dealt="Patients were dealt to folds; positive slices of each label, their patients in brackets.",
        tested="Out-of-fold predictions of all patients",
        short="tested by patient in folds",
        card="Folds by patient; every patient was predicted by a model that never saw it (out-of-fold). The "
        "classifier itself was fitted again on all patients.",
    ),
    Protocol.HOLDOUT: Sentences(
        caveat="Metrics are of test patients that neither training nor the choice of threshold saw.",
        chosen="by recall at specificity 0.80, then AUC, on validation patients",
        dealt="Patients were dealt to parts; positive slices of each label, their patients in brackets.",
        tested="Test patients that training never saw",
        short="tested on patients kept apart",
        card="Patients were dealt to train, validation and test; no test patient was learned from.",
    ),
    Protocol.PAPER: Sentences(
        caveat="Split by slice as in the seed paper: slices of a patient are on both sides, so these metrics "
        "do not hold for new patients and nothing here can be promoted.",
        chosen="by recall at specificity 0.80, then AUC, on the paper's test slices",
        dealt="Slices, not patients, were dealt: for each label a balanced sample of its own.",
        tested="**Split by slice as in the seed paper, not valid for new patients**",
        short="tested on slices of patients that it knows",
        card="Split by slice: the metrics do not hold for new patients.",
    ),
}


def averaged(repeats: int) -> str:
    """Say that metrics are means over deals of the patients, as a sentence; empty where they were dealt once.

    >>> averaged(3)
    'Each metric is the mean of 3 deals of the patients; its interval knows of patients and of deals.'
    """
    if repeats == 1:
        return ""
    return (
        f"Each metric is the mean of {repeats} deals of the patients; its interval knows of patients and of "
        "deals."
    )


def parse(word: str) -> Protocol:
    """Return the protocol that a word names.

    Raises
    ------
    HemoError
        If there is none of this name.
    """
    try:
        return Protocol(word)
    except ValueError:
        raise HemoError(f"unknown protocol '{word}': choose one of {', '.join(Protocol)}") from None
