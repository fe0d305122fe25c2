"""Whoever waits is told what for: no command is silent for long, with a terminal or without."""

import os
import sys

import numpy as np
import pytest

from hemo.labels import LABELS
from tests.helpers.silence import silences
from tests.helpers.stores import bright_blood, write_store

EXPERIMENT = """\
name: waiting
store: store
folds: 2
workers: 1
families:
  logreg: {}
"""

SLOW = """\
import time
from hemo import console
from hemo.cli import main

def step(words, note=console.step):
    note(words)
    time.sleep(6 * (words == "comparing the families"))

console.step = step
main()
"""
"""The command line, where a comparison takes longer than people wait."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with an experiment of one training: of five labels nothing is known."""
    folder = tmp_path_factory.mktemp("waiting")
    images, patients, labels = bright_blood(patients=24, slices=4)
    labels[:, np.array(LABELS) != "any"] = -1
    write_store(folder / "store", images, patients, labels)
    (folder / "waiting.yaml").write_text(EXPERIMENT)
    return folder


@pytest.mark.parametrize("terminal", [True, False], ids=["terminal", "log"])
def test_the_whole_way_is_never_silent_for_five_seconds(folder, terminal, capfd):
    command = [sys.executable, "-c", SLOW, "main", "--experiment", "waiting.yaml", "--fresh"]
    ours = ("NO_COLOR", "TERM", "MLFLOW_")  # MLflow's are of tests before this one
    plain = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    status, found = silences(command, terminal=terminal, cwd=folder, env={**plain, "TERM": "xterm"})
    said = capfd.readouterr().out
    assert status == 0, said
    assert "comparing the families" in said
    assert found == []
