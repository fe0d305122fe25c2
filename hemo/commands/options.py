"""Options that several commands share: the same word with the same meaning everywhere."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from hemo.imaging.formats import format_names

Command = TypeVar("Command", bound=Callable[..., Any])

experiment = click.option(
    "--experiment",
    metavar="FILE",
    default="",
    help="Experiment file (experiments/*.yaml); lists what differs from the defaults.",
)
images = click.option("--images", metavar="DIR", default="", help=f"Folder of scans: {format_names()}.")
labels = click.option("--labels", metavar="FILE", default="", help="Label table (CSV).")
store = click.option("--store", metavar="DIR", default="", help="Folder of the slice store.")
protocol = click.option(
    "--protocol",
    metavar="WORD",
    default="",
    help="cv (folds by patient), holdout (train, validation, test by patient) or paper (by slice).",
)
label = click.option(
    "--label", metavar="WORD", default="all", show_default=True, help="One of the six labels, or all."
)
seed = click.option("--seed", type=int, default=None, help="The one seed all others come from.")
workers = click.option("--workers", type=click.IntRange(1), default=None, help="Parallel processes.")


def switch(word: str, *, help: str) -> Callable[[Command], Command]:
    """Return an option that is given alone (`--dry-run`), or with a value, as MLproject has to."""
    return click.option(word, type=bool, is_flag=False, flag_value=True, default=False, metavar="", help=help)


def together(*options: Callable[[Any], Any]) -> Callable[[Command], Command]:
    """Put several options on a command, in the order given."""

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate
