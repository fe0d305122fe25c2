"""Patients never straddle a split."""

import hashlib
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hemo.errors import HemoError
from hemo.evaluation.protocols import Protocol
from hemo.labels import LABELS, SUBTYPES
from hemo.slices.split import Round, check_disjoint, deal, make_split, repeat_seed, rounds, set_apart


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


DIGESTS = {
    "cv": "672f911a2f486b8db36c59cb9ed5069135190397e5533bf2a6b01786acf4d174",
    "holdout": "6a081e3f3874e5ced9279c749b54e473c9783d96535afda6c9c33a2946a79ccb",
}
SIZES = [[114, 24, 68], [115, 20, 71], [119, 20, 67]]
"""Slices to learn from, to stop by and to test on, of each fold."""

indexes = st.builds(make_index, st.integers(8, 40), st.integers(0, 2**16), st.floats(0.05, 0.9))
protocols = st.sampled_from([Protocol.CV, Protocol.HOLDOUT])


@settings(max_examples=40, deadline=None)
@given(indexes, protocols, st.integers(0, 99))
def test_no_patient_is_in_two_parts_and_every_slice_is_tested_as_the_protocol_says(index, protocol, seed):
    every = rounds(make_split(index, protocol, seed, folds=4), index)
    for one in every:
        parts = [set(index["patient"].iloc[rows]) for rows in (one.train, one.validation, one.test)]
        assert sum(map(len, parts)) == index["patient"].nunique() == len(set.union(*parts))
    tested = np.concatenate([one.test for one in every])
    assert len(np.unique(tested)) == len(tested)
    assert protocol == Protocol.HOLDOUT or len(tested) == len(index)


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


@settings(max_examples=20, deadline=None)
@given(indexes, st.integers(0, 99), st.integers(2, 4))
def test_each_repeat_deals_anew_and_is_the_split_of_its_seed(index, seed, repeats):
    split = make_split(index, Protocol.CV, seed, folds=4, repeats=repeats)
    every = rounds(split, index)
    assert [(one.repeat, one.fold) for one in every] == [(r, f) for r in range(repeats) for f in range(4)]
    for repeat in range(repeats):
        alone = make_split(index, Protocol.CV, repeat_seed(seed, repeat), folds=4)
        column = "fold" if repeat == 0 else f"fold_{repeat + 1}"
        assert split.patients[column].tolist() == alone.patients["fold"].tolist()
        own = [one for one in every if one.repeat == repeat]
        for one, other in zip(own, rounds(alone, index), strict=True):
            assert all(
                np.array_equal(getattr(one, p), getattr(other, p)) for p in ("train", "validation", "test")
            )
            assert not set(index["patient"].iloc[one.test]) & set(index["patient"].iloc[one.train])
        assert sorted(np.concatenate([one.test for one in own])) == list(range(len(index)))


def test_repeats_differ_and_the_digest_is_of_all_of_them():
    index = make_index(30, 1)
    once, twice, thrice = (make_split(index, Protocol.CV, 0, repeats=number) for number in (1, 2, 3))
    assert once.digest == make_split(index, Protocol.CV, 0).digest
    assert len({once.digest, twice.digest, thrice.digest}) == 3
    assert thrice.digest == make_split(index, Protocol.CV, 0, repeats=3).digest
    folds = thrice.patients[["fold", "fold_2", "fold_3"]].to_numpy().T.tolist()
    assert len({tuple(fold) for fold in folds}) == 3
    assert make_split(index, Protocol.HOLDOUT, 0, repeats=3).repeats == 1


def test_another_seed_deals_otherwise():
    index = make_index(30, 1)
    assert make_split(index, Protocol.CV, 0).digest != make_split(index, Protocol.CV, 1).digest


def test_a_rare_label_is_spread_over_all_folds():
    index = make_index(50, 3, prevalence=0.0)
    rare = index["patient"].unique()[:5]
    index.loc[index["patient"].isin(rare), ["any", "subdural"]] = 1
    split = make_split(index, Protocol.CV, 0, folds=5)
    assert sorted(split.patients.set_index("patient")["fold"].loc[list(rare)]) == [0, 1, 2, 3, 4]


def test_folds_hold_about_as_many_slices_each():
    index = make_index(60, 5)
    sizes = [len(one.test) for one in rounds(make_split(index, Protocol.CV, 0, folds=5), index)]
    assert max(sizes) - min(sizes) <= 12


@pytest.mark.parametrize(("first", "second"), list(combinations(("train", "validation", "test"), 2)))
def test_a_patient_in_two_parts_is_refused(first, second):
    index = make_index(10, 0)
    own = {"train": "p0", "validation": "p1", "test": "p2"}
    parts = {part: np.flatnonzero(index["patient"] == patient) for part, patient in own.items()}
    check_disjoint(Round(3, *parts.values()), index)
    parts[second] = np.concatenate([parts[second], parts[first][:1]])
    with pytest.raises(ValueError, match=f"^fold 3: 1 patients are in {first} and in {second}$"):
        check_disjoint(Round(3, *parts.values()), index)


def test_rounds_are_checked_to_be_disjoint(monkeypatch):
    index = make_index(20, 0)
    monkeypatch.setattr("hemo.slices.split.set_apart", lambda index, rows, seed: (rows, rows))
    with pytest.raises(ValueError, match="patients are in train and in validation"):
        rounds(make_split(index, Protocol.CV, 0), index)


def test_a_split_that_does_not_know_a_patient_is_refused():
    index = make_index(12, 0)
    split = make_split(index, Protocol.HOLDOUT, 0)
    with pytest.raises(
        HemoError, match="^the split does not know all patients of the store: make the split again$"
    ):
        rounds(split, index.replace({"patient": {"p3": "another"}}))


@pytest.mark.parametrize(
    ("protocol", "parts", "remedy"),
    [
        (Protocol.CV, 5, "give more patients or fewer folds, --set folds=4"),
        (Protocol.HOLDOUT, 3, "give more patients or use --set 'protocol=cv folds=2'"),
    ],
)
def test_too_few_patients_are_refused_with_a_remedy(protocol, parts, remedy):
    fault = f"^{parts - 1} patients cannot be dealt to {parts} parts: {remedy}$"
    with pytest.raises(HemoError, match=fault):
        make_split(make_index(parts - 1, 0), protocol, 0, folds=5)
    assert make_split(make_index(parts, 0), protocol, 0, folds=5).patients["patient"].is_unique


def test_a_saved_split_holds_every_patient_once_and_what_it_was_dealt_with(tmp_path):
    split = make_split(make_index(20, 0), Protocol.CV, 4)
    for _ in range(2):  # the folder may be there already
        table, facts = split.save(tmp_path / "a" / "run")
    assert table.read_text().splitlines()[:2] == ["patient,fold", f"p0,{split.patients['fold'][0]}"]
    pd.testing.assert_frame_equal(pd.read_csv(table), split.patients, check_dtype=False)
    assert split.patients["patient"].tolist() == sorted(f"p{n}" for n in range(20))
    assert facts.read_text().splitlines() == [
        "{", '  "protocol": "cv",', '  "seed": 4,', f'  "digest": "{split.digest}"', "}",
    ]  # fmt: skip
    assert (table.name, facts.name) == ("split.csv", "split.json")


def dealt_by_hand(index: pd.DataFrame, fractions: list[float], seed: int) -> dict[Any, int]:
    """Iterative stratification as the article has it, one patient at a time, with plain dictionaries."""
    patients = {}
    for patient, rows in index.groupby("patient"):
        has = [label for label in LABELS if (rows[label] == 1).any()]
        patients[patient] = (rows["digest"].min(), len(rows), has)
    order = [name for name, _ in sorted(patients.items(), key=lambda item: item[1][:2])]
    random = np.random.default_rng(seed)
    order = [order[place] for place in random.permutation(len(order))]
    wanted = {
        label: [sum(label in has for *_, has in patients.values()) * share for share in fractions]
        for label in LABELS
    }
    slices = [len(index) * share for share in fractions]
    part: dict[Any, int] = {}
    while len(part) < len(order):
        left = {
            label: [name for name in order if name not in part and label in patients[name][2]]
            for label in LABELS
        }
        rarest = min(
            (label for label in LABELS if left[label]), key=lambda label: len(left[label]), default=""
        )
        these = left[rarest] if rarest else [name for name in order if name not in part]
        for name in sorted(these, key=lambda name: -patients[name][1]):
            need = wanted[rarest] if rarest else slices
            best = [place for place in range(len(fractions)) if np.isclose(need[place], max(need))]
            most = max(slices[place] for place in best)
            part[name] = int(random.choice([place for place in best if np.isclose(slices[place], most)]))
            for label in patients[name][2]:
                wanted[label][part[name]] -= 1
            slices[part[name]] -= patients[name][1]
    return part


@pytest.mark.parametrize("fractions", [[0.25] * 4, [0.6, 0.2, 0.2], [0.85, 0.15]])
@pytest.mark.parametrize("seed", range(4))
def test_patients_are_dealt_by_iterative_stratification(fractions, seed):
    index = make_index(24, seed, prevalence=(0.1, 0.3, 0.6, 0.0)[seed])
    index.loc[index["subdural"] == 0, "subdural"] = -1  # not known: no positive
    dealt = deal(index, fractions, seed)
    assert dealt.columns.tolist() == ["patient", "part"]
    assert dict(zip(dealt["patient"], dealt["part"], strict=True)) == dealt_by_hand(index, fractions, seed)


def test_patients_that_a_column_could_hold_and_does_not_are_not_dealt():
    index = make_index(24, 0)
    index["patient"] = index["patient"].astype("category")
    some = index[index["patient"] != "p0"]
    assert sorted(deal(some, [0.5, 0.5], 0)["patient"]) == sorted(some["patient"].unique())


def test_the_order_of_patients_can_be_by_another_column():
    index = make_index(24, 0)
    other = index.assign(scan=index["digest"].to_numpy()[::-1])
    one, two = deal(other, [0.5, 0.5], 0, "scan"), deal(index.assign(digest=other["scan"]), [0.5, 0.5], 0)
    pd.testing.assert_frame_equal(one, two)


def test_the_same_data_and_seed_give_the_split_they_always_gave():
    index = make_index(30, 7)
    cv, holdout = make_split(index, Protocol.CV, 11, folds=3), make_split(index, Protocol.HOLDOUT, 11)
    assert (cv.protocol, cv.seed, holdout.protocol) == ("cv", 11, "holdout")
    assert cv.digest == DIGESTS["cv"]
    assert holdout.digest == DIGESTS["holdout"]
    assert make_split(index, Protocol.CV, 11).patients["fold"].nunique() == 5
    sizes = [[len(one.train), len(one.validation), len(one.test)] for one in rounds(cv, index)]
    assert sizes == SIZES
    where = holdout.patients.set_index("patient")["part"]
    assert where.value_counts().to_dict() == {"train": 17, "test": 7, "validation": 6}


def test_the_digest_names_the_protocol_and_where_every_slice_went():
    index = make_index(12, 3)
    for protocol, column in ((Protocol.CV, "fold"), (Protocol.HOLDOUT, "part")):
        split = make_split(index, protocol, 0, folds=2)
        where = index["patient"].map(split.patients.set_index("patient")[column])
        lines = sorted(f"{digest} {place}" for digest, place in zip(index["digest"], where, strict=True))
        text = "\n".join([protocol, *lines])
        assert split.digest == hashlib.sha256(text.encode()).hexdigest()


def test_a_holdout_has_one_round_and_cv_one_a_fold_each_stopping_early_by_patients_of_its_own():
    index = make_index(40, 2)
    (one,) = rounds(make_split(index, Protocol.HOLDOUT, 5), index)
    where = index["patient"].map(make_split(index, Protocol.HOLDOUT, 5).patients.set_index("patient")["part"])
    assert one.fold == -1
    for part, rows in (("train", one.train), ("validation", one.validation), ("test", one.test)):
        assert rows.tolist() == np.flatnonzero(where == part).tolist()
    # Patients all alike: how they are dealt is decided by the seed alone.
    index = index.drop_duplicates("patient").assign(**dict.fromkeys(LABELS, 0))
    split = make_split(index, Protocol.CV, 5, folds=4)
    every = rounds(split, index)
    assert [one.fold for one in every] == [0, 1, 2, 3]
    fold = index["patient"].map(split.patients.set_index("patient")["fold"])
    for one in every:
        assert one.test.tolist() == np.flatnonzero(fold == one.fold).tolist()
        train, validation = set_apart(index, np.flatnonzero(fold != one.fold), 5 + 1 + one.fold)
        assert (one.train.tolist(), one.validation.tolist()) == (train.tolist(), validation.tolist())


def test_a_share_of_the_patients_is_set_apart_in_the_order_of_the_rows():
    index = make_index(40, 4)
    rows = np.flatnonzero(index["patient"] != "p7")[::-1]
    for share in (0.15, 0.4):
        train, apart = set_apart(index, rows, 3, share)
        assert len(apart) / len(rows) == pytest.approx(share, abs=0.02)
        dealt = dealt_by_hand(index.iloc[rows], [1 - share, share], 3)
        assert train.tolist() == [row for row in rows if dealt[index["patient"][row]] == 0]
        assert apart.tolist() == [row for row in rows if dealt[index["patient"][row]] == 1]
    assert set_apart(index, rows, 3)[1].tolist() == set_apart(index, rows, 3, 0.15)[1].tolist()


def test_patients_are_dealt_by_what_is_known_of_studies_where_nothing_is_of_slices():
    index = make_index(40, seed=3, prevalence=0.25)
    said = index.groupby("patient")[list(LABELS)].transform("max")
    alone = index.assign(**dict.fromkeys(LABELS, -1), **{f"study_{label}": said[label] for label in LABELS})
    by_slices = deal(index, [0.5, 0.5], seed=1)
    pd.testing.assert_frame_equal(deal(alone, [0.5, 0.5], seed=1), by_slices)
