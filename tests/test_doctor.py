import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from hemo import config, doctor, tracking
from hemo.cli import main
from hemo.cluster import Cluster
from hemo.config import Experiment
from hemo.errors import HemoError
from tests.cluster.test_cluster import slurm  # noqa: F401
from tests.helpers.mlflow_default import forget_stores


@pytest.fixture
def here(tmp_path, monkeypatch) -> Experiment:
    monkeypatch.chdir(tmp_path)
    forget_stores()  # which would come before what the environment says
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    return config.load(None, store=str(tmp_path / "stores" / "mine"), families={"transfer": {}})


def found(config_: Experiment, storage: str = "") -> dict[str, doctor.Finding]:
    return {one.what: one for one in doctor.examine(config_, storage or "sqlite:///optuna.db")}


def test_one_machine_needs_no_server_and_is_told_what_a_cluster_would(here):
    answers = found(here)
    assert all(one.well for one in answers.values()), answers
    assert "a cluster needs a server" in answers["tracking store"].said
    assert "a cluster needs PostgreSQL" in answers["Optuna's database"].said
    assert "renames, locks" in answers["shared folder"].said
    assert answers["weights"].said == "efficientnet-lite0-57934424.pth"
    assert not list(Path().glob("**/.hemo-doctor*"))


def test_a_database_that_is_not_there_yet_is_not_made(here):
    answers = found(here)
    assert "mlflow.db: not there yet, `hemo main` makes it" in answers["tracking store"].said
    assert "optuna.db: not there yet, `hemo tune` makes it" in answers["Optuna's database"].said
    assert not list(Path().glob("*.db"))


def test_what_is_wrong_is_said_and_the_other_checks_go_on(here, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 9, 10**9))
    answers = found(here, "mongodb://x")
    assert not answers["Optuna's database"].well
    assert "no database URL" in answers["Optuna's database"].said
    assert "1.0 GB are free" in answers["shared folder"].said
    assert answers["weights"].well


def test_what_a_library_raises_is_a_finding(here, monkeypatch):
    def failing() -> None:
        raise RuntimeError("no such thing\nas this")

    monkeypatch.setattr(doctor.reachable, "check", failing)
    assert found(here)["tracking store"].said == "RuntimeError: no such thing as this"


def test_each_worker_is_compared_with_this_machine(here, slurm, monkeypatch):  # noqa: F811
    monkeypatch.setattr(Experiment, "place", property(lambda _: slurm))
    monkeypatch.setattr(tracking, "versions", lambda: {"numpy": "0.1"})
    answers = list(doctor.examine(here.model_copy(update={"workers": 1}), "sqlite:///optuna.db"))
    wrong = [one for one in answers if not one.well]
    assert len(wrong) == 1
    assert "numpy" in wrong[0].said
    assert "here 0.1: let all use one environment" in wrong[0].said
    assert "1 tasks done" in answers[-1].said
    assert not list(Path("stores").iterdir())


def test_a_cluster_that_cannot_work_is_a_finding(here, monkeypatch):
    monkeypatch.setattr(Experiment, "place", property(lambda _: Cluster("slurm", Path("jobs"))))
    monkeypatch.setenv("PATH", "/nowhere")
    last = list(doctor.examine(here, "sqlite:///optuna.db"))[-1]
    assert not last.well
    assert "no sbatch" in last.said


def test_a_folder_that_may_not_be_written_to_is_said(here, monkeypatch):
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(HemoError, match="may not be written to"):
        doctor._folder(Path("stores"))


@pytest.mark.parametrize(("storage", "status"), [("sqlite:///optuna.db", 0), ("mongodb://x", 2)])
def test_the_command_shows_each_check_and_ends_with_2_where_one_found_something_wrong(here, storage, status):
    words = ["doctor", "--store", "stores/mine", "--storage", storage]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == status, done.output
    for what in ("tracking store", "Optuna's database", "shared folder", "weights"):
        assert what in done.output
    assert ("1 of 4 checks found something wrong" in done.output) == bool(status)


def test_weights_that_a_family_begins_with_and_are_not_there_are_named(here, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    asking = here.model_copy(update={"families": {"transfer": {"backbone": "convnexttiny"}}})
    weights = found(asking)["weights"]
    assert not weights.well
    assert "convnext_tiny_notop.h5: the published weights of ConvNeXt-Tiny are not in" in weights.said
