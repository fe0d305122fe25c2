"""The comparison's tables for people."""

from typing import Any

import numpy as np
import pandas as pd

from hemo import families, tracking, views
from hemo.comparison import Comparison
from hemo.config import Experiment


def differences(against: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return the best family's differences from the others for people, a table a figure."""
    tables = {}
    for metric, rows in against.groupby("metric", sort=False):
        title = str(metric).replace("auc", "AUC").replace("_", " ")
        tables[f"Difference in {title}"] = pd.DataFrame(
            {
                "label": rows["label"],
                "best": [families.title(word) for word in rows["first"]],
                "less": [families.title(word) for word in rows["second"]],
                "difference": [
                    f"{d:+.3f} ({low:+.3f} to {high:+.3f})"
                    for d, low, high in zip(rows["difference"], rows["low"], rows["high"], strict=True)
                ],
                "p, corrected": [f"{p:.3f}" for p in rows["p_holm"]],
            }
        )
    return tables


def by_label(board: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Return the leaderboard in parts, one a label, in the order of labels."""
    return [(str(label), part) for label, part in board.groupby("label", observed=True)]


def best(found: Comparison) -> pd.DataFrame:
    """Return the rows of the best family of each label."""
    return found.leaderboard[found.leaderboard["best"]].reset_index(drop=True)


def readable(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table for people: titles of families, figures with their intervals in one cell."""
    result: dict[str, Any] = {}
    for name in table.columns:
        column = table[name]
        inner = name.endswith(("_low", "_high")) or name.startswith("choose_") or name in ("best", "run_id")
        if inner or column.isna().all():
            continue
        if name == "family":
            result[name] = [families.title(family) for family in column]
        elif f"{name}_low" in table.columns:
            result[name] = [
                ranged(value, low, high)
                for value, low, high in zip(column, table[f"{name}_low"], table[f"{name}_high"], strict=True)
            ]
        elif column.dtype.kind == "f":
            result[name] = [f"{value:.3f}" if np.isfinite(value) else "–" for value in column]
        else:
            result[name] = column.astype(str)
    return pd.DataFrame(result).rename(columns=lambda name: name.replace("_", " "))


def facts(found: Comparison, config: Experiment) -> pd.DataFrame:
    """Return the facts that a reader needs before the figures."""
    board = found.leaderboard
    rows = {
        "experiment": config.name,
        "description": config.description or "none given",
        "protocol": found.protocol,
        "patients tested": board["patients"].max(),
        "slices tested": board["slices"].max(),
        "positive slices (patients)": ", ".join(
            f"{row.label} {row.positive_slices} ({row.positive_patients})"
            for row in board.drop_duplicates("label").itertuples()
        ),
        "runs compared": len(board),
        "data digest": found.data_digest,
        "split digest": found.split_digest,
        "seed": config.seed,
        "code": tracking.git_commit(),
        "versions": ", ".join(f"{name} {number}" for name, number in tracking.versions().items()),
    }
    return pd.DataFrame({"fact": rows.keys(), "value": [str(value) for value in rows.values()]})


def markdown(found: Comparison) -> str:
    """Return the best family of each label with its figures, as a Markdown table for the UI."""
    rows = []
    for row in best(found).to_dict("records"):
        cells = [
            ranged(row[name], row[f"{name}_low"], row[f"{name}_high"])
            for name in ("recall", "specificity", "auc")
        ]
        rows.append((row["label"], families.title(row["family"]), *cells, row["degenerate"]))
    return views.markdown_table(("label", "best family", "recall", "specificity", "AUC", ""), rows)


def ranged(value: float, low: float, high: float) -> str:
    """Return a figure with its interval: `0.842 (0.74 to 0.91)`; a dash where it is undefined."""
    return f"{value:.3f} ({low:.2f} to {high:.2f})" if np.isfinite(value) else "–"
