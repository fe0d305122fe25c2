"""`compare`: the families side by side on every label."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hemo.commands import following, options

if TYPE_CHECKING:
    from hemo.config import Experiment
    from hemo.pipeline import Outcome


@click.command(
    epilog=options.examples(
        "hemo compare --experiment experiments/quickstart.yaml --open",
        "hemo compare --experiment experiments/paper.yaml --paper",
    )
)
@options.experiment
@click.option("--runs", metavar="IDS", default="", help="Compare these training runs only (comma-separated).")
@click.option("--out", metavar="DIR", default="", help="Also write tables, figures and the page here.")
@click.option("--paper", is_flag=True, help="Set them beside the seed paper's Tables 1 to 6.")
@click.option(
    "--open", "show", is_flag=True, help="Open the page in a browser: the newest, unless it is out of date."
)
@options.of_runs
def compare(experiment: str, runs: str, out: str, paper: bool, show: bool) -> None:
    """Compare the newest training run of every family and label of an experiment.

    Prints the leaderboard, the averages and the best family of each label; logs them to MLflow as the run
    `comparison`, with CSV tables, figures and one self-contained HTML page. Runs of other data or splits
    are left out; among runs that you name they are refused.

    With --open alone the page of the newest comparison is opened as it is, unless something was trained or
    promoted since.

    With --paper the same runs are set beside the seed paper's tables, with the differences, the averages
    recomputed, what its metrics imply of specificity, and times to convergence, as the run `paper`.
    """
    from hemo.comparison import page as report
    from hemo.comparison.paper import page as paper_page
    from hemo.comparison.paper import tables
    from hemo.tracking import trained_on

    settings, where = options.of_newest(experiment)
    folder = Path(out or settings.folder / "comparison") if out or show else None
    run_ids = [word.strip() for word in runs.split(",") if word.strip()]
    if folder and not (out or paper or run_ids) and (there := report.present(where, folder)):
        click.echo(
            f"page: {there}, of the newest comparison: nothing was trained or promoted since", err=True
        )
        _open(there)
        after_comparison(experiment)
        return
    if paper:
        paper_page.print_paper(tables.log_paper(settings, where, out=folder))
    else:
        store = trained_on.at_hand(settings.store_folder)
        report.print_comparison(
            report.log_comparison(settings, where, run_ids=run_ids, out=folder, store=store)
        )
    if folder:
        page = folder / (paper_page.REPORT if paper else report.REPORT)
        click.echo(f"page: {page}", err=True)
        if show:
            _open(page)
    after_comparison(experiment)


def _open(page: Path) -> None:
    from hemo.tracking import server

    if not server.open_browser(page.absolute().as_uri()):
        click.echo("no screen here to open it on: copy it to where there is one", err=True)


def after_comparison(experiment: str) -> None:
    """Print what to type after a comparison."""
    from hemo.console import next_commands

    next_commands(f"hemo promote{following.typed(experiment=experiment)}", "hemo ui")


def after_experiment(config: "Experiment", file: str, outcome: "Outcome") -> None:
    """Print what failed, and what to type after the whole way."""
    from hemo import console

    for name, reason in outcome.failed:
        console.err.print(f"not trained: {name}: {reason}", style="red")
    # The shell that `make demo` was typed in may know no `hemo` yet.
    unknown = "MAKELEVEL" in os.environ and "VIRTUAL_ENV" not in os.environ
    commands = [
        "make ui" if Path("MLproject").is_file() else "hemo ui",
        *(["source .venv/bin/activate"] if unknown else []),
        f"hemo compare{following.typed(experiment=file)} --open",
    ]
    if outcome.in_production:
        commands += ["hemo registry", *following.predictions(config, "predictions.csv")]
    console.next_commands(*commands)
