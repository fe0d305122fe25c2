"""The whole way from labels of studies alone: what is trained, judged, shown and answered."""

import re
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from hemo import tracking
from hemo.cli import main
from hemo.evaluation.agreement import RULE, agreement
from hemo.slices.store import SliceStore
from tests.helpers.stores import bright_blood, only_of_studies, write_store


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A folder in which `hemo main` learned from studies that three readers labelled; its outcome."""
    folder = tmp_path_factory.mktemp("world")
    images, patients, labels = bright_blood(patients=30, slices=6)
    left, said = only_of_studies(labels, patients)
    left, said = (np.where(np.arange(6) == 0, each, -1) for each in (left, said))
    votes = np.repeat(said[::6, :1], 3, axis=1)
    votes[:8, 2] = 1 - votes[:8, 2]
    readers = ("R1", "R2", "R3")
    agreed = agreement({"any": votes}, {"any": readers}, patients[::6], draws=100)
    known = {
        "rule": RULE,
        "readers": {"any": readers},
        "studies": 30,
        "agreement": agreed.astype(object).where(agreed.notna(), None).to_dict("records"),
    }
    write_store(folder / "store", images, patients, left, study_labels=said, readers=known)
    (folder / "studies.yaml").write_text(
        f"name: studies\nstore: {folder}/store\nfolds: 3\nworkers: 1\ndraws: 100\n"
        "gate: {min_positive_patients: 3, min_recall_low: 0.2, min_specificity_low: 0.2}\n"
        "families:\n  logreg: {}\n  mil: {epochs: 25, learning_rate: 0.005, patience: 25}\n"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
        mlflow.set_registry_uri(f"sqlite:///{folder}/mlflow.db")  # tests before may have set another
        yield (
            folder,
            CliRunner().invoke(main, ["main", "--experiment", "studies.yaml"], catch_exceptions=False),
        )


@pytest.fixture
def run(world):
    (found,) = tracking.training_runs(tracking.find_experiment("studies"))
    return found


def test_what_needs_labels_of_slices_is_skipped_in_a_line_and_is_no_failure(world, run):
    _, outcome = world
    assert outcome.exit_code == 0
    said = " ".join(outcome.output.split())
    assert "skipped: logreg: no slice of the store is labelled 1 for any" in said
    assert "mil learns from studies" in said
    assert "skipped: epidural, intraparenchymal" in said
    assert "failed" not in said
    assert run.name == "mil/any"


def test_metrics_of_slices_are_absent_and_those_of_studies_are_there(run):
    names = set(run.metrics)
    assert not [name for name in names if name.startswith(("test/", "val/"))]
    assert {"study/auc", "study/recall_low", "study/positive_patients", "study_threshold"} <= names
    assert run.metrics["study/studies"] == 30
    assert run.metrics["study/auc"] > 0.8
    assert len(tracking.load_predictions(run.run_id)) == 0
    plots = {Path(file.path).stem for file in tracking.client().list_artifacts(run.run_id, "plots")}
    assert {"roc", "patients", "failures", "attention"} <= plots
    attention = tracking.artifact(run.run_id, tracking.ATTENTION, pd.read_parquet)
    assert attention is not None
    np.testing.assert_allclose(attention.groupby("study")["attention"].sum(), 1)


def test_report_gate_and_card_are_of_studies_and_show_the_readers(world, run):
    client = tracking.client()
    runs = {one.info.run_name: one for one in client.search_runs([run.experiment])}
    pages = [
        mlflow.artifacts.load_text(f"runs:/{runs['comparison'].info.run_id}/report/comparison.html"),
        mlflow.artifacts.load_text(f"runs:/{run.run_id}/gate/any.html"),
        mlflow.artifacts.load_text(f"runs:/{run.run_id}/card/card.html"),
    ]
    for page in pages:
        assert not re.search(r"\bnan\b", page, re.IGNORECASE)
    for page in (pages[0], pages[2]):
        assert "reader R3" in page
        assert "more than half of its readers" in page
    assert run.tags["readers"].startswith("Studies have several readers (R1, R2, R3): ")
    assert "Whole studies were judged" in pages[1]


def test_the_panel_answers_for_a_study_by_its_own_judgement_and_says_where_it_looked(world):
    folder, _ = world
    store = SliceStore.open(folder / "store")
    panel = mlflow.pyfunc.load_model("models:/hemo-panel@production")
    rows = np.flatnonzero(store.stack == 0)
    pictures = [picture[..., 0] for picture in store.images(rows)]
    found = panel.predict(pd.DataFrame({"image": pictures, "study": "a"}))
    assert found["study_any_probability"].nunique() == 1
    assert found["any_attention"].sum() == pytest.approx(1)
