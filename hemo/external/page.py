"""What an external validation says of all labels: a page, tables, and the run's note."""

from collections.abc import Mapping

import mlflow
import pandas as pd

from hemo.display import subgroups
from hemo.display.agreement import readable_agreement
from hemo.display.numbers import ranged
from hemo.display.page import Section, render
from hemo.registry import card_tables, gate_page
from hemo.slices.store import SliceStore
from hemo.tracking import views
from hemo.whole import csv_text


def record(
    run_id: str,
    found: pd.DataFrame,
    store: SliceStore,
    dataset: str,
    about: str,
    warnings: list[str],
    groups: Mapping[str, pd.DataFrame],
) -> None:
    """Log what concerns all labels to the run: metrics outside and inside, by group, exclusions."""
    table = readable(found)
    unaudited = "" if store.patients_known else (
        " The data does not name its patients: slices without one count as patients of their own, and the "
        "intervals are too narrow."
    )  # fmt: skip
    sections = [
        Section("What was evaluated", text=about + unaudited, warning="\n".join(warnings)),
        Section("Outside and inside", tables={"Metrics with 95% intervals by patient": table}),
        *_readers(store),
        *_groups(groups),
        _excluded(store),
    ]
    if store.agreement is not None:
        mlflow.log_text(csv_text(store.agreement), "tables/agreement.csv")
    mlflow.log_text(csv_text(found), "tables/external.csv")
    mlflow.log_text(csv_text(store.exclusion_counts()), "tables/exclusions.csv")
    mlflow.log_text(render(f"External validation: {dataset}", sections), "report/external.html")
    rows = table.itertuples(index=False)
    red = f"{gate_page.leave_red_mark(run_id, 'report')} **{' '.join(warnings)}**\n\n" if warnings else ""
    mlflow.set_tag("mlflow.note.content", red + views.markdown_table(tuple(table.columns), rows))


def _readers(store: SliceStore) -> list[Section]:
    """Return how far the readers agree whose studies these are, and by which rule they come to one truth."""
    if store.agreement is None:
        return []
    readers = store.facts["readers"]
    shown = readable_agreement(store.agreement)
    text = f"{readers['studies']:,} studies with several readers: {readers['rule']}."
    return [Section("Readers", text, {"Agreement with 95% intervals by patient": shown})]


def _groups(groups: Mapping[str, pd.DataFrame]) -> list[Section]:
    """Return metrics by scanner, settings and patient, where headers say something of them."""
    found = subgroups.section(groups)
    for label, rows in groups.items():
        mlflow.log_text(csv_text(rows), f"tables/subgroups_{label}.csv")
    return [found] if found else []


def _excluded(store: SliceStore) -> Section:
    counts = store.exclusion_counts()
    return Section(
        "Excluded files", "" if len(counts) else "None.", {"By reason": counts} if len(counts) else {}
    )


def readable(found: pd.DataFrame) -> pd.DataFrame:
    """Return the metrics for people: one row a label and metric, intervals in one cell."""
    rows = found.to_dict("records")
    return pd.DataFrame(
        {
            "label": found["label"],
            "model": [f"{row['family']} {row['version']}".strip() for row in rows],
            "metric": found["figure"].map(card_tables.METRICS).str.partition(" (")[0],
            "outside": [ranged(row["value"], row["low"], row["high"]) for row in rows],
            "inside": [ranged(row["internal"], row["internal_low"], row["internal_high"]) for row in rows],
            "positive patients outside": found["positive_patients"],
        }
    )
