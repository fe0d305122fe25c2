from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from PIL import Image

from hemo import config, tracking
from hemo.commands.stress import stress as command
from hemo.config import Gate
from hemo.errors import HemoError
from hemo.imaging import Reduction
from hemo.registry import card_tables, conditions, stressed
from hemo.registry.candidates import _fall
from hemo.registry.evidence import Candidate, Evidence, Fall
from hemo.runs.steps import train_family
from hemo.slices.preprocess import preprocess
from hemo.stress import judging, measure, page, run
from hemo.stress.changes import Change, chosen
from hemo.stress.measure import Judged
from tests.helpers.registry_world import table

pytestmark = pytest.mark.usefixtures("no_pictures")

PATIENTS, SLICES = 12, 4


@pytest.fixture(scope="module")
def hospital(tmp_path_factory):
    """Pictures of heads, every second patient's with a bright spot in each slice, and a table."""
    folder = tmp_path_factory.mktemp("hospital")
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[0:64, 0:64] - 31.5
    away, lines = np.hypot(rows, columns), []
    for patient in range(PATIENTS):
        below = folder / "images" / f"p{patient:02d}"
        below.mkdir(parents=True)
        for number in range(SLICES):
            gray = np.where(away < 22, 110 + rng.normal(0, 4, (64, 64)), np.where(away < 27, 255, 0))
            positive = patient % 2
            if positive:
                gray[26:34, 24 + number : 32 + number] = 200
            Image.fromarray(np.clip(gray, 0, 255).astype(np.uint8)).save(below / f"{number}.png")
            lines.append((f"p{patient:02d}/{number}.png", positive, positive, 0))
    frame = pd.DataFrame(lines, columns=["image", "any", "epidural", "subdural"])
    frame.to_csv(folder / "labels.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def trained_here(trained, hospital):
    """A training run on a store of the pictures, under cv; the tracking store of the whole module."""
    from tests.helpers.registry_world import empty_store

    with pytest.MonkeyPatch.context() as patch:
        empty_store(trained[0] / "mlflow.db", hospital, patch)
        made = Reduction(size=32, windows=("gray",))
        preprocess(hospital / "images", hospital / "labels.csv", hospital / "store", made)
        words: dict[str, Any] = {"name": "here", "store": str(hospital / "store"), "folds": 2, "draws": 100}
        settings = config.load(None, words).model_copy(update={"families": {"logreg": {"C": 0.001}}})
        train_family(settings, "logreg", ("any",))
        (found,) = tracking.training_runs(tracking.find_experiment("here"))
        yield found


def given(hospital):
    return hospital / "images", hospital / "labels.csv"


def test_a_run_is_judged_out_of_fold_and_says_what_it_said_of_the_unchanged(trained_here, hospital):
    found = run.stress(trained_here.run_id, *given(hospital), only="jpeg=75,inverted", draws=100)
    assert not found.warnings  # the folds that were fitted again are the run's
    rows: Any = found.found.set_index(["change", "metric"])
    assert rows.loc[("jpeg=75", "auc"), "unchanged"] == pytest.approx(trained_here.metrics["test/auc"])
    assert rows.loc[("inverted", "auc"), "difference"] < -0.3
    assert rows.loc[("jpeg=75", "auc"), "slices"] == PATIENTS * SLICES
    logged = mlflow.artifacts.load_text(f"runs:/{trained_here.run_id}/stress/stress.csv")
    assert "inverted" in logged


def test_what_was_tried_in_part_is_no_evidence_for_the_gate(trained_here, hospital):
    run.stress(trained_here.run_id, *given(hospital), only="jpeg=75", draws=100)
    found = stressed.newest(trained_here.run_id)
    assert found is not None
    assert not found.complete
    assert _fall(trained_here.run_id) is None


def test_the_gate_reads_the_largest_fall_of_a_run_that_tried_all(trained_here, hospital, monkeypatch):
    monkeypatch.setattr(run.changes, "chosen", lambda only: chosen("jpeg=75,inverted,flip"))
    run.stress(trained_here.run_id, *given(hospital), draws=100)
    fall = _fall(trained_here.run_id)
    assert fall is not None
    assert fall.change == "inverted"
    assert fall.drop > 0.3


def test_a_model_is_judged_as_it_is_served_on_data_that_are_not_its_own(trained_here, hospital, tmp_path):
    other = tmp_path / "other"
    for path in sorted((hospital / "images").rglob("*.png")):
        new = other / path.parent.name / path.name
        new.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(255 - np.asarray(Image.open(path))[::-1]).save(new)
    found = run.stress(trained_here.model_uri, other, hospital / "labels.csv", only="flip=face", draws=100)
    assert found.found["slices"].max() == PATIENTS * SLICES
    where = f"tags.`mlflow.parentRunId` = '{found.run_id}' and tags.stage = 'stress'"
    (child,) = tracking.find_runs(tracking.find_experiment(stressed.EXPERIMENT), where)
    assert child.tags["out_of_sample"] == "false"


def test_a_sample_of_patients_keeps_their_share_of_positive_ones(trained_here, hospital):
    found = run.stress(trained_here.run_id, *given(hospital), only="jpeg=75", patients=6, draws=100)
    assert found.found["slices"].max() == 6 * SLICES


def test_other_scans_than_the_runs_are_refused_in_a_line(trained_here, hospital, tmp_path):
    for patient in ("p01", "p04"):
        few = tmp_path / "few" / patient
        few.mkdir(parents=True)
        for path in (hospital / "images" / patient).iterdir():
            (few / path.name).write_bytes(path.read_bytes())
    with pytest.raises(HemoError, match="40 of the 48 slices .* give the scans that its store was made of"):
        run.stress(trained_here.run_id, tmp_path / "few", hospital / "labels.csv", only="jpeg=75")


def test_the_command_prints_differences_and_what_costs_most(trained_here, hospital):
    images, labels = given(hospital)
    words = [trained_here.run_id, "--images", str(images), "--labels", str(labels), "--only", "inverted"]
    done = CliRunner().invoke(command, [*words, "--draws", "100"], catch_exceptions=False)
    assert done.exit_code == 0
    assert "inverted" in done.output
    assert "costs most of the AUC" in done.output


def test_what_is_killed_goes_on_behind_its_finished_changes(trained_here, hospital, monkeypatch):
    monkeypatch.setattr(tracking, "git_commit", lambda: "0" * 40)
    monkeypatch.setattr(run.tracking, "git_commit", lambda: "0" * 40)
    seen, judge = [], run.pictures.seen

    def ended(of, change, *rest):
        seen.append(change.name if change else "unchanged")
        if change and change.name == "inverted":
            raise KeyboardInterrupt
        return judge(of, change, *rest)

    monkeypatch.setattr(run.pictures, "seen", ended)
    with pytest.raises(KeyboardInterrupt):
        run.stress(trained_here.run_id, *given(hospital), only="jpeg=75,inverted", draws=100)
    assert seen == ["unchanged", "jpeg=75", "inverted"]
    seen.clear()

    def noted(of, change, *rest):
        seen.append(change.name)
        return judge(of, change, *rest)

    monkeypatch.setattr(run.pictures, "seen", noted)
    found = run.stress(trained_here.run_id, *given(hospital), only="jpeg=75,inverted", draws=100)
    assert seen == ["inverted"]
    assert found.found["change"].unique().tolist() == ["jpeg=75", "inverted"]
    assert not (hospital / "store.unfinished").exists()


def made_up(drop):
    """Predictions unchanged and changed: as good by chance as `drop` says."""
    unchanged = table(patients=40)
    rng = np.random.default_rng(1)
    noise = np.where(rng.random(len(unchanged)) < drop, rng.random(len(unchanged)), unchanged["probability"])
    return unchanged, unchanged.assign(probability=noise)


def test_differences_are_paired_and_of_the_slices_that_are_left():
    unchanged, changed = made_up(0.5)
    judged = [
        Judged(Change.parse("jpeg=75"), changed, {}),
        Judged(Change.parse("every=2"), unchanged.iloc[::2], {}),
        Judged(Change.parse("inverted"), unchanged.iloc[:0], {"strange": 80}),
    ]
    found: Any = measure.differences(unchanged, judged, 200, 0).set_index(["change", "metric"])
    worse = found.loc[("jpeg=75", "auc")]
    assert worse["difference"] == pytest.approx(worse["value"] - worse["unchanged"])
    assert worse["low"] < worse["difference"] < worse["high"] < 0
    assert found.loc[("every=2", "auc"), "difference"] == 0
    assert found.loc[("every=2", "auc"), "slices"] == 40
    none = found.loc[("inverted", "auc")]
    assert np.isnan(none["difference"])
    assert (none["refused"], none["reason"]) == (80, "strange")


def test_the_page_says_every_change_and_the_worst_of_practice(tmp_path):
    unchanged, changed = made_up(0.6)
    judged = [Judged(Change.parse("jpeg=75"), unchanged, {}), Judged(Change.parse("flip=face"), changed, {})]
    found = measure.differences(unchanged, judged, 100, 0)
    page.write(tmp_path, "logreg/any", found, "Some slices.", ["Mind <this>."])
    text = (tmp_path / stressed.REPORT).read_text()
    assert "flip=face" in text
    assert "beyond practice" in text
    assert "jpeg=75 (saved as JPEG of quality 75) costs most" in text  # the flip is beyond practice
    assert "Mind &lt;this&gt;." in text
    assert len(pd.read_csv(tmp_path / stressed.TABLE)) == 6
    assert "largest_drop/auc" in page.metrics(found)
    assert card_tables.falls(found)["change"].tolist() == ["jpeg=75", "flip=face"]


def test_a_sample_is_drawn_by_the_seed_and_is_all_where_there_are_few(tmp_path):
    judges = [judging.Judge(tmp_path, table(patients=20))]
    one, two = (judging.sample(judges, 8, 3)[0].table["patient"].unique() for _ in range(2))
    assert len(one) == 8
    assert one.tolist() == two.tolist()
    assert len(judging.sample(judges, 50, 0)[0].table) == 40


def asked(most, stress):
    tested: Any = None
    from hemo.evaluation.protocols import Protocol

    candidate = Candidate(Protocol.CV, 0.0, stress=stress)
    return conditions.holds_under_changes(Evidence(tested, candidate, Gate(max_stress_drop=most)))


def test_the_gate_asks_nothing_of_changes_unless_it_is_told_to():
    assert asked(None, Fall("inverted", 0.5)) is None


@pytest.mark.parametrize(
    ("stress", "passed", "words"),
    [
        (None, False, "nobody has tried all changes of its data"),
        (Fall("jpeg=75", 0.03), True, "no change of its data costs more than 0.03 of the AUC"),
        (Fall("jpeg=75", 0.0301), False, "jpeg=75 costs 0.0301 of the AUC, 0.0300 asked at most"),
        (Fall("no change", float("nan")), False, "no AUC is defined"),
    ],
)
def test_the_gate_refuses_what_falls_too_far_and_what_nobody_has_tried(stress, passed, words):
    finding = asked(0.03, stress)
    assert finding is not None
    assert finding.passed is passed
    assert words in finding.words
