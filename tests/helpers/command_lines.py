"""Command lines, read by click without being run."""

from typing import Any

import click

from hemo.cli import main


def parsed(words: list[str]) -> tuple[click.Command, dict[str, Any]]:
    """Return the command that a command line reaches and the values it would be called with."""
    context = click.Context(main)
    name, command, rest = main.resolve_command(context, list(words))
    assert command is not None
    inner = command.make_context(name, rest, parent=context)
    if isinstance(command, click.Group):
        name, command, rest = command.resolve_command(inner, [*inner._protected_args, *inner.args])
        assert command is not None
        inner = command.make_context(name, rest, parent=inner)
    return command, inner.params
