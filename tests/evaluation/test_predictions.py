import numpy as np
import pandas as pd
import pytest

from hemo.errors import HemoError
from hemo.evaluation import predictions


def test_a_table_survives_writing_and_reading(simulate, tmp_path):
    table = simulate(0)
    predictions.write(table, tmp_path / "predictions.parquet")
    assert predictions.read(tmp_path / "predictions.parquet").equals(table)


def test_equal_tables_give_equal_bytes(simulate, tmp_path):
    for name in "ab":
        predictions.write(simulate(0), tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_other_columns_are_dropped_and_types_set(simulate):
    table = simulate(0)
    loose = table.assign(extra=1, truth=table["truth"].astype(float))[table.columns[::-1]]
    assert predictions.validate(loose).equals(table)


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("truth", 2, "truth"),
        ("probability", 1.5, "between 0 and 1"),
        ("probability", np.nan, "empty values in probability"),
        ("threshold", np.inf, "finite"),
        ("part", "train", "validation or test"),
        ("slice_id", "s00001", "slice s00001 twice"),
        ("fold", 3, "1 patients in more than one part or fold"),
    ],
)
def test_a_wrong_value_is_refused_by_name(simulate, column, value, message):
    table = simulate(0)
    table[column] = table[column].astype(object)
    table.loc[0, column] = value
    with pytest.raises(HemoError, match=message):
        predictions.validate(table)


def test_a_missing_column_is_refused_by_name(simulate):
    with pytest.raises(HemoError, match="no column patient"):
        predictions.validate(simulate(0).drop(columns="patient"))


def test_a_missing_file_and_a_file_that_is_none_are_refused(tmp_path):
    with pytest.raises(HemoError, match="no such prediction table"):
        predictions.read(tmp_path / "absent.parquet")
    (tmp_path / "text.parquet").write_text("no table")
    with pytest.raises(HemoError, match="not a Parquet file"):
        predictions.read(tmp_path / "text.parquet")


def test_a_study_is_positive_where_any_slice_is(simulate):
    table = simulate(0)
    studies = predictions.study_table(table)
    assert len(studies) == table["study"].nunique()
    assert studies["truth"].sum() == table.loc[table["truth"] == 1, "study"].nunique()
    called = table.loc[table["probability"] >= table["threshold"], "study"]
    assert set(studies.loc[studies["probability"] >= studies["threshold"], "study"]) == set(called)


def test_a_study_can_be_averaged_and_nothing_else(simulate):
    table = simulate(0)
    studies = predictions.study_table(table, "mean").set_index("study")
    assert np.allclose(studies["probability"], table.groupby("study")["probability"].mean())
    with pytest.raises(HemoError, match="max or mean"):
        predictions.study_table(table, "median")


def test_a_table_of_several_deals_is_of_the_same_slices_each_once_a_deal(simulate):
    table = simulate(0, folds=3)
    assert set(table["repeat"]) == {0}  # where a table does not say
    again = pd.concat([table, table.assign(repeat=1, fold=(table["fold"] + 1) % 3)])
    both = predictions.validate(again)
    assert [len(deal) for deal in predictions.deals(both)] == [len(table)] * 2
    assert predictions.once(both).equals(table)
    studies = predictions.study_table(both)
    assert predictions.once(studies).equals(predictions.study_table(table))
    for fault, words in (
        (again.iloc[:-1], "deals of different slices"),
        (again.assign(truth=[*table["truth"], *(1 - table["truth"])]), "deals of different slices"),
        (again.assign(fold=[*table["fold"], *range(len(table))]), "in more than one part or fold"),
    ):
        with pytest.raises(HemoError, match=words):
            predictions.validate(fault)
