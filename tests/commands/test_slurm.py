import os
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from hemo.cli import main
from hemo.labels import LABELS
from tests.cluster import small_slurm


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("mlflow.get_tracking_uri", lambda: "https://mlflow.hospital:5443")
    monkeypatch.setenv("HEMO_STORAGE", "postgresql+psycopg://hemo:secret@mlflow.hospital/optuna")
    Path("mine.yaml").write_text(
        "name: mine\nmemory: 6 GB\nfamilies: {logreg: , multilabel: }\ncluster: slurm\n"
        "slurm: {partition: cpu, minutes: 30, options: {account: radiology}, setup: [module load cuda]}\n"
    )
    return tmp_path


def said(*words: str) -> str:
    done = CliRunner().invoke(main, ["slurm", *words])
    assert done.exit_code == 0, done.output
    return done.output


def test_main_is_a_job_for_the_store_an_array_of_fits_and_a_last_one_that_finds_them(here):
    output = said("main", "--experiment", "mine.yaml", "--seed", "3")
    assert "sbatch jobs/store.sh" in output
    train = Path("jobs/train.sh").read_text()
    fits = len(LABELS) + 1  # one network learns all labels at once
    assert f"#SBATCH --array=0-{fits - 1}\n" in train
    assert f"hemo main --experiment mine.yaml --seed 3 --cluster none --only 6/{fits} ;;" in train
    assert "--only store" in Path("jobs/store.sh").read_text()
    last = Path("jobs/main.sh").read_text()
    assert "hemo main --experiment mine.yaml --seed 3 --cluster none &" in last
    for line in (
        "--partition=cpu",
        "--time=30",
        "--mem=8G",
        "--account=radiology",
        "--requeue",
        "--signal=B:USR1@120",
    ):
        assert f"#SBATCH {line}\n" in last
    assert "module load cuda\n" in last
    for script in Path("jobs").glob("*.sh"):
        subprocess.run(["bash", "-n", script], check=True)


def test_tune_is_an_array_of_studies(here):
    said("tune", "--experiment", "mine.yaml", "--label", "any", "--trials", "5")
    text = Path("jobs/tune.sh").read_text()
    assert "--array=0-1" in text
    assert "--family multilabel --label any --cluster none" in text


def test_preprocess_is_one_job_with_what_its_words_ask_for(here):
    said("preprocess", "--images", "scans of mine", "--slurm", "minutes=5 cores=8")
    text = Path("jobs/preprocess.sh").read_text()
    assert "--time=5\n" in text
    assert "--cpus-per-task=8\n" in text
    assert "hemo preprocess --images 'scans of mine'" in text


def test_wrong_words_of_a_command_are_said_before_any_job_waits(here):
    done = CliRunner().invoke(main, ["slurm", "main", "--experimant", "mine.yaml"])
    assert done.exit_code == 2
    assert "No such option" in done.output
    assert not list(Path("jobs").glob("*.sh"))


def test_submitted_jobs_wait_for_each_other(here, monkeypatch):
    programs = small_slurm.install(here / "slurm")
    (programs / "sbatch").write_text(
        '#!/bin/bash\necho "$@" >> submitted\necho "$(wc -l < submitted);cluster"\n'
    )
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    assert "submitted job 3" in said("--submit", "main", "--experiment", "mine.yaml")
    assert Path("submitted").read_text().splitlines() == [
        "--parsable jobs/store.sh",
        "--parsable --dependency=afterany:1 jobs/train.sh",
        "--parsable --dependency=afterany:2 jobs/main.sh",
    ]


def test_where_slurm_is_not_known_or_refuses_it_is_said(here, monkeypatch):
    words = ["slurm", "--submit", "train", "--experiment", "mine.yaml"]
    monkeypatch.setenv("PATH", str(here))
    done = CliRunner().invoke(main, words)
    assert "no sbatch on PATH" in done.output
    (here / "sbatch").write_text("#!/bin/bash\necho 'error: no such partition' >&2\nexit 1\n")
    (here / "sbatch").chmod(0o755)
    monkeypatch.setenv("PATH", f"{here}:/bin:/usr/bin")
    done = CliRunner().invoke(main, words)
    assert "jobs/train.sh: Slurm refuses it: error: no such partition" in done.output


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (("--out", "/dev/null/jobs", "main", "--experiment", "mine.yaml"), "no folder can be made there"),
        (("--out", "a%j", "main", "--experiment", "mine.yaml"), "give another folder"),
        (("main", "--experiment", "mine.yaml", "--only", "0/2"), "jobs are given their own"),
        (("main", "--experiment", "empty.yaml"), "there is nothing to train"),
        (("main", "--experiment", "wrong.yaml"), "no long option of sbatch"),
        (("main", "--experiment", "open.yaml"), "bash cannot read it"),
    ],
)
def test_what_no_script_can_be_made_of_is_refused_in_a_line(here, words, fault):
    Path("empty.yaml").write_text("name: empty\nfamilies: {}\n")
    Path("wrong.yaml").write_text("name: wrong\nslurm: {options: {'-p': cpu}}\n")
    Path("open.yaml").write_text("name: open\nslurm: {setup: ['if true; then']}\n")
    done = CliRunner().invoke(main, ["slurm", *words])
    assert done.exit_code == 2
    assert fault in " ".join(done.output.split())
    assert not list(Path().glob("jobs/*.sh"))


def test_files_of_one_machine_are_refused_before_jobs_on_several_write_to_them(here, monkeypatch):
    monkeypatch.setenv("HEMO_STORAGE", "")
    words = ["tune", "--experiment", "mine.yaml"]
    done = CliRunner().invoke(main, ["slurm", *words, "--storage", "sqlite:///optuna.db"])
    assert (done.exit_code, "workers of a cluster cannot share it" in done.output) == (2, True)
    monkeypatch.setattr("mlflow.get_tracking_uri", lambda: "sqlite:///mlflow.db")
    for kind in ("main", "train", "tune"):
        done = CliRunner().invoke(main, ["slurm", kind, *words[1:]])
        assert (done.exit_code, "start an MLflow server" in done.output) == (2, True)
    assert not list(Path().glob("jobs/*.sh"))
    said("preprocess", "--images", "scans")


def test_lines_before_the_work_may_be_a_block(here):
    Path("mine.yaml").write_text(
        "name: mine\nslurm:\n  setup: |\n    module load cuda\n    source env/bin/activate\n"
    )
    said("train", "--experiment", "mine.yaml")
    assert "module load cuda\nsource env/bin/activate\ncd " in Path("jobs/train.sh").read_text()


def test_a_switch_of_sbatch_is_written_as_one(here):
    Path("mine.yaml").write_text("name: mine\nslurm: {options: {exclusive: true}}\n")
    said("train", "--experiment", "mine.yaml")
    assert "#SBATCH --exclusive\n" in Path("jobs/train.sh").read_text()


@pytest.mark.parametrize("option", ["array: '0-1'", "time: 5", "output: here.log"])
def test_an_option_of_sbatch_that_hemo_gives_itself_is_refused(here, option):
    Path("mine.yaml").write_text(f"name: mine\nslurm: {{options: {{{option}}}}}\n")
    done = CliRunner().invoke(main, ["slurm", "train", "--experiment", "mine.yaml"])
    assert (done.exit_code, "hemo's own" in done.output) == (2, True)
