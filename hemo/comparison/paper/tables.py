"""The paper's tables beside ours, as a run in MLflow with one page: `hemo compare --paper`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hemo import families, tracking
from hemo.comparison import runs as training_runs
from hemo.comparison.leaderboard import Comparison
from hemo.comparison.page import logged
from hemo.comparison.paper import page, printed
from hemo.config import Experiment
from hemo.labels import LABELS
from hemo.tracking import Run

PARTS = {
    "paper/sample_slices": ("slices sampled of the whole store", 18_301),
    "paper/positive_slices": ("positive slices of a label", 3145),
    "paper/training_slices": ("slices for training", 5032),
    "paper/early_stopping_slices": ("of these for early stopping of networks", 504),
    "paper/test_slices": ("slices for test", 1258),
}
"""What is counted of the sample: the metric's name to its name for people, and the paper's count."""


def log_paper(
    config: Experiment, experiment: str, parent: str | None = None, out: Path | None = None
) -> dict[str, pd.DataFrame]:
    """Set the newest runs of an experiment beside the paper's tables and log the result as a run `paper`.

    Parameters
    ----------
    config, experiment
        The experiment's file, and its id in MLflow.
    parent
        Run below which it is logged.
    out
        Where tables, pictures and page are written as well.

    Returns
    -------
    dict
        The tables by name (see `tables`).
    """
    found = training_runs.compare(experiment)
    made = tables(found, experiment)
    with logged("paper", found, page.note(made), experiment, parent, out) as (_, folder):
        page.write(made, found, config.name, folder)
    return made


def tables(found: Comparison, experiment: str) -> dict[str, pd.DataFrame]:
    """Return all tables of the page by name: `table_1` to `table_6`, `averages`, `convergence` and others."""
    board = found.leaderboard
    runs = {run_id: tracking.get_run(run_id) for run_id in board["run_id"]}
    names = ["label", "family", "accuracy", "recall", "specificity", "auc", "recall_at_specificity_80"]
    result = {
        f"table_{number}": printed.side_by_side(board, family) for family, number in printed.TABLES.items()
    }
    return result | {
        "table_6": printed.table_6(board),
        "averages": printed.averages(),
        "implied": printed.implied(),
        "specificity": board[[*names, "degenerate"]].astype({"label": str}),
        "convergence": convergence(board, runs),
        "counts": counts(board, runs),
        "by_patient": by_patient(experiment, found.data_digest),
    }


def convergence(board: pd.DataFrame, runs: Mapping[str, Run]) -> pd.DataFrame:
    """Return how each family and variant came to its end: a row a family.

    Returns
    -------
    DataFrame
        `family`, `labels`, `converged` (of how many), medians over labels of `iterations`, `seconds` and
        `seconds_an_iteration`, `slowest` (seconds), `times_the_default` (median of the ratio to the family
        without variant on the same label), means of `accuracy` and `auc`, and `paper` (its time in words).
    """
    facts = board[["label", "family", "accuracy", "auc", "seconds", "run_id"]].copy()
    logged = [runs[run].metrics for run in facts["run_id"]]
    older = [metrics.get("fit/converged", np.nan) for metrics in logged]
    facts["converged"] = [metrics.get("converged", was) for metrics, was in zip(logged, older, strict=True)]
    facts["iterations"] = [metrics.get("fit/iterations", np.nan) for metrics in logged]
    facts["each"] = facts["seconds"] / facts["iterations"].clip(lower=1)
    defaults = {(row.label, row.family): row.seconds for row in facts.itertuples()}
    bases = [
        defaults.get((row.label, families.variant(str(row.family))[0]), np.nan) for row in facts.itertuples()
    ]
    facts["ratio"] = facts["seconds"] / np.array(bases)
    rows: list[dict[str, Any]] = []
    for word, group in facts.groupby("family", sort=False):
        rows.append(
            {
                "family": word,
                "labels": len(group),
                "converged": f"{group['converged'].sum():.0f} of {len(group)}",
                "iterations": group["iterations"].median(),
                "seconds": group["seconds"].median(),
                "slowest": group["seconds"].max(),
                "seconds_an_iteration": group["each"].median(),
                "times_the_default": group["ratio"].median(),
                "accuracy": group["accuracy"].mean(),
                "auc": group["auc"].mean(),
                "paper": printed.CONVERGENCE.get(str(word), ""),
            }
        )
    order = {word: rank for rank, word in enumerate(printed.TABLES)}
    ranks = [order.get(families.variant(row["family"])[0], len(order)) for row in rows]
    table = pd.DataFrame(rows)
    return table.iloc[np.argsort(ranks, kind="stable")].reset_index(drop=True)


def counts(board: pd.DataFrame, runs: Mapping[str, Run]) -> pd.DataFrame:
    """Return the counts of the paper's sample, the paper's and ours, a row a count and a column a label."""
    rows = []
    for metric, (name, theirs) in PARTS.items():
        row: dict[str, Any] = {"what": name, "paper": theirs}
        for one in board.drop_duplicates("label").itertuples():
            value = runs[str(one.run_id)].metrics.get(metric)
            row[str(one.label)] = None if value is None else int(value)
        rows.append(row)
    return pd.DataFrame(rows)


def by_patient(experiment: str, data_digest: str) -> pd.DataFrame:
    """Return what `hemo audit` measured on the same data: the newest of each family and label, else empty."""
    kept: dict[tuple[str, str], list[dict[str, Any]]] = {}
    pairs = tracking.find_runs(experiment, "tags.stage = 'audit pair'", data_digest=data_digest, most=1000)
    for run in pairs:
        names = {"label": run.label, "family": run.word}
        rows = [
            {"metric": metric, **names}
            | {
                split + end: run.metrics.get(f"{split}/{metric}{end}", np.nan)
                for split in ("by_slice", "by_patient", "inflation")
                for end in ("", "_low", "_high")
            }
            for metric in ("auc", "recall_at_specificity_80")
        ]
        kept.setdefault((names["label"], names["family"]), rows)
    order = [*LABELS, *printed.TABLES]
    places = sorted(
        kept, key=lambda key: [order.index(word) if word in order else len(order) for word in key]
    )
    return pd.DataFrame([row for key in places for row in kept[key]])
