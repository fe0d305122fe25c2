"""The whole way on a small store, and what its runs hold."""

import io
import json
from pathlib import Path

import cv2
import mlflow
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from hemo import config, families, pipeline, tracking
from hemo.cli import main
from hemo.commands import options
from hemo.errors import HemoError
from hemo.labels import LABELS
from hemo.registry import aliases
from hemo.registry.panel import model_name
from hemo.runs.recording import kept_of
from hemo.runs.steps import anew, make_trainings, unfinished
from hemo.slices.store import SliceStore
from hemo.tracking import leading
from hemo.training.kept import NOTHING
from tests.helpers.stores import bright_blood, write_store

pytestmark = pytest.mark.timeout(1200)
"""Six labels of every family are trained before the first test: what hangs ends, what is slow does not."""

COMMIT = 40 * "c"


TWO_PATIENTS = ("--images", ".", "--labels", "two.csv", "--store", "new")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A folder in which `hemo main` went the whole way with two families; its outcome."""
    folder = tmp_path_factory.mktemp("world")
    images, patients, labels = bright_blood(patients=40, slices=8)
    write_store(folder / "store", images, patients, labels)
    (folder / "small.yaml").write_text(
        f"name: small\\nstore: {folder}/store\\nfolds: 2\\nworkers: 1\\ndraws: 200\\n"
        "calibration: sigmoid\\n"
        "gate: {min_positive_patients: 3}\\n"
        "families:\\n  logreg: {}\\n  ann: {layers: [16], epochs: 6}\\n".replace("\\n", "\n")
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(tracking, "git_commit", lambda: COMMIT)
        mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
        mlflow.set_registry_uri(f"sqlite:///{folder}/mlflow.db")  # tests before may have set another
        yield folder, CliRunner().invoke(main, ["main", "--experiment", "small.yaml"], catch_exceptions=False)


@pytest.fixture
def runs(world):
    experiment = tracking.find_experiment("small")
    return {run.info.run_name: run for run in tracking.client().search_runs([experiment])}


def test_six_labels_of_every_family_are_trained_compared_and_judged(world, runs):
    _, outcome = world
    assert outcome.exit_code == 0
    trained = {name for name, run in runs.items() if run.data.tags.get("stage") == "train"}
    assert trained == {f"{family}/{label}" for family in ("logreg", "ann") for label in LABELS}
    assert {"small", "comparison", "promotion"} <= set(runs)
    assert all(run.info.status == "FINISHED" for run in runs.values())
    for word in ("Leaderboard", "Averages over labels", "Promotion", "Next:"):
        assert word in outcome.output


def test_finished_trainings_of_the_same_data_parameters_and_code_are_taken_as_they_are(
    world, monkeypatch, capsys
):
    folder, _ = world
    experiment = config.load(str(folder / "small.yaml"))
    store, found = SliceStore.open(folder / "store"), tracking.find_experiment("small")
    trainings = make_trainings(experiment, store, experiment.families)
    assert unfinished(trainings, found) == []
    assert "12 of 12 trainings are finished" in " ".join(capsys.readouterr().err.split())
    other = make_trainings(experiment, store, {"logreg": {"C": 2.0}, "ann": experiment.families["ann"]})
    assert {one.family for one in unfinished(other, found)} == {"logreg"}
    reseeded = make_trainings(experiment.model_copy(update={"seed": 1}), store, experiment.families)
    assert len(unfinished(reseeded, found)) == 12
    for commit in (40 * "d", COMMIT + tracking.CHANGED):
        monkeypatch.setattr(tracking, "git_commit", lambda commit=commit: commit)
        assert len(unfinished(trainings, found)) == 12


def test_what_a_killed_training_had_finished_is_kept_for_this_very_one_until_its_run_is(world, monkeypatch):
    folder, _ = world
    assert not (folder / "store.unfinished").exists()
    experiment = config.load(str(folder / "small.yaml"))
    store, found = SliceStore.open(folder / "store"), tracking.find_experiment("small")
    words = {**experiment.families, "mil": {}}

    def kept(experiment=experiment, words=words):
        return [kept_of(one) for one in make_trainings(experiment, store, words)]

    once = kept()
    assert once == kept()
    assert len({*once}) == 2 * len(LABELS) + 1  # of what learns all labels at once there is one
    assert not {*once} & {*kept(experiment.model_copy(update={"seed": 1}))}
    assert len({*once} & {*kept(words={**words, "logreg": {"C": 2.0}})}) == len(LABELS) + 1
    for one in once[:2]:
        one.folder.mkdir(parents=True)
    anew(make_trainings(experiment, store, words)[:1])
    assert [one.folder.exists() for one in once[:2]] == [False, True]
    unfinished(make_trainings(experiment, store, words), found)
    assert not (folder / "store.unfinished").exists()
    monkeypatch.setattr(tracking, "git_commit", lambda: 40 * "d")
    assert not {*once} & {*kept()}
    monkeypatch.setattr(tracking, "git_commit", lambda: COMMIT + tracking.CHANGED)
    assert {*kept()} == {NOTHING}


def test_without_a_file_the_newest_experiment_is_meant_with_its_own_words(world, capsys):
    settings, found = options.of_newest("")
    assert found == tracking.find_experiment("small")
    assert settings == config.load("small.yaml")
    assert "experiment small, of the newest training run" in capsys.readouterr().err


def test_without_images_the_phantom_is_made_once_and_its_store_is_taken_as_it_is(tmp_path):
    words = config.load(None, store=str(tmp_path / "store"), workers=1)
    small = words.phantom.model_copy(update={"patients": 3, "slices": 4, "size": 64})
    reduction = words.reduction.model_copy(update={"size": 16})
    words = words.model_copy(update={"phantom": small, "reduction": reduction})
    made = pipeline.prepare_store(words)
    assert made.synthetic
    assert made.facts["patients"] == 3
    images, labels = pipeline.make_phantom(words)
    before = {path: path.stat().st_mtime_ns for path in images.rglob("*.dcm")}
    assert pipeline.prepare_store(words).digest == made.digest
    assert {path: path.stat().st_mtime_ns for path in images.rglob("*.dcm")} == before
    assert labels.is_file()


def test_a_store_of_the_phantom_that_was_killed_is_finished_but_no_other_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = config.load(None, workers=1)
    small = words.phantom.model_copy(update={"patients": 3, "slices": 4, "size": 64})
    reduction = words.reduction.model_copy(update={"size": 16})
    words = words.model_copy(update={"phantom": small, "reduction": reduction})

    def killed(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("hemo.slices.preprocess.write_shards", killed)
        with pytest.raises(KeyboardInterrupt):
            pipeline.prepare_store(words)
    begun = words.store_folder
    with pytest.raises(HemoError, match="an unfinished slice store"):
        pipeline.prepare_store(words.model_copy(update={"store": str(begun)}))
    made = pipeline.prepare_store(words)
    assert made.facts["patients"] == 3
    assert pipeline.prepare_store(words).digest == made.digest


def test_every_run_hangs_below_the_root(runs):
    parents = {run.info.run_id: run.data.tags.get("mlflow.parentRunId") for run in runs.values()}
    root = runs["small"].info.run_id
    for run in parents:
        while parents[run]:
            run = parents[run]
        assert run == root


def test_a_training_run_holds_what_the_design_names(runs):
    run = runs["ann/epidural"]
    names = set(run.data.metrics)
    for metric in ("recall", "precision", "accuracy", "specificity", "auc", "average_precision"):
        assert {f"test/{metric}", f"test/{metric}_low", f"test/{metric}_high"} <= names
        assert {f"study/{metric}", f"study/{metric}_low", f"study/{metric}_high"} <= names
    assert {"threshold_low", "threshold_high"} <= names
    assert {"time/fit_s", "threshold", "converged", "epoch/loss", "epoch/val_loss"} <= names
    tags = {
        "family",
        "label",
        "stage",
        "protocol",
        "dataset",
        "data_digest",
        "split_digest",
        "seed",
        "git_commit",
    }
    assert tags <= set(run.data.tags)
    assert run.data.params["hp.layers"] == "[16]"
    assert (run.data.params["family"], run.data.params["label"]) == ("ann", "epidural")
    dataset = run.inputs.dataset_inputs[0].dataset
    assert dataset.digest
    assert json.loads(dataset.profile)["features_shape"][0] == run.data.metrics["test/slices"]
    files = {
        file.path
        for folder in ("plots", "predictions", "split", "environment")
        for file in tracking.client().list_artifacts(run.info.run_id, folder)
    }
    expected = {
        "roc",
        "precision_recall",
        "confusion_matrix",
        "reliability",
        "patients",
        "learning_curves",
        "failures",
    }
    assert {f"plots/{name}.png" for name in expected} <= files
    assert {tracking.PREDICTIONS, "split/split.csv", "split/split.json", "environment/versions.json"} <= files


def test_no_metric_carries_a_label_but_those_that_the_ui_shows_first(runs):
    for run in runs.values():
        assert not [
            name
            for name in run.data.metrics
            if any(label in name.split("/")[-1] for label in LABELS)
            and name.split("/")[0] not in leading.RECALLS
        ]


def test_metrics_are_the_same_for_every_family_but_for_epochs(runs):
    def finals(name):
        # A calibration slope is undefined where a threshold separates the classes.
        every = (metric for metric in runs[name].data.metrics if "calibration" not in metric)
        return {metric for metric in every if metric.startswith(("test/", "time/"))}

    assert finals("ann/any") == finals("logreg/any")


def test_the_logged_model_gives_the_probabilities_of_the_classifier(runs):
    assert runs["ann/any"].data.metrics["model/loaded_back_gap"] <= 1e-6


def test_the_prediction_table_of_a_run_is_found_again(runs):
    table = tracking.load_predictions(runs["logreg/any"].info.run_id)
    assert len(table) == 320
    assert runs["logreg/any"].data.metrics["test/positive_slices"] == table["truth"].sum()


def test_what_is_served_gives_calibrated_probabilities(runs):
    run = runs["logreg/any"].info.run_id
    model = tracking.client().search_logged_models(
        [runs["logreg/any"].info.experiment_id], f"source_run_id = '{run}'"
    )[0]
    member = mlflow.pyfunc.load_model(model.model_uri).unwrap_python_model().member
    assert member.calibrator is not None
    raw = member.classifier.predict_proba(np.zeros((1, 16, 16, 1), np.uint8))[:, 1]
    served = member.probability(np.zeros((1, 16, 16, 1), np.uint8))
    np.testing.assert_array_equal(served, member.calibrator(raw))
    assert runs["logreg/any"].data.params["train.calibration"] == "sigmoid"


def test_notes_tell_the_figures(runs):
    for name in ("small", "comparison"):
        note = runs[name].data.tags["mlflow.note.content"]
        assert note.startswith("Recall at specificity 0.80 by the best family: any")
        assert "best family" in note
        assert all(label in note for label in LABELS)
    assert (
        "studies, by a score and a threshold of their own"
        in runs["logreg/any"].data.tags["mlflow.note.content"]
    )


def test_parent_comparison_and_promotion_have_the_recall_of_each_label_as_metrics(runs):
    for name in ("small", "comparison", "promotion"):
        found = runs[name].data.metrics
        assert {f"Recall at specificity 0.80/{label}" for label in LABELS} <= set(found)
        assert all(0 <= found[f"Recall at the own threshold/{label}"] <= 1 for label in LABELS)
    assert "recall at spec. 0.80" in runs["promotion"].data.tags["mlflow.note.content"]


def test_the_comparison_run_holds_the_leaderboard_and_one_page(world, runs, tmp_path):
    run = runs["comparison"].info.run_id
    folder = mlflow.artifacts.download_artifacts(run_id=run, dst_path=str(tmp_path))
    board = pd.read_csv(f"{folder}/tables/leaderboard.csv")
    assert len(board) == 12
    assert board.groupby("label")["best"].sum().eq(1).all()
    differences = pd.read_csv(f"{folder}/tables/differences.csv")
    assert set(differences["label"]) == set(LABELS)
    assert set(differences["metric"]) == {"auc", "recall_at_specificity_80"}
    page = (tmp_path / "report" / "comparison.html").read_text()
    assert "http://" not in page
    assert "https://" not in page
    assert all(families.get(family).title in page for family in ("logreg", "ann"))
    decided = decisions(runs)["decision"].value_counts()
    for decision in ("promoted", "refused"):
        assert page.count(f"The gate {decision} it: ") == decided[decision]


def decisions(runs):
    """Return what the gate decided, by label."""
    text = mlflow.artifacts.load_text(f"runs:/{runs['promotion'].info.run_id}/gate/decisions.csv")
    return pd.read_csv(io.StringIO(text)).set_index("label")


def test_promotion_decides_on_every_label(runs):
    assert runs["promotion"].data.tags["stage"] == "promotion"
    decided = decisions(runs)
    assert decided.index.tolist() == list(LABELS)
    print(decided.to_string())
    assert set(decided["decision"]) == {"promoted", "refused"}
    for label, row in decided.iterrows():
        there = aliases.current(model_name(label))
        assert there == ({"production": "1"} if row["decision"] == "promoted" else {}), label
        verdict = json.loads(mlflow.artifacts.load_text(f"runs:/{row['run_id']}/gate/{label}.json"))
        assert verdict["passed"] == (row["decision"] == "promoted")


def test_what_is_in_production_predicts_a_file(world, runs, tmp_path):
    picture = tmp_path / "slice.png"
    cv2.imwrite(str(picture), np.random.default_rng(0).integers(0, 255, (32, 32), np.uint8))
    out = tmp_path / "out.json"
    outcome = CliRunner().invoke(main, ["predict", str(picture), "--out", str(out)], catch_exceptions=False)
    assert outcome.exit_code == 0, outcome.output
    (predicted,) = json.loads(out.read_text())["predictions"]
    decided = decisions(runs)["decision"]
    known = [label for label in LABELS if f"{label}_probability" in predicted]
    assert known == decided[decided == "promoted"].index.tolist()
    assert all(0 <= predicted[f"{label}_probability"] <= 1 for label in known)


def test_compare_again_on_its_own_finds_the_same_leaderboard(world, runs, tmp_path):
    words = ["compare", "--experiment", "small.yaml", "--out", str(tmp_path)]
    outcome = CliRunner().invoke(main, words, catch_exceptions=False)
    assert outcome.exit_code == 0
    text = mlflow.artifacts.load_text(f"runs:/{runs['comparison'].info.run_id}/tables/leaderboard.csv")
    assert (tmp_path / "tables" / "leaderboard.csv").read_text() == text
    assert "Leaderboard" in outcome.output


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (["logreg", "--store", "nowhere"], "nowhere: no slice store"),
        (["logreg", "--store", "store", "--label", "epidurall"], "unknown label 'epidurall'"),
        (["logreg", "--store", "store", "--params", "solver=newton"], "newton"),
        (["logreg", "--store", "store", "--params", "depth=3"], "has no parameter depth"),
        (["logreg", "--store", "store", "--params", "C"], "give name=value"),
        (["logreg", "--store", "store", "--protocol", "loo"], "protocol"),
        (["main", "--experiment", "nowhere.yaml"], "no such experiment file"),
        (["main", "--experiment", "small.yaml", "--images", "nowhere", "--store", "new"], "nowhere"),
        (
            ["main", "--set", "folds=5", "--experiment", "small.yaml", *TWO_PATIENTS],
            "2 patients cannot be dealt to 5 parts: give more patients or fewer folds, --set folds=2",
        ),
        (["compare", "--experiment", "other.yaml"], "no experiment 'other'"),
        (["preprocess", "--images", "nowhere", "--store", "new"], "nowhere"),
        (["preprocess", "--images", "empty", "--store", "new"], "empty"),
        (["preprocess", "--images", "store", "--labels", "wrong.csv", "--store", "new"], "wrong.csv"),
        (["predict", "nowhere.dcm"], "nowhere.dcm"),
    ],
)
def test_what_users_get_wrong_is_one_line_with_status_2(world, words, fault):
    folder, _ = world
    (folder / "empty").mkdir(exist_ok=True)
    (folder / "wrong.csv").write_text("picture,bleeding\na,1\n")
    (folder / "other.yaml").write_text("name: other\n")
    (folder / "two.csv").write_text("filename,patient,any\na.dcm,A,1\nb.dcm,B,0\n")
    outcome = CliRunner().invoke(main, words)
    assert outcome.exit_code == 2, outcome.output
    assert fault in outcome.output
    assert "Traceback" not in outcome.output
    assert len(outcome.output.strip().splitlines()) == 1


def test_a_share_of_the_trainings_takes_what_is_finished_and_needs_a_store(world, tmp_path, capsys):
    folder, _ = world  # the last test of it: this leaves runs of its own
    experiment = config.load(str(folder / "small.yaml"))
    pipeline.run_part(experiment, "0/6")
    assert "2 of 2 trainings are finished" in " ".join(capsys.readouterr().err.split())
    pipeline.run_part(experiment, "store")
    for word in ("half", "6/6", "1/x"):
        with pytest.raises(HemoError, match="give store, or K/N"):
            pipeline.run_part(experiment, word)
    with pytest.raises(HemoError, match="no finished store yet: make it with --only store"):
        pipeline.run_part(experiment.model_copy(update={"store": str(tmp_path / "none")}), "0/6")


def test_an_unknown_command_is_refused_with_status_2():
    outcome = CliRunner().invoke(main, ["forest"])
    assert outcome.exit_code == 2
    assert "no command or family 'forest'" in outcome.output


def test_names_of_excluded_files_do_not_reach_mlflow(tmp_path, monkeypatch):
    import cv2

    scans = tmp_path / "scans"
    scans.mkdir()
    picture = np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8)
    for name in ("one", "two", "three"):
        cv2.imwrite(str(scans / f"{name}.png"), picture + len(name))
    (scans / "Jane Doe.dcm").write_text("no scan")
    monkeypatch.chdir(tmp_path)
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/mlflow.db")
    settings = config.load("", images=str(scans), reduction={"size": 16, "windows": ["gray"]})
    experiment = tracking.experiment_id("private")
    with tracking.root_run(experiment, "private", {}) as root:
        store = pipeline.prepare_store(settings, root)
    assert "Jane Doe.dcm" in set(store.exclusions["file"])
    assert store.exclusion_counts()["files"].sum() == 1
    (run,) = [r for r in tracking.client().search_runs([experiment]) if r.info.run_name == "preprocess"]
    logged = mlflow.artifacts.download_artifacts(run_id=run.info.run_id, dst_path=str(tmp_path / "logged"))
    texts = [file.read_text() for file in Path(logged).rglob("*.csv")]
    assert texts
    assert not any("Jane" in text for text in [*texts, str(run.data)])
