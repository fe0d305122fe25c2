"""The documentation is true: links lead somewhere, examples run, files are what they claim to be."""

import ast
import doctest
import hashlib
import importlib
import io
import os
import re
import runpy
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pandas as pd
import pytest
import yaml

import hemo

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
MODULES = [path for path in sorted((ROOT / "hemo").rglob("*.py")) if ">>>" in path.read_text()]
LINK = re.compile(r"\]\((?!https?://)([^)#\s]*)(?:#([^)\s]*))?\)")
CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as the usual renderers make them."""
    headings = re.findall(r"^#+ (.*)$", re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL), re.M)
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()).strip() for heading in headings)
    return {heading.replace(" ", "-") for heading in plain}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_leads_to_a_file_of_the_project_and_to_a_heading_in_it(page: Path) -> None:
    for target, anchor in LINK.findall(CODE.sub("", page.read_text())):
        path = (page.parent / target).resolve() if target else page
        assert path.exists(), f"{target} is not there"
        assert path.is_relative_to(ROOT), f"{target} is outside of the project"
        if anchor and path.suffix == ".md":
            assert anchor in anchors(path), f"{target} has no heading #{anchor}"


def test_every_page_of_the_docs_is_in_the_map_or_named_by_a_page_that_is() -> None:
    named = {Path(target).name for page in PAGES for target, _ in LINK.findall(page.read_text())}
    assert {page.name for page in (ROOT / "docs").glob("*.md")} - named <= {"index.md"}


def test_the_readme_has_the_floors_that_the_contracts_of_imports_keep() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    floors = [layer for layer in contracts[0]["layers"] if layer != "__main__"]
    readme = (ROOT / "README.md").read_text().partition("## Architecture")[2]
    lines = [line.strip() for line in readme.splitlines() if line.startswith("    ")]
    starts = [next((line for line in lines if line.startswith(floor)), "") for floor in floors]
    assert "" not in starts, f"not in the README: {floors[starts.index('')]}"
    assert [lines.index(line) for line in starts] == sorted(lines.index(line) for line in starts)


def test_the_reference_of_experiment_files_is_what_the_types_say() -> None:
    made = runpy.run_path(str(ROOT / "docs" / "experiment.py"))["page"]()
    assert (ROOT / "docs" / "experiment.md").read_text() == made, "run `python docs/experiment.py`"


def test_every_message_of_the_page_on_trouble_is_one_of_hemo_s() -> None:
    sources = "\n".join(path.read_text() for path in sorted((ROOT / "hemo").rglob("*.py")))
    said = " ".join(re.sub(r'"\s*f?r?"', "", sources).split())
    messages = re.findall(r"^### `(.*)`$", (ROOT / "docs" / "troubleshooting.md").read_text(), re.MULTILINE)
    assert messages
    for message in messages:
        for part in message.split("..."):
            assert part.strip() in said, f"no message of hemo has `{part.strip()}`"


def test_the_license_is_the_apache_license_to_the_letter() -> None:
    digest = hashlib.sha256((ROOT / "LICENSE").read_bytes()).hexdigest()
    assert digest == "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30"


def test_package_citation_and_changelog_agree_on_the_version() -> None:
    package = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    released = re.findall(r"^## \[(\d[^\]]*)\] - (\S+)$", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert package["version"] == hemo.__version__
    assert (citation["version"], citation["date-released"]) == released[0]
    assert citation["version"] == package["version"]


def test_the_citation_has_what_its_format_requires() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert {"cff-version", "message", "title", "authors"} <= set(citation)
    assert citation["cff-version"] == "1.2.0"
    assert citation["license"] == "Apache-2.0"
    for reference in citation["references"]:
        assert {"type", "title", "authors"} <= set(reference)


def test_every_module_that_the_changelog_names_as_new_is_there() -> None:
    rows = re.findall(r"^\| `hemo[^|]*\| `(hemo[.\w]+)`", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert len(rows) > 50
    assert [name for name in rows if find_spec(name) is None] == []


def blocks(page: Path) -> list[str]:
    """Return the Python code of a page, block by block."""
    return re.findall(r"^```python\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE)


def headline(code: str) -> str:
    """Return the name of the first function that a block defines."""
    return (re.findall(r"^def (\w+)", code, re.MULTILINE) or ["names"])[0]


@pytest.mark.parametrize("code", blocks(ROOT / "docs" / "extending.md"), ids=headline)
def test_the_examples_of_extending_run_as_they_stand(code: str) -> None:
    exec(compile(code, "docs/extending.md", "exec"), {"__name__": "extending"})


def test_the_notebook_runs_from_its_first_cell_to_its_last(tmp_path: Path) -> None:
    script = ROOT / "docs" / "notebook.py"
    printed = subprocess.check_output([sys.executable, script], cwd=tmp_path, text=True, timeout=240)
    assert "recall_at_specificity_80" in printed
    assert (tmp_path / "roc.png").read_bytes().startswith(b"\x89PNG")


def test_the_tutorial_goes_from_files_to_a_served_panel(tmp_path: Path) -> None:
    script = ROOT / "docs" / "tutorial.py"
    plain = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    printed = subprocess.check_output(
        [sys.executable, script], cwd=tmp_path, text=True, timeout=480, env=plain
    )
    read, trained, judged, told, promoted, asked = re.split(
        r"^(?:Leaderboard|\$ hemo).*", printed, flags=re.M
    )
    assert "0 slices without a label, 0 rows without a slice" in read
    assert "refused" in trained
    assert "Recall at specificity 0.80/any" in trained
    assert re.search(r"boosted +0\.\d+ +0\.\d+ +0\.\d+ +[0-9a-f]{32}", trained)
    assert "would be refused" in judged
    assert "A refusal is an answer" in told
    assert "overridden" in promoted
    slices = pd.read_csv(tmp_path / "predictions.csv").query("row == 'slice'")["any_probability"]
    served = [float(answer) for answer in re.findall(r"\.dcm +([.\d]+) ", asked)]
    assert sorted(served) == pytest.approx(sorted(slices), abs=1e-5)


def examples(path: Path) -> set[str]:
    """Return the public functions and methods of a module whose docstring has an example."""
    tree = ast.parse(path.read_text())
    return {name for name, text in described(tree.body, "") if ">>>" in text}


def described(body: list[ast.stmt], prefix: str) -> Iterator[tuple[str, str]]:
    for node in body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            yield prefix + node.name, ast.get_docstring(node) or ""
        elif isinstance(node, ast.ClassDef):
            yield from described(node.body, f"{prefix}{node.name}.")


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_the_examples_of_docstrings_give_what_they_say(path: Path) -> None:
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    module = importlib.import_module(name.removesuffix(".__init__"))
    tests = doctest.DocTestFinder(exclude_empty=True).find(module)
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    said = io.StringIO()
    ran = set()
    for test in tests:
        if test.examples:
            runner.run(test, out=said.write)
            ran.add(test.name.removeprefix(f"{module.__name__}."))
    assert runner.failures == 0, said.getvalue()
    assert examples(path) <= ran


def test_at_least_25_public_functions_have_an_example() -> None:
    assert sum(len(examples(path)) for path in MODULES) >= 25
