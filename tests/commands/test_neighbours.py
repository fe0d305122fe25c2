"""Neighbouring systems that are absent, refuse, or are broken: one line with the remedy and status 2."""

import os
import resource
import shutil
import sqlite3
import time
from contextlib import contextmanager
from pathlib import Path

import mlflow
import numpy as np
import pytest
from click.testing import CliRunner

from hemo import commands, tracking
from hemo.cli import main
from tests.helpers.folders import dicom_folder, write_rsna
from tests.helpers.mlflow_default import forget_stores
from tests.helpers.stores import bright_blood, write_store
from tests.helpers.wrong_servers import closed_port, serving

pytestmark = pytest.mark.usefixtures("no_pictures")

WORDS = {
    "main": ["--experiment", "made-up.yaml"],
    "logreg": ["--store", "slices", "--label", "any"],
    "tune": ["--store", "slices", "--family", "logreg", "--label", "any", "--trials", "1"],
    "compare": ["--experiment", "made-up.yaml"],
    "audit": ["--experiment", "made-up.yaml"],
    "promote": ["--experiment", "made-up.yaml"],
    "rollback": ["any"],
    "registry": [],
    "history": ["any"],
    "verify": [],
    "predict": ["scans"],
    "evaluate": ["--images", "scans", "--labels", "labels.csv"],
    "stress": ["models:/hemo-any@production", "--images", "scans", "--labels", "labels.csv"],
    "reproduce": ["0123456789abcdef0123456789abcdef"],
    "ui": ["--experiment", "made-up.yaml"],
}
"""What is typed after each command that needs MLflow."""

WITHOUT_MLFLOW = {
    "phantom",
    "preprocess",
    "store",
    "study",
    "slurm",
    "doctor",
    "backbones",
}  # the last says it as a finding


def run(name, *words):
    return CliRunner().invoke(main, [name, *map(str, words or WORDS.get(name, []))])


def ends_in_a_line(result, *words):
    """Return whether a command ended with status 2 and a last line that has all these words."""
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.stderr
    last = result.stderr.splitlines()[-1]
    assert last.startswith("hemo: ")
    for word in words:
        assert word in last
    return True


def is_one_line(result, *words):
    """Return whether that line is all that it said."""
    return ends_in_a_line(result, *words) and result.stderr.count("\n") == 1


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Return the current folder: with scans, their labels, a slice store and an experiment file of it."""
    write_rsna(tmp_path / "labels.csv", dicom_folder(tmp_path / "scans"))
    write_store(tmp_path / "slices", *bright_blood(patients=8, slices=4))
    (tmp_path / "made-up.yaml").write_text("name: made up\ndraws: 100\nstore: slices\nworkers: 1\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def address():
    """Return what sets the address of the tracking store; it is unset in the end."""
    yield mlflow.set_tracking_uri
    forget_stores()


@contextmanager
def no_file_larger_than(size):
    """Let no file of this process grow beyond a size, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_every_command_that_needs_mlflow_is_tried_here():
    families = set(commands.family_names()) - {"logreg"}
    assert set(WORDS) | WITHOUT_MLFLOW | families == set(commands.names())


@pytest.mark.parametrize("name", WORDS)
def test_a_server_that_is_not_there_is_said_by_every_command_at_once(folder, address, name):
    port = closed_port()
    address(f"http://ann:secret@127.0.0.1:{port}")
    start = time.monotonic()
    assert is_one_line(
        run(name), f"the tracking server http://127.0.0.1:{port}: does not answer", "see whether"
    )
    assert time.monotonic() - start < 10


@pytest.mark.parametrize("kind", ["refuses", "is a web page", "is another service"])
@pytest.mark.parametrize("name", ["logreg", "registry", "predict"])
def test_a_server_that_refuses_or_is_another_is_said_by_commands(folder, address, name, kind):
    with serving(kind) as where:
        address(where)
        remedy = "set MLFLOW_TRACKING_USERNAME" if kind == "refuses" else "see whether MLFLOW_TRACKING_URI"
        assert is_one_line(run(name), f"the tracking server {where}: ", remedy)


@pytest.mark.parametrize("name", ["main", "logreg", "tune", "compare", "audit", "promote", "ui"])
def test_a_deleted_experiment_is_said_with_the_way_to_bring_it_back(store, folder, name):
    found = tracking.find_experiment("made up")
    tracking.client().delete_experiment(found)
    words = [*WORDS[name], *([] if "--experiment" in WORDS[name] else ["--experiment", "made-up.yaml"])]
    line = f"is deleted: bring it back with `mlflow experiments restore --experiment-id {found}`"
    assert is_one_line(run(name, *words), "experiment 'made up' in sqlite:", line)


def test_a_run_gone_below_a_registered_version_is_named(promoted, folder):
    run_id = promoted["any", "good"]
    tracking.client().delete_run(run_id)
    mlflow.tracking._tracking_service.utils._get_store()._hard_delete_run(run_id)
    words = ["models:/hemo-any@production", *WORDS["evaluate"], "--workers", "1"]
    assert is_one_line(
        run("evaluate", *words), f"{run_id}: no such run in sqlite:", "promote what comes of it"
    )
    assert is_one_line(run("reproduce", run_id), f"{run_id}: no such run in sqlite:")
    assert run("registry").exit_code == 0
    assert run("history", "any").exit_code == 0
    assert run("predict", "scans").exit_code == 0


def test_a_version_whose_files_are_gone_is_not_said_to_be_missing(promoted, folder):
    client = tracking.client()
    source = str(client.get_model_version_by_alias("hemo-panel", "production").source)
    model = client.get_logged_model(source.rpartition("/")[2])
    place = Path(model.artifact_location.removeprefix("file://"))
    shutil.move(place, folder / "moved")
    try:
        assert is_one_line(run("predict"), "models:/hemo-panel@production: its files are gone: put them back")
    finally:
        shutil.move(folder / "moved", place)
    assert run("predict").exit_code == 0


def test_without_anything_promoted_there_is_no_model(store, folder):
    assert is_one_line(run("predict"), "no such model", "promote first")
    assert is_one_line(run("evaluate"), "no such model", "give one like models:/hemo-panel@production")


@pytest.mark.parametrize("words", [("study",), ("study", "a"), ("tune", *WORDS["tune"])])
def test_a_damaged_optuna_database_is_said_with_its_address(store, folder, words):
    (folder / "optuna.db").write_bytes(os.urandom(9000))
    assert is_one_line(
        run(*words), f"the database sqlite:///{folder}/optuna.db: damaged, or no database: put a copy"
    )


@pytest.mark.parametrize("name", ["logreg", "registry"])
def test_a_locked_database_is_said(store, folder, name):
    holder = sqlite3.connect(folder / "mlflow.db")
    holder.execute("BEGIN EXCLUSIVE")
    assert is_one_line(run(name), f"sqlite:///{folder}/mlflow.db: locked by another process: wait")
    holder.close()
    assert run("registry").exit_code == 0


def test_a_disk_that_fills_up_while_training_is_said_and_loses_nothing(store, folder):
    before = len(tracking.training_runs(tracking.find_experiment("made up")))
    words = [*WORDS["logreg"], "--experiment", "made-up.yaml"]
    with no_file_larger_than(20_000):
        assert is_one_line(run("logreg", *words), "what was finished is kept")
    assert run("logreg", *words).exit_code == 0
    after = tracking.training_runs(tracking.find_experiment("made up"))
    assert len(after) == before + 1


@pytest.mark.parametrize(
    "words",
    [
        ("phantom", "--out", "phantom", "--patients", "1", "--slices", "4", "--workers", "1"),
        ("preprocess", "--images", "scans", "--labels", "labels.csv", "--store", "new", "--workers", "1"),
        ("store", "show", "slices"),
        ("compare", "--experiment", "made-up.yaml", "--out", "compared"),
    ],
)
def test_a_full_disk_is_one_line_in_every_command_that_writes_files(store, folder, words):
    with no_file_larger_than(3_000):
        assert ends_in_a_line(run(*words))


def test_a_picture_of_phantoms_that_cannot_be_written_is_said(folder, monkeypatch):
    row = np.random.default_rng(0).integers(0, 256, (90, 90), np.uint8)
    monkeypatch.setattr("hemo.phantom.sheet._row", lambda *_: row)
    with no_file_larger_than(1000):
        assert is_one_line(run("phantom", "--sheet", "sheet.png"), "no file may become that large here")


def test_a_prediction_that_cannot_be_written_is_said(promoted, folder):
    with no_file_larger_than(100):
        result = run("predict", "scans", "--out", "predictions.csv")
    assert ends_in_a_line(result, "no file may become that large here")


def test_a_fault_of_the_program_itself_keeps_its_traceback(store, folder, monkeypatch):
    def broken(*words):
        raise KeyError("a mistake")

    monkeypatch.setattr("hemo.registry.in_production.rows", broken)
    assert isinstance(run("registry").exception, KeyError)
