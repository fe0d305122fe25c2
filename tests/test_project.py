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
from hemo.cli import COMMANDS, main
from hemo.config import Gate

MLPROJECT = yaml.safe_load(Path("MLproject").read_text())
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
    found = {}
    for path in sorted(Path(folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            else:
                modules = [node.module] if isinstance(node, ast.ImportFrom) and not node.level else []
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


@pytest.mark.parametrize("name", MLPROJECT["entry_points"])
def test_an_entry_point_calls_the_command_of_its_name_with_words_it_knows(name):
    entry = MLPROJECT["entry_points"][name]
    command = main.get_command(click.Context(main), name)
    assert command is not None
    words = entry["command"].split()
    assert words[:4] == ["python", "-m", "hemo", name]
    known = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= known
    assert set(re.findall(r"{(\w+)}", entry["command"])) == set(entry.get("parameters", {}))
    named = set(re.findall(r"--\S+ {(\w+)}", entry["command"]))
    assert {word.replace("_", "-") for word in named} == {word[2:] for word in words if word[:2] == "--"}
    arguments = [one for one in command.params if isinstance(one, click.Argument)]
    assert len(entry.get("parameters", {})) - len(named) == len(arguments)


def test_every_decision_of_the_registry_is_an_entry_point():
    assert {"promote", "rollback", "registry", "history", "reproduce"} <= set(MLPROJECT["entry_points"])


def test_every_word_of_tune_and_study_can_be_given_to_mlflow_run():
    for name in ("tune", "study"):
        command = main.get_command(click.Context(main), name)
        words = [parameter for parameter in command.params if parameter.name != "help"]
        assert len(words) == len(MLPROJECT["entry_points"][name]["parameters"])


def test_every_family_is_a_command_and_an_entry_point():
    assert set(families.built_in()) <= set(MLPROJECT["entry_points"])
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
