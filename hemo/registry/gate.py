"""The gate: may this classifier go into production? Predictions and facts in, conditions with verdicts out.

Fails closed: a metric that is undefined, or an incumbent that cannot be compared with, is a refusal.
Knows nothing of MLflow, so that every verdict can be repeated from the files that a run left.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import pandas as pd

from hemo.config import Gate
from hemo.evaluation.summary import Estimate, Summary, estimate
from hemo.registry.conditions import CONDITIONS
from hemo.registry.evidence import Candidate, Evidence, Finding, Incumbent

__all__ = ["Candidate", "Finding", "Incumbent", "Verdict", "judge"]


@dataclass(frozen=True)
class Verdict:
    """All conditions, judged.

    Attributes
    ----------
    findings
        In the order in which they were judged.
    metrics
        A row a metric with its interval (see `hemo.evaluation.intervals.bootstrap`).
    level
        Whether they are of each `slice` or of each `study`.
    repeats
        How often patients were dealt: metrics are means over the deals.
    """

    findings: tuple[Finding, ...]
    metrics: pd.DataFrame
    level: str = "slice"
    repeats: int = 1

    @property
    def sound(self) -> bool:
        """Whether the candidate is fit for production, whatever is there now."""
        return all(one.passed for one in self.findings if not one.against)

    @property
    def passed(self) -> bool:
        """Whether the candidate goes into production."""
        return all(one.passed for one in self.findings)

    @property
    def can_override(self) -> bool:
        """Whether a person may promote it although it was refused."""
        return all(one.passed or one.override for one in self.findings)

    @property
    def reason(self) -> str:
        """Why it was refused, or what speaks for it, in one line."""
        failed = [one.words for one in self.findings if not one.passed]
        if failed:
            return "; ".join(failed)
        better = [one.words for one in self.findings if one.against]
        return "; ".join(better) or "passed every condition; nothing was in production"

    def __getitem__(self, metric: str) -> Estimate:
        """Return a metric with the bounds of its interval."""
        return estimate(self.metrics, metric)


def judge(tested: Summary, candidate: Candidate, gate: Gate, incumbent: Incumbent | None = None) -> Verdict:
    """Judge a candidate by all `hemo.registry.conditions.CONDITIONS`.

    Parameters
    ----------
    tested : Summary
        Of its predictions of tested slices and studies; draws and seed are also those of the comparison with
        what is in production.
    candidate : Candidate
        Facts that are not in its predictions.
    gate : Gate
        What is asked.
    incumbent : Incumbent, optional
        What is in production, if anything.
    """
    asked = ("study", "slice") if gate.level == "both" else (gate.level,)
    levels = asked if tested.by_study is not None else ("slice",)
    if not tested.by_slice and "slice" in levels:
        return Verdict((NO_SLICES,), tested.studies.metrics, "study")
    judged = {level: tested.studies if level == "study" else tested for level in levels}
    found = {
        level: [
            finding
            for condition in CONDITIONS
            if (finding := condition(Evidence(summary, candidate, gate, incumbent, level))) is not None
        ]
        for level, summary in judged.items()
    }
    first = levels[0]
    return Verdict(tuple(_together(found)), judged[first].metrics, first, tested.judged.counts.repeats)


NO_SLICES: Final = Finding(
    "slices",
    "no tested slice is judged: labels are of studies",
    "slices to judge (gate.level: slice or both)",
    False,
    "no tested slice is judged, as labels are of studies: set gate.level to study",
    override=False,
)
"""What is found where slices are to be judged, and there are none."""


def _together(found: Mapping[str, Sequence[Finding]]) -> Iterator[Finding]:
    """Yield what was found on each level, by its name and level; what does not depend on it once."""
    if len(found) == 1:
        yield from next(iter(found.values()))
        return
    for findings in zip(*found.values(), strict=True):
        if len(set(findings)) == 1:
            yield findings[0]
            continue
        for level, one in zip(found, findings, strict=True):
            yield replace(one, name=f"{one.name} by {level}", words=f"by {level}: {one.words}")
