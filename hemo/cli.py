"""The command line: every command is loaded when it is named, so that help answers at once."""

import signal
from typing import Any

import click

from hemo import commands, executors, temporary
from hemo.commands import options
from hemo.commands.given import given
from hemo.errors import HemoError

STOPPED = 130
"""Exit status after Ctrl-C: 128 and the signal's number, as shells have it."""

TERMINATED = 143
"""The same after SIGTERM."""


class Commands(click.Group):
    """Commands by name, in the order in which they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names: the way of the data first, families in its middle."""
        return commands.names()

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load a command; None for a word that is no command."""
        return commands.load(cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that the first word names, and of the other words those that were given."""
        if not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            raise HemoError(
                f"no command or family '{args[0]}': choose of {', '.join(self.list_commands(ctx))}"
            )
        name, command, rest = super().resolve_command(ctx, args)
        from hemo import console  # help of all does without

        ctx.with_resource(console.watched(f"hemo {name}"))
        return name, command, rest if command is None else given(command, rest)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands, each with its whole first sentence."""
        found = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl([(name, one.get_short_help_str(1000)) for name, one in found if one])

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; a fault in what the user gave, or of a neighbouring system, ends with a line.

        Its status is 2. Any other exception is a fault of this program, and keeps its traceback.
        """
        try:
            # From here on it is said that it came (see `hemo.__main__`).
            if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
                signal.signal(signal.SIGINT, signal.default_int_handler)
            with executors.terminable(), temporary.own():
                return super().invoke(ctx)
        except HemoError as fault:
            click.echo(f"hemo: {fault}", err=True)
            ctx.exit(2)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as fault:  # of a neighbour (a store, a disk): a line; else a traceback
            from hemo.tracking import faults  # imports MLflow: only where something went wrong

            line = faults.said(fault)
            if line is None:
                raise
            click.echo(f"hemo: {line}", err=True)
            ctx.exit(2)
        except KeyboardInterrupt as stop:
            click.echo(
                "hemo: stopped: what was finished is kept; preprocess, trainings, main and tune go on",
                err=True,
            )
            ctx.exit(TERMINATED if isinstance(stop, executors.Terminated) else STOPPED)


@click.command(
    cls=Commands,
    epilog=options.examples(
        "hemo phantom --out data/phantom",
        "hemo preprocess --images data/phantom --labels data/phantom/labels.csv",
        "hemo logreg --label any",
        "hemo ui",
    ),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="hemo")
def main() -> None:
    """Classifiers of intracranial hemorrhage on head CT: trained, compared and promoted, honestly.

    The way of the data: scans and a label table (or `phantom`) -> `preprocess` makes a slice store ->
    each model family trains on it -> `compare` -> `promote` -> `predict`. `main` goes the whole way.

    Everything is also an entry point of MLproject:
    `mlflow run . --env-manager local -e preprocess -P images=DIR ...`. Research use only.
    """
