import subprocess
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hemo.errors import HemoError
from hemo.labels import LABELS, SUBTYPES
from hemo.slices.label_tables import read_labels, recognize
from hemo.slices.names import plain
from tests.helpers.present import present

TRUTH = {
    "ID_1": [1, 1, 0, 0, 0, 0],
    "ID_2": [0, 0, 0, 0, 0, 0],
    "ID_3": [1, 0, 0, 1, 1, 0],
}


def written(folder, text):
    path = folder / "labels.csv"
    path.write_text(text)
    return path


def as_dict(table):
    return {name: row.tolist() for name, row in zip(table.ids, table.values, strict=True)}


def rsna(truth):
    return [
        f"{name}_{label},{value}"
        for name, row in truth.items()
        for label, value in zip(LABELS, row, strict=True)
    ]


def wide(truth, column="image"):
    return "\n".join([",".join([column, *LABELS]), *(",".join([k, *map(str, v)]) for k, v in truth.items())])


def test_all_forms_say_the_same(tmp_path):
    assert as_dict(read_labels(written(tmp_path, "\n".join(["ID,Label", *rsna(TRUTH)])))) == TRUTH
    assert as_dict(read_labels(written(tmp_path, wide(TRUTH)))) == TRUTH
    header = "PatientNumber,SliceNumber,Intraventricular,Intraparenchymal,Subarachnoid,Epidural,Subdural"
    ct_ich = "\n".join(
        [header + ",No_Hemorrhage", "049,1,0,0,0,1,0,0", "049,2,0,0,0,0,0,1", "049,3,1,0,1,0,0,0"]
    )
    table = read_labels(written(tmp_path, ct_ich))
    assert as_dict(table) == {f"049/{name[-1]}": row for name, row in TRUTH.items()}
    assert present(table.patients).tolist() == ["49"] * 3
    volume = "\n".join(["volume,slice_number,epidural", "case_a.nii.gz,1,1", "case_a.nii.gz,2,0"])
    assert list(as_dict(read_labels(written(tmp_path, volume)))) == ["case_a.nii.gz/1", "case_a.nii.gz/2"]


NAMES = st.from_regex(r"ID_[0-9a-f]{3,9}", fullmatch=True)
FIVE = st.lists(st.integers(0, 1), min_size=5, max_size=5)


@given(st.dictionaries(NAMES, FIVE, min_size=1, max_size=20), st.randoms())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=30)
def test_rsna_rows_may_come_in_any_order_and_repeat(tmp_path, five, random):
    truth = {name: [max(row), *row] for name, row in five.items()}
    rows = rsna(truth)
    again = random.sample(rows, min(3, len(rows)))
    both = rows + again
    random.shuffle(both)
    table = read_labels(written(tmp_path, "\n".join(["ID,Label", *both])))
    assert as_dict(table) == truth
    assert table.duplicates == len(again)


@pytest.mark.parametrize(
    ("header", "form"),
    [
        ("ID,Label", "rsna"),
        ("id , label", "rsna"),
        ("Image,ANY,epidural", "wide"),
        ("filename,patient,epidural,subdural", "wide"),
        ("PatientNumber,SliceNumber,Epidural", "ct-ich"),
        ("volume,slice,subdural", "volume"),
        ("patient_id,slice number,any", "volume"),
        ("epidural,subdural", None),
        ("image,tumor", None),
    ],
)
def test_a_form_is_told_by_its_header(header, form):
    assert recognize(header.split(",")) == form


def test_any_is_filled_in_only_where_the_five_decide_it(tmp_path):
    rows = ["image,epidural,subdural", "a,1,0", "b,0,0", "c,,1"]
    values = read_labels(written(tmp_path, "\n".join(rows))).values
    assert values[:, 0].tolist() == [1, -1, 1]
    assert values[:, 1 + SUBTYPES.index("epidural")].tolist() == [1, 0, -1]
    assert (values[:, 1 + SUBTYPES.index("intraventricular")] == -1).all()


def test_a_byte_order_mark_windows_line_ends_and_leading_zeros_do_no_harm(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_bytes(b"\xef\xbb\xbfimage,patient,any\r\n007,01,1\r\n7,02,0\r\n")
    table = read_labels(path)
    assert table.ids.tolist() == ["007", "7"]
    assert present(table.patients).tolist() == ["1", "2"]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("name,tumor\na,1", "unknown form"),
        ("image,any\nscan\0-7,1", "line 2 holds a byte of 0, as of a damaged file: export the table again"),
        ("PK\3\4of Excel", r"a spreadsheet or an archive \(zip\), not a CSV table: export it as CSV"),
        (f"{'x' * 90},tumor\na,1", "with columns x{40}, tumor:"),
        ("ID,Label\nID_1_epidurral,1", "names no label"),
        ("ID,Label\nID_1_any,0.5", "Label is 0.5 in row 2"),
        ("ID,Label\nID_1_any,x", "not a readable CSV table"),
        ("ID,Label\nID_1_any,1\nID_1_any,0", "1 rows contradict an earlier one, the first ID_1_any"),
        ("image,any\na,1\na,0", "contradict an earlier one, the first a"),
        ("image,any\na,2", "any is 2 in row 2: use 0 or 1"),
        ("image,any\na,yes", "any is yes in row 2: use 0 or 1"),
        ("image,any\n,1", "image is empty in row 2"),
        ("image,any\n", "no rows"),
        ("image,any", "no rows"),
        ("", "not a readable CSV table"),
        ("image,any,epidurall\na,1,1", "column epidurall: call it epidural, or leave it out"),
        ("PatientNumber,SliceNumber,Epidural,Sub-dural\n1,1,0,0", "column Sub-dural: call it subdural"),
        (wide({"a": [0, 1, 0, 0, 0, 0]}), "any contradicts its subtypes"),
        (wide({"a": [1, 0, 0, 0, 0, 0]}), "any contradicts its subtypes"),
    ],
)
def test_a_faulty_table_is_refused_with_file_fault_and_remedy_in_one_line(tmp_path, text, fault):
    path = written(tmp_path, text)
    with pytest.raises(HemoError, match=fault) as caught:
        read_labels(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("number", ["9" * 25, "9" * 5000])
def test_a_number_that_no_slice_has_is_refused(tmp_path, number):
    path = written(tmp_path, f"volume,slice_number,any\na,{number},0\n")
    with pytest.raises(HemoError, match=r"slice_number is 99999999999999999999 \.\.\.: no volume has"):
        read_labels(path)


def test_a_patient_of_five_thousand_digits_is_a_name_like_any_other():
    assert plain("0" + "9" * 5000) == "9" * 5000


def test_a_line_end_of_another_kind_within_a_header_does_no_harm(tmp_path):
    path = written(tmp_path, "image,any\rscan-1,1\nscan-2,0\n")
    assert read_labels(path).ids.tolist() == ["scan-1", "scan-2"]


def test_the_form_can_be_forced_and_a_wrong_one_says_what_is_missing(tmp_path):
    path = written(tmp_path, wide(TRUTH))
    assert as_dict(read_labels(path, "wide")) == TRUTH
    with pytest.raises(HemoError, match="no column id"):
        read_labels(path, "rsna")
    with pytest.raises(HemoError, match="no columns that name volume and slice"):
        read_labels(path, "ct-ich")
    with pytest.raises(HemoError, match="dicom: unknown form"):
        read_labels(path, "dicom")
    with pytest.raises(HemoError, match="no such label table"):
        read_labels(tmp_path / "absent.csv")


def test_plain_names_lose_suffixes_and_leading_zeros():
    assert [plain(n) for n in ("049", "a49", " 049.nii", "case.nii.gz", "0", "x.1")] == [
        "49", "a49", "49", "case", "0", "x.1",
    ]  # fmt: skip


def test_a_long_table_keeps_its_order(tmp_path):
    truth = {f"ID_{k:06x}": [0] * 6 for k in range(3000)}
    table = read_labels(written(tmp_path, "\n".join(["ID,Label", *rsna(truth)])))
    assert table.ids.tolist() == list(truth)
    assert table.values.dtype == np.int8


def test_a_table_may_leave_labels_out(tmp_path):
    table = read_labels(written(tmp_path, "image,epidural,fracture\na,1,0\nb,0,1"))
    assert table.values.tolist() == [[1, 1, -1, -1, -1, -1], [-1, 0, -1, -1, -1, -1]]


ROWS = ["image,patient,any", "s0.png,Jürgen,0", "s1.png,Zoë,1", "s2.png,,0"]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["lf", "crlf", "cr"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_separators_encodings_and_line_ends_of_all_programs_are_read(tmp_path, separator, encoding, end):
    rows = [row.replace(",", separator) for row in ROWS[:3]]
    (tmp_path / "t.csv").write_bytes((end.join(rows) + end).encode(encoding))
    table = read_labels(tmp_path / "t.csv")
    assert table.ids.tolist() == ["s0.png", "s1.png"]
    assert present(table.patients).tolist() == ["Jürgen", "Zoë"]
    assert table.values[:, 0].tolist() == [0, 1]


@pytest.mark.parametrize(
    "text",
    [
        "sep=;\nimage;any\ns0;0\ns1;1",
        '"sep=;"\r\nimage;any\r\ns0;0\r\ns1;1\r\n',
        "image,any,,\ns0,0,,\ns1,1,,\n,,,\n,,,\n",
        '"image","any"\n"s0","0"\n"s1","1"\n',
        '="image",any\n="s0",0\n="s1",1\n',
        "\n\nimage,any\ns0,0\ns1,1",
        "image;any\ns0;0,0\ns1;1,0",
        "image,any\ns0,FALSE\ns1,TRUE",
        "image,any\ns0,0.0\ns1,1.0",
        "image\u00a0,any\u00a0\ns0,0\ns1,1",
    ],
)
def test_what_spreadsheets_do_to_a_table_does_no_harm(tmp_path, text):
    table = read_labels(written(tmp_path, text))
    assert (table.ids.tolist(), table.values[:, 0].tolist()) == (["s0", "s1"], [0, 1])


@pytest.mark.parametrize("name", ["hemorrhage", " hemorrhage", "ICH", "Haemorrhage", "any_hemorrhage"])
def test_other_names_of_any_are_known(tmp_path, name):
    table = read_labels(written(tmp_path, f"id,{name}\n0,1\n1,0"))
    assert table.values[:, 0].tolist() == [1, 0]


@pytest.mark.parametrize(
    ("header", "both"),
    [("image,any,any", "any"), ("image,any,Any", "any.*Any"), ("image,any,hemorrhage", "any.*hemorrhage"),
     ("Image,image,any", "Image.*image"), ("slice id,slice_id,any", "slice id.*slice_id")],
)  # fmt: skip
def test_a_column_that_is_there_twice_in_any_spelling_is_refused_with_both(tmp_path, header, both):
    with pytest.raises(HemoError, match=f"column {both}"):
        read_labels(written(tmp_path, f"{header}\na,0,1\nb,1,0"))


def test_identifiers_that_a_spreadsheet_has_rounded_are_refused(tmp_path):
    with pytest.raises(HemoError, match="a spreadsheet has rounded it"):
        read_labels(written(tmp_path, "image,any\n1.28E+15,1"))


def test_images_of_one_name_in_several_folders_are_told_apart_by_their_folder_s_column(tmp_path):
    table = read_labels(written(tmp_path, "patient,image,any\nA,1.png,1\nB,1.png,0"))
    assert table.ids.tolist() == ["A/1.png", "B/1.png"]


def test_a_slice_s_number_may_be_written_as_a_fraction_and_a_name_in_its_place_is_a_name(tmp_path):
    table = read_labels(written(tmp_path, "volume,slice_number,any\na,1.0,1\na,02,0"))
    assert present(table.numbers).tolist() == [1, 2]
    table = read_labels(written(tmp_path, "volume,slice,any\na,IM1.dcm,1\na,IM2.dcm,0"))
    assert (table.ids.tolist(), table.numbers) == (["a/IM1.dcm", "a/IM2.dcm"], None)


def test_one_object_makes_a_new_form_known_to_the_command_its_help_and_its_refusals(tmp_path):
    path = written(tmp_path, "picture|verdict\na|1\nb|0")
    program = f"""
import sys
import hemo.slices.label_tables as tables

def read(path, table):
    import numpy as np
    from hemo.labels import LABELS, LabelTable
    values = np.full((len(table), len(LABELS)), -1, np.int8)
    values[:, 0] = [int(value) for value in table["verdict"].to_pylist()]
    return LabelTable(np.array(table["picture"].to_pylist(), object), values, "")

tables.FORMATS += (tables.LabelFormat("verdict", "picture,verdict", "a,1", lambda c: "verdict" in c, read),)
from click.testing import CliRunner
from hemo.cli import main
for command in ("preprocess", "evaluate"):
    assert "verdict" in CliRunner().invoke(main, [command, "--help"]).output, command
assert "picture,verdict" in CliRunner().invoke(main, ["preprocess", "--help"]).output
from hemo.errors import HemoError
table = tables.read_labels({str(path)!r})
assert (table.format, table.values[:, 0].tolist()) == ("verdict", [1, 0])
try:
    tables.read_labels({str(path)!r}, "other")
except HemoError as fault:
    assert "rsna, ct-ich, volume, study, wide, verdict" in str(fault)
print("done")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout == "done\n", done.stderr
