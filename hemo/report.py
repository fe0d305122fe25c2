"""The comparison for people: a table in the terminal, a run in MLflow with CSV, figures and one HTML page."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd

from hemo import comparison, console, families, tracking
from hemo.comparison import CHOOSE_BY, FIGURES, Comparison
from hemo.config import Experiment
from hemo.evaluation import overview, style
from hemo.evaluation.report import Section, render

REPORT = "report/comparison.html"
"""Where a comparison run keeps its page."""

HOW_CHOSEN = {
    "cv": "by out-of-fold recall at specificity 0.80, then AUC",
    "holdout": "by recall at specificity 0.80, then AUC, on validation patients",
    "paper": "by recall at specificity 0.80, then AUC, on the paper's test slices",
}
"""How the best family of a label is chosen under each protocol."""

CAVEAT = {
    "cv": "Figures are of out-of-fold predictions: every patient is predicted by a model that never saw it.",
    "holdout": "Figures are of test patients that neither training nor the choice of threshold saw.",
    "paper": "Split by slice as in the seed paper: slices of a patient are on both sides, so these figures "
    "do not hold for new patients and nothing here can be promoted.",
}
"""What the figures of each protocol mean."""


def log_comparison(config: Experiment, experiment: str, parent: str | None = None) -> Comparison:
    """Compare an experiment's runs and log the result as a run named `comparison`."""
    found = comparison.compare(experiment)
    tags = {
        "stage": "comparison",
        "protocol": found.protocol,
        "data_digest": found.data_digest,
        "split_digest": found.split_digest,
        "git_commit": tracking.git_commit(),
    }
    opened = tracking.start_run if parent else tracking.root_run
    words: dict[str, Any] = {"parent": parent} if parent else {}
    with opened(experiment, "comparison", tags, **words), tempfile.TemporaryDirectory() as scratch:
        write(found, config, Path(scratch))
        mlflow.log_artifacts(scratch)
        mlflow.set_tag("mlflow.note.content", note(found))
    return found


def write(found: Comparison, config: Experiment, folder: Path) -> Path:
    """Write a comparison's tables (CSV), figures (PNG) and page (HTML) into a folder; return the page."""
    page = folder / REPORT
    page.parent.mkdir(parents=True, exist_ok=True)
    tables, pictures = folder / "tables", folder / "plots"
    tables.mkdir(exist_ok=True)
    pictures.mkdir(exist_ok=True)
    found.leaderboard.to_csv(tables / "leaderboard.csv", index=False)
    found.averages.to_csv(tables / "averages.csv", index=False)
    best(found).to_csv(tables / "best.csv", index=False)
    named = found.leaderboard.assign(family=[families.title(word) for word in found.leaderboard["family"]])
    heatmap = overview.recall_heatmap(named, config.name)
    bars = overview.recall_by_family(named, config.name)
    for name, figure in {"recall_by_family_and_label": heatmap, "recall_by_family": bars}.items():
        (pictures / f"{name}.png").write_bytes(style.png(figure))
    sections = [
        Section("What was compared", text=CAVEAT[found.protocol], tables={"Facts": facts(found, config)}),
        Section(
            "Best family of each label",
            text=f"Chosen {HOW_CHOSEN[found.protocol]}: at equal specificity no classifier wins by calling "
            "everything positive.",
            tables={"Best": readable(best(found))},
        ),
        Section(
            "Recall by family and label", figures={"Recall with 95% intervals": heatmap, "By family": bars}
        ),
        Section("Leaderboard", tables={label: readable(part) for label, part in by_label(found.leaderboard)}),
        Section("Averages over labels", tables={"Averages": readable(found.averages)}),
    ]
    if len(found.left_out):
        sections.append(
            Section("Left out", text="Runs of other data or splits.", tables={"Runs": found.left_out})
        )
    page.write_text(render(f"Comparison: {config.name}", sections), encoding="utf-8")
    return page


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
        if name.endswith(("_low", "_high")) or name.startswith("choose_") or name in ("best", "run_id"):
            continue
        column = table[name]
        if name == "family":
            result[name] = [families.title(family) for family in column]
        elif f"{name}_low" in table.columns:
            result[name] = [
                f"{value:.3f} ({low:.2f} to {high:.2f})"
                for value, low, high in zip(column, table[f"{name}_low"], table[f"{name}_high"], strict=True)
            ]
        elif column.dtype.kind == "f":
            result[name] = [f"{value:.3f}" for value in column]
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


def note(found: Comparison) -> str:
    """Return the comparison in Markdown, for the run's page in the UI."""
    lines = ["| label | best family | recall | specificity | AUC |", "|---|---|---|---|---|"]
    for row in best(found).to_dict("records"):
        cells = [
            f"{row[name]:.3f} ({row[f'{name}_low']:.2f} to {row[f'{name}_high']:.2f})"
            for name in ("recall", "specificity", "auc")
        ]
        lines.append(f"| {row['label']} | {families.title(row['family'])} | {' | '.join(cells)} |")
    how = f"Best family {HOW_CHOSEN[found.protocol]}. {CAVEAT[found.protocol]} Research use only."
    return "\n".join([*lines, "", how, "", f"The whole page: artifact `{REPORT}`."])


def print_comparison(found: Comparison) -> None:
    """Print the leaderboard by label, the averages, and what was left out."""
    figures = (*FIGURES, "recall at spec. 0.80")
    board = console.table("Leaderboard (95% intervals by patient)", ("label", "family", *figures, ""), [])
    for label, part in by_label(found.leaderboard):
        for position, row in enumerate(part.to_dict("records")):
            remark = "best" if row["best"] else row["degenerate"]
            style = "bold green" if row["best"] else ""
            board.add_row("" if position else label, row["family"], *_cells(row), remark, style=style)
        board.add_section()
    means = console.table("Averages over labels", ("family", *figures), [])
    for row in found.averages.to_dict("records"):
        means.add_row(row["family"], *_cells(row))
    console.out.print(board, means)
    console.out.print(f"best: {HOW_CHOSEN[found.protocol]}. {CAVEAT[found.protocol]}", soft_wrap=True)
    for row in found.left_out.to_dict("records"):
        console.err.print(f"left out: {row['run']}: {row['reason']}")


def _cells(row: Mapping[Any, Any]) -> tuple[str, ...]:
    """Return a row's figures: recall and AUC with intervals, the others bare."""
    cells = []
    for name in (*FIGURES, CHOOSE_BY[0]):
        text = f"{row[name]:.3f}"
        if name in ("recall", "auc") and f"{name}_low" in row:
            text += f" ({row[f'{name}_low']:.2f}-{row[f'{name}_high']:.2f})"
        cells.append(text)
    return tuple(cells)
