"""The comparison for people: a table in the terminal, a run in MLflow with CSV, pictures and one page."""

import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hemo import console, tracking
from hemo.comparison import contents, runs, sections, shown_by_family
from hemo.comparison import tables as report_tables
from hemo.comparison.leaderboard import CHOOSE_BY, METRICS, Comparison, led
from hemo.config import Experiment
from hemo.display import page, terminal
from hemo.display.numbers import number, ranged
from hemo.slices.store import SliceStore
from hemo.tracking import views

REPORT = "report/comparison.html"
"""Where a comparison run keeps its page."""

WHOLE = "compared"
"""Tag of a comparison run that is finished: `all` where its runs were not named by a person."""

PRINTED = (*CHOOSE_BY, *(name for name in METRICS if name not in CHOOSE_BY))
"""Metrics of the terminal's tables: first those by which a family is chosen."""


def log_comparison(
    config: Experiment,
    experiment: str,
    parent: str | None = None,
    *,
    run_ids: Sequence[str] = (),
    out: Path | None = None,
    store: SliceStore | None = None,
) -> Comparison:
    """Compare an experiment's runs and log the result as a run named `comparison`.

    Parameters
    ----------
    config, experiment
        The experiment's file, and its id in MLflow.
    parent
        Run below which it is logged.
    run_ids
        Ids of the runs to compare (see `hemo.comparison.leaderboard.compare`).
    out
        Where tables, pictures and page are written as well.
    store
        The experiment's, where it is at hand.
    """
    found = runs.compare(experiment, run_ids)
    with logged("comparison", found, note(found), experiment, parent, out) as (run_id, folder):
        write(found, config, folder, store)
        shown_by_family.log(found, experiment, run_id)
    of_best = shown_by_family.of_best(found)
    for one in (run_id, parent):
        if one:
            tracking.log_metrics(one, of_best)
    if parent:
        tracking.set_note(parent, f"{note(found)}\n\n{views.as_written(config.description)}".strip())
    views.prepare(experiment)
    views.note_comparison(experiment, shown_by_family.answer(found), shown_by_family.markdown(found))
    tracking.client().set_tag(run_id, WHOLE, "named" if run_ids else "all")
    return found


def present(experiment: str, folder: Path) -> Path | None:
    """Write the newest comparison's page into a folder; None where it is not of what is there now.

    That is where its runs were named, another commit made it, or something was trained or promoted since.
    """
    found = tracking.find_runs(experiment, most=1, stage="comparison")
    if not found or found[0].tags.get(WHOLE) != "all" or found[0].tags["git_commit"] != tracking.git_commit():
        return None
    run_id = found[0].run_id
    later = f"attributes.end_time > {tracking.client().get_run(run_id).info.start_time}"
    if any(tracking.find_runs(experiment, later, most=1, stage=one) for one in ("train", "promotion")):
        return None
    page = folder / REPORT
    page.parent.mkdir(parents=True, exist_ok=True)
    return tracking.artifact(run_id, REPORT, lambda made: Path(shutil.copy(made, page)))


@contextmanager
def logged(
    stage: str, found: Comparison, text: str, experiment: str, parent: str | None, out: Path | None
) -> Iterator[tuple[str, Path]]:
    """Open the run of a comparison, named by its stage; yield its id and a folder whose files it keeps.

    Parameters
    ----------
    stage
        Also the run's name.
    found
        What is compared.
    text
        The run's note.
    experiment, parent
        Where it is logged: id of the experiment, and the run above.
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
    opened = tracking.run_below(experiment, stage, tags, parent)
    with opened as run_id, tempfile.TemporaryDirectory() as scratch:
        yield run_id, Path(scratch)
        tracking.log_folder(run_id, Path(scratch))
        tracking.set_note(run_id, text)
        if out:
            shutil.copytree(scratch, out, dirs_exist_ok=True)


def write(found: Comparison, config: Experiment, folder: Path, store: SliceStore | None = None) -> Path:
    """Write a comparison's tables (CSV), pictures (PNG) and page (HTML) into a folder; return the page."""
    gathered = contents.gather(found, config, store)
    made = [section(gathered) for section in sections.SECTIONS]
    title = f"Comparison: {config.name}"
    return page.write(folder, REPORT, title, [section for section in made if section is not None])


def note(found: Comparison) -> str:
    """Return the comparison in Markdown, for the run's page in the UI."""
    words = found.protocol.words
    how = f"Best family {words.chosen}. {found.caveat} Research use only."
    parts = (shown_by_family.answer(found), report_tables.markdown(found), how)
    return "\n\n".join((*parts, shown_by_family.markdown(found), f"The whole page: artifact `{REPORT}`."))


def print_comparison(found: Comparison) -> None:
    """Print the leaderboard by label, best first, the averages, and what was left out."""
    names = [report_tables.title(name) for name in PRINTED]
    levels = set(found.leaderboard["level"])
    board = terminal.table(_title(found), ("family", *names, ""), [])
    for label, part in report_tables.by_label(led(found.leaderboard)):
        board.add_row(label, style="bold")
        for row in report_tables.ranked(part, CHOOSE_BY[0]).to_dict("records"):
            level = "by study" if row["level"] == "study" and len(levels) > 1 else ""
            remarks = ("best" if row["best"] else "", row["degenerate"], level)
            remark = ", ".join(word for word in remarks if word)
            look = "bold green" if row["best"] else ""
            board.add_row(f"  {row['family']}", *_cells(row), remark, style=look)
        board.add_section()
    means = terminal.table("Averages over labels", ("family", *names), [])
    for row in found.averages.sort_values(CHOOSE_BY[0], ascending=False).to_dict("records"):
        means.add_row(row["family"], *_cells(row))
    console.out.print(board, means)
    words = found.protocol.words
    console.out.print(f"best: {words.chosen}. {found.caveat}", soft_wrap=True)
    for row in found.left_out.to_dict("records"):
        console.err.print(f"left out: {row['run']}: {row['reason']}")


def _title(found: Comparison) -> str:
    """Return what the leaderboard holds."""
    what = "of studies, " if (found.leaderboard["level"] == "study").all() else ""
    if found.repeats == 1:
        return f"Leaderboard ({what}95% intervals by patient)"
    return f"Leaderboard ({what}mean of {found.repeats} deals, 95% intervals by patient and deal)"


def _cells(row: Mapping[Any, Any]) -> tuple[str, ...]:
    """Return a row's metrics: those that families are told apart by with intervals, the others bare."""
    cells = []
    for name in PRINTED:
        if name in (*CHOOSE_BY, "recall") and f"{name}_low" in row:
            cells.append(ranged(row[name], row[f"{name}_low"], row[f"{name}_high"]))
        else:
            cells.append(number(row[name], "z.3f"))
    return tuple(cells)
