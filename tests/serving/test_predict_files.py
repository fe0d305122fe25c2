import json
import os
import re
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pydicom.data
import pytest
from click.testing import CliRunner

from hemo import console
from hemo.commands.predict import predict
from hemo.errors import HemoError
from hemo.imaging import Reduction
from hemo.phantom import make_study, patient_seed
from hemo.phantom.files import dataset
from hemo.registry import panel
from hemo.serving import predict_files
from tests.helpers.folders import write_series


@pytest.fixture
def scans(tmp_path):
    """A folder with a DICOM, a PNG, a broken file and a text."""
    folder = tmp_path / "scans"
    folder.mkdir()
    pixels = np.random.default_rng(0).integers(0, 255, (40, 40), np.uint8)
    cv2.imwrite(str(folder / "b.png"), pixels)
    data = Path(str(pydicom.data.get_testdata_file("CT_small.dcm"))).read_bytes()
    (folder / "a.dcm").write_bytes(data)
    (folder / "broken.dcm").write_bytes(data[:1500])
    (folder / "notes.txt").write_text("not a scan")
    return folder


@pytest.fixture
def served(promoted):
    return panel.load()


def test_every_usable_slice_is_predicted_and_the_others_are_named(served, scans):
    found = predict_files.predict(served, [scans])
    assert found.table["file"].map(lambda name: Path(name).name).tolist()[-1] == "broken.dcm"
    assert sorted(found.table["slice"]) == ["a", "b", "broken"]
    assert found.table["error"].tolist() == ["", "", found.skipped["reason"][0]]
    assert found.skipped["file"].map(lambda name: Path(name).name).tolist() == ["broken.dcm"]
    assert found.missing[-1] == "subdural"
    assert found.table["any_probability"][:2].between(0, 1).all()
    assert np.isnan(found.table["any_probability"][2])


def test_one_stack_of_a_study_answers_and_the_others_are_skipped_with_why(served, tmp_path):
    write_series(tmp_path / "study" / "a", "thin", 12, step=1.25, seed=1)
    write_series(tmp_path / "study" / "b", "thick", 4, seed=2)
    (tmp_path / "study" / "b" / "again").symlink_to(tmp_path / "study")
    found = predict_files.predict(served, [tmp_path / "study"])
    assert found.table["slice"].tolist() == [f"thick{k}" for k in range(4)]
    assert set(found.skipped["reason"]) == {"another stack of its study answers: slices of 1.25 mm, not 5 mm"}
    assert len(found.skipped) == 12


def test_a_slice_that_is_there_once_more_is_left_out_and_said(served, tmp_path):
    write_series(tmp_path / "study", "slice", 4, seed=2)
    alone = predict_files.predict(served, [tmp_path / "study"])
    (tmp_path / "study" / "copies").mkdir()
    for number in range(3):
        copy = tmp_path / "study" / "copies" / f"copy{number}.dcm"
        copy.write_bytes(sorted((tmp_path / "study").glob("*.dcm"))[1].read_bytes())
    found = predict_files.predict(served, [tmp_path / "study"])
    assert set(found.skipped["reason"]) == {"the same slice once more"}
    assert len(found.skipped) == 3
    assert found.studies[["seen", "of"]].to_numpy().tolist() == [[4, 4]]
    assert len(found.table) == 4
    found_any, alone_any = (one.studies["any_probability"].tolist() for one in (found, alone))
    assert found_any == alone_any


def test_a_file_whose_name_is_no_utf8_is_predicted_and_written(served, scans, tmp_path):
    data = (scans / "a.dcm").read_bytes()
    with open(os.fsencode(scans) + b"/M\xfcller.dcm", "wb") as stream:
        stream.write(data)
    found = predict_files.predict(served, [scans])
    assert any(name.endswith("Müller.dcm") for name in found.table["file"])
    for suffix in predict_files.FORMATS:
        predict_files.write(found, served, tmp_path / f"p{suffix}")


def test_csv_json_and_html_say_the_same(served, scans, tmp_path):
    found = predict_files.predict(served, [scans])
    for suffix in predict_files.FORMATS:
        predict_files.write(found, served, tmp_path / "out" / f"p{suffix}")
    table = pd.read_csv(tmp_path / "out" / "p.csv")
    facts = json.loads((tmp_path / "out" / "p.json").read_text())
    assert list(facts)[:2] == ["studies", "predictions"]
    assert table["row"].tolist() == ["study"] * len(facts["studies"]) + ["slice"] * len(facts["predictions"])
    for kind, rows in (("study", facts["studies"]), ("slice", facts["predictions"])):
        here = table[table["row"] == kind]
        np.testing.assert_allclose(
            here["any_probability"],
            [np.nan if r["any_probability"] is None else r["any_probability"] for r in rows],
        )
    assert facts["skipped"][0]["file"].endswith("broken.dcm")
    page = (tmp_path / "out" / "p.html").read_text()
    assert f"{table['any_probability'][1]:.3f}" in page
    looked = sum(bool(row["any_decision"] or row["epidural_decision"]) for row in facts["predictions"])
    assert (
        page.count("where the classifier of any looked")
        + page.count("where the classifier of epidural looked")
        == 2 * looked
    )  # caption and what is read aloud
    assert "for the &lt;b&gt;demonstration&lt;/b&gt;" in page
    assert "http" not in page.replace("http-equiv", "")


def test_slices_of_no_study_come_the_most_suspicious_first_and_what_takes_long_is_counted(
    served, tmp_path, monkeypatch
):
    counted: list[str] = []
    track = console.track

    def counting(items, description, total):
        counted.append(description)
        return track(items, description, total)

    monkeypatch.setattr(console, "track", counting)
    rng = np.random.default_rng(1)
    for number in range(12):
        bright = rng.integers(0, 40 + 18 * number, (40, 40), np.uint8)
        cv2.imwrite(str(tmp_path / f"s{(7 * number) % 12}.png"), bright)
    found = predict_files.predict(served, [tmp_path])
    predict_files.write(found, served, tmp_path / "p.html")
    page = (tmp_path / "p.html").read_text()
    table = found.table.set_index("slice")
    above = {}
    for member in served.members:
        name = "any_own_probability" if member.label == "any" else f"{member.label}_probability"
        p, t = table[name].astype(float), member.threshold
        above[member.label] = np.log(p / (1 - p)) - np.log(t / (1 - t))
    odds = pd.DataFrame(above).max(axis=1)
    titles = re.findall(r"<h3>(s\d+)</h3>", page)
    assert titles == odds.sort_values(ascending=False, kind="stable").index.tolist()
    assert titles != sorted(titles)
    assert page.count('alt="colors"') == 1
    assert any(description.startswith("where the classifier of") for description in counted)


def test_the_identifier_of_the_study_is_in_no_output(served, scans, tmp_path):
    uid = str(pydicom.dcmread(scans / "a.dcm").StudyInstanceUID)
    found = predict_files.predict(served, [scans / "a.dcm"])
    for suffix in predict_files.FORMATS:
        predict_files.write(found, served, tmp_path / f"p{suffix}")
        said = (tmp_path / f"p{suffix}").read_text()
        assert len(said) > 100
        assert uid not in said


@pytest.mark.parametrize(
    ("paths", "words"),
    [(["nowhere"], "no such file or folder"), (["empty"], "no DICOM"), (["t.dcm"], "none of 1")],
)
def test_nothing_to_predict_is_one_line_with_the_remedy(served, tmp_path, paths, words):
    (tmp_path / "empty").mkdir()
    (tmp_path / "t.dcm").write_text("text")
    with pytest.raises(HemoError, match=words):
        predict_files.predict(served, [tmp_path / path for path in paths])


def test_a_picture_that_cannot_show_a_classifiers_windows_is_skipped_with_the_reason(served, scans):
    one = served.members[0]
    served.members = [replace(one, reduction=Reduction(16, ("brain", "subdural")))]
    with pytest.raises(HemoError, match="already windowed .*subdural can only be made from HU"):
        predict_files.predict(served, [scans / "b.png"])


def test_slices_without_a_position_come_in_the_order_of_the_numbers_in_their_names(served, scans):
    for number in (10, 2, 1):
        (scans / f"s{number}.png").write_bytes((scans / "b.png").read_bytes())
    found = predict_files.predict(served, list(scans.glob("s*.png")))
    assert found.table["slice"].tolist() == ["s1", "s2", "s10"]


def test_slices_of_the_same_name_are_told_apart_by_their_folders(served, scans):
    for folder in ("one", "two"):
        (scans / folder).mkdir()
        (scans / folder / "1.png").write_bytes((scans / "b.png").read_bytes())
    (scans / "a.dcm").unlink()
    (scans / "b.png").unlink()
    found = CliRunner().invoke(predict, [str(scans)], env={"COLUMNS": "200"})
    assert "one/1" in found.output
    assert "two/1" in found.output


def test_one_classifier_is_no_panel(served, scans):
    found = CliRunner().invoke(predict, [str(scans), "--model", "models:/hemo-any/1"])
    assert isinstance(found.exception, HemoError)
    assert "not a panel" in str(found.exception)


def test_an_unknown_format_is_refused_before_anything_is_read(store, scans):
    found = CliRunner().invoke(predict, [str(scans), "--out", "p.pdf"])
    assert isinstance(found.exception, HemoError)
    assert "unknown format '.pdf'" in str(found.exception)


def test_without_a_panel_the_remedy_is_to_promote(store, scans):
    found = CliRunner().invoke(predict, [str(scans)])
    assert "promote first" in str(found.exception)


def test_the_command_prints_a_row_a_slice_and_what_to_type_next(served, scans):
    found = CliRunner().invoke(predict, [str(scans)])
    assert found.exit_code == 0, found.output
    assert "skipped" in found.output
    assert "no production version: intraparenchymal" in found.output
    assert "against the gate" in found.output
    assert "--out predictions.html" in found.output


def test_slices_of_a_study_are_left_to_the_file_where_one_is_written(served, scans, tmp_path):
    wide = {"COLUMNS": "200"}
    alone = CliRunner().invoke(predict, [str(scans)], env=wide).stdout
    beside = CliRunner().invoke(predict, [str(scans), "--out", str(tmp_path / "p.csv")], env=wide).stdout
    of_study, of_none = re.compile(r"^│ a ", re.MULTILINE), re.compile(r"^│ b ", re.MULTILINE)
    assert of_study.search(alone)
    assert of_none.search(alone)
    assert not of_study.search(beside)
    assert of_none.search(beside)
    assert {"a", "b"} <= set(pd.read_csv(tmp_path / "p.csv")["slice"])
    words = [str(scans / "b.png"), "--out", str(tmp_path / "p.json")]
    one = CliRunner().invoke(predict, words, env=wide, catch_exceptions=False)
    assert of_none.search(one.stdout), "no study at all"


def a_study(folder: Path, slices: int = 6) -> Path:
    """Write a phantom's study of some slices, of which one is cut short and one is no picture at all."""
    study = make_study(patient_seed(0, 0), slices=slices, size=64)
    folder.mkdir()
    for number in range(slices):
        dataset(study, number).save_as(folder / f"{number}.dcm", enforce_file_format=True)
    short = folder / "0.dcm"
    short.write_bytes(short.read_bytes()[:1500])
    (folder / "1.dcm").write_text("lost")
    return folder


def test_what_cannot_be_read_of_a_study_is_counted_and_the_rest_answers(served, tmp_path):
    found = predict_files.predict(served, [a_study(tmp_path / "study")])
    (study,) = found.studies.to_dict("records")
    assert (study["seen"], study["of"], study["excluded"]) == (4, 6, 2)
    assert study["stack"].startswith("4 slices of ")
    assert not study["slice_only"]
    lost = found.table[found.table["error"] != ""]
    assert set(lost["study"]) == {study["study"]}  # by its header, and by its folder
    assert lost[["any_probability", "study_any_probability"]].isna().all(axis=None)
    assert not lost["error"].str.contains(str(tmp_path)).any()


def test_slices_that_speak_for_a_study_are_named_highest_first(served, tmp_path):
    found = predict_files.predict(served, [a_study(tmp_path / "study", slices=12)])
    (study,) = found.studies.to_dict("records")
    for label in ("any", "epidural"):
        named = study[f"{label}_slices"].split("; ") if study[f"{label}_slices"] else []
        probability = found.table.set_index("slice")[f"{label}_probability"]
        positive = found.table.set_index("slice")[f"{label}_decision"].eq(True)
        expected = probability[positive].sort_values(ascending=False).index[:5].tolist()
        assert named == expected or (not expected and named == [probability.idxmax()])


def test_synthetic_members_are_named_and_real_scans_are_not_sent_to_them(
    served, scans, tmp_path, monkeypatch
):
    served.members = [replace(one, synthetic=one.label == "any") for one in served.members]
    monkeypatch.setattr(panel, "load", lambda uri: served)
    folder = a_study(tmp_path / "study")
    real = CliRunner().invoke(
        predict, [str(scans), "--out", str(tmp_path / "p.json")], env={"COLUMNS": "300"}
    )
    drawn = CliRunner().invoke(predict, [str(folder)], env={"COLUMNS": "300"})
    for said in (real, drawn):
        assert "Made of synthetic data, which says nothing of patients: any" in said.output
    assert "hemo predict" not in real.output
    assert f"hemo predict {folder}" in drawn.output
    facts = json.loads((tmp_path / "p.json").read_text())
    assert facts["synthetic"] is True
    assert all(row["synthetic"] for row in facts["predictions"])
    predict_files.write(predict_files.predict(served, [scans]), served, tmp_path / "p.html")
    assert 'class="warning">Made of synthetic data' in (tmp_path / "p.html").read_text()
