"""The command line: every command is loaded when it is named, so that help answers at once."""

import importlib
from typing import Any

import click

from hemo.errors import HemoError

COMMANDS = {
    "main": "hemo.commands.train:main",
    "phantom": "hemo.commands.phantom:phantom",
    "preprocess": "hemo.commands.data:preprocess",
    "store": "hemo.commands.data:store",
    "tune": "hemo.commands.tune:tune",
    "study": "hemo.commands.tune:study",
    "compare": "hemo.commands.compare:compare",
    "audit": "hemo.commands.audit:audit",
    "promote": "hemo.commands.registry:promote",
    "rollback": "hemo.commands.registry:rollback",
    "registry": "hemo.commands.registry:registry",
    "history": "hemo.commands.registry:history",
    "predict": "hemo.commands.predict:predict",
    "evaluate": "hemo.commands.evaluate:evaluate",
    "reproduce": "hemo.commands.reproduce:reproduce",
    "ui": "hemo.commands.ui:ui",
}
"""Where each command is defined; every registered family is a command too."""


STOPPED = 130
"""Exit status after Ctrl-C: 128 and the signal's number, as shells have it."""


class Commands(click.Group):
    """Commands by name, in the order in which they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names: the way of the data first, families in its middle."""
        names = list(COMMANDS)
        middle = names.index("tune")
        return names[:middle] + family_names() + names[middle:]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load a command; None for a word that is no command."""
        if cmd_name not in COMMANDS and cmd_name in family_names():
            from hemo.commands.train import family_command

            return family_command(cmd_name)
        if cmd_name not in COMMANDS:
            return None
        module, name = COMMANDS[cmd_name].split(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that the first word names, and the other words."""
        if not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            raise HemoError(
                f"no command or family '{args[0]}': choose of {', '.join(self.list_commands(ctx))}"
            )
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; a fault in what the user gave ends with status 2 and one line."""
        try:
            return super().invoke(ctx)
        except HemoError as fault:
            click.echo(f"hemo: {fault}", err=True)
            ctx.exit(2)
        except KeyboardInterrupt:
            click.echo(
                "hemo: stopped: what was finished is kept; preprocess and tune go on from it", err=True
            )
            ctx.exit(STOPPED)


def family_names() -> list[str]:
    """Return the names of the families without importing them."""
    import hemo.families

    return hemo.families.names()


@click.command(
    cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(package_name="hemo")
def main() -> None:
    """Classifiers of intracranial hemorrhage on head CT: trained, compared and promoted, honestly.

    The way of the data: scans and a label table (or `phantom`) -> `preprocess` makes a slice store ->
    each model family trains on it -> `compare` -> `promote` -> `predict`. `main` goes the whole way.

    Everything is also an entry point of MLproject: `mlflow run . -e preprocess -P images=DIR ...`.
    Research use only.
    """
