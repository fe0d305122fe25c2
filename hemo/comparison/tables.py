"""The comparison's tables for people."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from hemo import families, tracking
from hemo.comparison.leaderboard import Comparison, led
from hemo.config import Experiment
from hemo.display.numbers import number, p_value, ranged
from hemo.display.page import Table, fact_table
from hemo.tracking import views

SLICES = (
    "family", "recall_at_specificity_80", "auc", "recall", "specificity", "precision", "accuracy",
    "unsure_share",
)  # fmt: skip
STUDIES = (
    "family", "study_recall_at_specificity_80", "study_auc", "study_recall", "study_specificity",
    "study_unsure_share", "threshold", "seconds",
)  # fmt: skip
BEST = ("label", "family", "level", "recall_at_specificity_80", "auc", "recall", "specificity", "precision")
"""Columns of the page's tables; the CSV files have all."""


def differences(against: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return the best family's differences from the others for people, a table a metric."""
    tables = {}
    for metric, rows in against.groupby("metric", sort=False):
        tables[f"Difference in {title(str(metric))}"] = pd.DataFrame(
            {
                "label": rows["label"],
                "best": [families.title(word) for word in rows["first"]],
                "less": [families.title(word) for word in rows["second"]],
                "difference": [
                    ranged(d, low, high, "+z.3f")
                    for d, low, high in zip(rows["difference"], rows["low"], rows["high"], strict=True)
                ],
                "p, corrected": [p_value(p) for p in rows["p_holm"]],
            }
        )
    return tables


def by_label(board: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Return the leaderboard in parts, one a label, in the order of labels."""
    return [(str(label), part) for label, part in board.groupby("label", observed=True)]


def best(found: Comparison) -> pd.DataFrame:
    """Return the rows of the best family of each label, with metrics of studies where no slice was judged."""
    return led(found.leaderboard[found.leaderboard["best"]].reset_index(drop=True))


def readable(table: pd.DataFrame, columns: Sequence[str] = ()) -> pd.DataFrame:
    """Return a table for people: families by title, with what has to be said against them, in one cell.

    Parameters
    ----------
    table
        Rows of a leaderboard or of averages.
    columns
        Those to show, metrics with their intervals in the same cell; all but bounds, where none are named.
        Those without any value are left out, and `level` where all rows are of slices.
    """
    names = columns or [name for name in table.columns if not name.endswith(("_low", "_high"))]
    if "level" in table and (table["level"] == "slice").all():
        names = [name for name in names if name != "level"]
    result: dict[str, Any] = {}
    for name in [name for name in names if not table[name].isna().all()]:
        column = table[name]
        if name == "family":
            remarks = table["degenerate"] if "degenerate" in table else [""] * len(table)
            result[name] = [
                families.title(family) + (f": {remark}" if remark else "")
                for family, remark in zip(column, remarks, strict=True)
            ]
        elif f"{name}_low" in table.columns:
            result[name] = [
                ranged(value, low, high)
                for value, low, high in zip(column, table[f"{name}_low"], table[f"{name}_high"], strict=True)
            ]
        elif name == "seconds":
            result[name] = [number(value, ",.1f") for value in column]
        elif column.dtype.kind == "f":
            result[name] = [number(value, "z.3f") for value in column]
        else:
            result[name] = column.astype(str)
    return pd.DataFrame(result).rename(columns=title)


def boards(found: Comparison) -> dict[str, Table]:
    """Return the leaderboard for people, two tables a label: of slices, and of studies.

    The best family is marked and stands first, the others by recall at a specificity of 0.80.
    """
    tables = {}
    for label, part in by_label(found.leaderboard):
        if (part["level"] == "slice").any():
            tables[label] = _board(part, SLICES, "recall_at_specificity_80")
        if not part["study_recall"].isna().all():
            column = "study_recall_at_specificity_80"
            tables[f"{label}: studies, and the threshold"] = _board(part, STUDIES, column)
    return tables


def _board(part: pd.DataFrame, columns: Sequence[str], by: str) -> Table:
    rows = ranked(part, by)
    remarks = [
        ", ".join(filter(None, ("best" if best else "", remark)))
        for best, remark in zip(rows["best"], rows["degenerate"], strict=True)
    ]
    shown = readable(rows.assign(degenerate=remarks), columns)
    return Table(shown, ["good" if best else "" for best in rows["best"]])


def ranked(part: pd.DataFrame, by: str) -> pd.DataFrame:
    """Return the rows of a label: the best family first, the others from high to low."""
    return part.sort_values(["best", by], ascending=False, kind="stable")


def title(column: str) -> str:
    """Return the name of a column for people: `recall at spec. 0.80`."""
    words = (
        column.replace("level", "judged by")
        .removeprefix("study_")
        .replace("_", " ")
        .replace("auc", "AUC")
        .replace("rsna", "RSNA")
    )
    return words.replace("specificity 80", "spec. 0.80")


def facts(found: Comparison, config: Experiment) -> pd.DataFrame:
    """Return the facts that a reader needs before the metrics."""
    board = found.leaderboard
    rows = {
        "experiment": config.name,
        "description": config.description or "none given",
        "protocol": found.protocol,
        **({"metrics": f"mean of {found.repeats} deals of the patients"} if found.repeats > 1 else {}),
        "patients tested": board["patients"].max(),
        **_tested(board),
        "runs compared": len(board),
        "data digest": found.data_digest,
        "split digest": found.split_digest,
        "seed": config.seed,
        "code": tracking.git_commit(),
        "versions": ", ".join(f"{name} {number}" for name, number in tracking.versions().items()),
    }
    return fact_table(rows)


def _tested(board: pd.DataFrame) -> dict[str, Any]:
    """Return how many slices were tested, or studies, and how many of a label are positive."""
    facts: dict[str, Any] = {}
    for level, units in (("slice", "slices"), ("study", "studies")):
        rows = board[board["level"] == level].drop_duplicates("label").to_dict("records")
        if rows:
            facts[f"{units} tested"] = max(row[units] for row in rows)
            facts[f"positive {units} (patients)"] = ", ".join(
                f"{row['label']} {row[f'positive_{units}']} ({row['positive_patients']})" for row in rows
            )
    return facts


def markdown(found: Comparison) -> str:
    """Return the best family of each label with its metrics, as a Markdown table for the UI."""
    rows = []
    whole = best(found)
    of_studies = (whole["level"] == "study").all()
    for row in whole.to_dict("records"):
        cells = [
            ranged(row[name], row[f"{name}_low"], row[f"{name}_high"])
            for name in ("recall_at_specificity_80", "auc", "recall", "specificity")
        ]
        remarks = [row["degenerate"], "by study" if row["level"] == "study" and not of_studies else ""]
        said = ", ".join(remark for remark in remarks if remark)
        rows.append((row["label"], families.title(row["family"]), *cells, said))
    table = views.markdown_table(
        ("label", "best family", "recall at spec. 0.80", "AUC", "recall", "specificity", ""), rows
    )
    return f"Metrics of studies: no slice was judged.\n\n{table}" if of_studies else table
