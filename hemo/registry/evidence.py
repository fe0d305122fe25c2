"""What the gate looks at, and what a condition of it finds."""

from dataclasses import dataclass

import pandas as pd

from hemo.config import Gate
from hemo.evaluation.protocols import Protocol
from hemo.evaluation.summary import Summary


@dataclass(frozen=True)
class Finding:
    """One condition of the gate with what was found.

    Attributes
    ----------
    name
        Short name: `positive patients`, `recall`, `incumbent`, ...
    found, required
        What was found and what is asked, as text.
    passed
        The verdict.
    words
        The verdict as a sentence.
    override
        Whether a person may override a refusal: not where serving would break.
    against
        Whether it is about the incumbent: a candidate that fails such conditions only is fit for production.
    """

    name: str
    found: str
    required: str
    passed: bool
    words: str
    override: bool = True
    against: bool = False


@dataclass(frozen=True)
class Fall:
    """What a change of the data costs.

    Attributes
    ----------
    change
        What it is called.
    drop
        By how much the AUC falls; NaN where no slice was left to judge.
    """

    change: str
    drop: float


@dataclass(frozen=True)
class Candidate:
    """What the gate is told of a candidate beside its predictions.

    Attributes
    ----------
    protocol
        How it was tested.
    loaded_back_gap
        Largest difference between the probabilities of the logged model, loaded back now, and the run's own;
        NaN where that cannot be compared.
    fault
        Why the model cannot be loaded now; empty where it can.
    patients_known
        Whether every slice named its patient: where not, no split by patient can vouch for itself.
    synthetic
        Whether it was made of the phantom.
    recorded
        Whether digests of its files were recorded; where not, as of earlier versions, the gap is what its
        training logged.
    stress
        How far its AUC falls under the change of its data that costs most; None where nobody has tried all.
    """

    protocol: Protocol
    loaded_back_gap: float
    fault: str = ""
    patients_known: bool = True
    synthetic: bool = False
    recorded: bool = True
    stress: Fall | None = None


@dataclass(frozen=True)
class Incumbent:
    """The version in production that a candidate would replace.

    Attributes
    ----------
    version, family
        Which one it is.
    table
        Its predictions for the candidate's test slices; None where there are none.
    how
        Where they come from, in words; or why there are none.
    same_run
        Whether it is the candidate itself.
    studies
        Its predictions for the candidate's tested studies; None where there are none.
    synthetic
        Whether it was made of the phantom.
    """

    version: str
    family: str
    table: pd.DataFrame | None
    how: str
    same_run: bool = False
    studies: pd.DataFrame | None = None
    synthetic: bool = False

    @property
    def title(self) -> str:
        """Version and family, for people."""
        return f"version {self.version} ({self.family})"


@dataclass(frozen=True)
class Evidence:
    """All that a condition may look at.

    Attributes
    ----------
    tested
        The summary of the candidate's predictions of tested slices, or of studies.
    candidate
        Facts that are not in its predictions.
    gate
        What is asked.
    incumbent
        What is in production; None where nothing is.
    level
        Whether `slice` or `study` is judged.
    """

    tested: Summary
    candidate: Candidate
    gate: Gate
    incumbent: Incumbent | None = None
    level: str = "slice"

    @property
    def units(self) -> str:
        """What is judged, for people."""
        return "studies" if self.level == "study" else "slices"
