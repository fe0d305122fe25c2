"""Patients never straddle a split."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hemo.errors import HemoError
from hemo.labels import LABELS, SUBTYPES
from hemo.slices.split import Round, check_disjoint, make_split, rounds


def make_index(patients: int, seed: int, prevalence: float = 0.3) -> pd.DataFrame:
    """A store's index of patients with 1 to 12 slices and random labels."""
    rng = np.random.default_rng(seed)
    patient = np.repeat(np.arange(patients), rng.integers(1, 13, patients))
    ill = rng.random((patients, len(SUBTYPES))) < prevalence
    labels = (ill[patient] & (rng.random((len(patient), len(SUBTYPES))) < 0.5)).astype(np.int8)
    index = pd.DataFrame(labels, columns=list(SUBTYPES))
    index.insert(0, "any", labels.max(axis=1))
    index["patient"] = [f"p{number}" for number in patient]
    index["digest"] = [f"{row:08x}" for row in rng.permutation(len(index))]
    index["slice_id"] = [f"s{row}" for row in range(len(index))]
    return index


indexes = st.builds(make_index, st.integers(8, 40), st.integers(0, 2**16), st.floats(0.05, 0.9))
protocols = st.sampled_from(["cv", "holdout"])


@settings(max_examples=40, deadline=None)
@given(indexes, protocols, st.integers(0, 99))
def test_no_patient_is_in_two_parts_and_every_slice_is_tested_as_the_protocol_says(index, protocol, seed):
    every = rounds(make_split(index, protocol, seed, folds=4), index)
    for one in every:
        parts = [set(index["patient"].iloc[rows]) for rows in (one.train, one.validation, one.test)]
        assert sum(map(len, parts)) == index["patient"].nunique() == len(set.union(*parts))
    tested = np.concatenate([one.test for one in every])
    assert len(np.unique(tested)) == len(tested)
    assert protocol == "holdout" or len(tested) == len(index)


@settings(max_examples=20, deadline=None)
@given(indexes, protocols, st.integers(0, 99), st.randoms(use_true_random=False))
def test_the_split_depends_on_the_slices_and_the_seed_but_not_on_pseudonyms_or_order(
    index, protocol, seed, random
):
    names = index["patient"].unique().tolist()
    random.shuffle(names)
    renamed = index.assign(
        patient=index["patient"].map(dict(zip(index["patient"].unique(), names, strict=True)))
    )
    shuffled = renamed.sample(frac=1, random_state=seed)
    one, other = make_split(index, protocol, seed), make_split(shuffled, protocol, seed)
    assert one.digest == other.digest


def test_another_seed_deals_otherwise():
    index = make_index(30, 1)
    assert make_split(index, "cv", 0).digest != make_split(index, "cv", 1).digest


def test_a_rare_label_is_spread_over_all_folds():
    index = make_index(50, 3, prevalence=0.0)
    rare = index["patient"].unique()[:5]
    index.loc[index["patient"].isin(rare), ["any", "subdural"]] = 1
    split = make_split(index, "cv", 0, folds=5)
    assert sorted(split.patients.set_index("patient")["fold"].loc[list(rare)]) == [0, 1, 2, 3, 4]


def test_folds_hold_about_as_many_slices_each():
    index = make_index(60, 5)
    sizes = [len(one.test) for one in rounds(make_split(index, "cv", 0, folds=5), index)]
    assert max(sizes) - min(sizes) <= 12


def test_a_patient_in_two_parts_is_refused():
    index = make_index(10, 0)
    rows = np.flatnonzero(index["patient"] == "p0")
    other = np.flatnonzero(index["patient"] == "p1")
    with pytest.raises(ValueError, match="1 patients are in train and in test"):
        check_disjoint(Round(0, rows, other, rows), index)


def test_a_split_that_does_not_know_a_patient_is_refused():
    index = make_index(12, 0)
    split = make_split(index, "holdout", 0)
    with pytest.raises(HemoError, match="does not know all patients"):
        rounds(split, index.assign(patient="another"))


def test_too_few_patients_are_refused_with_a_remedy():
    with pytest.raises(HemoError, match="3 patients cannot be dealt to 5 parts: .*fewer folds"):
        make_split(make_index(3, 0), "cv", 0, folds=5)


def test_a_saved_split_holds_every_patient_once(tmp_path):
    split = make_split(make_index(20, 0), "cv", 0)
    table, _ = split.save(tmp_path)
    saved = pd.read_csv(table)
    assert saved["patient"].is_unique
    assert set(saved.columns) == {"patient", "fold"}
    assert set(LABELS) & set(saved.columns) == set()
