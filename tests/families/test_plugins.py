"""Families of other packages: found by entry points, loaded when asked for, refused by the package's name."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, EntryPoints
from pathlib import Path

import pytest

from hemo import families
from hemo.commands import COMMANDS
from hemo.errors import HemoError
from hemo.families import _plugins, _registry

DOC = Path("docs/extending_family.md")


def example() -> str:
    """Return the family that the documentation shows."""
    (code,) = re.findall(r"```python\n(.*?)```", DOC.read_text(), re.DOTALL)
    return code


def install(folder: Path, package: str, entries: str, **modules: str) -> None:
    """Lay modules into a folder with the metadata that pip would write beside them."""
    folder.mkdir(exist_ok=True)
    for name, code in modules.items():
        (folder / f"{name}.py").write_text(code)
    info = folder / f"{package.replace('-', '_')}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{_plugins.GROUP}]\n{entries}\n")


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run Python where the folder's packages are installed."""
    given = {**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    return subprocess.run([sys.executable, *words], capture_output=True, text=True, env=given, check=False)


@pytest.fixture(scope="module")
def forest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder in which the documentation's family is installed."""
    folder = tmp_path_factory.mktemp("site")
    install(folder, "hemo-forest", "forest = hemo_forest:FAMILY", hemo_forest=example())
    return folder


def test_the_documented_family_is_one_file_of_at_most_60_lines() -> None:
    assert len(example().splitlines()) <= 60


def test_the_documented_family_keeps_the_contract_without_a_line_elsewhere(forest: Path) -> None:
    words = ["-m", "pytest", "-p", "no:cacheprovider", "tests/families/test_contract.py", "-k", "forest"]
    result = run(forest, *words)
    assert result.returncode == 0, result.stdout
    assert int(re.findall(r"(\d+) passed", result.stdout)[0]) >= 12


def test_the_documented_family_is_a_command_and_help_does_not_import_it(forest: Path) -> None:
    code = "import sys; from hemo.cli import main; main(sys.argv[1:], standalone_mode=False); "
    code += "print([m for m in ('hemo_forest', 'sklearn', 'optuna') if m in sys.modules])"
    result = run(forest, "-c", code, "--help")
    assert re.search(r"forest +Train a family of hemo-forest 1\.0\.", result.stdout)
    assert result.stdout.endswith("[]\n")
    result = run(forest, "-m", "hemo", "forest", "--help")
    assert "Random forest on radiological features" in result.stdout
    assert "trees=200" in result.stdout


def test_a_served_model_needs_the_package_of_its_family_and_says_so_where_it_is_not(
    forest: Path, tmp_path: Path
) -> None:
    code = f"""
import numpy as np, pathlib
from hemo import families
from hemo.runs import logged_model
images = np.random.default_rng(0).integers(0, 256, (8, 16, 16, 1), np.uint8)
model = families.build("forest", {{"trees": 3}}).fit(images, np.arange(8) % 2)
families.save(model, "forest", pathlib.Path({str(tmp_path / "model")!r}))
members = {{"members": {{"forest": {{}}, "logreg": {{}}}}}}
for name, params in (("forest", model.params), ("ensemble", members)):
    print(logged_model.requirements(name, params)[-1])
"""
    assert run(forest, "-c", code).stdout == "hemo-forest==1.0\n" * 2
    assert json.loads((tmp_path / "model" / "family.json").read_text())["package"] == "hemo-forest==1.0"
    with pytest.raises(HemoError, match=r"'forest' is not installed: pip install hemo-forest==1\.0"):
        families.load(tmp_path / "model")


class Package(Distribution):
    """A package that is installed nowhere."""

    def __init__(self, name: str, entry: str) -> None:
        self._texts = {
            "METADATA": f"Name: {name}\nVersion: 2.1\n",
            "entry_points.txt": f"[{_plugins.GROUP}]\n{entry}\n",
        }

    def read_text(self, filename: str) -> str | None:
        return self._texts.get(filename)

    def locate_file(self, path: object) -> Path:
        return Path(str(path))


@pytest.fixture
def packages(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[tuple[str, str], str]]:
    """Return a dict that holds what packages claim: (package, family) to what the entry point names."""
    given: dict[tuple[str, str], str] = {}

    def entries(group: str) -> EntryPoints:
        assert group == "hemo.families"
        return EntryPoints(
            entry
            for (package, name), value in given.items()
            for entry in Package(package, f"{name} = {value}").entry_points
        )

    def forget() -> None:
        _plugins.claims.cache_clear()
        _registry._get.cache_clear()

    monkeypatch.setattr(_plugins, "entry_points", entries)
    forget()
    yield given
    forget()


LOGREG = "hemo.families.logreg:FAMILY"


@pytest.mark.parametrize(
    ("claims", "name", "fault"),
    [
        (
            {("oak", "tree"): LOGREG, ("elm", "tree"): LOGREG},
            "tree",
            r"'tree' is claimed by elm 2\.1 and oak 2\.1: uninstall all but one",
        ),
        (
            {("oak", "logreg"): LOGREG},
            "logreg",
            r"'logreg' is hemo's own, and oak 2\.1 claims it: uninstall oak",
        ),
        (
            {("oak", "tree"): "no_such_module:FAMILY"},
            "tree",
            r"'tree' of oak 2\.1 cannot be imported \(Module.*oak",
        ),
        (
            {("oak", "tree"): "hemo.families:names"},
            "tree",
            r"oak 2\.1: hemo\.families:names is not a .*Family",
        ),
        (
            {("oak", "tree"): LOGREG},
            "tree",
            r"'tree' of oak 2\.1 calls itself 'logreg': mend or uninstall oak",
        ),
        (
            {("oak", "a tree@x"): LOGREG},
            "a tree@x",
            r"'a tree@x' of oak 2\.1 is not called by a word.*uninstall oak",
        ),
        (
            {("oak", "tune"): LOGREG},
            "tune",
            r"'tune' of oak 2\.1 is called as a command of hemo: mend or .*oak",
        ),
    ],
)
def test_a_package_that_is_not_as_it_should_be_is_refused_by_its_name_and_stops_no_other(
    packages: dict[tuple[str, str], str], claims: dict[tuple[str, str], str], name: str, fault: str
) -> None:
    packages |= claims
    assert name in families.names()
    with pytest.raises(HemoError, match=fault) as refused:
        families.get(name)
    assert "\n" not in str(refused.value)
    assert families.get("cnn").name == "cnn"


def test_an_error_in_a_packages_code_is_one_line(
    packages: dict[tuple[str, str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "hemo_broken.py").write_text("raise RuntimeError('two\\nlines')")
    monkeypatch.syspath_prepend(tmp_path)
    packages["oak", "tree"] = "hemo_broken:FAMILY"
    with pytest.raises(HemoError, match=r"cannot be imported \(RuntimeError: two lines\): mend"):
        families.get("tree")


def test_a_refused_family_ends_the_command_with_one_line(tmp_path: Path) -> None:
    install(tmp_path / "site", "hemo-oak", "tree = no_such_module:FAMILY")
    result = run(tmp_path / "site", "-m", "hemo", "tree", "--help")
    assert result.returncode == 2
    assert result.stderr.startswith("hemo: family 'tree' of hemo-oak 1.0 cannot be imported")
    assert result.stderr.count("\n") == 1
    assert run(tmp_path / "site", "-m", "hemo", "--help").returncode == 0


def test_no_family_can_be_called_as_a_command() -> None:
    assert set(COMMANDS) <= set(_plugins.RESERVED)
    assert not set(_plugins.RESERVED) & set(families.built_in())
