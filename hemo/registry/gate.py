"""The gate: may this classifier go into production? Predictions and facts in, conditions with verdicts out.

Fails closed: a figure that is undefined, or an incumbent that cannot be compared with, is a refusal.
Knows nothing of MLflow, so that every verdict can be repeated from the files that a run left.
"""

from dataclasses import dataclass

import pandas as pd

from hemo.config import Gate
from hemo.evaluation import intervals
from hemo.evaluation.predictions import sort
from hemo.registry import conditions
from hemo.registry.conditions import Candidate, Condition, Incumbent

__all__ = ["Candidate", "Condition", "Incumbent", "Verdict", "judge"]


@dataclass(frozen=True)
class Verdict:
    """All conditions, judged.

    Attributes
    ----------
    own
        Conditions on the candidate alone.
    against
        Conditions on how it compares with the incumbent; empty where there is none.
    figures
        A row a figure with its interval (see `hemo.evaluation.intervals.bootstrap`).
    """

    own: tuple[Condition, ...]
    against: tuple[Condition, ...]
    figures: pd.DataFrame

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """All conditions in the order in which they were judged."""
        return self.own + self.against

    @property
    def sound(self) -> bool:
        """Whether the candidate is fit for production, whatever is there now."""
        return all(condition.passed for condition in self.own)

    @property
    def passed(self) -> bool:
        """Whether the candidate goes into production."""
        return all(condition.passed for condition in self.conditions)

    @property
    def can_override(self) -> bool:
        """Whether a person may promote it although it was refused."""
        return all(condition.passed or condition.override for condition in self.conditions)

    @property
    def reason(self) -> str:
        """Why it was refused, or what speaks for it, in one line."""
        failed = [condition.words for condition in self.conditions if not condition.passed]
        if failed:
            return "; ".join(failed)
        better = [condition.words for condition in self.against]
        return "; ".join(better) or "passed every condition; nothing was in production"

    def figure(self, name: str) -> tuple[float, float, float]:
        """Return a figure with the bounds of its interval."""
        return conditions.row(self.figures, name)


def judge(
    table: pd.DataFrame,
    candidate: Candidate,
    gate: Gate,
    incumbent: Incumbent | None = None,
    *,
    draws: int = 2000,
    seed: int = 0,
) -> Verdict:
    """Judge a candidate.

    Parameters
    ----------
    table : DataFrame
        Its prediction table; only the part `test` is looked at.
    candidate : Candidate
        Facts that are not in the table.
    gate : Gate
        What is asked.
    incumbent : Incumbent, optional
        What is in production, if anything.
    draws, seed
        Of the bootstrap over patients.
    """
    test = sort(table[table["part"] == "test"])
    figures = intervals.bootstrap(test, draws=draws, seed=seed)
    own = (
        conditions.protocol(candidate),
        conditions.positive_patients(test, gate),
        conditions.lower_bound(figures, "recall", gate.min_recall_low),
        conditions.lower_bound(figures, "specificity", gate.min_specificity_low),
        conditions.discriminates(test, figures, gate),
        conditions.calibration(test, figures, gate),
        conditions.loaded_back(candidate),
    )
    against: tuple[Condition, ...] = ()
    if incumbent is not None:
        against = (conditions.better_than_incumbent(test, incumbent, gate, draws, seed),)
    return Verdict(own, against, figures)
