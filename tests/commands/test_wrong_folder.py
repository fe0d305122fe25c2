"""A command that asks for earlier runs says so at once in a folder that has none, and makes nothing there."""

import os
import subprocess
import sys

import pytest
from click.testing import CliRunner
from optuna import create_study

from hemo import cli

COMMANDS = (
    ["registry"], ["history", "any"], ["rollback", "any"], ["promote"], ["compare"], ["reproduce", "1a"],
    ["evaluate", "models:/hemo-panel@production", "--images", "scans", "--labels", "labels.csv"],
    ["predict", "scans"], ["verify"], ["verify", "panel"],
    ["stress", "1a", "--images", "scans", "--labels", "labels.csv"],
)  # fmt: skip


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_no_empty_database_is_made(words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (tmp_path / "scans").mkdir()
    (tmp_path / "labels.csv").write_text("image,any\n")
    done = CliRunner().invoke(cli.main, words)
    assert done.exit_code == 2, done.output
    assert "mlflow.db: no tracking database is here: go to the folder that you trained in" in " ".join(
        done.output.split()
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["labels.csv", "scans"]


def test_a_missing_file_is_said_before_anything_is_loaded(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(cli.main, ["predict", "scan.dcm"])
    assert done.exit_code == 2
    assert "scan.dcm: no such file or folder" in done.output


@pytest.mark.parametrize(("words", "status"), [(["study"], 0), (["study", "tune/logreg/any"], 2)])
def test_no_empty_database_of_studies_is_made(words, status, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    done = CliRunner().invoke(cli.main, words)
    assert done.exit_code == status, done.output
    assert f"sqlite:///{tmp_path}/optuna.db: no study yet: `hemo tune` makes some" in done.output
    assert list(tmp_path.iterdir()) == []


NAMES_NOTHING = """
import sys
from click.testing import CliRunner
from hemo.cli import main
for words in (["verify", "nofolder"], ["study", "nostudy"]):
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 2, done.output
    print(done.output)
assert "mlflow" not in sys.modules
"""


def test_a_word_that_names_nothing_is_answered_without_loading_mlflow(tmp_path):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    create_study(storage=f"sqlite:///{tmp_path}/optuna.db", study_name="known")
    done = subprocess.run(
        [sys.executable, "-c", NAMES_NOTHING], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "nofolder: no slice store" in done.stdout
    assert "no study 'nostudy' (known: known)" in done.stdout
