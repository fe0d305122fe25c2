"""Runs side by side: who is compared, who is best, what differs, and the page about it."""

import io
import json
import re
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from rich.console import Console

from hemo import console, families, tracking
from hemo.cli import main
from hemo.comparison import conclusions, contents, differences, leaderboard, runs, sections
from hemo.comparison import page as report
from hemo.comparison import tables as report_tables
from hemo.config import Experiment
from hemo.display.page import Section
from hemo.errors import HemoError
from hemo.evaluation import metrics
from hemo.evaluation.protocols import Protocol
from hemo.labels import LABELS
from hemo.slices.split import make_split
from hemo.tracking import server, views
from tests.helpers.made_runs import log, log_all, table
from tests.helpers.stores import bright_blood, write_store
from tests.helpers.undrawn import undrawn

SKILLS = {"logreg": 1.0, "sgd": 3.0, "linear_svc": 0.0}
"""Families with how well they tell positive slices."""

EVIL = "<script>alert('x')</script>"


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    images, patients, labels = bright_blood(patients=60, slices=6, size=8)
    return write_store(
        tmp_path_factory.mktemp("made") / "store", images, patients, labels, excluded={EVIL: 2, "no CT": 1}
    )


@pytest.fixture(scope="module")
def experiment(store):
    folder = store.folder.parent
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
        found = tracking.experiment_id("made")
        (folder / "ids.json").write_text(json.dumps(list(log_all(found, store, SKILLS))))
        yield found


@pytest.fixture
def ids(experiment, store):
    rows = json.loads((store.folder.parent / "ids.json").read_text())
    return {f"{family}/{label}": run for family, label, run in rows}


@pytest.fixture(scope="module")
def config(store):
    return Experiment(name="made", description=EVIL, store=str(store.folder), folds=3, draws=200)


@pytest.fixture(scope="module")
def written(experiment, config, store):
    folder = store.folder.parent / "written"
    report.write(runs.compare(experiment), config, folder, store)
    return folder


@pytest.mark.parametrize("width", [80, 120, console.PLAIN_WIDTH])
def test_the_terminal_has_the_best_family_first_and_what_it_was_chosen_by(experiment, width, monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(console, "out", Console(file=stream, width=width))
    report.print_comparison(runs.compare(experiment))
    lines = stream.getvalue().partition("Averages")[0].splitlines()
    assert all(len(line) <= width for line in lines)
    shown = [name for line in lines for name in SKILLS if name in line.split()]
    assert shown == ["sgd", "logreg", "linear_svc"] * len(LABELS)
    words = " ".join(stream.getvalue().replace("┃", " ").split())
    assert words.index("recall at") < words.index("AUC") < words.index("specificity ")
    first = next(line for line in lines if "sgd" in line)
    assert width < console.PLAIN_WIDTH or (first.count(" to ") == 3 and " best " in first)


def test_every_family_is_there_on_every_label_and_the_most_skilled_is_best(experiment):
    found = runs.compare(experiment)
    assert len(found.leaderboard) == len(SKILLS) * len(LABELS)
    best = found.leaderboard[found.leaderboard["best"]]
    assert list(best["label"]) == list(LABELS)
    assert set(best["family"]) == {"sgd"}
    assert not len(found.left_out)


def test_a_classifier_that_knows_nothing_is_not_told_from_chance(experiment):
    board = runs.compare(experiment).leaderboard.set_index(["family", "label"])
    assert board.loc[("linear_svc", "any"), "degenerate"] == "not told from chance"
    assert board.loc[("sgd", "any"), "degenerate"] == ""


@pytest.mark.parametrize(
    ("recall", "specificity", "auc_low", "word"),
    [
        # Printed in the seed paper for subarachnoid on balanced slices: recall 0.95, precision 0.52.
        (0.95, 1 - 0.95 * (1 / 0.52 - 1), 0.6, "calls nearly everything positive"),
        (0.05, 0.99, 0.6, "calls nearly nothing positive"),
        (0.6, 0.6, 0.49, "not told from chance"),
        (0.85, 0.4, 0.6, ""),
        (np.nan, np.nan, np.nan, ""),
    ],
)
def test_winners_without_merit_are_named_for_what_they_do(recall, specificity, auc_low, word):
    assert leaderboard.degenerate({"recall": recall, "specificity": specificity, "auc_low": auc_low}) == word


def test_differences_are_paired_per_label_and_corrected_for_its_pairs(experiment):
    board = runs.compare(experiment).leaderboard
    found = differences.differences(board, runs.predictions(board), draws=200, seed=0)
    assert len(found) == len(LABELS) * 2 * 3
    one = found[(found["label"] == "any") & (found["metric"] == "auc")]
    values = board.set_index(["family", "label"])["auc"].unstack()["any"]
    for row in one.to_dict("records"):
        expected = values[row["first"]] - values[row["second"]]
        assert row["difference"] == pytest.approx(expected, abs=2e-4)
        assert row["p"] <= row["p_holm"] <= 3 * row["p"] + 1e-12
    against = differences.against_best(found, dict.fromkeys(LABELS, "sgd"))
    assert set(against["first"]) == {"sgd"}
    assert len(against) == len(LABELS) * 2 * 2
    clear = against[(against["metric"] == "auc") & (against["label"] == "any")]
    assert (clear["low"] > 0).all()
    assert (clear["low"] < clear["difference"]).all()
    assert (clear["difference"] < clear["high"]).all()


def test_the_loss_over_all_labels_is_that_of_the_competition(experiment, store):
    board = runs.compare(experiment).leaderboard
    tables = runs.predictions(board)
    found = differences.rsna_loss(board, tables, draws=200, seed=0).set_index("family")
    of_label = board[board["family"] == "sgd"].set_index("label")["run_id"]
    each = [tables[of_label[label]].sort_values("slice_id") for label in LABELS]
    truth, probability = (np.stack([one[name] for one in each], 1) for name in ("truth", "probability"))
    row = found.loc["sgd"]
    assert row["rsna_log_loss"] == pytest.approx(metrics.rsna_weighted_log_loss(truth, probability))
    assert row["rsna_log_loss_low"] < row["rsna_log_loss"] < row["rsna_log_loss_high"]
    assert row["slices"] == len(store)
    assert not len(differences.rsna_loss(board[board["label"] != "any"], tables, draws=200, seed=0))


def test_runs_that_are_named_are_compared_alone(experiment, ids):
    found = runs.compare(experiment, [ids["sgd/any"], ids["logreg/any"][:12]])
    assert set(found.leaderboard["family"]) == {"sgd", "logreg"}
    assert set(found.leaderboard["label"]) == {"any"}


def test_runs_of_another_split_are_left_out_and_refused_when_named(store, experiment):
    split = make_split(store.index, Protocol.CV, 7, folds=3)
    rows = table(store, split, "any", 1.0)
    elsewhere = mlflow.create_experiment("two splits")
    old = log(elsewhere, store, split, "cnn", "any", rows, {"split_digest": "f" * 64})
    new = log(elsewhere, store, split, "sgd", "any", rows)
    found = runs.compare(elsewhere)
    assert list(found.leaderboard["family"]) == ["sgd"]
    assert list(found.left_out["run"]) == ["cnn/any"]
    assert f"another split (ffffffff, not {split.digest[:8]})" in found.left_out["reason"].iloc[0]
    with pytest.raises(HemoError, match=r"another split \(.*ffffffff"):
        runs.compare(elsewhere, [old, new])
    other = log(elsewhere, store, split, "ann", "any", rows, {"data_digest": "e" * 32})
    with pytest.raises(HemoError, match=r"another data \(eeeeeeee, not dddddddd\)"):
        runs.compare(elsewhere, [new, other])
    again = log(elsewhere, store, split, "sgd", "any", rows)
    with pytest.raises(HemoError, match="of one family and label"):
        runs.compare(elsewhere, [new, again])
    with pytest.raises(HemoError, match="nothing: no finished training run"):
        runs.compare(elsewhere, ["nothing"])


def test_the_page_has_all_its_sections_and_asks_for_nothing_outside(written):
    page = (written / "report" / "comparison.html").read_text()
    titles = re.findall("<h2>(.*)</h2>", page)
    assert titles == [
        "Conclusion", "Recall at a specificity of 0.80", "Leaderboard", "Differences",
        "Recall at the operating point", "Averages over labels", "Failures", "What was compared",
        "Data and exclusions", "Split", "Settings", "Digests and runs",
    ]  # fmt: skip
    assert len(page) < 3_000_000
    assert "http:" not in page
    assert "https:" not in page
    assert all(families.get(family).title in page for family in SKILLS)


def test_the_page_begins_with_the_best_family_of_each_label_how_sure_that_is_and_what_the_gate_said(written):
    page = (written / "report" / "comparison.html").read_text()
    first = page[page.index("<h2>Conclusion") : page.index("<h2>Recall at a specificity")]
    for label in LABELS:
        assert f"<h3>{label.capitalize()}: {families.title('sgd')}</h3>" in first
    assert first.count("Next is") == len(LABELS)
    assert first.count("The gate was not asked yet") == len(LABELS)


@pytest.mark.parametrize(
    ("low", "high", "p", "sure"),
    [
        (-0.1, 0.3, 0.4, "the data cannot tell the two apart"),
        (0.05, 0.15, 0.004, "more than chance makes (p 0.004"),
    ],
)
@pytest.mark.parametrize("turned", [False, True])
def test_the_lead_over_the_next_is_told_in_the_direction_of_the_best(low, high, p, sure, turned):
    row = {"label": "any", "level": "slice", "choose_auc": 0.9}
    board = pd.DataFrame(
        [
            {**row, "family": "cnn", "best": True, "choose_recall_at_specificity_80": 0.8},
            {**row, "family": "ann", "best": False, "choose_recall_at_specificity_80": 0.5},
            {**row, "family": "sgd", "best": False, "choose_recall_at_specificity_80": 0.7},
        ]
    )
    pair = {"label": "any", "metric": "recall_at_specificity_80", "p_holm": p}
    pair |= {"first": "cnn", "second": "sgd", "difference": 0.1, "low": low, "high": high}
    if turned:
        pair |= {"first": "sgd", "second": "cnn", "difference": -0.1, "low": -high, "high": -low}
    words = conclusions.lead(board.iloc[0].to_dict(), board, pd.DataFrame([pair]))
    assert words.startswith("Next is Linear SVM by SGD; the difference is +0.10 (")
    assert sure in words
    assert (
        conclusions.lead(board.iloc[0].to_dict(), board.iloc[:1], pd.DataFrame())
        == "No other family was compared."
    )


def test_leaderboards_are_sorted_and_the_best_family_is_marked(experiment):
    shown = report_tables.boards(runs.compare(experiment))["any"]
    recalls = [float(cell.split()[0]) for cell in shown.rows["recall at spec. 0.80"]]
    assert recalls == sorted(recalls, reverse=True)
    assert shown.rows["family"].iloc[0] == f"{families.title('sgd')}: best"
    assert list(shown.marks) == ["good", "", ""]


def test_what_the_gate_answered_last_is_told_of_the_run_that_it_judged(experiment, config, ids):
    other = tracking.client().create_experiment("asked")
    for decision in ("refused", "promoted"):
        with tracking.start_run(other, "promotion", {"stage": "promotion"}):
            rows = [f"any,{ids['sgd/any']},{decision},as it is", "subdural,,no candidate,"]
            mlflow.log_text("\n".join(["label,run_id,decision,reason", *rows]), tracking.DECISIONS)
    with tracking.start_run(other, "promotion", {"stage": "promotion"}):
        pass  # killed before it decided
    assert contents.decisions(other) == {ids["sgd/any"]: "the gate promoted it: as it is"}


def test_every_text_on_the_page_is_escaped(written):
    page = (written / "report" / "comparison.html").read_text()
    assert EVIL not in page
    assert page.count("&lt;script&gt;") >= 3  # as description, as a setting, as a reason


def test_every_part_of_the_page_is_there_as_a_file(written, store):
    split = pd.read_csv(written / "tables" / "split.csv")
    assert split["patients"].sum() == 60
    assert split["slices"].sum() == len(store)
    positives = split["any"].str.extract(r"(\d+) \((\d+)\)").astype(int)
    assert positives[0].sum() == (store.index["any"] == 1).sum()
    assert positives[1].sum() == 30
    averages = pd.read_csv(written / "tables" / "averages.csv")
    assert averages["rsna_log_loss"].notna().all()
    excluded = pd.read_csv(written / "tables" / "exclusions.csv")
    assert dict(zip(excluded["reason"], excluded["files"], strict=True)) == {EVIL: 2, "no CT": 1}
    names = {file.stem for file in (written / "tables").iterdir()}
    assert {"leaderboard", "best", "differences", "left_out", "labels", "experiment", "runs"} <= names
    pictures = {file.stem for file in (written / "plots").iterdir()}
    assert {f"failures_{label}" for label in LABELS} <= pictures
    assert {"recall_by_family", "recall_at_specificity_80_by_family_and_label"} <= pictures


def test_a_section_is_added_in_one_place(experiment, config, tmp_path, monkeypatch):
    def weather(contents):
        seen = pd.DataFrame({"patients": [contents.found.leaderboard["patients"].max()]})
        return Section("Weather", "It rained.", {"Seen": seen}, files={"weather": seen})

    def silence(contents):
        return None

    monkeypatch.setattr(sections, "SECTIONS", (*sections.SECTIONS, weather, silence))
    with undrawn():
        page = report.write(runs.compare(experiment), config, tmp_path).read_text()
    assert ">Weather</h2>" in page
    assert ">Weather</a>" in page
    assert pd.read_csv(tmp_path / "tables" / "weather.csv")["patients"].tolist() == [60]


def test_without_the_store_data_and_split_are_told_from_the_runs(experiment, config, tmp_path, store):
    away = config.model_copy(update={"store": str(tmp_path / "nowhere")})
    tags = {"stage": "preprocess", "data_digest": store.digest}
    with tracking.start_run(experiment, "preprocess", tags):
        mlflow.log_metric("store/slices", 360)
        mlflow.log_text("label,positive\nany,90\n", "store/labels.csv")
        mlflow.log_text(f"reason,files\n{EVIL},2\n", "store/exclusions.csv")
    with undrawn():
        report.write(runs.compare(experiment), away, tmp_path / "written")
    excluded = pd.read_csv(tmp_path / "written" / "tables" / "exclusions.csv")
    assert excluded.to_dict("records") == [{"reason": EVIL, "files": 2}]
    split = pd.read_csv(tmp_path / "written" / "tables" / "split.csv")
    assert (split["patients"].sum(), split["slices"].sum()) == (60, 360)


def test_the_command_logs_the_page_and_writes_the_newest_figures_below_the_experiment_s_note(
    experiment, store, tmp_path, ids
):
    views.prepare(experiment)
    file = tmp_path / "made.yaml"
    file.write_text(f"name: made\nstore: {store.folder}\ndraws: 100\n")
    words = ["compare", "--experiment", str(file), "--out", str(tmp_path / "out")]
    runs = f"{ids['sgd/any']},{ids['logreg/any']}"
    with undrawn():
        outcome = CliRunner().invoke(main, [*words, "--runs", runs], catch_exceptions=False)
    assert outcome.exit_code == 0, outcome.output
    assert len(pd.read_csv(tmp_path / "out" / "tables" / "leaderboard.csv")) == 2
    assert (tmp_path / "out" / "report" / "comparison.html").is_file()
    note = tracking.client().get_experiment(experiment).tags["mlflow.note.content"]
    assert note.endswith(views.NOTE)
    assert families.get("sgd").title in note
    made = tracking.find_runs(experiment, stage="comparison", most=1)[0]
    assert "Recall at specificity 0.80/any" in made.metrics
    assert "Recall at specificity 0.80 by the best family: any" in made.tags["mlflow.note.content"]
    tracking.client().set_experiment_tag(experiment, "mlflow.note.content", "ours")
    views.note_comparison(experiment, "theirs", "")
    assert tracking.client().get_experiment(experiment).tags["mlflow.note.content"] == "ours"


def test_the_page_that_is_there_is_opened_until_something_is_trained(
    experiment, store, tmp_path, ids, monkeypatch
):
    file = tmp_path / "made.yaml"
    file.write_text(f"name: made\nstore: {store.folder}\ndraws: 100\n")
    opened: list[str] = []
    monkeypatch.setattr(server, "open_browser", opened.append)

    def compared(*words: str) -> bool:
        """Tell whether the command made a comparison, and see that a page was opened."""
        before = len(tracking.find_runs(experiment, stage="comparison"))
        command = ["compare", "--experiment", str(file), "--open", *words]
        with undrawn():
            done = CliRunner().invoke(main, command, catch_exceptions=False)
        assert done.exit_code == 0, done.output
        page = opened.pop().removeprefix("file://")
        assert "Comparison: made" in Path(page).read_text()
        return len(tracking.find_runs(experiment, stage="comparison")) > before

    monkeypatch.chdir(tmp_path)
    assert compared("--runs", f"{ids['sgd/any']},{ids['logreg/any']}")
    assert compared(), "the newest is of two runs that were named"
    assert not compared()
    again = tracking.client().get_run(ids["sgd/any"])
    with mlflow.start_run(experiment_id=experiment, tags=again.data.tags):
        pass
    assert compared(), "something was trained"
