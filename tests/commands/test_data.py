import re

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from hemo.cli import main
from hemo.imaging.windows import apply_window
from hemo.slices.label_tables import columns
from tests.helpers.folders import ct_ich_folder, dicom_folder, write_rsna
from tests.helpers.scans import head


@pytest.fixture
def scans(tmp_path):
    return tmp_path / "images", write_rsna(tmp_path / "labels.csv", dicom_folder(tmp_path / "images"))


def run(*words):
    return CliRunner().invoke(main, [str(word) for word in words])


def test_preprocess_says_what_it_made_what_it_left_out_and_what_to_type_next(scans, tmp_path):
    images, labels = scans
    (images / "broken.dcm").write_text("x")
    words = ("--images", images, "--labels", labels, "--store", tmp_path / "s", "--size", 32)
    result = run("preprocess", *words, "--windows", "brain, bone", "--no-crop", "--workers", 2)
    assert result.exit_code == 0, result.output
    for text in ("15 slices of 3 patients, 3 studies", "32x32", "brain, bone", "whole images", "Excluded"):
        assert text in result.output
    assert "neither DICOM, NIfTI" in result.output
    assert f"hemo store show {tmp_path / 's'}" in result.output
    again = run("preprocess", *words, "--windows", "brain,bone", "--no-crop")
    assert "0 files read now" in again.output


def test_store_info_says_the_same_again_and_show_writes_a_sheet(scans, tmp_path):
    images, labels = scans
    made = run("preprocess", "--images", images, "--labels", labels, "--store", tmp_path / "s")
    info = run("store", "info", tmp_path / "s")
    assert info.exit_code == 0
    assert "15 slices of 3 patients" in info.stdout
    assert info.stdout in made.stdout
    shown = run("store", "show", tmp_path / "s", "--columns", 3)
    assert shown.stdout.strip() == str(tmp_path / "s.png")
    assert Image.open(tmp_path / "s.png").size[0] == 3 * 132
    assert run("store", "show", tmp_path / "s", "--columns", 3, "--out", tmp_path / "t.png").exit_code == 0
    assert (tmp_path / "t.png").read_bytes() == (tmp_path / "s.png").read_bytes()


def test_the_papers_way_is_a_matter_of_options(tmp_path):
    gray = apply_window(head(512), 40, 80)
    (tmp_path / "i").mkdir()
    Image.fromarray(np.dstack([gray] * 3)).save(tmp_path / "i" / "a.png")
    words = ("--images", tmp_path / "i", "--store", tmp_path / "s", "--windows", "gray", "--no-crop")
    assert run("preprocess", *words, "--resampling", "paper").exit_code == 0
    from hemo.slices.store import SliceStore

    store = SliceStore.open(tmp_path / "s")
    expected = np.asarray(Image.fromarray(gray).resize((128, 128)))
    np.testing.assert_array_equal(store.images()[0, ..., 0], expected)


def test_slices_without_patients_and_rows_without_images_are_pointed_out(tmp_path):
    table = ct_ich_folder(tmp_path / "c", patients=1)
    flat = tmp_path / "c" / "Patients_CT" / "049" / "brain"
    result = run("preprocess", "--images", flat, "--store", tmp_path / "s")
    assert "name no patient" in result.output
    table.write_text(table.read_text() + "49,99,0,0,0,0,0\n")
    words = ("--images", tmp_path / "c", "--labels", table, "--store", tmp_path / "t")
    assert "1 label rows without an image" in run("preprocess", *words).output.replace("\n", " ")


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (("--images", "absent"), "absent: no such folder of images"),
        (("--labels", "absent.csv"), "absent.csv: no such label table"),
        (("--labels", "images"), "no such label table"),
        (("--windows", "liver"), "liver: unknown window"),
        (("--size", "4"), "4: impossible size"),
        (("--labels-format", "ct-ich"), "no columns that name volume and slice"),
    ],
)
def test_a_users_fault_is_one_line_with_the_remedy_and_status_2(scans, tmp_path, change, fault):
    images, labels = scans
    option, value = change
    paths = option in ("--images", "--labels")
    result = run(
        *("preprocess", "--images", images, "--labels", labels, "--store", tmp_path / "s"),
        *(option, tmp_path / value if paths else value),
    )
    assert result.exit_code == 2
    assert fault in result.stderr
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""


def test_help_teaches_the_forms_of_label_tables():
    result = run("preprocess", "--help")
    for text in ("rsna", "wide", "volume", "ct-ich", "PatientNumber,SliceNumber", "STORE.key"):
        assert text in result.output


def test_help_teaches_every_name_of_a_column_that_is_known():
    said = set(re.split(r"[\s,:]+", run("preprocess", "--help").output))
    kinds = (columns.IMAGE_COLUMNS, columns.VOLUME_COLUMNS, columns.NUMBER_COLUMNS, columns.PATIENT_COLUMNS)
    opposite = (columns.NO_HEMORRHAGE, columns.NORMAL)
    assert {word for words in (*kinds, *columns.WORDS.values(), *opposite) for word in words} <= said


def test_a_folder_without_a_store_is_said():
    result = run("store", "info", "absent")
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert "absent: no slice store: make one with `hemo preprocess" in result.stderr
