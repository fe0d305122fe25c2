"""Stores of scans that are labelled by study: CQ500's shape, two tables in one store, and names that meet."""

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hemo.api import make_phantom
from hemo.commands.data import preprocess as command
from hemo.errors import HemoError
from hemo.imaging import Reduction
from hemo.labels import LABELS, STUDY_LABELS
from hemo.slices.assemble import Answering
from hemo.slices.names import bare
from hemo.slices.preprocess import preprocess
from hemo.slices.records import VOLUMES
from hemo.slices.store import SliceStore
from hemo.slices.study_labels import (
    AMBIGUOUS,
    CLEAR_BUT_POSITIVE,
    OF_SEVERAL,
    POSITIVE_BUT_CLEAR,
    given_to_slices,
    joined,
)
from tests.helpers.cq500 import as_cq500
from tests.helpers.present import present
from tests.helpers.scans import head, make_dicom
from tests.helpers.stores import without_manifest

SMALL = Reduction(size=16)
SLICES = 3


def scan(folder, patient, study=0, series=0, slices=SLICES):
    """Write a study of a patient as DICOM in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    study_uid, series_uid = f"1.2.4.{patient}.{study}", f"1.2.5.{patient}.{study}.{series}"
    for number in range(slices):
        seed = 1000 * patient + 100 * study + 10 * series + number
        data = make_dicom(
            head(64, seed=seed), SOPInstanceUID=f"1.2.3.{seed}", PatientID=f"MRN-{patient}", PatientName="X",
            StudyInstanceUID=study_uid, SeriesInstanceUID=series_uid,
            ImagePositionPatient=[0, 0, 5 * number], ImageOrientationPatient=[1, 0, 0, 0, 1, 0],
            InstanceNumber=number + 1,
        )  # fmt: skip
        (folder / f"CT{series}{number:05d}.dcm").write_bytes(data)


@pytest.fixture
def cq500(tmp_path):
    """Four patients in folders as CQ500 has them."""
    images = tmp_path / "images"
    for patient in range(4):
        scan(images / f"CQ500CT{patient} CQ500CT{patient}" / "Unknown Study" / "CT 5mm", patient)
    return images


def table(tmp_path, text):
    path = tmp_path / "labels.csv"
    path.write_text(text)
    return path


READS = """name,Category,R1:ICH,R1:EDH,R2:ICH,R2:EDH,R3:ICH,R3:EDH
CQ500-CT-0,B1,1,1,1,1,0,0
CQ500-CT-1,B2,0,0,0,0,0,0
CQ500-CT-2,B1,1,0,0,0,0,0
CQ500-CT-3,B1,1,0,1,,0,1
"""


def truth(store, label="any"):
    return sorted(store.studies[label].tolist())


def test_cq500_s_reads_meet_folders_of_another_spelling(cq500, tmp_path):
    summary = preprocess(cq500, table(tmp_path, READS), tmp_path / "store", SMALL)
    store = summary.store
    assert summary.unmatched == 0
    assert list(store.studies.columns) == ["study", "patient", *LABELS]
    assert truth(store) == [0, 0, 1, 1]
    assert truth(store, "epidural") == [-1, 0, 0, 1]
    positive = set(store.studies["study"][store.studies["any"] == 1])
    slices = store.index["any"].to_numpy()
    assert (slices == np.where(store.index["study"].isin(positive), -1, 0)).all()


def test_the_rule_and_the_readers_agreement_are_in_the_store(cq500, tmp_path):
    store = preprocess(cq500, table(tmp_path, READS), tmp_path / "store", SMALL).store
    facts = json.loads((tmp_path / "store" / "store.json").read_text())
    assert facts["readers"]["rule"].startswith("a study has what more than half of its readers say")
    assert facts["readers"]["readers"]["any"] == ["R1", "R2", "R3"]
    assert facts["study_labels"]["any"] == {"positive": 2, "negative": 2, "unknown": 0}
    agreed = present(store.agreement)
    written = pd.read_csv(tmp_path / "store" / "agreement.csv")
    pd.testing.assert_frame_equal(agreed, written, check_dtype=False)
    assert set(agreed["measure"]) == {"fleiss_kappa", "cohen_kappa", "sensitivity", "specificity"}
    assert agreed["patients"].max() == 4


def test_a_later_table_without_readers_leaves_the_agreement_where_it_is(cq500, tmp_path):
    preprocess(cq500, table(tmp_path, READS), tmp_path / "store", SMALL)
    store = preprocess(cq500, table(tmp_path, "patient,any\nMRN-1,0"), tmp_path / "store").store
    assert "readers" in store.facts
    assert truth(store) == [0, 0, 1, 1]


@pytest.mark.parametrize(
    ("column", "name"),
    [
        ("study", "1.2.4.{}.0"),
        ("StudyInstanceUID", "1.2.4.{}.0"),
        ("series", "1.2.5.{}.0.0"),
        ("patient", "MRN-{}"),
        ("patient_id", "mrn {}"),
        ("scan", "CQ500CT{0} CQ500CT{0}"),
        ("scan", "data/CQ500CT{0} CQ500CT{0}"),
        ("scan", "CQ500-CT-{}"),
        ("scan", "cq500_ct_00{}"),
    ],
)
def test_a_study_is_named_by_folder_or_any_id_of_its_header(cq500, tmp_path, column, name):
    rows = [f"{name.format(patient)},{patient % 2}" for patient in range(4)]
    labels = table(tmp_path, "\n".join([f"{column},any", *rows]))
    summary = preprocess(cq500, labels, tmp_path / "store", SMALL)
    assert summary.unmatched == 0
    assert truth(summary.store) == [0, 0, 1, 1]
    assert (summary.store.index["any"] == 0).sum() == 2 * SLICES


def test_where_no_row_meets_a_study_the_command_ends_with_three_rows_and_three_scans(cq500, tmp_path):
    labels = table(tmp_path, "study,any\n" + "\n".join(f"other-{n},0" for n in range(9)))
    words = ["--images", str(cq500), "--labels", str(labels), "--store", str(tmp_path / "store")]
    with pytest.raises(HemoError) as caught:
        CliRunner().invoke(command, [*words, "--size", "16"], catch_exceptions=False)
    said = str(caught.value)
    assert "not one row names a study" in said
    assert said.count("other-") == 3
    assert said.count("Unknown Study") == 3
    assert "name studies by folder, PatientID, StudyInstanceUID or SeriesInstanceUID" in said


def test_rows_of_images_that_may_be_studies_are_told_the_word_to_say(cq500, tmp_path):
    labels = table(tmp_path, "name,any\nMRN-0,1\nMRN-1,0")
    with pytest.raises(HemoError, match="--labels-format study where a row is a whole study"):
        preprocess(cq500, labels, tmp_path / "store", SMALL)
    summary = preprocess(cq500, labels, tmp_path / "store", SMALL, labels_format="study")
    assert truth(summary.store) == [-1, -1, 0, 1]


def slice_table(positive=()):
    rows = [
        f"1.2.3.{1000 * patient + number},{int((patient, number) in positive)}"
        for patient in (0, 1)
        for number in range(SLICES)
    ]
    return "\n".join(["image,any", *rows])


STUDIES = "patient,any\nMRN-0,1\nMRN-2,0\nMRN-3,1"


@pytest.mark.parametrize("first", ["slices", "studies"])
def test_labels_of_slices_and_of_studies_are_joined_in_either_order(cq500, tmp_path, first):
    texts = [slice_table({(0, 1)}), STUDIES]
    for text in texts if first == "slices" else texts[::-1]:
        store = preprocess(cq500, table(tmp_path, text), tmp_path / "store", SMALL).store
    by_study = {tuple(sorted(group)) for group in store.index.groupby("study")["any"].agg(list)}
    assert by_study == {(0, 0, 1), (0, 0, 0), (-1, -1, -1)}
    assert truth(store) == [0, 0, 1, 1]  # patient 1 by its slices, 2 and 3 by the table
    assert store.facts["labels"]["any"]["unlabelled"] == SLICES
    again = SliceStore.open(tmp_path / "store")
    assert again.digest == store.digest


def test_either_order_gives_the_same_store(cq500, tmp_path):
    digests = set()
    for name, texts in {"a": [slice_table(), STUDIES], "b": [STUDIES, slice_table()]}.items():
        for text in texts:
            store = preprocess(cq500, table(tmp_path, text), tmp_path / name, SMALL).store
        digests.add(store.digest)
    assert len(digests) == 1


def test_contradictions_of_slices_and_studies_are_said_and_counted(cq500, tmp_path):
    preprocess(cq500, table(tmp_path, slice_table({(0, 1)})), tmp_path / "store", SMALL)
    labels = table(tmp_path, "patient,any\nMRN-0,0\nMRN-1,1")
    summary = preprocess(cq500, labels, tmp_path / "store")
    assert summary.notes[CLEAR_BUT_POSITIVE] == 1
    assert summary.notes[POSITIVE_BUT_CLEAR] == 1
    assert (summary.store.index["any"] == 1).sum() == 1
    assert truth(summary.store) == [-1, -1, 0, 1]


def test_a_study_that_turns_out_positive_gives_its_slices_back_to_the_unknown(cq500, tmp_path):
    preprocess(cq500, table(tmp_path, "patient,any\nMRN-0,0\nMRN-1,0"), tmp_path / "store", SMALL)
    store = preprocess(cq500, table(tmp_path, "patient,any\nMRN-0,1"), tmp_path / "store").store
    assert truth(store) == [-1, -1, 0, 1]
    assert (store.index["any"] == 0).sum() == SLICES


def test_a_patient_of_several_studies_is_positive_in_one_that_nobody_knows(tmp_path):
    images = tmp_path / "images"
    for patient in (0, 1):
        for study in (0, 1):
            scan(images / f"p{patient}" / f"s{study}", patient, study)
    labels = table(tmp_path, "patient,any\nMRN-0,1\nMRN-1,0")
    summary = preprocess(images, labels, tmp_path / "store", SMALL)
    assert truth(summary.store) == [-1, -1, 0, 0]
    assert summary.notes[OF_SEVERAL] == 1


def test_series_of_a_study_are_of_one_study(tmp_path):
    images = tmp_path / "images"
    for series in (0, 1):
        scan(images / "p0", 0, series=series)
    labels = table(tmp_path, "series,any\n1.2.5.0.0.0,0\n1.2.5.0.0.1,1")
    store = preprocess(images, labels, tmp_path / "store", SMALL).store
    assert truth(store) == [1]
    assert sorted(store.index["any"]) == [-1] * SLICES + [0] * SLICES


def test_a_row_of_a_series_is_its_study_s_where_another_series_answers(tmp_path):
    images = tmp_path / "images"
    for patient in (0, 1):
        scan(images / f"p{patient}", patient, series=0, slices=SLICES)
        scan(images / f"p{patient}", patient, series=1, slices=9)
    labels = table(tmp_path, "series,any\n1.2.5.0.0.0,0\n1.2.5.1.0.0,1")
    summary = preprocess(images, labels, tmp_path / "best", SMALL, answering=Answering(best=True))
    assert len(summary.store) == 18
    assert summary.unmatched == 0
    assert truth(summary.store) == [0, 1]
    every = preprocess(images, labels, tmp_path / "all", SMALL).store
    assert (every.index["any"] == 0).sum() == SLICES  # of the series that was read, and no other's


def test_names_that_only_gaps_tell_apart_are_never_mixed(tmp_path):
    images = tmp_path / "images"
    for number, name in enumerate(["a-b 1", "ab-1", "ab 2"]):
        scan(images / name, number)
    labels = table(tmp_path, "study,any\nab1,0\nab2,0")
    summary = preprocess(images, labels, tmp_path / "store", SMALL)
    assert summary.notes[AMBIGUOUS] == 1
    assert truth(summary.store) == [-1, -1, 0]
    assert (tmp_path / "store" / "unmatched.csv").read_text().split() == ["label_row", "ab1"]


def test_studies_named_as_in_two_places_differently_are_refused(tmp_path):
    images = tmp_path / "images"
    scan(images / "MRN-1", 0)
    scan(images / "MRN-0", 1)
    labels = table(tmp_path, "study,any\nMRN-0,0\nMRN-1,1")
    with pytest.raises(HemoError, match="named as in folder and as in PatientID, differently"):
        preprocess(images, labels, tmp_path / "store", SMALL)


def test_a_store_without_a_table_of_studies_has_no_columns_of_it_and_answers_by_its_slices(cq500, tmp_path):
    labels = table(tmp_path, slice_table({(0, 1)}))
    store = preprocess(cq500, labels, tmp_path / "store", SMALL).store
    assert not set(STUDY_LABELS) & set(store.index.columns)
    assert "study_labels" not in store.facts
    assert store.agreement is None
    assert truth(store) == [-1, -1, 0, 1]


def test_a_single_reader_agrees_with_nobody(cq500, tmp_path):
    labels = table(tmp_path, "name,R1:ICH\nCQ500-CT-0,1\nCQ500-CT-1,0")
    store = preprocess(cq500, labels, tmp_path / "store", SMALL).store
    assert store.agreement is None
    assert truth(store) == [-1, -1, 0, 1]


def without_the_third_spelling(store):
    """Make a store's records those of a hemo that knew no tables of studies."""
    without_manifest(store)
    for path in (store / "shards").glob("*.parquet"):
        records = pq.read_table(path)
        volumes = [row[: 2 * len(VOLUMES)] for row in records["volumes"].to_pylist()]
        place = records.column_names.index("volumes")
        field = records.schema.field("volumes")
        pq.write_table(records.set_column(place, field, pa.array([*volumes], field.type)), path)


def test_a_store_made_before_takes_a_table_of_studies_whose_names_are_those_of_its_scans(cq500, tmp_path):
    before = preprocess(cq500, table(tmp_path, slice_table()), tmp_path / "store", SMALL).store
    without_the_third_spelling(tmp_path / "store")
    assert truth(SliceStore.open(tmp_path / "store")) == truth(before) == [-1, -1, 0, 0]
    with pytest.raises(HemoError, match="not one row names a study"):
        preprocess(cq500, table(tmp_path, READS), tmp_path / "store")
    store = preprocess(cq500, table(tmp_path, STUDIES), tmp_path / "store").store
    assert truth(store) == [0, 0, 1, 1]
    assert store.index["any"].tolist().count(-1) == SLICES


def test_moved_and_renamed_folders_keep_their_studies_labels(cq500, tmp_path):
    labels = table(tmp_path, READS)
    before = preprocess(cq500, labels, tmp_path / "store", SMALL).store
    (cq500 / "CQ500CT0 CQ500CT0").rename(cq500 / "elsewhere")
    after = preprocess(cq500, None, tmp_path / "store").store
    assert truth(after) == truth(before)
    assert after.digest == before.digest


def test_the_command_says_the_rule_and_how_far_readers_agree(cq500, tmp_path):
    words = [
        "--images",
        str(cq500),
        "--labels",
        str(table(tmp_path, READS)),
        "--store",
        str(tmp_path / "store"),
    ]
    found = CliRunner().invoke(command, [*words, "--size", "16"], catch_exceptions=False)
    assert found.exit_code == 0
    assert "Labels of studies" in found.output
    assert "what more than half of its readers say" in " ".join(found.output.split())
    assert "Fleiss' kappa" in found.output


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("CQ500-CT-12", "CQ500CT12 CQ500CT12", True),
        ("cq500_ct_012", "CQ500-CT-12", True),
        ("CQ500-CT-1", "CQ500CT11", False),
        ("1-1", "1", False),
        ("1.2.3", "123", False),
    ],
)
def test_bare_names_meet_where_gaps_case_zeros_and_repetition_are_all_that_differs(one, other, same):
    assert (bare(one) == bare(other)) is same


VALUES = arrays(np.int8, st.tuples(st.integers(1, 12), st.just(len(LABELS))), elements=st.integers(-1, 1))


@given(VALUES, st.data())
@settings(deadline=None)
def test_no_study_label_ever_makes_a_slice_positive_or_loses_a_positive_one(slices, data):
    same = arrays(np.int8, slices.shape, elements=st.integers(-1, 1))
    before, now = data.draw(same), data.draw(same)
    result, of_study = joined(slices, before, now)
    assert ((result == 1) == (slices == 1)).all()
    assert (result[(of_study == 0) & (slices != 1)] == 0).all()
    assert (of_study[now != -1] == now[now != -1]).all()
    assert (of_study[now == -1] == before[now == -1]).all()
    again, _ = joined(result, of_study, now)
    assert (again == result).all()


@given(st.lists(st.tuples(st.integers(-1, 3), st.integers(0, 4)), min_size=1, max_size=20), st.data())
@settings(deadline=None)
def test_a_row_says_1_of_a_study_only_where_it_is_of_no_other(pairs, data):
    rows, study = (np.array(values) for values in zip(*pairs, strict=True))
    values = data.draw(arrays(np.int8, (4, len(LABELS)), elements=st.integers(-1, 1)))
    found, several = given_to_slices(rows, study, values)
    of_row = {row: set(study[rows == row].tolist()) for row in range(4)}
    for place, row in enumerate(rows.tolist()):
        wanted = np.full(len(LABELS), -1) if row < 0 else values[row].copy()
        if row >= 0 and len(of_row[row]) > 1:
            wanted[wanted == 1] = -1
        assert found[place].tolist() == wanted.tolist()
    assert several == sum(len(of_row[row]) > 1 and (values[row] == 1).any() for row in range(4))


def test_a_phantom_in_cq500_s_shape_goes_from_files_to_studies_with_their_truth(tmp_path):
    made = make_phantom(tmp_path / "phantom", 6, slices=5, size=96)
    reads, real = as_cq500(tmp_path / "phantom", made, wrong=(0, 0, 0))
    for word in ("all", "best"):
        words = ["--images", str(tmp_path / "phantom"), "--labels", str(reads), "--series", word]
        found = CliRunner().invoke(
            command, [*words, "--store", str(tmp_path / word), "--size", "32"], catch_exceptions=False
        )
        assert found.exit_code == 0
        store = SliceStore.open(tmp_path / word)
        assert sorted(map(tuple, store.studies[list(LABELS)].to_numpy().tolist())) == sorted(
            map(tuple, real.to_numpy().tolist())
        )
        assert set(present(store.agreement)["value"].dropna()) == {1.0}


def test_a_table_of_studies_whose_rows_name_slices_is_refused(tmp_path):
    for patient in range(2):
        scan(tmp_path / "images" / f"p{patient}", patient)
    rows = [f"CT0{number:05d},{int(number == 1)}" for number in range(SLICES)]
    labels = table(tmp_path, "\n".join(["scan,any", *rows]))
    with pytest.raises(HemoError, match="its rows name slices, a file each, and not studies: call the"):
        preprocess(tmp_path / "images" / "p0", labels, tmp_path / "store", SMALL)
