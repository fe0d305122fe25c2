"""What is read from an SQLite database as it lies is what MLflow says, and it is read without MLflow."""

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from hemo import tracking
from hemo.registry import panel, standing
from tests.helpers.registry_world import case, decide


@pytest.fixture
def mlflow_unasked(monkeypatch):
    """MLflow cannot be asked."""
    monkeypatch.setattr(standing, "_asked", lambda: pytest.fail("MLflow was asked"))


def test_a_database_is_read_as_mlflow_reads_it(promoted):
    decide(case(promoted, "any", "better"))
    decide(case(promoted, "epidural", "bad", sound=False))  # refused
    tracking.client().delete_model_version("hemo-any", "1")
    found, asked = standing._read(Path("mlflow.db")), standing._asked()
    assert found.histories.keys() == {"hemo-any", "hemo-epidural", "hemo-panel"}
    assert found.histories == asked.histories
    states = [[one.state for one in history] for history in found.histories.values()]
    assert states == [[one.state for one in history] for history in asked.histories.values()]
    assert found.aliases == {model: one for model, one in asked.aliases.items() if one}
    assert found.tags == {model: one for model, one in asked.tags.items() if one}


def test_what_is_settled_is_told_without_mlflow(promoted, mlflow_unasked):
    found = standing.now()
    assert all(found.is_settled(f"hemo-{one}") for one in ("any", "epidural", "subdural", "panel"))
    assert found.panel_is_current()
    assert found.overrides("hemo-epidural") == {"1": "for the <b>demonstration</b>"}


def test_what_was_done_by_hand_is_seen(promoted):
    tracking.client().delete_registered_model_alias("hemo-epidural", "production")
    found = standing.now()
    assert not found.is_settled("hemo-epidural")
    assert found.is_settled("hemo-any")
    assert not found.panel_is_current()
    panel.settle_all()
    assert standing.now().panel_is_current()


def test_an_override_that_was_taken_back_makes_a_panel_anew(promoted):
    tracking.client().delete_model_version_tag("hemo-epidural", "1", "override")
    assert not standing.now().panel_is_current()


@pytest.mark.parametrize("elsewhere", ["MLFLOW_REGISTRY_URI", "MLFLOW_ENABLE_WORKSPACES"])
def test_where_models_are_elsewhere_mlflow_is_asked(promoted, elsewhere, monkeypatch):
    monkeypatch.setenv(elsewhere, "true")
    monkeypatch.setattr(standing, "_asked", lambda: "asked")
    assert standing.now() == "asked"


def test_a_database_of_another_mlflow_is_left_to_mlflow(promoted, monkeypatch):
    with sqlite3.connect("mlflow.db") as stored:
        stored.execute("ALTER TABLE registered_model_aliases RENAME COLUMN version TO number")
    monkeypatch.setattr(standing, "_asked", lambda: "asked")
    assert standing.now() == "asked"


@pytest.mark.parametrize("words", [["registry"], ["history", "any"]], ids=" ".join)
def test_nobody_waits_for_mlflow_to_be_loaded(promoted, words):
    code = f"import sys; from hemo import cli; cli.main({words!r}, standalone_mode=False)"
    code += "; print({'mlflow', 'sqlalchemy', 'sklearn'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "logreg" in done.stdout, done.stderr
    assert done.stdout.splitlines()[-1] == "set()", done.stdout
