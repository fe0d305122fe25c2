"""A command that asks for earlier runs says so at once in a folder that has none, and makes nothing there."""

import pytest
from click.testing import CliRunner

from hemo import cli

COMMANDS = (
    ["registry"], ["history", "any"], ["rollback", "any"], ["promote"], ["compare"], ["reproduce", "1a"],
    ["evaluate", "models:/hemo-panel@production", "--images", "scans", "--labels", "labels.csv"],
    ["predict", "scans"], ["stress", "1a", "--images", "scans", "--labels", "labels.csv"],
)  # fmt: skip


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
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
