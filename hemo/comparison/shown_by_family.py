"""A comparison as the UI's charts show it: a run a family, with its recalls of every label as metrics.

Bars have the colors of their runs, and only runs keep a color that we choose: groups of runs do not.
"""

import pandas as pd

from hemo import families, tracking
from hemo.comparison import tables
from hemo.comparison.leaderboard import Comparison
from hemo.display.numbers import number, ranged
from hemo.labels import LABELS
from hemo.tracking import leading, views

STAGE = "family"
"""Stage of a family's run."""


def log(found: Comparison, experiment: str, parent: str) -> None:
    """Log a run a family below its comparison's; those of comparisons before are no longer the newest."""
    client = tracking.client()
    for older in tracking.find_runs(experiment, stage=STAGE, newest="true"):
        client.set_tag(older.run_id, "newest", "false")
    for word, rows in found.leaderboard.groupby("family", sort=False):
        family, variant = families.variant(str(word))
        tags = {"stage": STAGE, "newest": "true", "family": family, "mlflow.runColor": views.color(family)}
        if variant:
            tags["variant"] = variant
        with tracking.start_run(experiment, str(word), tags, parent) as run_id:
            tracking.log_metrics(run_id, leading.mean_recalls(_metrics(rows)))
            tracking.set_note(run_id, _note(str(word), rows))


def _note(word: str, rows: pd.DataFrame) -> str:
    """Return what a family came to on each label, in Markdown."""
    lines = [
        (
            row["label"],
            *(
                ranged(row[name], row[f"{name}_low"], row[f"{name}_high"])
                for name in ("recall_at_specificity_80", "study_recall_at_specificity_80", "auc")
            ),
            "best" if row["best"] else "",
        )
        for row in rows.to_dict("records")
    ]
    header = ("label", "recall at spec. 0.80", "by study", "AUC", "")
    return f"**{families.title(word)}** on each label, as compared.\n\n{views.markdown_table(header, lines)}"


def of_best(found: Comparison) -> dict[str, float]:
    """Return the recalls of each label's best family, as metrics by the names that the UI puts first."""
    return leading.mean_recalls(_metrics(found.leaderboard[found.leaderboard["best"]]))


def answer(found: Comparison) -> str:
    """Return the best family of each label with its recall, in a line."""
    rows = tables.best(found).to_dict("records")
    said = ", ".join(
        f"{row['label']} {number(row['recall_at_specificity_80'])} {row['family']}" for row in rows
    )
    return f"Recall at specificity 0.80 by the best family: {said}."


def markdown(found: Comparison) -> str:
    """Return recall at specificity 0.80 of all families on all labels, by slice and by study, in Markdown."""
    return "\n\n".join(
        f"**{title}**\n\n{_matrix(found.leaderboard, column)}"
        for title, column in (
            ("Recall at specificity 0.80", "recall_at_specificity_80"),
            ("Recall at specificity 0.80 by study", "study_recall_at_specificity_80"),
        )
        if not found.leaderboard[column].isna().all()
    )


def _matrix(board: pd.DataFrame, column: str) -> str:
    """Return a metric of families (the best mean first) on labels, in Markdown: a label's highest is bold."""
    values = board.pivot(index="family", columns="label", values=column)
    values = values[[label for label in LABELS if label in values]].dropna(how="all")
    values = values.loc[values.mean(axis=1).sort_values(ascending=False, kind="stable").index]
    rows = [
        (
            families.title(str(word)),
            *(
                f"**{number(value)}**" if value == values[label].max() else number(value)
                for label, value in row.items()
            ),
        )
        for word, row in values.iterrows()
    ]
    return views.markdown_table(("family", *values.columns), rows)


def _metrics(rows: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Return label to the metrics of its row that the UI puts first, by the names of training runs."""
    columns = {"test": "", "study": "study_"}
    wanted = {}
    for name in leading.RECALLS.values():
        level, _, metric = name.partition("/")
        wanted[name] = columns[level] + metric
    return {
        str(row["label"]): {name: row[column] for name, column in wanted.items() if pd.notna(row[column])}
        for row in rows.to_dict("records")
    }
