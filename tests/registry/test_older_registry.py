"""What an older version of the code left in a registry is read by this one, with the same answers.

`data/README.md` says what is in the archives and how they were made.
"""

import io
import json
import os
import runpy
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest

from hemo import families
from hemo.registry import panel
from hemo.serving import ServedClassifier, ServedPanel

ARCHIVE = Path(__file__).parent / "data" / "registry-0.1.tar.xz"
CLOSE = 1e-6

LABELS = ("any", "epidural", "intraparenchymal", "intraventricular", "subarachnoid", "subdural")
SAVED = (
    "ann", "boosted", "cnn", "ensemble", "linear_svc", "logreg", "logreg-near", "multilabel", "sequence",
    "sequence@weak", "sgd",
)  # fmt: skip
"""Classifiers of families and of a variant; `logreg-near` takes slices with their neighbours."""

OTHERS = ("any@challenger", *(f"{label}@previous" for label in LABELS[1:]))
REGISTERED = (*(f"{label}@production" for label in LABELS), *OTHERS)


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with what was kept, as if it had been made there."""
    folder = tmp_path_factory.mktemp("older")
    shutil.unpack_archive(ARCHIVE, folder)
    models = list(folder.glob("mlruns/*/models/*/artifacts/MLmodel"))
    for file in (folder / "mlflow.sql", *models):
        file.write_text(file.read_text().replace("@ROOT@", str(folder)))
    for file in models:  # each had a copy of the code of its time
        shutil.copytree(folder / "code", file.parent / "code", copy_function=os.link)
    with sqlite3.connect(folder / "mlflow.db") as database:
        database.executescript((folder / "mlflow.sql").read_text())
    database.close()
    return folder


@pytest.fixture(scope="module")
def expected(unpacked: Path) -> dict[str, Any]:
    """What the older code said."""
    answers: dict[str, Any] = json.loads((unpacked / "expected.json").read_text())
    return answers


@pytest.fixture
def older(unpacked: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder as the current one, with a copy of its tracking store in use."""
    monkeypatch.chdir(unpacked)
    monkeypatch.setenv("COLUMNS", "400")
    (tmp_path / "mlflow.db").write_bytes((unpacked / "mlflow.db").read_bytes())
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/mlflow.db")
    mlflow.set_registry_uri(f"sqlite:///{tmp_path}/mlflow.db")
    return unpacked


def hemo(*words: str, status: int = 0) -> str:
    """Run `python -m hemo` in this process; return what it prints."""
    printed = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(printed), redirect_stderr(printed):
        patch.setattr(sys, "argv", ["hemo", *words])
        with pytest.raises(SystemExit) as ended:
            runpy.run_module("hemo", run_name="__main__")
    assert (ended.value.code or 0) == status, printed.getvalue()
    return printed.getvalue()


def rows(printed: str) -> list[list[str]]:
    """Return the cells of the tables in what a command prints, without lines that go on from above."""
    lines = [line.split("│")[1:-1] for line in printed.splitlines() if "│" in line]
    return [[cell.strip() for cell in cells] for cells in lines if cells[0].strip()]


def given(images: Path) -> dict[str, pd.DataFrame]:
    """Return what the older code was asked: three slices of a study as DICOM, and pictures of two others."""
    scans = [file.read_bytes() for file in sorted(images.glob("*.dcm"))]
    pictures = [file.read_bytes() for file in sorted(images.glob("*.png"))]
    return {
        "scans": pd.DataFrame({"image": scans}),
        "pictures": pd.DataFrame({"image": pictures, "study": ["one", "one", "two", "two"]}),
    }


def assert_same(answer: pd.DataFrame, expected: Mapping[str, list[Any]]) -> None:
    """Compare probabilities closely, and decisions, versions and studies exactly.

    Columns may have come to the answer since; those of its time are there, in their order.
    """
    assert [name for name in answer if name in expected] == list(expected)
    for name, values in expected.items():
        if name.endswith("probability"):
            np.testing.assert_allclose(answer[name], values, rtol=0, atol=CLOSE, err_msg=name)
        elif name == "study" and any(str(value).startswith("study-") for value in values):
            # They were called by a hash of identifiers, and are by number: the same ones are together.
            np.testing.assert_array_equal(pd.factorize(answer[name])[0], pd.factorize(np.array(values))[0])
        else:
            assert answer[name].tolist() == values, name


def test_everything_that_was_kept_is_asked_here(expected: dict[str, Any]) -> None:
    assert sorted(expected["saved"]) == list(SAVED)
    panels = {"hemo-panel@production", "hemo-panel@previous"}
    assert {f"hemo-{name}" for name in REGISTERED} == set(expected["registered"]) - panels


@pytest.mark.parametrize("name", SAVED)
def test_a_saved_classifier_gives_the_probabilities_that_it_gave(
    name: str, older: Path, expected: dict[str, Any]
) -> None:
    kept = expected["saved"][name]
    folder = Path(mlflow.artifacts.download_artifacts(f"models:/{kept['model']}"))
    classifier = families.load(folder / "artifacts" / "classifier" / "fitted")
    slices = np.load(older / "images" / f"{kept['slices']}.npz")
    found = families.positive(classifier, kept["family"], slices["images"], slices["study"])
    np.testing.assert_allclose(found, kept["probability"], rtol=0, atol=CLOSE)


@pytest.mark.parametrize("name", REGISTERED)
def test_a_registered_classifier_is_served_with_the_answers_that_it_gave(
    name: str, older: Path, expected: dict[str, Any]
) -> None:
    loaded = mlflow.pyfunc.load_model(f"models:/hemo-{name}")
    assert type(loaded.unwrap_python_model()) is ServedClassifier  # this code, not what it carries
    for kind, table in given(older / "images").items():
        assert_same(loaded.predict(table), expected["registered"][f"hemo-{name}"][kind])


@pytest.mark.parametrize("alias", ["production", "previous"])
def test_the_panel_is_served_with_the_answers_that_it_gave(
    alias: str, older: Path, expected: dict[str, Any]
) -> None:
    loaded = mlflow.pyfunc.load_model(f"models:/hemo-panel@{alias}")
    assert type(loaded.unwrap_python_model()) is ServedPanel
    for kind, table in given(older / "images").items():
        assert_same(loaded.predict(table), expected["registered"][f"hemo-panel@{alias}"][kind])


def test_the_panel_still_answers_with_the_code_that_it_carries(older: Path, expected: dict[str, Any]) -> None:
    code = (
        "import json, sys, mlflow, pandas as pd; from pathlib import Path; "
        "panel = mlflow.pyfunc.load_model(sys.argv[1]); "
        "table = pd.DataFrame({'image': [Path(name).read_bytes() for name in sys.argv[2:]]}); "
        "import hemo; assert Path(hemo.__file__).is_relative_to(sys.argv[1]), hemo.__file__; "
        "print(json.dumps(panel.predict(table).to_dict('list')))"
    )
    folder = mlflow.artifacts.download_artifacts("models:/hemo-panel@production")
    scans = [str(file) for file in sorted((older / "images").glob("*.dcm"))]
    words = [sys.executable, "-c", code, folder.rstrip("/"), *scans]
    ended = subprocess.run(words, capture_output=True, text=True, cwd="/")
    assert ended.returncode == 0, ended.stderr
    answer = pd.DataFrame(json.loads(ended.stdout.splitlines()[-1]))
    assert_same(answer, expected["registered"]["hemo-panel@production"]["scans"])


def test_what_was_made_before_digests_is_said_not_to_be_recorded_and_nothing_is_amiss(older: Path) -> None:
    printed = hemo("verify", "panel")
    assert "nothing recorded, as by earlier versions of hemo: hemo-panel version" in printed
    assert "none not as recorded" in printed


def test_registry_says_what_is_in_production_and_finds_the_ledger_whole(
    older: Path, expected: dict[str, Any]
) -> None:
    printed = hemo("registry")
    found = {cells[0]: cells[1] for cells in rows(printed)}
    for label in (*LABELS, "panel"):
        kept = expected["registered"][f"hemo-{label}@production"]
        assert found[label] == f"{kept['version']} {kept['family']}".strip()
    assert "epidural: version 2 is there against the gate: an example of an override" in printed
    assert "subarachnoid: version 1 was put there by hand" in printed
    assert "history itself was changed" not in printed


@pytest.mark.parametrize("label", [*LABELS, "panel"])
def test_history_says_every_decision_and_adds_none(label: str, older: Path, expected: dict[str, Any]) -> None:
    printed = hemo("history", label)
    assert [cells[1:3] for cells in rows(printed)] == expected["history"][label]
    assert "history itself was changed" not in printed


def test_predict_says_of_files_what_the_panel_said(
    older: Path, expected: dict[str, Any], tmp_path: Path
) -> None:
    kept = expected["registered"]["hemo-panel@production"]["scans"]
    scans = [str(file) for file in sorted((older / "images").glob("*.dcm"))]
    hemo("predict", *scans, "--out", str(tmp_path / "predictions.json"))
    printed = hemo("predict", *scans)
    facts = json.loads((tmp_path / "predictions.json").read_text())
    answer = pd.DataFrame(facts["predictions"]).drop(columns=["file", "slice"])
    assert_same(answer, kept)
    (study,) = facts["studies"]
    for row, said in ((0, study), (1, facts["predictions"][0])):  # the study first
        positive = "+" if said["any_decision"] else ""
        assert rows(printed)[row][1] == f"{said['any_probability']:.3f} {positive}".strip()
    assert "subdural version 2 is in production against the gate: a network in the panel" in printed
    assert not facts["skipped"]
    assert not facts["missing"]


def test_a_panel_that_was_built_before_says_by_its_versions_tags_that_it_is_synthetic(older: Path) -> None:
    # Of the members some are of the phantom, the others of the data set `older others`.
    assert panel.load().synthetic == ["any", "intraparenchymal", "subarachnoid"]
    mlflow.MlflowClient().set_model_version_tag("hemo-any", "1", "dataset", "a hospital's")
    assert panel.load().synthetic == ["intraparenchymal", "subarachnoid"]


def test_the_runs_are_compared_as_they_were(older: Path, expected: dict[str, Any], tmp_path: Path) -> None:
    hemo("compare", "--experiment", "older.yaml", "--out", str(tmp_path / "comparison"))
    kept = pd.DataFrame(expected["leaderboard"])
    found = pd.read_csv(tmp_path / "comparison" / "tables" / "leaderboard.csv")
    pd.testing.assert_frame_equal(found[list(kept)], kept, check_dtype=False, atol=1e-4)


def test_the_gate_judges_older_candidates_against_older_incumbents(older: Path) -> None:
    found = rows(hemo("promote", "--experiment", "older.yaml", "--dry-run"))
    assert [cells[-1] for cells in found if cells[0] == "loaded back"] == ["pass"] * len(LABELS)
    decided = {cells[0]: cells[1:4] for cells in found}
    assert decided["any"] == ["sequence", "kept", "1"]  # it is in production itself
    assert decided["epidural"] == ["ensemble", "would pass", "2"]
    assert decided["subdural"] == ["ensemble", "would be refused", "2"]  # not shown to be better
    assert decided["intraventricular"] == ["sequence", "would be refused", "2"]  # of another size


def test_rollback_builds_a_panel_of_older_classifiers(older: Path, expected: dict[str, Any]) -> None:
    assert "version 1 is in production again" in hemo("rollback", "subdural")
    rebuilt = mlflow.pyfunc.load_model("models:/hemo-panel@production")
    kept = expected["registered"]
    for kind, table in given(older / "images").items():
        answer = rebuilt.predict(table)
        assert set(answer["subdural_version"]) == {"1"}
        for label in LABELS[1:]:
            alias = "previous" if label == "subdural" else "production"
            alone = kept[f"hemo-{label}@{alias}"][kind]
            np.testing.assert_allclose(
                answer[f"{label}_probability"], alone["probability"], rtol=0, atol=CLOSE, err_msg=label
            )
            assert answer[f"{label}_decision"].tolist() == alone["decision"]


def test_an_older_slice_store_is_refused_with_the_remedy(older: Path) -> None:
    answer = hemo("store", "info", "data/older/store", status=2)
    assert "schema 1, not 2" in answer
    assert "build it anew" in answer
