"""Metrics by group: those of the group's rows, and differences that permutations tell."""

import numpy as np
import pandas as pd
import pytest

from hemo.display import subgroups as shown
from hemo.evaluation import intervals
from hemo.evaluation.predictions import study_table
from hemo.evaluation.subgroups import COLUMNS, FEWEST, subgroups


def groups_of(table, seed=0):
    """Deal the patients of a table to scanners and sexes."""
    patients = sorted(set(table["patient"]))
    random = np.random.default_rng(seed)
    model = random.choice(["old", "new", "other"], len(patients))
    return pd.DataFrame({"model": model, "sex": random.choice(["female", "male"], len(patients))}, patients)


def planted(table, groups):
    """Have every positive slice of the old scanner missed."""
    old = table["patient"].map(groups["model"]) == "old"
    low = table["threshold"] / 2
    return table.assign(probability=table["probability"].where(~old | (table["truth"] == 0), low))


def test_a_groups_metrics_are_those_of_its_rows_and_the_others_those_of_all_other_rows(simulate):
    table = simulate(1, patients=40, positive=20)
    groups = groups_of(table)
    found = subgroups({"slice": table, "study": study_table(table)}, groups)
    assert tuple(found.columns) == COLUMNS
    row = found[(found["unit"] == "slice") & (found["group"] == "old") & (found["metric"] == "recall")].iloc[
        0
    ]
    inside = table["patient"].map(groups["model"]) == "old"
    metrics = [
        intervals.bootstrap(part, 1, 0, ["recall"])["value"][0] for part in (table[inside], table[~inside])
    ]
    assert (row["value"], row["others"]) == pytest.approx(metrics)
    assert row["low"] <= row["value"] <= row["high"]
    assert row["patients"] == (groups["model"] == "old").sum()


def test_a_scanner_whose_positives_are_missed_is_told_and_chance_is_not(simulate):
    hits, claims = 0, 0
    for seed in range(10):
        table = simulate(seed, patients=80, positive=60)
        groups = groups_of(table, seed)
        clean = subgroups({"slice": table}, groups, draws=2, seed=seed)
        claims += bool((clean["p_corrected"] < shown.SURE).any())
        found = subgroups({"slice": planted(table, groups)}, groups, draws=2, seed=seed)
        told = found[found["p_corrected"] < shown.SURE]
        hits += bool(((told["group"] == "old") & (told["metric"] == "recall")).any())
    assert hits == 10
    assert claims <= 1


def test_a_corrected_p_is_no_smaller_than_its_own_and_two_groups_of_all_patients_have_one(simulate):
    table = simulate(4, patients=50, positive=25)
    found = subgroups({"slice": table, "study": study_table(table)}, groups_of(table), draws=2)
    tested = found.dropna(subset="p")
    assert (tested["p_corrected"] >= tested["p"] - 1e-12).all()
    assert set(found.loc[found["p"].isna(), "metric"]) == {"auc"}
    sexes = tested[tested["attribute"] == "sex"].groupby(["unit", "metric"])["p"]
    assert (sexes.nunique() == 1).all()


def test_nothing_is_said_of_few_patients_nor_of_all_but_few_nor_of_those_of_whom_nothing_is_known(simulate):
    table = simulate(5, patients=30, positive=15)
    patients = sorted(set(table["patient"]))
    few = ["x"] * (FEWEST - 1) + ["y"] * (len(patients) - FEWEST + 1)
    groups = pd.DataFrame({"model": few, "sex": ["f"] * 10 + [""] * 20}, patients)
    found = subgroups({"slice": table}, groups, draws=2)
    assert set(found["group"]) == {"f"}
    assert subgroups({"slice": table}, groups[["model"]], draws=2).empty


def test_slices_of_few_patients_are_not_said_of_beside_studies_of_many(simulate):
    table = simulate(7, patients=40, positive=20)
    groups = groups_of(table)
    few = groups.index[groups["model"] == "old"][: FEWEST - 1]
    slices = table[table["patient"].isin([*few, *groups.index[groups["model"] == "new"]])]
    found = subgroups({"slice": slices, "study": study_table(table)}, groups, draws=2)
    assert "old" not in set(found.loc[found["unit"] == "slice", "group"])
    assert "old" in set(found.loc[found["unit"] == "study", "group"])


def test_people_read_which_groups_are_unlike_others(simulate):
    table = simulate(6, patients=60, positive=40)
    groups = groups_of(table)
    found = subgroups({"slice": planted(table, groups)}, groups, draws=50)
    assert "recall by slice of model old 0.00, of all others" in shown.conclusion(found)
    rows = shown.readable(found, "slice").set_index("group")
    assert str(rows.loc["old", "recall"]).endswith("*")
    assert not str(rows.loc["new", "AUC"]).endswith("*")
    calm = subgroups({"slice": table}, groups, draws=2)
    assert shown.conclusion(calm) == "No group is told from all others."


def test_a_page_says_of_which_labels_a_group_is_told_and_once_that_none_is(simulate):
    table = simulate(8, patients=60, positive=40)
    groups = groups_of(table)
    calm = subgroups({"slice": table}, groups, draws=2)
    told = subgroups({"slice": planted(table, groups)}, groups, draws=2)
    quiet = shown.section({"any": calm, "subdural": calm})
    assert quiet is not None
    assert quiet.text.count(shown.CALM) == 1
    loud = shown.section({"any": calm, "subdural": told})
    assert loud is not None
    assert loud.text.startswith("subdural: Judged unlike others: recall by slice of model old 0.00")
    assert shown.section({"any": calm.iloc[:0]}) is None
