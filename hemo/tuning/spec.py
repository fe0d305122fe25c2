"""What a study is: everything that its worker processes need to know."""

from collections.abc import Sequence
from dataclasses import dataclass

from hemo.config.tuning import Budget
from hemo.training import Training


@dataclass(frozen=True)
class StudySpec:
    """A study for worker processes.

    Attributes
    ----------
    study, url
        Name of the study and its database.
    training
        What is tuned on what. Its parameters hold where a trial draws none: all of the family's defaults, and
        the experiment's own over them.
    objectives
        Names of what trials are judged by; pruning takes place where there is one.
    budget
        When the study ends.
    workers
        Number of processes.
    """

    study: str
    url: str
    training: Training
    objectives: Sequence[str]
    budget: Budget
    workers: int

    @property
    def family(self) -> str:
        """The family that is tuned."""
        return self.training.family
