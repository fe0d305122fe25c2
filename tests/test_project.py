"""The project's own files agree with each other."""

import ast
import re
import shlex
import signal
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import click
import pytest
import yaml
from click.testing import CliRunner
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from hemo import families
from hemo.cli import main
from hemo.commands import COMMANDS, names
from hemo.config import Gate
from tests.helpers.command_lines import parsed

LOCK = Path("requirements.txt").read_text().splitlines()


def test_conda_installs_exactly_the_lock():
    (pip,) = (
        part["pip"]
        for part in yaml.safe_load(Path("conda.yaml").read_text())["dependencies"]
        if isinstance(part, dict)
    )
    assert pip == LOCK


def test_the_development_lock_holds_the_lock():
    development = Path("requirements-dev.txt").read_text().splitlines()
    # What the lock asks for on some systems only, a tool of development may ask for on all.
    assert all(line in development or line.partition(" ;")[0] in development for line in LOCK)


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


@pytest.mark.parametrize("name", ["", *names(), "store info", "store show"])
def test_every_commands_help_has_examples_that_the_command_line_takes(name):
    text = CliRunner().invoke(main, [*name.split(), "--help"]).output
    examples = [line.strip() for line in text.splitlines() if line.startswith("    hemo ")]
    assert examples
    assert "\\b" not in text
    for line in examples:
        assert line.startswith(f"hemo {name}")
        parsed(shlex.split(line)[1:])


@pytest.mark.parametrize("word", Gate.model_fields)
def test_the_gates_defaults_are_documented(word):
    default = Gate.model_fields[word].default
    assert f"| `{word}` | {default} |" in Path("docs/registry.md").read_text()


def test_help_answers_before_anything_heavy_is_imported():
    heavy = {"mlflow", "pandas", "pyarrow", "sklearn", "scipy", "tensorflow", "optuna", "matplotlib", "cv2"}
    code = (
        "import sys; from click.testing import CliRunner; from hemo.cli import main; "
        "assert CliRunner().invoke(main, ['--help']).exit_code == 0; print(*sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not heavy & set(found.stdout.split())


def test_ctrl_c_before_the_command_line_is_there_ends_without_a_traceback():
    """Python's own start is not ours: what is waited for is the first line of `hemo.__main__`."""
    code = (
        "import builtins, os, signal, sys\n"
        "real = builtins.__import__\n"
        "def slow(name, *rest):\n"
        "    if name == 'hemo.cli':\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "    return real(name, *rest)\n"
        "builtins.__import__ = slow\n"
        "import hemo.__main__\n"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (found.returncode, found.stderr) == (-signal.SIGINT, "")


@pytest.mark.parametrize(
    "words", [["preprocess", "--images", "."], ["evaluate", "--images", ".", "--labels", "x"]]
)
def test_no_processes_are_no_number_of_processes(words):
    outcome = CliRunner().invoke(main, [*words, "--workers", "0"])
    assert outcome.exit_code == 2
    assert "0 is not in the range x>=1" in outcome.output
