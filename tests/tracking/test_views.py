import json

import mlflow
import pytest
from click.testing import CliRunner

from hemo import families, tracking
from hemo.cli import main
from hemo.comparison import shown_by_family
from hemo.errors import HemoError
from hemo.labels import LABELS
from hemo.tracking import leading, server, views
from tests.helpers import ui_store
from tests.helpers.mlflow_default import forget_stores

STATE = views.SAVED_VIEW


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("store")
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.chdir(folder)
        mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
        mlflow.set_registry_uri(f"sqlite:///{folder}/mlflow.db")  # tests before may have set another
        yield ui_store.make(folder)
        forget_stores()


def state(key):
    return json.loads(json.loads(views.tags()[STATE + key])["state"])


def test_the_table_of_runs_has_label_family_and_recall_at_specificity_80_first():
    view = state(views.RUNS)
    first = view["selectedColumns"][:4]
    assert first == view["columnOrder"][1:5]
    metrics = [f"metrics.`{level}/recall_at_specificity_80`" for level in ("test", "study")]
    assert first == ["tags.`label`", "tags.`family`", *metrics]


def test_the_view_of_families_has_a_chart_a_row_of_each_label_by_slice_and_then_by_study():
    view = state(views.FAMILIES)
    shown = [chart["metricKey"] for chart in view["compareRunCharts"]]
    labels = ("all labels: mean", *LABELS)
    by_slice, by_study = ("Recall at specificity 0.80", "Recall at specificity 0.80 by study")
    assert shown == [f"{section}/{label}" for section in (by_slice, by_study) for label in labels]
    assert {section["columns"] for section in view["compareRunSections"]} == {1}
    assert view["runsHiddenMode"] == "SHOW_ALL"


def test_sections_that_the_ui_makes_by_itself_begin_with_recall_at_specificity_80():
    metrics = dict.fromkeys(leading.RECALLS.values(), 0.5) | {"fit/iterations": 3.0, "converged": 1.0}
    logged = {**metrics, **leading.recalls("any", metrics)}
    sections = sorted({name.rpartition("/")[0] for name in logged if "/" in name})  # as its scripts do
    assert sections == [*leading.RECALLS, "fit", "study", "test"]


def test_the_mean_over_labels_is_of_sections_that_every_label_has():
    found = leading.mean_recalls(
        {"any": {"test/recall": 0.9, "study/recall": 1.0}, "epidural": {"test/recall": 0.7}}
    )
    assert found["Recall at the own threshold/all labels: mean"] == 0.8
    assert "Recall at the own threshold by study/all labels: mean" not in found


def test_a_comparison_s_families_are_runs_in_their_colors_and_only_the_newest_are_shown(experiment):
    def shown():
        return tracking.find_runs(experiment, views.NEWEST)

    before = {run.run_id for run in shown()}
    assert {run.tags["family"]: run.tags["mlflow.runColor"] for run in shown()} == {
        name: views.color(name) for name in families.names()
    }
    with tracking.start_run(experiment, "comparison", {"stage": "comparison"}) as comparison:
        shown_by_family.log(ui_store.compared(), experiment, comparison)
    assert len(shown()) == len(families.names())
    assert not before & {run.run_id for run in shown()}
    cnn = next(run for run in shown() if run.name == "cnn")
    assert cnn.metrics["Recall at specificity 0.80/epidural"] == ui_store.recall("cnn")
    assert "recall at spec. 0.80" in cnn.tags["mlflow.note.content"]


def test_an_experiment_s_note_begins_with_links_and_the_answer_and_keeps_to_mlflow_s_limit(experiment):
    found = ui_store.compared()
    best = max(families.names())
    for tables in (shown_by_family.markdown(found), "x" * views.MOST):
        views.note_comparison(experiment, shown_by_family.answer(found), tables)
        note = tracking.client().get_experiment(experiment).tags["mlflow.note.content"]
        assert note.startswith("Recall at specificity 0.80 by the best family ([chart](#/experiments/")
        assert f"any {ui_store.recall(best):.2f} {best}, epidural" in note.partition("\n")[0]
        assert len(note) <= views.MOST
        assert note.endswith(views.NOTE)


@pytest.mark.parametrize("label", LABELS)
def test_each_label_has_a_view_of_its_training_runs_alone(label):
    assert state(f"hemo-{label}")["searchFilter"] == f"tags.stage = 'train' and tags.label = '{label}'"


def test_every_chart_lies_in_a_section_of_its_view():
    charts = 0
    for key in views.tags():
        if key.startswith(STATE):
            view = state(key.removeprefix(STATE))
            charts += len(view["compareRunCharts"])
            sections = {section["uuid"] for section in view["compareRunSections"]}
            assert {chart["metricSectionId"] for chart in view["compareRunCharts"]} <= sections
    assert charts >= len(LABELS)


def test_before_any_comparison_the_link_to_families_is_to_those_on_the_first_label(experiment):
    empty = tracking.client().create_experiment("nothing compared")
    assert "viewStateShareKey=hemo-any&" in views.links("http://host", empty)["Recall by family"]


def test_every_tag_fits_into_mlflow_s_limit():
    assert max(len(value) for value in views.tags().values()) < 5000


def test_families_have_colors_of_their_own():
    colors = {views.color(name) for name in families.names()}
    assert len(colors) == len(families.names())


def test_a_table_in_a_note_has_a_gap_after_each_cell():
    assert views.markdown_table(("label", "n"), [("any", 3)]).splitlines() == [
        "| label&emsp; | n&emsp; |",
        "| :-- | :-- |",
        "| any&emsp; | 3&emsp; |",
    ]


def test_what_people_changed_in_the_ui_stays(experiment):
    client = tracking.client()
    edited = json.dumps(json.loads(views.tags()[STATE + views.RUNS]) | {"name": "ours", "updatedAt": 9})
    client.set_experiment_tag(experiment, "mlflow.note.content", "ours")
    client.set_experiment_tag(experiment, STATE + views.RUNS, edited)
    views.prepare(experiment)
    tags = client.get_experiment(experiment).tags
    assert tags["mlflow.note.content"] == "ours"
    assert tags[STATE + views.RUNS] == edited


def test_a_view_of_an_older_hemo_is_renewed_and_a_missing_one_made(experiment):
    client = tracking.client()
    older = json.dumps({"name": "Training runs", "createdAt": 0, "state": "{}"})
    client.set_experiment_tag(experiment, STATE + views.RUNS, older)
    client.delete_experiment_tag(experiment, STATE + views.FAMILIES)
    views.prepare(experiment)
    tags = client.get_experiment(experiment).tags
    for key in (views.RUNS, views.FAMILIES):
        assert tags[STATE + key] == views.tags()[STATE + key]


def test_links_land_on_runs_chart_comparison_and_registry(experiment):
    found = views.links("http://host:5000/", experiment)
    assert list(found) == ["Recall by family", "Training runs", "Comparison", "Registry"]
    assert all(link.startswith("http://host:5000/#/") for link in found.values())
    assert f"viewStateShareKey={views.RUNS}" in found["Training runs"]
    assert "compareRunsMode=CHART" in found["Recall by family"]
    assert "/artifacts/report/comparison.html" in found["Comparison"]


def test_links_keep_a_server_s_path_and_drop_its_password(experiment):
    link = views.links("https://me:secret@host/mlflow", experiment)["Registry"]
    assert link.startswith("https://host/mlflow/#/models")


def test_the_newest_training_run_s_experiment_is_landed_on(experiment):
    other = tracking.client().create_experiment("audit")
    tracking.client().create_run(other, tags={"stage": "audit"})
    assert tracking.newest_experiment() == experiment
    assert tracking.newest_experiment("made-up") == experiment


def test_an_unknown_experiment_is_refused_with_the_known_names(experiment):
    with pytest.raises(HemoError, match="no experiment 'other'.*made-up"):
        tracking.newest_experiment("other")


def test_hemo_ui_prints_the_links(experiment):
    result = CliRunner().invoke(main, ["ui", "--print-only", "--port", "5123"])
    assert result.exit_code == 0
    for link in views.links("http://127.0.0.1:5123", experiment).values():
        assert link in result.output


def test_hemo_ui_refuses_a_port_that_is_taken(experiment):
    with server.socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = CliRunner().invoke(main, ["ui", "--port", str(port)])
    assert result.exit_code == 2
    assert f"--port {port}: taken" in result.output


def test_hemo_ui_without_a_run_says_how_to_make_one_and_makes_no_store(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(mlflow, "get_tracking_uri", lambda: f"sqlite:///{tmp_path}/mlflow.db")
    result = CliRunner().invoke(main, ["ui"])
    assert result.exit_code == 2
    assert "no training run yet" in result.output
    assert "mlflow run ." in result.output
    assert not (tmp_path / "mlflow.db").exists()


def test_with_a_tracking_server_the_links_lead_there_and_nothing_is_started(experiment, monkeypatch):
    def refuse(*_):
        raise AssertionError("started a server")

    monkeypatch.setattr(server, "remote", lambda: "https://me:secret@mlflow.example.org")
    monkeypatch.setattr(server, "serve", refuse)
    opened: list[str] = []
    monkeypatch.setattr(server, "open_browser", opened.append)
    result = CliRunner().invoke(main, ["ui"])
    assert result.exit_code == 0
    assert "https://mlflow.example.org/#/experiments/" in result.output
    assert "secret" not in result.output
    assert opened == [views.links("https://mlflow.example.org", experiment)["Recall by family"]]
