import mlflow
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from PIL import Image

from hemo import imaging, tracking
from hemo.commands.evaluate import evaluate
from hemo.errors import HemoError
from hemo.external import predicting, validate
from hemo.registry.names import PANEL_URI
from hemo.slices.preprocess import preprocess
from tests.helpers.present import present
from tests.helpers.registry_world import REDUCTION
from tests.helpers.scans import make_dicom

pytestmark = pytest.mark.usefixtures("no_pictures")


@pytest.fixture
def data(tmp_path):
    """Pictures of 6 patients and a table with three of the six labels; one picture is broken."""
    folder = tmp_path / "hospital"
    folder.mkdir()
    rng = np.random.default_rng(0)
    rows = []
    for number in range(24):
        pixels = rng.integers(40, 90, (32, 32), np.uint8)
        positive = number % 4 == 0
        pixels[4:12, 4:12] += np.uint8(100 * positive)
        Image.fromarray(pixels).save(folder / f"s{number:02d}.png")
        rows.append((f"s{number:02d}.png", f"p{number // 4}", int(positive), int(positive), 0))
    (folder / "s23.png").write_bytes(b"broken")
    table = pd.DataFrame(rows, columns=["image", "patient", "any", "epidural", "subdural"])
    table.to_csv(tmp_path / "labels.csv", index=False)
    return folder, tmp_path / "labels.csv"


def test_a_panel_is_evaluated_on_labels_that_the_table_has(promoted, data):
    found = validate.evaluate(PANEL_URI, *data, dataset="hospital", draws=100)
    assert sorted(found.metrics["label"].unique()) == ["any", "epidural"]
    assert found.unlabelled == []
    assert not any("made of" in sentence for sentence in found.warnings)
    runs = tracking.client().search_runs(
        [tracking.find_experiment(validate.EXPERIMENT)], "tags.stage = 'external'"
    )
    names = {run.info.run_name for run in runs}
    assert names == {"external hospital", "logreg/any", "logreg/epidural"}
    parent = next(run for run in runs if run.info.run_id == found.run_id)
    assert parent.data.tags["dataset"] == "hospital"
    excluded = mlflow.artifacts.load_text(f"runs:/{found.run_id}/tables/exclusions.csv")
    assert "neither DICOM" in excluded
    assert "s23" not in excluded  # a file's name can hold a patient's
    assert "Outside and inside" in mlflow.artifacts.load_text(f"runs:/{found.run_id}/report/external.html")


def test_its_predictions_are_those_of_the_model_itself(promoted, data):
    validate.evaluate("models:/hemo-any/1", *data, draws=100)
    runs = tracking.client().search_runs(
        [tracking.find_experiment(validate.EXPERIMENT)], "tags.label = 'any'"
    )
    assert "hospital" not in str(runs[0].to_dictionary())  # the folder's name, which nobody gave
    table = tracking.load_predictions(runs[0].info.run_id)
    assert len(table) == 23
    image = imaging.read_reduced(data[0] / "s04.png", REDUCTION)[0][1]
    own = mlflow.pyfunc.load_model("models:/hemo-any/1").unwrap_python_model()
    apart = (table["probability"] - own.probability(image[None])[0]).abs()
    assert apart.min() < 1e-9
    assert table["truth"][apart.idxmin()] == 1
    assert runs[0].data.metrics["internal/auc"] > 0.5


def test_a_version_that_is_there_against_the_gate_is_evaluated_in_red(promoted, data):
    tracking.client().set_model_version_tag("hemo-any", "1", "override", "wanted for a talk")
    words = ["models:/hemo-any@production", "--images", str(data[0]), "--labels", str(data[1])]
    found = CliRunner().invoke(evaluate, [*words, "--draws", "100"], catch_exceptions=False)
    assert "any version 1 is in production against the gate: wanted for a talk" in found.output
    (run,) = tracking.client().search_runs(
        [tracking.find_experiment(validate.EXPERIMENT)], "tags.label = 'any'"
    )
    assert run.data.tags["version"] == "1"
    page = mlflow.artifacts.load_text(f"runs:/{run.data.tags['mlflow.parentRunId']}/report/external.html")
    assert 'class="warning">any version 1 is in production against the gate' in page


@pytest.mark.parametrize(
    ("uri", "words"), [("models:/hemo-nothing/1", "no such model"), ("nowhere", "no such model")]
)
def test_a_model_that_is_none_is_one_line_with_the_remedy(promoted, data, uri, words):
    with pytest.raises(HemoError, match=words):
        validate.evaluate(uri, *data)


def test_a_table_without_any_of_the_labels_is_refused(promoted, data):
    table = pd.read_csv(data[1])[["image", "patient", "subdural"]]
    table.to_csv(data[1], index=False)
    with pytest.raises(HemoError, match="no negative slices of any"):
        validate.evaluate("models:/hemo-any/1", *data)


def test_any_is_not_evaluated_where_a_table_has_only_some_of_its_subtypes(promoted, data):
    table = pd.read_csv(data[1])[["image", "patient", "epidural"]]
    table.to_csv(data[1], index=False)
    found = validate.evaluate(PANEL_URI, *data, draws=100)
    assert sorted(found.metrics["label"].unique()) == ["epidural"]
    assert found.unlabelled == ["any"]


def test_a_classifier_evaluated_on_what_it_was_made_of_is_said_so_in_red(promoted, data, tmp_path):
    own = preprocess(data[0], data[1], tmp_path / "own", REDUCTION).store
    run = present(tracking.client().get_model_version("hemo-any", "1").run_id)
    source = mlflow.data.numpy_dataset.from_numpy(np.zeros(1), source=str(tmp_path / "own"))
    with mlflow.start_run(run):
        mlflow.log_input(source)
    tracking.client().set_tag(run, "data_digest", own.digest)
    table = pd.read_csv(data[1]).iloc[:12]  # other labels, the same slices
    table.to_csv(data[1], index=False)
    found = validate.evaluate("models:/hemo-any/1", *data, draws=100)
    assert found.warnings == ["Made of 23 of these 23 slices, no external test: any."]
    page = mlflow.artifacts.load_text(f"runs:/{found.run_id}/report/external.html")
    assert "no external test: any." in page


def test_the_command_prints_outside_beside_inside(promoted, data):
    words = [PANEL_URI, "--images", str(data[0]), "--labels", str(data[1]), "--draws", "100"]
    found = CliRunner().invoke(evaluate, words, catch_exceptions=False)
    assert found.exit_code == 0
    assert "outside" in found.output
    assert "inside" in found.output


@pytest.fixture
def reads(tmp_path):
    """Studies of CQ500's shape, a folder each, read by three of whom one misses a hemorrhage."""
    images = tmp_path / "cq500"
    rng = np.random.default_rng(0)
    rows = ["name,Category,R1:ICH,R1:EDH,R2:ICH,R2:EDH,R3:ICH,R3:EDH"]
    for patient in range(10):
        folder = images / f"CQ500CT{patient} CQ500CT{patient}" / "Unknown Study" / "CT 5mm"
        folder.mkdir(parents=True)
        for number in range(3):
            pixels = rng.integers(40, 90, (32, 32), np.uint8)
            pixels[4:12, 4:12] += np.uint8(100 * (patient % 2 == 0 and number == 1))
            write_dicom(folder / f"CT{number:06d}.dcm", pixels, patient, number)
        one, two, three = (int(patient % 2 == 0 and patient != miss) for miss in (0, -1, -1))
        rows.append(f"CQ500-CT-{patient},B1,{one},{one},{two},{two},{three},{three}")
    (tmp_path / "reads.csv").write_text("\n".join(rows))
    return images, tmp_path / "reads.csv"


def write_dicom(path, pixels, patient, number):
    """Write a picture as a slice whose brain window shows it."""
    hu = (pixels.astype(np.int16) - 128) * 80 // 255 + 40
    hu = np.kron(hu, np.ones((4, 4), np.int16))
    hu[:4] = -1000
    data = make_dicom(
        hu, PatientID=f"P{patient}", StudyInstanceUID=f"1.2.{patient}", SeriesInstanceUID=f"1.2.{patient}.1",
        SOPInstanceUID=f"1.2.{patient}.1.{number}", ImagePositionPatient=[0, 0, 5 * number],
        ImageOrientationPatient=[1, 0, 0, 0, 1, 0], InstanceNumber=number + 1,
        PatientSex="FM"[patient % 2],
    )  # fmt: skip
    path.write_bytes(data)


def test_studies_are_judged_where_the_table_has_a_row_a_study(promoted, reads):
    found = validate.evaluate(PANEL_URI, *reads, draws=100)
    assert set(found.metrics["level"]) == {"study"}
    assert set(found.metrics["slices"]) == {10}
    assert set(found.metrics["positive_patients"]) == {5}
    (run,) = tracking.client().search_runs(
        [tracking.find_experiment(validate.EXPERIMENT)], "tags.label = 'any'"
    )
    assert run.data.tags["level"] == "study"
    assert run.data.metrics["test/studies"] == 10
    table = tracking.load_predictions(run.info.run_id)
    assert table["study"].is_unique
    assert table["truth"].sum() == 5
    assert "test/rsna_weighted_log_loss" not in tracking.get_run(found.run_id).metrics


def test_a_study_s_probability_is_the_largest_of_its_slices(promoted, reads, tmp_path):
    (member, _), *_ = validate.load_members("models:/hemo-any/1")
    store = preprocess(reads[0], reads[1], tmp_path / "own", member.reduction).store
    slices = member.probability(store.images(), store.stack)
    table = predicting.predict_studies(member, store)
    for row in table.itertuples():
        own = slices[(store.index["study"] == row.study).to_numpy()]
        assert row.probability == pytest.approx(own.max())
    assert (table["threshold"] == member.threshold).all()


def test_the_readers_agreement_is_on_the_page_and_beside_it(promoted, reads):
    found = validate.evaluate("models:/hemo-any/1", *reads, draws=100)
    page = mlflow.artifacts.load_text(f"runs:/{found.run_id}/report/external.html")
    assert "what more than half of its readers say" in page
    assert "Fleiss" in page
    assert "sensitivity against the majority of the others" in page
    assert "Judged by study" in page
    agreed = mlflow.artifacts.load_text(f"runs:/{found.run_id}/tables/agreement.csv")
    assert agreed.startswith("label,measure,readers,value,low,high,studies,patients")


def test_metrics_by_what_headers_say_are_on_the_page_and_beside_it(promoted, reads):
    found = validate.evaluate("models:/hemo-any/1", *reads, draws=100)
    page = mlflow.artifacts.load_text(f"runs:/{found.run_id}/report/external.html")
    assert "By scanner, settings and patient" in page
    groups = mlflow.artifacts.load_text(f"runs:/{found.run_id}/tables/subgroups_any.csv")
    assert "study,sex,male,specificity" in groups


def test_the_command_evaluates_a_table_of_reads(promoted, reads):
    words = [PANEL_URI, "--images", str(reads[0]), "--labels", str(reads[1]), "--draws", "100"]
    found = CliRunner().invoke(evaluate, words, catch_exceptions=False)
    assert found.exit_code == 0
    assert "outside" in found.output


def test_a_table_of_studies_without_a_negative_one_is_refused(promoted, reads):
    reads[1].write_text("patient,any\nP0,1\nP2,1")
    with pytest.raises(HemoError, match="no negative studies of any"):
        validate.evaluate("models:/hemo-any/1", *reads)
