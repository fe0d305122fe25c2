"""Label tables with a row a study, patient or series, of one reader or several."""

import re

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hemo.errors import HemoError
from hemo.evaluation.agreement import majority
from hemo.labels import LABELS
from hemo.slices.label_tables import read_labels, recognize
from hemo.slices.label_tables.studies import CONTRADICTED, UNSETTLED, UNTYPED
from tests.helpers.present import present

CQ500 = {"any": "ICH", "intraparenchymal": "IPH", "intraventricular": "IVH",
         "subdural": "SDH", "epidural": "EDH", "subarachnoid": "SAH"}  # fmt: skip


def read(folder, text, form=None):
    path = folder / "reads.csv"
    path.write_text(text)
    return read_labels(path, form)


def truth_of(table):
    return {
        name: dict(zip(LABELS, row.tolist(), strict=True))
        for name, row in zip(table.ids, table.values, strict=True)
    }


@pytest.mark.parametrize(
    ("header", "form"),
    [
        ("study,any", "study"),
        ("StudyInstanceUID,epidural,subdural", "study"),
        ("patient_id,any", "study"),
        ("SeriesInstanceUID,patient,ICH", "study"),
        ("scan,SDH", "study"),
        ("name,Category,R1:ICH,R1:IPH,R2:ICH", "study"),
        ("name,any,R1:any,R2:any", "study"),
        ("name,r1_epidural,r2_epidural", "study"),
        ("name,any", "wide"),
        ("study,image,any", "wide"),
        ("study,slice_number,any", "volume"),
        ("image,R1:ICH", None),
        ("name,R1:Fracture", None),
        ("study,Fracture", None),
        ("R1:ICH,R2:ICH", None),
    ],
)
def test_a_table_of_studies_is_told_by_its_header(header, form):
    assert recognize(header.split(",")) == form


def test_a_plain_table_has_a_row_a_study(tmp_path):
    table = read(tmp_path, "study,any,EDH\nA,1,1\nB,0,0\nC,,")
    assert table.of_studies
    assert table.format == "study"
    assert table.reads is None
    assert table.values[:, :2].tolist() == [[1, 1], [0, 0], [-1, -1]]


def test_a_name_alone_is_taken_for_an_image_unless_it_is_said_to_be_a_study(tmp_path):
    assert not read(tmp_path, "name,any\nA,1").of_studies
    assert read(tmp_path, "name,any\nA,1", "study").of_studies


def test_cq500_s_reads_have_what_two_of_three_readers_say(tmp_path):
    header = "name,Category," + ",".join(f"R{n}:{word}" for n in (1, 2, 3) for word in CQ500.values())
    rows = [
        "CQ500-CT-0,B1,1,1,0,0,0,0,1,1,0,0,0,0,0,0,0,0,0,0",
        "CQ500-CT-1,B2,0,0,0,0,0,0,0,0,0,0,0,0,1,0,0,1,0,0",
        "CQ500-CT-2,B1,1,0,0,1,0,0,1,0,1,0,0,0,0,0,0,0,0,0",
    ]
    table = read(tmp_path, "\n".join([header, *rows]))
    truth = truth_of(table)
    assert (truth["CQ500-CT-0"]["any"], truth["CQ500-CT-0"]["intraparenchymal"]) == (1, 1)
    assert set(truth["CQ500-CT-1"].values()) == {0}
    assert truth["CQ500-CT-2"] == {**dict.fromkeys(LABELS, 0), "any": 1}
    assert table.notes == {UNTYPED: 1}
    reads = present(table.reads)
    assert reads.readers["any"] == ("R1", "R2", "R3")
    assert reads.votes["subdural"].tolist() == [[0, 0, 0], [0, 0, 1], [1, 0, 0]]


@given(
    st.tuples(st.integers(1, 8), st.integers(1, 6)).flatmap(
        lambda shape: arrays(np.int8, shape, elements=st.integers(-1, 1))
    ),
    st.sampled_from(["R{}:EDH", "reader {}_epidural", "Rater-{} edh", "R{} : Epidural"]),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
def test_any_number_of_readers_come_to_what_most_of_them_say(tmp_path, votes, spelling):
    names = [spelling.format(n + 1) for n in range(votes.shape[1])]
    rows = [
        ",".join([f"s{row}", *("" if v < 0 else str(v) for v in one)])
        for row, one in enumerate(votes.tolist())
    ]
    table = read(tmp_path, "\n".join([",".join(["study", *names]), *rows]))
    wanted = majority(votes)
    assert table.values[:, LABELS.index("epidural")].tolist() == wanted.tolist()
    assert present(table.reads).votes["epidural"].tolist() == votes.tolist()
    assert table.values[:, 0].tolist() == np.where(wanted == 1, 1, -1).tolist()


def test_ties_and_missing_votes_leave_a_study_unknown_and_are_said(tmp_path):
    table = read(tmp_path, "study,R1:ICH,R2:ICH\nA,1,0\nB,1,\nC,1,1\nD,0,0")
    assert table.values[:, 0].tolist() == [-1, -1, 1, 0]
    assert table.notes == {UNSETTLED: 2}


def test_a_reader_who_names_a_subtype_but_no_hemorrhage_has_no_vote_for_any(tmp_path):
    table = read(tmp_path, "study,R1:ICH,R1:SDH,R2:ICH,R2:SDH\nA,0,1,1,1\nB,0,0,0,0")
    assert table.notes == {UNSETTLED: 1, CONTRADICTED: 1}
    assert table.values[:, 0].tolist() == [1, 0]  # subdural by both: hemorrhage
    assert present(table.reads).votes["any"].tolist() == [[-1, 1], [0, 0]]


def test_readers_without_a_column_for_any_have_a_vote_by_their_subtypes(tmp_path):
    words = ["EDH", "IPH", "IVH", "SAH", "SDH"]
    header = ",".join(["study", *(f"R{n}:{word}" for n in (1, 2) for word in words)])
    table = read(tmp_path, f"{header}\nA,1,0,0,0,0,0,1,0,0,0\nB,0,0,0,0,0,0,0,0,0,0")
    assert present(table.reads).votes["any"].tolist() == [[1, 1], [0, 0]]
    assert table.values[:, 0].tolist() == [1, 0]


def test_a_table_s_own_column_is_believed_over_its_readers(tmp_path):
    table = read(tmp_path, "study,any,R1:any,R2:any\nA,1,0,0\nB,,1,1")
    assert table.values[:, 0].tolist() == [1, 1]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("study,any\nA,1\nA,0", "1 rows contradict an earlier one, the first A"),
        ("study,any,epidural\nA,0,1", "any contradicts its subtypes for 1 studies, the first A"),
        ("study,R1:ICH\nA,2", "R1:ICH is 2 in row 2: use 0 or 1"),
        ("study,R1:ICH,r1:any\nA,1,1", "column R1:ICH is there twice"),
        ("study,EDH,epidural\nA,1,1", "column EDH is there twice"),
        ("study,any\n,1", "study is empty in row 2"),
        ("study,epidurral,any\nA,1,1", "column epidurral: call it epidural"),
        ("study,any,R1:EDH,R2:EDH\nA,0,1,1", "any contradicts its subtypes for 1 studies, the first A"),
    ],
)
def test_a_table_of_studies_that_cannot_be_right_is_refused(tmp_path, text, fault):
    with pytest.raises(HemoError, match=fault):
        read(tmp_path, text)


def test_a_form_that_is_said_and_is_not_there_is_one_line(tmp_path):
    with pytest.raises(HemoError, match="no column that names the study: call it study"):
        read(tmp_path, "x,any\nA,1", "study")
    with pytest.raises(HemoError, match="none of the labels"):
        read(tmp_path, "study,x\nA,1", "study")


def written(tmp_path, *lines):
    path = tmp_path / "labels.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_column_of_patients_says_whose_study_it_is_and_what_repeats_is_counted(tmp_path):
    path = written(tmp_path, "study,patient,any", "s1,007,1", "s2,p8,0", "s1,007,1")
    found = read_labels(path)
    assert dict(zip(found.ids, present(found.patients), strict=True)) == {"s1": "7", "s2": "p8"}
    assert found.duplicates == 1
    path = written(tmp_path, "study,patient,any", "s1,p7,1", "s1,p8,1")
    with pytest.raises(HemoError, match=re.escape(f"{path}: s1 is of two patients")):
        read_labels(path)


def test_what_is_wrong_names_the_file_and_its_first_columns(tmp_path):
    more = ",".join(f"c{number}" for number in range(12))
    path = written(tmp_path, f"study,{more}", "s1" + ",1" * 12)
    first = ", ".join(["study", *(f"c{number}" for number in range(9))])
    with pytest.raises(HemoError) as fault:
        read_labels(path, "study")
    assert str(fault.value) == (
        f"{path}: none of the labels {', '.join(LABELS)} among its columns {first}: rename the columns"
    )
    path = written(tmp_path, f"any,{more}", "1" + ",1" * 12)
    first = ", ".join(["any", *(f"c{number}" for number in range(9))])
    with pytest.raises(HemoError) as fault:
        read_labels(path, "study")
    assert str(fault.value) == (f"{path}: no column that names the study: call it study (it has {first})")
    for lines in (("study,any,epidurall", "s1,1,1"), ("study,any", "s1,1", "s1,0"), ("study,any", ",1")):
        path = written(tmp_path, *lines)
        with pytest.raises(HemoError, match=re.escape(str(path))):
            read_labels(path, "study")


def test_hemorrhage_of_no_type_is_counted_only_where_all_subtypes_are_denied(tmp_path):
    words = [f"R{reader}:{word}" for reader in (1, 2, 3) for word in CQ500.values()]
    header = ",".join(["study", *words])
    bare, of_a_type, clear = ",1" + ",0" * 5, ",1" + ",0" * 4 + ",1", ",0" * 6
    path = written(
        tmp_path, header, "s1" + bare * 3, "s2" + of_a_type * 3, "s3" + clear * 3, "s4" + clear * 3
    )
    found = read_labels(path)
    assert found.values[:, 0].tolist() == [1, 1, 0, 0]
    assert found.notes == {UNTYPED: 1}
