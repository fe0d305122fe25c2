"""`reproduce`: a training run once more, and whether it gives the same predictions."""

from pathlib import Path

import click

from hemo.commands import options


@click.command(epilog=options.examples("hemo reproduce 0a1b2c3d4e5f60718293a4b5c6d7e8f9"))
@click.argument("run")
@click.option(
    "--store", metavar="DIR", default="", help="The run's slice store, where it lies elsewhere now."
)
@options.of_runs
def reproduce(run: str, store: str) -> None:
    """Train RUN (an MLflow run id) again from its commit, data, parameters and seed; compare predictions.

    Exit status 1 if they differ. The run's id is in its address in the MLflow UI.
    """
    from hemo import console
    from hemo.runs import reproduce as actions

    found = actions.reproduce(run, Path(store) if store else None)
    words = f"{found.slices} slices, largest difference of probability {found.largest:.2g}, of threshold"
    console.out.print(f"{words} {found.threshold_gap:.2g}; code {found.commit[:12]}")
    if not found.same_slices:
        console.out.print("the two did not predict the same slices in the same folds", style="red")
    if found.caveat:
        console.err.print(f"note: {found.caveat}", style="yellow")
    verdict, style = ("reproduced", "green") if found.reproduced else ("not reproduced", "bold red")
    console.out.print(verdict, style=style)
    console.next_commands("hemo compare", "hemo registry")
    if not found.reproduced:
        raise SystemExit(1)
