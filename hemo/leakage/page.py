"""The leakage audit for people: a page, a note and a table in the terminal."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from hemo import console, families
from hemo.display import inflation, page, terminal
from hemo.display.numbers import number, ranged
from hemo.display.page import Section, readable_columns
from hemo.slices import duplicates
from hemo.slices.store import SliceStore
from hemo.tracking.tags import UNAUDITED

REPORT = "report/leakage.html"
"""Where an audit's run keeps its page."""

MOST_PAIRS = 9
"""Pairs of near-duplicates that are pictured."""

HEADLINE = {"auc": "AUC", "recall_at_specificity_80": "recall at specificity 0.80"}
"""Metrics of the table for people."""

SPLITS = {"by_slice": "by slice", "by_patient": "by patient"}


@dataclass(frozen=True)
class Audit:
    """What an audit found.

    Attributes
    ----------
    facts
        A row a fact: `fact`, `value`.
    crossings
        A row a split: `split`, `patients_on_both_sides`, and near-duplicates that lie across it, of one
        patient and of two.
    pairs
        Near-duplicates of the store (see `hemo.slices.duplicates.find`), with `first_id` and `second_id`.
    metrics
        A row a training and metric: `label`, `family`, and the columns of
        `hemo.leakage.measure.Inflation.metrics`.
    skipped
        A row a label or training that was left out: `what`, `reason`.
    """

    facts: pd.DataFrame
    crossings: pd.DataFrame
    pairs: pd.DataFrame
    metrics: pd.DataFrame
    skipped: pd.DataFrame


def headline(measured: pd.DataFrame, metrics: Sequence[str] = tuple(HEADLINE)) -> pd.DataFrame:
    """Return the inflation of AUC, and of recall at equal specificity, as text, a row a training.

    Parameters
    ----------
    measured
        See `Audit.metrics`.
    metrics
        Out of `HEADLINE`.
    """
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for row in measured[measured["metric"].isin(metrics)].to_dict("records"):
        cells = rows.setdefault((row["label"], row["family"]), {})
        for name, title in {**SPLITS, "inflation": "inflation"}.items():
            text = ranged(row[name], row[f"{name}_low"], row[f"{name}_high"])
            cells[f"{HEADLINE[row['metric']]}, {title}"] = text
    return pd.DataFrame(
        [
            {"label": label, "family": families.title(family), **cells}
            for (label, family), cells in rows.items()
        ]
    )


def verdict(found: Audit) -> str:
    """Return the audit in one or two sentences."""
    if found.crossings.empty:
        return f"{UNAUDITED[0].upper()}{UNAUDITED[1:]}: nothing can be said of a split by patient."
    twins = int((~found.pairs["same_patient"]).sum())
    copies = (
        f"{twins} pairs of slices of different patients are the same picture: one person under two ids?"
        if twins
        else "No slice of one patient is a copy of another patient's."
    )
    auc = found.metrics[found.metrics["metric"] == "auc"]
    if auc.empty:
        return copies
    low, high = auc["inflation"].min(), auc["inflation"].max()
    clear = int((auc["inflation_low"] > 0).sum())
    return (
        f"Split by slice, the AUC is higher by {number(low)} to {number(high)} than split by patient; of "
        f"{len(auc)} trainings the interval excludes zero in {clear}. {copies}"
    )


def write(found: Audit, store: SliceStore, name: str, folder: Path) -> Path:
    """Write an audit's tables (CSV), pictures (PNG) and page (HTML) into a folder; return the page."""
    return page.write(
        folder, REPORT, f"Leakage audit: {name}", _sections(found, _pictures(found, store, name))
    )


def _pictures(found: Audit, store: SliceStore, name: str) -> dict[str, Figure]:
    """Return the inflation of each metric of `HEADLINE`, and the most similar pairs, by name."""
    named = found.metrics.assign(family=[families.title(word) for word in found.metrics["family"]])
    pictures = {
        metric: inflation.inflation(named, f"{name}: {title} by slice and by patient", metric, title)
        for metric, title in HEADLINE.items()
        if len(named)
    }
    similar = found.pairs.sort_values("same_patient", kind="stable").head(MOST_PAIRS)
    if len(similar):
        pictures["near_duplicates"] = inflation.pairs(
            [tuple(store.images(ends)[..., 0]) for ends in similar[["first", "second"]].to_numpy()],
            [
                f"{r.similarity:.3f}, {'one patient' if r.same_patient else 'TWO PATIENTS'}"
                for r in similar.itertuples()
            ],
        )
    return pictures


def _sections(found: Audit, pictures: Mapping[str, Figure]) -> list[Section]:
    kinds = found.pairs.assign(kind=np.where(found.pairs["exact"], "equal pixels", "near-duplicate"))
    kinds["of"] = np.where(found.pairs["same_patient"], "one patient", "two patients")
    counts = kinds.groupby(["kind", "of"]).size().rename("pairs").reset_index()
    sections = [
        Section(
            "In short",
            verdict(found),
            {"What was audited": found.facts},
            files={
                "inflation": found.metrics,
                "near_duplicates": found.pairs,
                "crossings": found.crossings,
                **pictures,
            },
        ),
        Section(
            "What crosses a split",
            "A pair crosses a split where one slice is learned from and the other tested in the same round. "
            f"Near-duplicates are slices whose fine detail correlates at {duplicates.LEAST} or more, at the "
            "best of all moves by up to 3 pixels; neighbouring slices of one patient can be among them.",
            {"Pairs in the store": counts, "Across the splits": readable_columns(found.crossings)},
            {"The most similar pairs": pictures["near_duplicates"]} if "near_duplicates" in pictures else {},
        ),
    ]
    if len(found.metrics):
        sections.append(
            Section(
                "Inflation",
                "The same family, parameters, slices, sampling, folds and seed: only what is dealt to folds, "
                "slices or patients, differs. Intervals are by patient; that of the inflation is of the "
                "paired difference.",
                {"By slice and by patient": headline(found.metrics)},
                {HEADLINE[name]: figure for name, figure in pictures.items() if name in HEADLINE},
            )
        )
        sections.append(Section("All metrics", tables={"By training": readable_columns(found.metrics)}))
    if len(found.skipped):
        sections.append(Section("Left out", tables={"Labels and trainings": found.skipped}))
    return sections


def note(found: Audit) -> str:
    """Return the audit in Markdown, for the run's page in the UI."""
    table = headline(found.metrics)
    lines = [verdict(found), ""]
    if len(table):
        lines += [f"| {' | '.join(table.columns)} |", "|---" * len(table.columns) + "|"]
        lines += [f"| {' | '.join(row)} |" for row in table.itertuples(index=False)]
    return "\n".join([*lines, "", f"The whole page: artifact `{REPORT}`. Research use only."])


def print_audit(found: Audit) -> None:
    """Print the audit: what crosses the splits, the inflation, what was left out, and the verdict."""
    for title, table in (
        ("Across the splits", readable_columns(found.crossings)),
        ("Inflation", headline(found.metrics, ["auc"])),
    ):
        if len(table):
            console.out.print(terminal.table(title, list(table.columns), table.to_numpy().tolist()))
    for row in found.skipped.to_dict("records"):
        console.err.print(f"left out: {row['what']}: {row['reason']}")
    console.out.print(verdict(found), soft_wrap=True)
