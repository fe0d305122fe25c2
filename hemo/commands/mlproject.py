"""MLproject, made of the click commands: `python -m hemo.commands.mlproject` writes it.

Every command is an entry point and every word of it a parameter. What is not given is passed on as an
empty text, which the command line leaves out (see `hemo.commands.given`): the defaults are the commands' own,
and a file's words stand.
"""

import json
from pathlib import Path

import click

from hemo import commands, families
from hemo.commands.options import QUICKSTART

FILE = Path("MLproject")

DEFAULTS = {
    ("compare", "experiment"): QUICKSTART,
    ("audit", "experiment"): QUICKSTART,
    ("promote", "experiment"): QUICKSTART,
    ("tune", "experiment"): "experiments/tune.yaml",
    ("store", "action"): "info",
}
"""What `mlflow run` passes on where nothing is given: files of the project, whose folder it is always in."""

HEADER = """\
# Made of the click commands by `make mlproject`: change those, not this.
# Each entry point is the command of the same name; an empty text means: not given (`hemo COMMAND --help` says
# what holds then).
name: hemo

conda_env: conda.yaml

entry_points:
"""


def text() -> str:
    """Return the text of MLproject."""
    return HEADER + "\n".join(_entry_point(name) for name in _names())


def _names() -> list[str]:
    """Return the names of hemo's own commands and families: a plug-in is not the project's."""
    own = {*commands.COMMANDS, *families.built_in()}
    return [name for name in commands.names() if name in own]


def _entry_point(name: str) -> str:
    command = commands.load(name)
    assert command is not None
    parameters, words = [], [f"python -m hemo {name}"]
    for word, parameter in _parameters(command).items():
        flag = f"--{word} " if isinstance(parameter, click.Option) else ""
        key = word.replace("-", "_")
        words.append(f"{flag}{{{key}}}")
        default = DEFAULTS.get((name, key), "")
        shown = "" if parameter.required else f", default: {json.dumps(default)}"
        parameters.append(f"      {key}: {{type: string{shown}}}\n")
    return (
        f"  {name}:\n"
        + ("    parameters:\n" + "".join(parameters) if parameters else "")
        + f"    command: {json.dumps(' '.join(words))}\n"
    )


def _parameters(command: click.Command) -> dict[str, click.Parameter]:
    """Return the parameters of a command by the words that name them; of a group, those of its commands."""
    found: dict[str, click.Parameter] = {}
    if isinstance(command, click.Group):
        found["action"] = click.Argument(["action"], required=False)
    for one in (command, *(command.commands.values() if isinstance(command, click.Group) else ())):
        for parameter in one.params:
            found.setdefault(_key(parameter), parameter)
    return found


def _key(parameter: click.Parameter) -> str:
    """Return the name of an argument, or the first long word of an option, without its dashes."""
    return next((word for word in parameter.opts if word.startswith("--")), parameter.opts[0]).lstrip("-")


if __name__ == "__main__":
    FILE.write_text(text())
