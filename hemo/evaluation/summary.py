"""All that is said of one prediction table: computed once, handed to whatever says it.

Metrics that are logged, plots, pages, the gate and the model card take a `Summary`, so that a metric has one
interval wherever it is read.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Final, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hemo.evaluation import curves, intervals, predictions

DRAWS: Final = 2000
"""Of the bootstrap, where nothing else is asked for."""


class Estimate(NamedTuple):
    """A metric with the bounds of its 95% interval; NaN where it is undefined."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Counts:
    """How much was tested, and how much of it has the label; each slice and patient once.

    `repeats`: in how many deals of the patients. `units`: what is counted, `slices` or `studies`.
    """

    slices: int
    positive_slices: int
    patients: int
    positive_patients: int
    repeats: int = 1
    units: str = "slices"


@dataclass(frozen=True)
class Cell:
    """One cell of a confusion matrix: its slices, their share of those of that truth, and their patients.

    Of several deals, means; numbers of slices and patients are rounded.
    """

    positive: bool
    called: bool
    slices: int
    share: float
    patients: int


@dataclass(frozen=True)
class Failures:
    """Wrong decisions: slices, their patients, and patients whose every positive slice was missed.

    Of several deals, means, rounded.
    """

    missed: int
    patients_missed: int
    never_found: int
    alarms: int
    patients_alarmed: int


@dataclass(frozen=True, eq=False)
class Summary:
    """One prediction table, and what is said of it: of several deals, means over them.

    What follows from the table is computed when it is first asked for, and kept.

    Attributes
    ----------
    table
        Predictions of the tested slices, in each deal; no rows where labels are of studies, and too few
        slices have any.
    draws, seed
        Of the bootstrap over patients: of every interval and band.
    by_study
        Predictions of their studies (see `hemo.evaluation.study_decisions`); None where none were learned.
    units
        What a row is of, for people: `slices` or `studies`.
    """

    table: pd.DataFrame
    draws: int
    seed: int
    by_study: pd.DataFrame | None = None
    units: str = "slices"

    @property
    def by_slice(self) -> bool:
        """Whether there are slices to say anything of; else there are studies only."""
        return len(self.table) > 0 or self.by_study is None

    @property
    def judged(self) -> "Summary":
        """What is said of slices; of studies where there are no slices to say anything of."""
        return self if self.by_slice else self.studies

    @cached_property
    def metrics(self) -> pd.DataFrame:
        """Metrics of slices: see `hemo.evaluation.intervals.bootstrap`."""
        return intervals.bootstrap(self.table, self.draws, self.seed)

    @cached_property
    def studies(self) -> "Summary":
        """The same of studies, by their own score; without one, by the largest slice's and its threshold."""
        own = predictions.study_table(self.table) if self.by_study is None else self.by_study
        return Summary(own, self.draws, self.seed, units="studies")

    def __getitem__(self, metric: str) -> Estimate:
        """Return a metric of slices with its interval."""
        return estimate(self.metrics, metric)

    @cached_property
    def counts(self) -> Counts:
        """Slices and patients, and how many of them are positive."""
        slices = predictions.once(self.table)
        positive = slices[slices["truth"] == 1]
        return Counts(
            slices=len(slices),
            positive_slices=len(positive),
            patients=slices["patient"].nunique(),
            positive_patients=positive["patient"].nunique(),
            repeats=max(1, self.table["repeat"].nunique()),
            units=self.units,
        )

    @cached_property
    def triaged(self) -> bool:
        """Whether there is a region between the thresholds where an answer is unsure."""
        table = self.table
        return "negative_below" in table and bool((table["negative_below"] < table["threshold"]).any())

    @property
    def prevalence(self) -> float:
        """Share of slices that are positive; NaN without slices."""
        return self.counts.positive_slices / self.counts.slices if self.counts.slices else np.nan

    @cached_property
    def called(self) -> NDArray[np.bool_]:
        """Which slices are called positive, bool (n,) in the order of the table."""
        return (self.table["probability"] >= self.table["threshold"]).to_numpy()

    @cached_property
    def roc(self) -> curves.Curve:
        """The ROC curve with its band."""
        return curves.Curve(curves.roc_line(self.table), curves.roc(self.table, self.draws, self.seed))

    @cached_property
    def precision_recall(self) -> curves.Curve:
        """The precision-recall curve with its band."""
        return curves.Curve(
            curves.precision_recall_line(self.table),
            curves.precision_recall(self.table, self.draws, self.seed),
        )

    @cached_property
    def reliability(self) -> pd.DataFrame:
        """How often slices of like probability are positive: see `hemo.evaluation.curves.reliability`."""
        return curves.reliability(self.table, draws=self.draws, seed=self.seed)

    @cached_property
    def confusion(self) -> tuple[Cell, ...]:
        """The four cells of the confusion matrix at the operating point, positives and calls first."""
        truth = self.table["truth"].to_numpy() == 1
        cells = []
        for positive in (True, False):
            of_truth = truth == positive
            for call in (True, False):
                here = of_truth & (self.called == call)
                share = float(here.sum() / max(of_truth.sum(), 1))
                cells.append(Cell(positive, call, self._rows(here), share, self._patients(here)))
        return tuple(cells)

    def _rows(self, chosen: NDArray[np.bool_]) -> int:
        """Return how many rows are chosen, a deal."""
        return round(int(chosen.sum()) / self.counts.repeats)

    def _patients(self, chosen: NDArray[np.bool_]) -> int:
        """Return how many patients rows are of, a deal."""
        return round(len(self._of(chosen)) / self.counts.repeats)

    def _of(self, chosen: NDArray[np.bool_]) -> pd.MultiIndex:
        """Return the patients whose rows are chosen, with the deal."""
        return pd.MultiIndex.from_frame(self.table.loc[chosen, ["repeat", "patient"]].drop_duplicates())

    @cached_property
    def failures(self) -> Failures:
        """What was decided wrongly."""
        positive = self.table["truth"].to_numpy() == 1
        missed, alarms = positive & ~self.called, ~positive & self.called
        never = self._of(missed).difference(self._of(positive & self.called))
        return Failures(
            self._rows(missed), self._patients(missed), round(len(never) / self.counts.repeats),
            self._rows(alarms), self._patients(alarms),
        )  # fmt: skip

    @cached_property
    def by_extent(self) -> pd.DataFrame:
        """Recall and specificity in parts of the patients that the predictions themselves tell apart.

        `subgroup`, `metric`, `value`, `low`, `high`, `patients`: recall where a patient's hemorrhage is on
        few or on many slices, specificity on the clear slices of patients with and without it.
        """
        table = self.table
        extent = table.groupby(["repeat", "patient"])["truth"].transform("sum")
        of_patient = extent[extent > 0].groupby(table["patient"]).first()
        half = float(of_patient.median()) if len(of_patient) else 0.0
        parts = [
            (f"hemorrhage on at most {half:g} slices", "recall", (extent > 0) & (extent <= half)),
            (f"hemorrhage on more than {half:g} slices", "recall", extent > half),
            ("clear slices of patients with it", "specificity", (extent > 0) & (table["truth"] == 0)),
            ("slices of patients without it", "specificity", extent == 0),
        ]
        rows = []
        for name, metric, chosen in parts:
            part = table[chosen]
            if len(part):
                found = intervals.bootstrap(part, self.draws, self.seed, [metric])
                rows.append((name, metric, *estimate(found, metric), part["patient"].nunique()))
        return pd.DataFrame(rows, columns=["subgroup", "metric", "value", "low", "high", "patients"])


def summarize(
    table: pd.DataFrame,
    draws: int = DRAWS,
    seed: int = 0,
    part: str = "test",
    by_study: pd.DataFrame | None = None,
) -> Summary:
    """Return the summary of a prediction table.

    Parameters
    ----------
    table
        A prediction table (see `hemo.evaluation.predictions`).
    draws, seed
        Of the bootstrap over patients; the same seed gives the same intervals.
    part
        The rows that are summarized: `test`, or `validation`.
    by_study
        Predictions of the studies, where there are some.
    """
    table = predictions.with_deals(table)
    studies = None if by_study is None else predictions.with_deals(by_study)[by_study["part"] == part]
    return Summary(table[table["part"] == part], draws, seed, studies)


def estimate(metrics: pd.DataFrame, name: str) -> Estimate:
    """Return one metric out of a table of metrics (see `hemo.evaluation.intervals.bootstrap`)."""
    row = metrics.loc[metrics["metric"] == name, ["value", "low", "high"]].to_numpy(float)[0]
    return Estimate(*(float(number) for number in row))
