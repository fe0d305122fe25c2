"""`hemo backbones` says which file goes where, at once and on a narrow terminal."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from hemo.cli import main
from hemo.families._architectures import ARCHITECTURES


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    return tmp_path / ".keras" / "models"


def said() -> str:
    done = CliRunner().invoke(main, ["backbones"])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_each_file_is_told_with_its_place_address_digest_and_license(home: Path) -> None:
    lines = said().splitlines()
    for name, architecture in ARCHITECTURES.items():
        (row,) = (line for line in lines if line.startswith(f"│ {name} "))
        assert architecture.title in row
        if architecture.published is None:
            assert "none published" in row
            continue
        assert architecture.published.license in row
        assert f"  from    {architecture.published.address}" in lines
        assert any(architecture.published.digits in line for line in lines)
    assert f"  file    {home / 'dinov2_vits14_pretrain.pth'}" in lines
    assert "dinov2s: missing" in lines


def test_a_file_that_is_another_is_told_with_its_digest(home: Path) -> None:
    home.mkdir(parents=True)
    (home / "dinov2_vits14_pretrain.pth").write_bytes(b"")
    lines = said().splitlines()
    assert "dinov2s: another file" in lines
    assert "  found   e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" in lines


def test_but_for_places_and_addresses_all_fits_eighty_columns() -> None:
    environment = {**os.environ, "COLUMNS": "80"}
    done = subprocess.run(
        [sys.executable, "-m", "hemo", "backbones"],
        capture_output=True,
        text=True,
        env=environment,
        check=True,
    )
    lines = [line for line in done.stdout.splitlines() if not line.startswith(("  file ", "  from "))]
    assert max(map(len, lines)) <= 80


def test_neither_tensorflow_nor_mlflow_is_loaded() -> None:
    code = (
        "import sys; from hemo.cli import main; main(['backbones'], standalone_mode=False); "
        "print(sorted({'tensorflow', 'keras', 'mlflow', 'sklearn', 'pandas'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
