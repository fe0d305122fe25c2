"""The comparison for people: a table in the terminal, a run in MLflow with CSV, figures and one HTML page."""

import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from hemo import console, families, tracking
from hemo.comparison import differences, leaderboard
from hemo.comparison import sections as report_sections
from hemo.comparison import tables as report_tables
from hemo.comparison.leaderboard import CHOOSE_BY, FIGURES, Comparison
from hemo.config import Experiment
from hemo.display import heatmaps, style
from hemo.display.report import Section, render
from hemo.tracking import views

REPORT = "report/comparison.html"
"""Where a comparison run keeps its page."""

LEADERBOARD = (
    "Figures of slices at the operating point, with 95% intervals by cluster bootstrap over patients. "
    "Figures of studies: a study is called positive as soon as any slice is, at the slices' threshold. "
    "Beside its name stands what speaks against a family: that it calls nearly everything or nothing "
    "positive, or is not told from chance. tables/leaderboard.csv has all figures."
)

AVERAGES = (
    "Means over labels, without intervals. RSNA log loss is the weighted log loss of the RSNA 2019 "
    "competition over the six labels, of families that have all six; it judges probabilities, so that "
    "uncalibrated ones from balanced samples fare badly."
)


DIFFERENCES = (
    "Paired over patients: every family is drawn on the same patients, so that what is hard for all cancels "
    "out. p is corrected by Holm's method for all pairs of families on the label. The table shows the best "
    "family less each other one; all pairs are in tables/differences.csv. An interval that holds 0 means "
    "that the data cannot tell the two apart."
)


def log_comparison(
    config: Experiment,
    experiment: str,
    parent: str | None = None,
    *,
    run_ids: Sequence[str] = (),
    out: Path | None = None,
) -> Comparison:
    """Compare an experiment's runs and log the result as a run named `comparison`.

    Parameters
    ----------
    config, experiment
        The experiment's file, and its id in MLflow.
    parent
        Run below which it is logged.
    run_ids
        Ids of the runs to compare (see `hemo.comparison.compare`).
    out
        Where tables, figures and page are written as well.
    """
    found = leaderboard.compare(experiment, run_ids)
    with logged("comparison", found, note(found), parent, out) as folder:
        write(found, config, folder)
    if parent:
        tracking.set_note(parent, f"{config.description}\n\n{note(found)}".strip())
    views.note_figures(experiment, report_tables.markdown(found))
    return found


@contextmanager
def logged(stage: str, found: Comparison, text: str, parent: str | None, out: Path | None) -> Iterator[Path]:
    """Open the run of a comparison, named by its stage, and yield a folder whose files it keeps.

    Parameters
    ----------
    stage
        Also the run's name.
    found
        What is compared.
    text
        The run's note.
    parent
        Run below which it is logged.
    out
        Where the files are written as well.
    """
    tags = {
        "stage": stage,
        "protocol": found.protocol,
        "data_digest": found.data_digest,
        "split_digest": found.split_digest,
        "git_commit": tracking.git_commit(),
    }
    opened = tracking.run_below(found.experiment, stage, tags, parent)
    with opened as run_id, tempfile.TemporaryDirectory() as scratch:
        yield Path(scratch)
        tracking.log_folder(run_id, Path(scratch))
        tracking.set_note(run_id, text)
        if out:
            shutil.copytree(scratch, out, dirs_exist_ok=True)


@dataclass(frozen=True)
class Contents:
    """What a comparison's page, tables and figures are made of.

    Attributes
    ----------
    found, config
        The comparison, and the experiment's file.
    pairs
        Differences between the families of each label.
    averages
        A row a family, with its RSNA log loss.
    source, split
        The data, and how its patients were dealt.
    pictures, galleries
        Figures by name, and failure galleries by label, as PNG.
    settings, digests
        Caption to table.
    """

    found: Comparison
    config: Experiment
    pairs: pd.DataFrame
    averages: pd.DataFrame
    source: report_sections.Source
    split: pd.DataFrame
    pictures: dict[str, bytes]
    galleries: dict[str, bytes]
    settings: dict[str, pd.DataFrame]
    digests: dict[str, pd.DataFrame]


def gather(found: Comparison, config: Experiment) -> Contents:
    """Compute and collect what a comparison's page shows."""
    predicted = differences.load(found.leaderboard)
    averages = found.averages
    if found.protocol.by_patient:  # under paper each label has slices of its own
        loss = differences.rsna_loss(found.leaderboard, predicted, config.draws, config.seed)
        averages = averages.merge(loss.drop(columns="slices"), how="left", on="family")
    named = found.leaderboard.assign(family=[families.title(word) for word in found.leaderboard["family"]])
    at_equal = named.drop(columns="specificity")  # that of the operating point says nothing there
    drawn = {
        "recall_by_family_and_label": heatmaps.recall_heatmap(named, config.name),
        f"{CHOOSE_BY[0]}_by_family_and_label": heatmaps.recall_heatmap(at_equal, config.name, CHOOSE_BY[0]),
        "recall_by_family": heatmaps.recall_by_family(
            named.assign(word=found.leaderboard["family"]), config.name
        ),
    }
    source = report_sections.source(found, config)
    return Contents(
        found=found,
        config=config,
        pairs=differences.differences(found.leaderboard, predicted, config.draws, config.seed),
        averages=averages,
        source=source,
        split=report_sections.split(found, predicted, source.index),
        pictures={name: style.png(figure) for name, figure in drawn.items()},
        galleries=report_sections.failures(report_tables.best(found)),
        settings=report_sections.settings(found, config),
        digests=report_sections.digests(found),
    )


def write(found: Comparison, config: Experiment, folder: Path) -> Path:
    """Write a comparison's tables (CSV), figures (PNG) and page (HTML) into a folder; return the page."""
    contents = gather(found, config)
    tables = {
        "leaderboard": found.leaderboard,
        "averages": contents.averages,
        "best": report_tables.best(found),
        "differences": contents.pairs,
        "left_out": found.left_out,
        "split": contents.split,
        "labels": contents.source.labels,
        "exclusions": contents.source.exclusions,
        "experiment": contents.settings[report_sections.EXPERIMENT],
        "runs": contents.digests["Runs"],
    }
    galleries = {f"failures_{label}": png for label, png in contents.galleries.items()}
    for kind in ("tables", "plots", "report"):
        (folder / kind).mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        table.to_csv(folder / "tables" / f"{name}.csv", index=False)
    for name, png in {**contents.pictures, **galleries}.items():
        (folder / "plots" / f"{name}.png").write_bytes(png)
    page = folder / REPORT
    page.write_text(render(f"Comparison: {config.name}", sections(contents)), encoding="utf-8")
    return page


def sections(contents: Contents) -> list[Section]:
    """Return the page's sections in the order of reading."""
    found = contents.found
    words = found.protocol.words
    best = report_tables.best(found)
    against = differences.against_best(
        contents.pairs, dict(zip(best["label"].astype(str), best["family"], strict=True))
    )
    text, data = report_sections.data(contents.source)
    titles = ("Recall at the operating point", "Recall at a specificity of 0.80", "Recall by family")
    parts = [
        Section("What was compared", words.caveat, {"Facts": report_tables.facts(found, contents.config)}),
        Section("Data and exclusions", text, data),
        Section("Split", words.dealt, {"Patients": contents.split} if len(contents.split) else {}),
        Section(
            "Best family of each label",
            f"Chosen {words.chosen}: at equal specificity no classifier wins by calling everything positive.",
            {"Best": report_tables.readable(best, report_tables.BEST)},
        ),
        Section(
            "Recall by family and label",
            "At the operating point a recall has to be read with its specificity; at a specificity of 0.80 "
            "recalls compare as they are.",
            figures=dict(zip(titles, contents.pictures.values(), strict=True)),
        ),
        Section("Leaderboard", LEADERBOARD, report_tables.boards(found)),
        Section("Averages over labels", AVERAGES, {"Averages": report_tables.readable(contents.averages)}),
        Section("Differences", DIFFERENCES, report_tables.differences(against)),
        Section(
            "Failures",
            "Worst misses and false alarms of each label's best family, and where it looked.",
            figures=contents.galleries,
        ),
        Section("Settings", tables=contents.settings),
        Section("Digests and runs", tables=contents.digests),
    ]
    if len(found.left_out):
        parts.append(Section("Left out", "Runs of other data or splits.", {"Runs": found.left_out}))
    return parts


def note(found: Comparison) -> str:
    """Return the comparison in Markdown, for the run's page in the UI."""
    words = found.protocol.words
    how = f"Best family {words.chosen}. {words.caveat} Research use only."
    return f"{report_tables.markdown(found)}\n\n{how}\n\nThe whole page: artifact `{REPORT}`."


def print_comparison(found: Comparison) -> None:
    """Print the leaderboard by label, the averages, and what was left out."""
    figures = (*FIGURES, "recall at spec. 0.80")
    board = console.table("Leaderboard (95% intervals by patient)", ("label", "family", *figures, ""), [])
    for label, part in report_tables.by_label(found.leaderboard):
        for position, row in enumerate(part.to_dict("records")):
            remark = ", ".join(word for word in ("best" if row["best"] else "", row["degenerate"]) if word)
            look = "bold green" if row["best"] else ""
            board.add_row("" if position else label, row["family"], *_cells(row), remark, style=look)
        board.add_section()
    means = console.table("Averages over labels", ("family", *figures), [])
    for row in found.averages.to_dict("records"):
        means.add_row(row["family"], *_cells(row))
    console.out.print(board, means)
    words = found.protocol.words
    console.out.print(f"best: {words.chosen}. {words.caveat}", soft_wrap=True)
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
