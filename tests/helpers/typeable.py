"""Whether a command can be typed as it is written: read by what would read it, and not run."""

import shlex
import subprocess
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource
from mlflow.cli import cli as mlflow_cli
from mlflow.exceptions import MlflowException

from hemo import config, families
from hemo.commands import mlproject, options
from hemo.errors import HemoError
from hemo.evaluation.protocols import Protocol
from hemo.imaging import Reduction
from tests.helpers.command_lines import PROJECT, context, parsed, reached, started, word_of
from tests.helpers.written_commands import EXPERIMENT

STAND_FOR = {
    "FILE": EXPERIMENT,
    "LABEL": "any",
    "COMMAND": "registry",
    "NAME": "registry",
    "FAMILY": "logreg",
    "forest": "logreg",  # the family of another package, in docs/extending_family.md
}
"""What a reader puts in the place of a word; other words in capitals are folders, files and reasons."""

TAKEN_BY: dict[str, Callable[[str], object]] = {
    "label": config.label_names,
    "experiment": config.load,
    "changes": lambda words: config.load("", options.nested(words)),
    "protocol": Protocol,
    "windows": lambda names: Reduction(windows=tuple(names.split(","))),
    "family": lambda names: [families.get(name) for name in names.split(",")],
}
"""What reads a value when the command runs: to click it is a text like any other."""

NO_VALUES = {("history", "panel"), ("audit", "all")}
"""Words that a command knows beside those that `TAKEN_BY` takes."""


def fault_of(text: str, named: bool = False) -> str:
    """Return what is wrong with a command, or nothing.

    Parameters
    ----------
    text
        The command as it is written.
    named
        Whether it stands in running text, where a command may be named without what it needs.
    """
    try:
        program, *words = words_of(text)
        if words[:2] == ["-m", "hemo"]:
            program, words = "hemo", words[2:]
        {"hemo": _check_hemo, "mlflow": _check_mlflow, "make": _check_make, "python": _check_python}[program](
            words, named
        )
    except (click.ClickException, HemoError, MlflowException, AssertionError, ValueError) as fault:
        return fault.format_message() if isinstance(fault, click.ClickException) else str(fault)
    return ""


def words_of(text: str) -> list[str]:
    """Return the words of a command, with what a reader puts in."""
    parts = [word.rpartition("=") for word in shlex.split(text) if word != "..."]
    return [f"{name}{equals}{STAND_FOR.get(value, value)}" for name, equals, value in parts]


def _check_hemo(words: list[str], named: bool) -> None:
    if not words or words in (["--help"], ["--version"]):
        return
    _, _, rest = reached(words)
    if rest == ["--help"] or (named and not rest):
        return  # it is only spoken of
    found = context(words)
    _check_values(found)
    given = _given_in(found)
    if given is not None:
        assert parsed(started(**given))[1] == _with_defaults(found), (
            "with `mlflow run` it means something else"
        )


def _check_values(found: click.Context) -> None:
    """Let what reads the values when the command runs read them."""
    name = str(found.info_name)
    for word, value in found.params.items():
        if value and word in TAKEN_BY and (name, value) not in NO_VALUES:
            TAKEN_BY[word](value)
    if "params" in found.params:
        families.check_params(name, options.parse_words("--params", found.params["params"]))


def _given_in(found: click.Context) -> dict[str, str] | None:
    """Return what `mlflow run` is given to mean the same; None where it cannot be, for several files."""
    name, _, action = str(found.info_name).partition(" ")
    given = {"name": name, **({"action": action} if action else {})}
    for parameter in found.command.params:
        value = found.params[str(parameter.name)]
        if found.get_parameter_source(str(parameter.name)) is ParameterSource.COMMANDLINE:
            if isinstance(value, tuple):
                if len(value) > 1:
                    return None
                (value,) = value
            given[word_of(parameter)] = str(value)
    return given


def _with_defaults(found: click.Context) -> dict[str, Any]:
    """Return a command's values as `mlflow run` has them, where MLproject names a file by itself."""
    own = {word: value for (name, word), value in mlproject.DEFAULTS.items() if name == found.info_name}
    given = {word for word in found.params if found.get_parameter_source(word) is ParameterSource.COMMANDLINE}
    return found.params | {word: value for word, value in own.items() if word not in given}


def _check_mlflow(words: list[str], named: bool) -> None:
    _, name, rest = reached(words, mlflow_cli)
    if named and not rest:
        return
    found = context(words, mlflow_cli)
    if name != "run":
        return
    assert found.params["uri"] == "."
    source = found.get_parameter_source("env_manager")
    assert source is ParameterSource.COMMANDLINE, (
        "no --env-manager: mlflow would make an environment by conda"
    )
    entry = found.params["entry_point"]
    assert entry in PROJECT._entry_points, f"no entry point '{entry}'"
    given = dict(word.split("=", 1) for word in found.params["param_list"])
    unknown = set(given) - set(PROJECT.get_entry_point(entry).parameters)
    assert not unknown, f"{entry} has no parameter {', '.join(unknown)}"
    _check_values(context(started(entry, **given)))


def _check_make(words: list[str], named: bool) -> None:
    variables = [word.partition("=")[0] for word in words if "=" in word]
    used = Path("Makefile").read_text()
    unknown = [name for name in variables if f"$({name})" not in used]
    assert not unknown, f"the Makefile knows no {', '.join(unknown)}"
    done = subprocess.run(["make", "--dry-run", *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def _check_python(words: list[str], named: bool) -> None:
    if words[0] != "-m":
        assert Path(words[0]).is_file(), f"no file {words[0]}"
        return
    package = words[1].rpartition(".")[0]
    there = (not package or find_spec(package)) and find_spec(words[1])
    assert there, f"no module {words[1]}"
    if words[1] == "pytest":
        assert all(Path(word).exists() for word in words[2:] if not word.startswith("-"))
