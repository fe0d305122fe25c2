"""The paper's protocol, its tables and the leakage audit as runs in MLflow, on a store made in no time."""

import mlflow
import numpy as np
import pandas as pd
import pytest

from hemo import console, tracking
from hemo.comparison import runs
from hemo.comparison.paper import page as paper_page
from hemo.comparison.paper import printed, tables
from hemo.config import Experiment
from hemo.labels import LABELS
from hemo.leakage import page as leakage_report
from hemo.leakage import runs as leakage_runs
from hemo.runs.steps import make_trainings, train_all
from tests.helpers.stores import bright_blood, write_store
from tests.helpers.undrawn import undrawn

FAMILIES = {"logreg": {}, "logreg@saga": {"solver": "saga", "max_iter": 5}, "sgd": {}}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """The families trained under the paper's protocol, then audited; returns what was found."""
    folder = tmp_path_factory.mktemp("paper")
    patch = pytest.MonkeyPatch()
    patch.chdir(folder)
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
    images, patients, labels = bright_blood(patients=60, slices=8)
    labels[np.array(patients) > "p020", LABELS.index("subdural")] = 0  # two patients have it: too few
    store = write_store(folder / "store", images, patients, labels)
    words = {"name": "paper", "store": str(store.folder), "protocol": "paper", "folds": 3, "draws": 100}
    config = Experiment(**words, workers=1, families=FAMILIES)
    experiment = tracking.experiment_id("paper")
    with tracking.root_run(experiment, "paper", {}) as root:
        trainings = make_trainings(config, store, FAMILIES, LABELS[:2])
        with undrawn():  # the tests look at the pictures of the pages
            failed = train_all(trainings, experiment, root, 1, console.bar("training"))
    found = leakage_runs.audit(config, ["logreg"], LABELS, folder / "audit")
    made = tables.log_paper(config, experiment, out=folder / "out")
    yield {"config": config, "experiment": experiment, "failed": failed, "audit": found, "paper": made,
           "folder": folder}  # fmt: skip
    mlflow.set_tracking_uri(before)
    patch.undo()


def test_variants_are_runs_of_their_family_with_a_name_of_their_own(world):
    assert world["failed"] == []
    runs = {run.name: run for run in tracking.training_runs(world["experiment"])}
    assert set(runs) == {f"{word}/{label}" for word in FAMILIES for label in LABELS[:2]}
    saga = runs["logreg@saga/any"]
    assert (saga.tags["family"], saga.tags["variant"]) == ("logreg", "saga")
    assert saga.params["hp.solver"] == "saga"


def test_every_run_states_convergence_and_the_counts_of_its_sample(world):
    for run in tracking.training_runs(world["experiment"]):
        metrics = run.metrics
        assert {"converged", "fit/iterations", "time/fit_s", *tables.PARTS} <= set(metrics)
        total = metrics["paper/training_slices"] + metrics["paper/test_slices"]
        assert total == 2 * metrics["paper/positive_slices"]
        assert metrics["test/slices"] == metrics["paper/test_slices"]


def test_runs_that_did_not_converge_are_told_from_those_that_did(world):
    table = world["paper"]["convergence"].set_index("family")
    assert table.loc["logreg@saga", "converged"] == "0 of 2"
    assert table.loc["logreg", "converged"] == "2 of 2"
    assert table.loc["logreg", "times_the_default"] == 1
    assert table.loc["logreg", "paper"] == printed.CONVERGENCE["logreg"]


def test_the_papers_tables_hold_the_runs_and_leave_a_family_without_runs_empty(world):
    board = runs.compare(world["experiment"]).leaderboard
    mine = board[board["family"] == "logreg"].set_index("label")["recall"]
    table = world["paper"]["table_1"].set_index("label")
    assert table.loc["any", "recall_here"] == mine["any"]
    assert np.isnan(table.loc["subdural", "recall_here"])
    assert world["paper"]["table_5"]["recall_here"].isna().all()


def test_the_page_says_which_printed_averages_are_wrong_and_shows_the_split_by_patient(world):
    page = (world["folder"] / "out" / paper_page.REPORT).read_text()
    assert "Table 2 prints an average recall of 0.528; the mean of its rows is 0.576." in page
    assert "Table 3 prints an average recall of 0.612; the mean of its rows is 0.662." in page
    assert "Split by patient, the AUC is lower by" in page
    assert "do not hold for new patients" in page


def test_tables_and_figures_are_artifacts_of_the_run(world):
    run = tracking.client().search_runs([world["experiment"]], "tags.stage = 'paper'")[0]
    names = {item.path for item in tracking.client().list_artifacts(run.info.run_id, "tables")}
    assert {f"tables/paper_table_{number}.csv" for number in range(1, 7)} <= names
    pictures = {item.path for item in tracking.client().list_artifacts(run.info.run_id, "plots")}
    assert {"plots/paper_recall.png", "plots/paper_recall_of_the_paper.png"} <= pictures
    assert "Degenerate are" in run.data.tags["mlflow.note.content"]


def test_the_audit_takes_the_papers_own_set_and_says_which_labels_it_left_out(world):
    found = world["audit"]
    assert found.skipped["what"].tolist() == ["subdural"]
    assert set(found.metrics["label"]) == set(LABELS) - {"subdural"}
    page = (world["folder"] / "audit" / leakage_report.REPORT).read_text()
    assert "Left out" in page
    auc = found.metrics.query("metric == 'auc' and label == 'any'").iloc[0]
    assert auc["inflation"] == pytest.approx(auc["by_slice"] - auc["by_patient"])
    pair = tracking.client().search_runs(
        [world["experiment"]], "tags.stage = 'audit pair' and tags.label = 'any'"
    )[0]
    assert pair.data.metrics["inflation/auc"] == pytest.approx(auc["inflation"])
    folder = mlflow.artifacts.download_artifacts(run_id=pair.info.run_id, artifact_path="predictions")
    assert len(pd.read_parquet(f"{folder}/by_slice.parquet")) == 2 * 104


def test_the_audits_page_and_crossings_tell_the_splits_apart(world):
    crossings = world["audit"].crossings.set_index("split")
    assert crossings.loc["by slice", "patients_on_both_sides"] == 60
    assert crossings.loc["by patient", "patients_on_both_sides"] == 0
    page = (world["folder"] / "audit" / leakage_report.REPORT).read_text()
    assert "Split by slice, the AUC is higher by" in page


def test_slices_without_patient_ids_are_said_to_be_unaudited(world, tmp_path):
    store = write_store(tmp_path / "unknown", *bright_blood(6, 4), known=False)
    config = world["config"].model_copy(update={"store": str(store.folder), "name": "unknown"})
    found = leakage_runs.audit(config, ["logreg"], LABELS)
    assert found.metrics.empty
    assert leakage_report.verdict(found).startswith("Unaudited: slices without patient ids")
    (run,) = tracking.find_runs(tracking.experiment_id("unknown"), stage="audit")
    assert run.tags["leakage"].startswith("unaudited")


def test_audit_and_paper_print_without_a_terminal(world, capsys):
    leakage_report.print_audit(world["audit"])
    paper_page.print_paper(world["paper"])
    assert "Table 1: Logistic regression" in capsys.readouterr().out
