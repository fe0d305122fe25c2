"""The project's own files agree with each other."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import click
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

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


def imported(folder):
    """Return the packages that the modules below a folder import, with one of the modules."""
    found: dict[str, Path] = {}
    for path in sorted(Path(folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            else:
                modules = [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            found |= {module.partition(".")[0]: path for module in modules}
    return {name: path for name, path in found.items() if name not in (*sys.stdlib_module_names, folder)}


def test_what_hemo_imports_is_declared():
    project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
    declared = {canonicalize_name(Requirement(line).name) for line in project["dependencies"]}
    packages = packages_distributions()
    missing = {
        f"{module} in {path}"
        for module, path in imported("hemo").items()
        if not declared & {canonicalize_name(name) for name in packages.get(module, ())}
    }
    assert not missing


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
