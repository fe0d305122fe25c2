"""Command lines, read by click without being run, and what `mlflow run` makes of MLproject's entry points."""

import shlex
from typing import Any

import click
from mlflow.projects._project_spec import load_project

from hemo.cli import main

PROJECT = load_project(".")


def reached(words: list[str], program: click.Group = main) -> tuple[click.Command, str, list[str]]:
    """Return the command that a command line reaches, its name, and the words that are left for it."""
    command: click.Command = program
    names, rest = [], list(words)
    context = click.Context(program)
    while isinstance(command, click.Group) and rest:
        name, found, rest = command.resolve_command(context, rest)
        assert name is not None
        assert found is not None
        command, context = found, click.Context(found, parent=context, info_name=name)
        names.append(name)
    return command, " ".join(names), rest


def context(words: list[str], program: click.Group = main) -> click.Context:
    """Return the context in which a command line would be called."""
    command, name, rest = reached(words, program)
    return command.make_context(name, rest, parent=click.Context(program))


def parsed(words: list[str]) -> tuple[click.Command, dict[str, Any]]:
    """Return the command that a command line reaches and the values it would be called with."""
    found = context(words)
    return found.command, found.params


def started(name: str, **given: str) -> list[str]:
    """Return the words that `mlflow run` starts for an entry point, without `python -m hemo`."""
    words = shlex.split(PROJECT.get_entry_point(name).compute_command(given, None))
    assert words[:3] == ["python", "-m", "hemo"]
    return words[3:]


def word_of(parameter: click.Parameter) -> str:
    """Return the word by which an entry point knows a parameter of its command."""
    return max(parameter.opts, key=len).lstrip("-").replace("-", "_")
