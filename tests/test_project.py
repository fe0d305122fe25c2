"""The project's own files agree with each other."""

import re
from pathlib import Path

import click
import pytest
import yaml

from hemo import families
from hemo.cli import main
from hemo.commands import COMMANDS
from hemo.config import Gate

LOCK = Path("requirements.txt").read_text().splitlines()


def test_conda_installs_exactly_the_lock():
    (pip,) = (
        part["pip"]
        for part in yaml.safe_load(Path("conda.yaml").read_text())["dependencies"]
        if isinstance(part, dict)
    )
    assert pip == LOCK


def test_the_development_lock_holds_the_lock():
    assert set(LOCK) <= set(Path("requirements-dev.txt").read_text().splitlines())


@pytest.mark.parametrize("file", ["requirements.txt", "requirements-dev.txt", "conda.yaml"])
def test_locks_pin_every_package_and_carry_no_address(file):
    text = Path(file).read_text()
    assert "://" not in text
    assert "--" not in text
    if file.endswith(".txt"):
        assert all(re.match(r"[\w.\[\]-]+==[\w.]+( ; .+)?$", line) for line in text.splitlines())


def test_every_family_is_a_command():
    assert set(families.names()) <= set(main.list_commands(click.Context(main)))


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name):
    command = main.get_command(click.Context(main), name)
    assert command is not None
    assert command.help
    assert all(parameter.help for parameter in command.params if isinstance(parameter, click.Option))


@pytest.mark.parametrize("word", Gate.model_fields)
def test_the_gates_defaults_are_documented(word):
    default = Gate.model_fields[word].default
    assert f"| `{word}` | {default} |" in Path("docs/registry.md").read_text()
