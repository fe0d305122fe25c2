"""Groups of slices by what headers say: known by name, banded or pseudonymous, and never of few patients."""

import math

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hemo.imaging import Reduction, read_parts
from hemo.imaging.raw import Origin
from hemo.slices.groups import FEWEST, GROUPS, OTHER, columns_of, groups_of, of_patients
from hemo.slices.matching import Records
from hemo.slices.preprocess import preprocess
from hemo.slices.records import RECORD
from tests.helpers.scans import head, make_dicom, slices_of

KEY = b"k" * 32


def said(**words) -> dict[str, str]:
    thickness, kernel = words.pop("thickness", math.nan), words.pop("kernel", "")
    found = groups_of(KEY, Origin(**words), kernel, thickness)
    assert found is not None
    return dict(zip(GROUPS, found.split("\n"), strict=True))


@pytest.mark.parametrize(
    ("words", "column", "group"),
    [
        ({"manufacturer": "GE MEDICAL SYSTEMS"}, "manufacturer", "GE"),
        ({"manufacturer": "TOSHIBA"}, "manufacturer", "Canon"),
        ({"manufacturer": "German CT"}, "manufacturer", OTHER),
        ({"model": "SOMATOM Definition AS+"}, "model", "SOMATOM"),
        ({"voltage": 120.0}, "tube_voltage", "120 kV"),
        ({"voltage": 121.3}, "tube_voltage", OTHER),
        ({"age": 17.9}, "age", "under 18"),
        ({"age": 97.0}, "age", "80 and more"),
        ({"age": -3.0}, "age", OTHER),
        ({"sex": "F"}, "sex", "female"),
        ({"thickness": 0.625}, "slice_thickness", "under 2 mm"),
        ({"thickness": 5.0}, "slice_thickness", "4 mm and more"),
        ({"kernel": "H60s"}, "kernel", "hard"),
    ],
)
def test_a_header_is_said_by_names_that_are_known_and_by_bands(words, column, group):
    assert said(**words)[column] == group


@given(st.text(max_size=30), st.text(max_size=30))
def test_no_text_of_a_header_is_kept(manufacturer, model):
    text = groups_of(KEY, Origin(f"QXPLANTED {manufacturer}", f"{model} QXPLANTED"), "QXPLANTED", 5.0)
    assert text is not None
    assert "QXPLANTED" not in text
    assert text.count("\n") == len(GROUPS) - 1
    assert said(model="QXPLANTED")["model"] == said(model="qxplanted ")["model"] != OTHER


def test_pictures_have_no_header():
    assert groups_of(KEY, None, "", math.nan) is None


@given(st.lists(st.sampled_from(["GE", "Canon", "Philips", "Siemens", ""]), min_size=1, max_size=40))
def test_no_group_is_of_fewer_than_five_patients_unless_nothing_is_known_of_any(makers):
    lines = pd.Series([f"{maker}{chr(10) * (len(GROUPS) - 1)}" if maker else None for maker in makers])
    patients = pd.Series([f"p{number}" for number in range(len(makers))])
    columns = columns_of(lines, patients)
    assert set(columns) <= {"manufacturer"}
    if columns:
        kept = columns["manufacturer"]
        assert kept.value_counts().loc[lambda n: n > 0].min() >= FEWEST
        assert all(one in (OTHER, maker) for one, maker in zip(kept, makers, strict=True))
    else:
        counts = pd.Series(makers).value_counts()
        large = counts[(counts >= FEWEST) & (counts.index != "")]
        assert large.empty or len(makers) - large.sum() > 0


def scan(patient: int, number: int, **elements: str) -> bytes:
    """Return a slice of a patient."""
    stored = (head(64, seed=10 * patient + number) + 1024).astype(np.int16)
    place = {"SOPInstanceUID": f"1.2.{patient}.{number}", "SeriesInstanceUID": f"1.2.{patient}"}
    return make_dicom(
        stored, RescaleIntercept="-1024", PatientID=str(patient), StudyInstanceUID=f"1.2.{patient}",
        InstanceNumber=str(number), **place, **elements,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("elements", "years"),
    [
        ({"PatientAge": "018M"}, 1.5),
        ({"PatientBirthDate": "19500101", "StudyDate": "20200101"}, 70.0),
        ({"PatientBirthDate": "19000101", "StudyDate": "20250101"}, math.nan),
        ({"PatientBirthDate": "20500101", "StudyDate": "20200101"}, math.nan),
        ({"PatientBirthDate": "19500101"}, math.nan),
        ({"PatientAge": "abc"}, math.nan),
        ({}, math.nan),
    ],
)
def test_an_age_is_what_is_said_or_follows_from_two_dates_that_can_be_right(elements, years):
    (read,) = slices_of(read_parts(scan(1, 1, **elements), "scan.dcm"))
    assert read.origin is not None
    assert read.origin.age == pytest.approx(years, abs=0.01, nan_ok=True)


def test_a_store_knows_the_groups_of_its_patients_also_where_it_is_added_to(tmp_path):
    scans, store = tmp_path / "scans", tmp_path / "store"
    scans.mkdir()

    def add(patients, **elements):
        for patient in patients:
            for number in (1, 2):
                (scans / f"{patient}-{number}.dcm").write_bytes(scan(patient, number, **elements))
        return preprocess(scans, None, store, Reduction(size=16)).store

    first = add(range(5), Manufacturer="SIEMENS", PatientAge="071Y", KVP="120")
    digest = first.digest
    assert first.groups is not None
    assert set(first.groups["manufacturer"]) == {"Siemens"}
    second = add(range(5, 12), Manufacturer="GE", PatientAge="030Y", PatientSex="F")
    assert second.digest != digest
    assert second.groups is not None
    assert second.groups["manufacturer"].value_counts().to_dict() == {"GE": 7, "Siemens": 5}
    assert set(second.groups["sex"]) == {"female", OTHER}


def test_of_older_records_nothing_is_known(tmp_path):
    file = tmp_path / "00000.parquet"
    pq.write_table(RECORD.empty_table().drop_columns("groups"), file)
    (table,) = Records([file], np.empty(0, np.bool_)).read(["patient", "groups", "row"])
    assert table.schema == pa.schema([RECORD.field(name) for name in ("patient", "groups", "row")])


def test_a_patient_is_of_the_group_of_most_slices():
    index = pd.DataFrame({"patient": list("aaab"), "model": ["x", "y", "y", "x"]})
    found = of_patients(index)
    assert found is not None
    assert found["model"].to_dict() == {"a": "y", "b": "x"}
    assert of_patients(index[["patient"]]) is None
