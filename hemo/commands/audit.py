"""`audit`: what a split by slice would add to the metrics, and what crosses a split that should not."""

from pathlib import Path
from typing import Any

import click

from hemo.commands import options


@click.command(
    epilog=options.examples("hemo audit --experiment experiments/ct-ich.yaml --store data/ct-ich/store")
)
@options.together(
    options.experiment,
    options.store,
    click.option(
        "--family", metavar="WORD", default="all", show_default=True, help="One of the experiment's, or all."
    ),
    options.label,
    options.seed,
    options.workers,
    click.option("--out", metavar="DIR", default="", help="Also write tables, figures and the page here."),
)
@options.of_store
@options.tracked
def audit(experiment: str, family: str, label: str, out: str, **words: Any) -> None:
    """Audit a slice store for leakage between training and test.

    Trains each family twice with the same parameters, split by slice and split by patient, and reports both
    with intervals and the inflation. Searches the store for slices that are the same picture again (equal,
    moved by a pixel or two, in another window, noisier), for such pairs across a split, and for patients
    on both sides. Slices without patient ids cannot be audited: it is said so, and runs on them are tagged.
    """
    from hemo import config
    from hemo.console import next_commands
    from hemo.errors import HemoError
    from hemo.leakage import page, runs

    settings = config.load(experiment, **words)
    chosen = tuple(settings.families) if family == "all" else (family,)
    if not set(chosen) <= set(settings.families):
        raise HemoError(f"unknown family '{family}': choose one of {', '.join(settings.families)}, or all")
    found = runs.audit(settings, chosen, config.label_names(label), Path(out) if out else None)
    page.print_audit(found)
    next_commands("hemo ui")
