"""What label tables give, value by value, and every refusal of one, word for word."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from hemo.errors import HemoError
from hemo.labels import LABELS
from hemo.slices.label_tables import forms, read_labels, recognize
from hemo.slices.label_tables.columns import columns_of, find, label_columns, spelled, twice
from hemo.slices.label_tables.values import binary

MANY = ",".join(f"c{number}" for number in range(12))
OTHERS = f"{MANY}\n" + "x," * 11 + "x"
ALL = ",".join(LABELS)
NAMES = ", ".join(LABELS)
HOW = "check the file or --labels-format"


def read(folder, text, word=None):
    path = folder / "t.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_labels(path, word)


@pytest.mark.parametrize(
    ("text", "word", "fault"),
    [
        (
            OTHERS, None,
            "unknown form, with columns c0, c1, c2, c3, c4, c5, c6, c7: use ID,Label (RSNA) or a column "
            f"image (or study) and columns {NAMES}; say which with --labels-format",
        ),
        ("image,any\n", None, "no rows: give a label table that has some"),
        (
            "ID,Label\nID_1_any,1\nID_2_foo,0", None,
            "row 3 names no label (ID_2_foo): an ID ends in one of _any, _epidural, _intraparenchymal, "
            "_intraventricular, _subarachnoid, _subdural",
        ),
        (OTHERS, "rsna", f"no column id: it has c0, c1, c2, c3, c4, c5, c6, c7; {HOW}"),
        ("id,x\na,1", "rsna", f"no column label: it has id, x; {HOW}"),
        (
            OTHERS, "wide",
            "no column that names the image: call it image (it has c0, c1, c2, c3, c4, c5, c6, c7, c8, c9)",
        ),
        (
            f"{MANY},image\n" + "x," * 12 + "a", "wide",
            f"none of the labels {NAMES} among its columns c0, c1, c2, c3, c4, c5, c6, c7, c8, c9: "
            "rename the columns",
        ),
        (
            OTHERS, "volume",
            "no columns that name volume and slice: call them volume and slice_number (it has c0, c1, c2, "
            "c3, c4, c5, c6, c7, c8, c9)",
        ),
        (
            "volume,any\na,1", "volume",
            "no columns that name volume and slice: call them volume and slice_number (it has volume, any)",
        ),
        (
            "slice_number,any\n1,1", "volume",
            "no columns that name volume and slice: call them volume and slice_number "
            "(it has slice_number, any)",
        ),
        (
            "volume,patient,slice_number,any\nv1,P01,1,1\nv1,P01,2,0\nv1,P2,1,1", None,
            "v1/1 is of two patients, in row 4 and before: remove the wrong row",
        ),
        ("image,any,epidurall\na,1,0", None, "column epidurall: call it epidural, or leave it out"),
        ("image,ICH,Sub-Dral\na,1,0", None, "column Sub-Dral: call it subdural, or leave it out"),
        ("image,any\na,1\nb,2\nc,3", None, "any is 2 in row 3: use 0 or 1, or leave it empty"),
        ("image,any\na,1\nb,-1", None, "any is -1 in row 3: use 0 or 1, or leave it empty"),
        ("image,any\na,1\nimage,any\nb,0", None, "any is any in row 3: use 0 or 1, or leave it empty"),
        ("image,any\na,1\nimage,any", None, "any is any in row 3: use 0 or 1, or leave it empty"),
        (
            "ID,Label\na_any,1\n,1", None,
            "row 3 names no label (): an ID ends in one of _any, _epidural, _intraparenchymal, "
            "_intraventricular, _subarachnoid, _subdural",
        ),
        (
            "image,any,Any\na,1,1".encode("utf-16"), None,
            "column any is there twice (Any): keep the right one",
        ),
        (
            b"\xff\xfei\0m", None,
            "not a readable CSV table ('utf-16-le' codec can't decode byte 0x6d in position 4: truncated "
            "data): check its rows",
        ),
        ("image,any\na,Perhaps", None, "any is Perhaps in row 2: use 0 or 1, or leave it empty"),
        ("image;any\na;1,0\nb;0,5", None, "any is 0,5 in row 3: use 0 or 1, or leave it empty"),
        ("ID,Label\na_any,1\nb_any,2", None, "Label is 2 in row 3: use 0 or 1, or leave it empty"),
        ("image,any\na,1\n ,0", None, "image is empty in row 3: fill it or remove the row"),
        ("volume,slice,any\na,1,1\n,1,0", None, "volume is empty in row 3: fill it or remove the row"),
        ("volume,slice,any\na,1,1\nb,,0", None, "slice is empty in row 3: fill it or remove the row"),
        ("volume,image,any\nv,a,1\n,a,0", None, "volume is empty in row 3: fill it or remove the row"),
        ("volume,slice,patient,any\na,x,,1", None, "patient is empty in row 2: fill it or remove the row"),
        ("volume,slice,patient,any\na,1,,1", None, "patient is empty in row 2: fill it or remove the row"),
        ("volume,slice,any,epidurall\na,x,1,0", None, "column epidurall: call it epidural, or leave it out"),
        ("image,patient,any\na,p,1\nb,,0", None, "patient is empty in row 3: fill it or remove the row"),
        (
            "image,any\na,1\n1.5e+12,0", None,
            "image is 1.5e+12 in row 3: a spreadsheet has rounded it; export the table anew with that column "
            "as text",
        ),
        (
            "image;any\n1,5E+12;0", None,
            "image is 1,5E+12 in row 2: a spreadsheet has rounded it; export the table anew with that column "
            "as text",
        ),
        (
            "image,any\na,1\na,0\nb,1\nb,0", None,
            "2 rows contradict an earlier one, the first a: remove the wrong ones",
        ),
        (
            f"image,{ALL}\na,1,1,0,0,0,0\nb,1,1,0,0,0,0\nb,1,1,0,0,0,1", None,
            "1 rows contradict an earlier one, the first b: remove the wrong ones",
        ),
        (
            "ID,Label\na_any,1\nb_any,0\nb_any,1", None,
            "1 rows contradict an earlier one, the first b_any: remove the wrong ones",
        ),
        (
            "image,any,epidural,subdural\na,1,1,0\nb,0,1,0\nc,0,1,1", None,
            "any contradicts its subtypes for 2 slices, the first b: any is 1 exactly where one of them is",
        ),
        (
            f"image,{ALL}\na,1,0,0,0,0,0", None,
            "any contradicts its subtypes for 1 slices, the first a: any is 1 exactly where one of them is",
        ),
        (
            "image,any\na,1,2\n", None,
            "not a readable CSV table (CSV parse error: Expected 2 columns, got 3: a,1,2): check its rows",
        ),
        ("", None, "not a readable CSV table (empty file): check its rows"),
        ("image,any,any\na,1,1", None, "column any is there twice (any): keep the right one"),
        ("image,any,Any \na,1,1", None, "column any is there twice (Any): keep the right one"),
        ("The ID,any,the_id\na,1,1", None, "column The ID is there twice (the_id): keep the right one"),
    ],
)  # fmt: skip
def test_a_table_is_refused_word_for_word(tmp_path, text, word, fault):
    with pytest.raises(HemoError) as caught:
        read(tmp_path, text, word)
    assert str(caught.value) == f"{tmp_path / 't.csv'}: {fault}"


def test_a_missing_table_and_a_form_that_there_is_not_are_refused_word_for_word(tmp_path):
    with pytest.raises(HemoError) as caught:
        read_labels(tmp_path / "absent.csv")
    words = "no such label table: give a CSV file with --labels"
    assert str(caught.value) == f"{tmp_path / 'absent.csv'}: {words}"
    with pytest.raises(HemoError) as caught:
        read(tmp_path, "image,any\na,1", "other")
    assert str(caught.value) == "other: unknown form of label table: use rsna, ct-ich, volume, study, wide"


def test_a_table_that_may_not_be_read_is_refused_with_the_system_s_word(tmp_path, monkeypatch):
    def refuse(*_args, **_words):
        raise PermissionError(13, "Permission denied")

    path = tmp_path / "t.csv"
    path.write_text("image,any\na,1")
    monkeypatch.setattr(type(path), "open", refuse)
    with pytest.raises(HemoError) as caught:
        read_labels(path)
    assert str(caught.value) == f"{path}: cannot be read (Permission denied): check its permissions"


def test_a_long_reason_is_cut_and_told_in_its_first_line(tmp_path):
    with pytest.raises(HemoError) as caught:
        read(tmp_path, "image,any\n" + "a" * 300 + ",1,2\n")
    reason = str(caught.value).partition("(")[2].removesuffix("): check its rows")
    assert len(reason) == 120
    assert reason.endswith("aaa")


A = [1, -1, -1, -1, -1, -1]
N = [0, -1, -1, -1, -1, -1]
U = [-1] * 6


@pytest.mark.parametrize(
    ("text", "form", "ids", "values", "more"),
    [
        (
            "ID,Label\nID_1_any,1\nID_1_any,1\nID_2_epidural,\nID_2_any,1", "rsna",
            ["ID_1", "ID_2"], [A, A], {"duplicates": 1},
        ),
        (
            "Label,Other,ID\n1,x,a_b_subdural\n0,x,a_b_epidural\n,x,c_any", "rsna",
            ["c", "a_b"], [U, [1, 0, -1, -1, -1, 1]], {},
        ),
        (
            "volume,patient,slice_number,any\nv1,P01,1,1\nv1,P01,2,0\nv2,P2,02,\nv2,P2,2.0,", "volume",
            ["v1/1", "v1/2", "v2/2"], [A, N, U],
            {"patients": ["P01", "P01", "P2"], "volumes": ["v1", "v1", "v2"], "numbers": [1, 2, 2],
             "duplicates": 1},
        ),
        (
            "PatientNumber,SliceNumber,any\n049,1,1\n49a,3,0", "ct-ich",
            ["049/1", "49a/3"], [A, N],
            {"patients": ["49", "49a"], "volumes": ["049", "49a"], "numbers": [1, 3]},
        ),
        (
            "volume;slice_number;any\na/b;3,0;1\nc;٣;0", "volume", ["a/b/3", "c/٣"], [A, N], {},
        ),
        (
            "volume;slice_number;any\na/b;3,0;1\nc;12;0", "volume", ["a/b/3", "c/12"], [A, N],
            {"volumes": ["a/b", "c"], "numbers": [3, 12]},
        ),
        (
            "volume,slice,any\na,IM1.dcm,1\nb,IM1.dcm,0\na,IM1.dcm,1", "volume",
            ["a/IM1.dcm", "b/IM1.dcm"], [A, N], {"duplicates": 1},
        ),
        (
            "volume,slice,patient,any\na,x1,07,1", "volume", ["a/x1"], [A], {"patients": ["7"]},
        ),
        (
            "image,patient,any\ni1,P1,1\ni1,P1,1\ni2,0P2,0", "wide",
            ["P1/i1", "0P2/i2"], [A, N], {"patients": ["P1", "0P2"], "duplicates": 1},
        ),
        (
            "volume,image,patient,any\nv,1.png,007,1\nw,1.png,P2,0", "wide",
            ["v/1.png", "w/1.png"], [A, N], {"patients": ["7", "P2"]},
        ),
        ("volume,image,any\nv,1.png,1\nw,2.png,0", "wide", ["1.png", "2.png"], [A, N], {}),
        ("image,any,extradural\na,1,0", "wide", ["a"], [A], {}),
        ("image,any\na,1\na,1\nb,0", "wide", ["a", "b"], [A, N], {"duplicates": 1}),
        ("image,any,subdural,subdurall\na,1,1,1", "wide", ["a"], [[1, -1, -1, -1, -1, 1]], {}),
        (
            "image,any\na,nan\nb,NA\nc,none\nd,null\ng,n/a\nh, \ni,TRUE\nj,False\nk,1.0\nl, 0 \nm,0.0",
            "wide",
            list("abcdghijklm"), [U, U, U, U, U, U, A, N, A, N, N], {},
        ),
        ("image;any\na;1,0\nb;0,0", "wide", ["a", "b"], [A, N], {}),
        (
            f"image,{ALL}\na,1,0,0,0,0,1\nb,0,0,0,0,0,0\nc,,0,0,0,0,0\nd,,1,,,,\ne,1,,,,,\nf,,0,,,,", "wide",
            list("abcdef"),
            [[1, 0, 0, 0, 0, 1], [0] * 6, [0] * 6, [1, 1, -1, -1, -1, -1], A, [-1, 0, -1, -1, -1, -1]], {},
        ),
        ('image|any\n"a,b"|1', "wide", ["a,b"], [A], {}),
        ('"a;b",any,"c;d;e",image\n0,1,0,x', "wide", ["x"], [A], {}),
        ("\n \nimage,any\na,1\n,\nb,0\n", "wide", ["a", "b"], [A, N], {}),
        ("ID,Label\na_any,1\n,\nb_any,0\n", "rsna", ["a", "b"], [A, N], {}),
        ("image,any,,x\na,1,,\n", "wide", ["a"], [A], {}),
    ],
)  # fmt: skip
def test_a_table_says_value_by_value(tmp_path, text, form, ids, values, more):
    table = read(tmp_path, text)
    assert (table.format, table.ids.tolist(), table.values.tolist()) == (form, ids, values)
    assert (table.values.dtype, table.ids.dtype) == (np.int8, object)
    assert (table.duplicates, type(table.duplicates)) == (more.get("duplicates", 0), int)
    for name in ("patients", "volumes", "numbers"):
        found = getattr(table, name)
        assert (None if found is None else found.tolist()) == more.get(name), name
        assert found is None or found.dtype == (np.int64 if name == "numbers" else object)


LINES = [f"slice-{number:06}.dcm,{number % 2}" for number in range(5000)]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
def test_what_lies_beyond_the_first_64_kilobytes_is_read_alike(tmp_path, encoding, end):
    text = end.join(["image,any", *LINES, "Größe.dcm,1", ""])
    assert len(text) > 1 << 16
    table = read(tmp_path, text.encode(encoding))
    assert table.ids.tolist() == [*(line.partition(",")[0] for line in LINES), "Größe.dcm"]
    assert table.values[:, 0].tolist() == [number % 2 for number in range(5000)] + [1]


def test_a_fault_beyond_the_first_64_kilobytes_is_told(tmp_path):
    with pytest.raises(HemoError, match="Expected 2 columns, got 3: x,1,2"):
        read(tmp_path, "\n".join(["image,any", *LINES, "x,1,2", ""]))


@pytest.mark.parametrize(
    "text",
    [
        "SEP=;\r\nimage;any\r\ns0;0", '"sep=|"\nimage|any\ns0|0', "sep=,\nimage,any\ns0,0",
        '="image",="any"\n="s0",="0"\n', "\ufeffsep=;\nimage;any\ns0;0",
    ],
)  # fmt: skip
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le", "utf-16-be"])
def test_marks_of_spreadsheets_are_left_out_in_any_encoding(tmp_path, text, encoding):
    table = read(tmp_path, text.encode(encoding))
    assert (table.ids.tolist(), table.values.tolist()) == (["s0"], [N])


def test_letters_that_are_in_no_encoding_are_replaced(tmp_path):
    assert read(tmp_path, b"image,any\nx\x81\xe9,1\n").ids.tolist() == ["x\ufffdé"]


def test_an_id_that_holds_a_separator_or_a_line_s_end_in_quotes_is_one(tmp_path):
    assert read(tmp_path, '"a;b;c;d",any,image\n1,1,x;y\n').ids.tolist() == ["x;y"]


def test_help_shows_each_form_with_its_header_and_a_row():
    assert forms().splitlines() == [
        "  rsna     ID,Label                       ID_0123_epidural,1",
        "  ct-ich   PatientNumber,SliceNumber,...  49,1,0,...",
        "  volume   volume,slice_number,any,...    patient-3.nii.gz,12,0,...",
        "  study    study,any,epidural,...         patient-3,1,0,...",
        "  wide     image,any,epidural,...         scan-17.png,1,1,...",
    ]


@pytest.mark.parametrize(
    ("header", "form"),
    [
        ("id,label,any,volume,slice", "rsna"),
        ("id,any", "wide"),
        ("label,any", None),
        ("patientnumber,slicenumber", None),
        ("patientnumber,slicenumber,any,image", "ct-ich"),
        ("patientnumber,slice,any", "volume"),
        ("patient,slicenumber,image,any", "wide"),
        ("volume,instance_number,sopinstanceuid,any", "wide"),
        ("volume,instance_number", None),
        ("volume,any", "study"),
        ("slice,any", "wide"),
        ("slicenumber,any", None),
        ("image,volume", None),
    ],
)
def test_a_form_is_known_by_all_that_it_needs_and_nothing_of_another(header, form):
    assert recognize(header.split(",")) == form


def test_columns_are_compared_in_one_spelling():
    assert [spelled(name) for name in (" Slice Number", "SLICE-number", "slice_ \t-number", "ＡＮＹ")] == [
        "slice_number", "slice_number", "slice__number", "any",
    ]  # fmt: skip
    assert columns_of(["Slice ID", " ", "", "ANY"]) == {"slice_id": "Slice ID", "any": "ANY"}


def test_of_several_names_the_first_that_there_is_is_found():
    columns = columns_of(["B", "A"])
    assert find(columns, ("x", "a", "b")) == "A"
    assert find(columns, ("x",)) is None
    found = label_columns(columns_of(["Bleeding", "SUBDURAL", "x", "ICH"]))
    assert found == {"any": "ICH", "subdural": "SUBDURAL"}


@pytest.mark.parametrize(
    ("header", "both"),
    [
        (["a", "b"], None), (["a", "", " "], None), (["a", "", "b", "", "A"], ("a", "A")),
        (["ICH", "x", "Any"], ("ICH", "Any")), (["any", "hemorrhage", "any"], ("any", "hemorrhage")),
        (["x", "y", "Y", "X"], ("y", "Y")), (["any", "EDH", "any.1"], ("any", "any.1")),
        (["EDH", "epidural.2"], ("EDH", "epidural.2")), (["v1", "v1.2"], None),
    ],
)  # fmt: skip
def test_a_column_is_there_twice_where_two_mean_the_same(header, both):
    assert twice(header) == both


def test_numbers_of_rsna_s_second_column_are_read_as_numbers(tmp_path):
    from hemo.slices.label_tables.text import read_table

    (tmp_path / "t.csv").write_text("Label,ID,other\n1,a_any,x\n,b_any,y\n")
    table: Any = read_table(tmp_path / "t.csv")
    assert table.schema.types == [pa.float32(), pa.string(), pa.string()]
    assert table.column_names == ["Label", "ID", "other"]
    (tmp_path / "t.csv").write_text("label,x,\n1,a,\n")
    table = read_table(tmp_path / "t.csv")
    assert table.schema.types == [pa.string(), pa.string()]
    (tmp_path / "t.csv").write_text("id,label,\n")
    table = read_table(tmp_path / "t.csv")
    assert (table.schema.types, table.column_names) == ([pa.string(), pa.float32()], ["id", "label"])


def test_what_is_null_in_a_column_of_texts_or_of_numbers_is_missing():
    texts = pa.chunked_array([["1", None, "0"]])
    numbers = pa.chunked_array([pa.array([1, None, 0], pa.float32())])
    for column in (texts, numbers):
        found = binary(Path("t.csv"), column, "any")
        assert (found.tolist(), found.dtype) == ([1, -1, 0], np.int8)


def test_a_letter_of_two_bytes_may_lie_across_the_first_64_kilobytes(tmp_path):
    begin = "image,any\n"
    ids = ["a" * 1000 + str(number) for number in range(10, 74)]
    rows = "".join(f"{name},0\n" for name in ids)
    last = "b" * ((1 << 16) - 1 - len(begin + rows)) + "é"
    assert (begin + rows + last).encode()[(1 << 16) - 1 :] == "é".encode()
    assert read(tmp_path, f"{begin}{rows}{last},1\n").ids.tolist() == [*ids, last]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_plain_table_is_not_read_into_memory_and_any_other_is(tmp_path, monkeypatch, end):
    def decoded(_):
        raise AssertionError("read into memory")

    monkeypatch.setattr("hemo.slices.label_tables.text._decoded", decoded)
    assert read(tmp_path, end.join(["image,any", "a,1", ""])).ids.tolist() == ["a"]
    for other in (
        "image,any\ra,1",
        "sep=,\nimage,any\na,1",
        'image,any\n="a",1',
        '\ufeff"SEP=,"\nimage,any\na,1',
    ):
        with pytest.raises(AssertionError):
            read(tmp_path, other)


@pytest.mark.parametrize(
    ("header", "rows", "truth"),
    [
        ("image,No_Hemorrhage", ["a,1", "b,0", "c,"], [[0] * 6, [1] + [-1] * 5, [-1] * 6]),
        ("image,no haemorrhage,SDH", ["a,1,", "b,0,1", "c,0,0"], [[0] * 6, [1, -1, -1, -1, -1, 1]]),
        ("image,Normal,ICH", ["a,1,0", "b,0,1", "c,0,"], [[0] * 6, [1] + [-1] * 5, [-1] * 6]),
        ("study,No_ICH", ["a,1", "b,0"], [[0] * 6, [1] + [-1] * 5]),
        ("PatientNumber,SliceNumber,No_Hemorrhage", ["49,1,1", "49,2,0"], [[0] * 6, [1] + [-1] * 5]),
    ],
)
def test_a_column_that_says_where_there_is_no_hemorrhage_is_the_opposite_of_any(
    header, rows, truth, tmp_path
):
    values = read(tmp_path, "\n".join([header, *rows])).values.tolist()
    assert values[: len(truth)] == truth


@pytest.mark.parametrize(
    ("text", "row"),
    [
        ("image,any,No_Hemorrhage\na,0,1\nb,1,1", "b"),
        ("image,any,No_Hemorrhage\na,0,1\nb,0,0", "b"),
        ("image,epidural,no ich\nx,0,\ny,1,1", "y"),
        (f"image,{','.join(LABELS[1:])},no_hemorrhage\nz,0,0,0,0,0,0", "z"),
        ("image,normal,No_Hemorrhage\na,1,1\nb,1,0", "b"),
        ("study,any,normal\nq,1,1", "q"),
    ],
)
def test_a_column_of_no_hemorrhage_that_contradicts_others_is_refused_with_its_row(text, row, tmp_path):
    with pytest.raises(HemoError, match=rf"contradicts the other labels in 1 rows, the first {row}: "):
        read(tmp_path, text)
