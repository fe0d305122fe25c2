import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import cohen_kappa_score, recall_score

from hemo.evaluation.agreement import agreement, cohen_kappa, fleiss_kappa, majority, reader_against_others

VOTES = st.tuples(st.integers(2, 12), st.integers(2, 5)).flatmap(
    lambda shape: arrays(np.int8, shape, elements=st.integers(0, 1))
)
GAPS = st.tuples(st.integers(2, 12), st.integers(2, 5)).flatmap(
    lambda shape: arrays(np.int8, shape, elements=st.integers(-1, 1))
)


def fleiss_by_hand(votes):
    """Return Fleiss' kappa by the formulas of his paper, one sum at a time."""
    studies, readers = votes.shape
    table = np.array([[(row == 0).sum(), (row == 1).sum()] for row in votes])
    shares = table.sum(axis=0) / (studies * readers)
    each = [(sum(n * n for n in row) - readers) / (readers * (readers - 1)) for row in table.tolist()]
    expected = float((shares**2).sum())
    return (np.mean(each) - expected) / (1 - expected)


def erring(rng, truth, sensitivity, specificity):
    """Return votes of a reader with a sensitivity and specificity of their own."""
    right = rng.random(len(truth)) < np.where(truth == 1, sensitivity, specificity)
    return np.where(right, truth, 1 - truth).astype(np.int8)


@given(VOTES)
@settings(deadline=None)
def test_fleiss_kappa_is_what_his_formulas_give(votes):
    found = fleiss_kappa(votes)
    if len(np.unique(votes)) == 1:
        assert np.isnan(found)
    else:
        assert found == pytest.approx(fleiss_by_hand(votes), abs=1e-9)


def test_fleiss_kappa_of_votes_that_are_half_positive_is_twice_what_agrees_beyond_half():
    # Ten studies and five readers; the counts of 1, and kappa by hand from them.
    ones = [5, 0, 4, 1, 3, 5, 0, 2, 5, 0]
    votes = np.array([[1] * n + [0] * (5 - n) for n in ones], np.int8)
    observed = np.mean([(n * n + (5 - n) ** 2 - 5) / 20 for n in ones])
    assert fleiss_kappa(votes) == pytest.approx((observed - 0.5) / 0.5)


@given(VOTES)
@settings(deadline=None)
def test_cohen_kappa_is_scikit_learn_s(votes):
    first, second = votes[:, 0], votes[:, 1]
    found = cohen_kappa(first, second)
    if len({*first.tolist(), *second.tolist()}) == 1:
        assert np.isnan(found)
    else:
        assert found == pytest.approx(cohen_kappa_score(first, second), abs=1e-9)


@given(GAPS, st.randoms())
@settings(deadline=None)
def test_agreement_depends_neither_on_the_order_of_studies_nor_on_that_of_readers(votes, random):
    rows, columns = list(range(len(votes))), list(range(votes.shape[1]))
    random.shuffle(rows)
    random.shuffle(columns)
    other = votes[rows][:, columns]
    assert fleiss_kappa(other) == pytest.approx(fleiss_kappa(votes), abs=1e-9, nan_ok=True)
    assert majority(other).tolist() == majority(votes)[rows].tolist()


@given(GAPS)
@settings(deadline=None)
def test_no_missing_vote_could_change_a_majority(votes):
    found = majority(votes)
    for fill in (0, 1):
        filled = majority(np.where(votes < 0, fill, votes).astype(np.int8))
        assert (filled[found >= 0] == found[found >= 0]).all()


@given(GAPS)
@settings(deadline=None)
def test_studies_with_fewer_than_two_votes_say_nothing_of_agreement(votes):
    kept = votes[(votes >= 0).sum(axis=1) >= 2]
    assert fleiss_kappa(kept) == pytest.approx(fleiss_kappa(votes), abs=1e-9, nan_ok=True)


@given(VOTES.filter(lambda votes: votes.shape[1] % 2 == 0))
@settings(deadline=None)
def test_a_reader_is_judged_by_what_most_of_the_others_say(votes):
    others = (votes[:, 1:].mean(axis=1) > 0.5).astype(int)
    sensitivity, specificity = reader_against_others(votes, 0)
    for value, truth in ((sensitivity, 1), (specificity, 0)):
        if (others == truth).any():
            assert value == pytest.approx(recall_score(others, votes[:, 0], pos_label=truth))
        else:
            assert np.isnan(value)


def test_a_tie_of_the_others_judges_nobody():
    votes = np.array([[1, 1, 0], [1, 1, 1], [0, 0, 0]], np.int8)
    assert reader_against_others(votes, 0) == (1.0, 1.0)
    found = agreement({"any": votes}, {"any": ["A", "B", "C"]}, ["p", "q", "r"], draws=50)
    own = found[(found["readers"] == "A")].set_index("measure")
    assert own["studies"].to_dict() == {"sensitivity": 1, "specificity": 1}


def test_the_table_has_a_row_for_all_readers_each_pair_and_each_reader():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, 60)
    votes = np.stack([erring(rng, truth, 0.9, 0.9) for _ in range(3)], axis=1)
    names = ["R1", "R2", "R3"]
    found = agreement({"any": votes, "epidural": votes[:, :1]}, {"any": names, "epidural": ["R1"]},
                      [f"p{number // 2}" for number in range(60)], draws=200)  # fmt: skip
    assert set(found["label"]) == {"any"}  # a single reader agrees with nobody
    assert found["measure"].value_counts().to_dict() == {
        "fleiss_kappa": 1, "cohen_kappa": 3, "sensitivity": 3, "specificity": 3,
    }  # fmt: skip
    assert (found["low"] <= found["value"]).all()
    assert (found["value"] <= found["high"]).all()
    assert found["patients"].max() == 30


def test_perfect_agreement_of_few_patients_is_not_taken_for_certain():
    votes = np.array([[1, 1], [0, 0], [1, 1], [0, 0]], np.int8)
    found = agreement({"any": votes}, {"any": ["A", "B"]}, ["p", "q", "r", "s"], draws=100)
    assert (found["value"] == 1).all()
    assert (found["low"] < 0.6).all()


def test_readers_who_all_say_no_have_no_kappa_and_no_interval():
    found = agreement({"any": np.zeros((5, 3), np.int8)}, {"any": list("ABC")}, list("pqrst"), draws=50)
    kappas = found[found["measure"].str.endswith("kappa")]
    assert kappas[["value", "low", "high"]].isna().all(axis=None)


def test_studies_of_one_patient_widen_the_interval():
    rng = np.random.default_rng(1)
    truth = np.repeat(rng.integers(0, 2, 20), 5)
    first = np.repeat(erring(rng, truth[::5], 0.8, 0.8), 5)
    votes = np.stack([truth.astype(np.int8), first], axis=1)
    apart = agreement({"any": votes}, {"any": ["A", "B"]}, [f"p{n}" for n in range(100)], draws=300)
    alike = agreement({"any": votes}, {"any": ["A", "B"]}, [f"p{n // 5}" for n in range(100)], draws=300)
    widths = [(found["high"] - found["low"]).iloc[0] for found in (apart, alike)]
    assert widths[1] > 1.5 * widths[0]


def test_intervals_of_kappa_hold_the_truth_about_95_times_in_100():
    rng = np.random.default_rng(2)
    prevalence, right = 0.4, 0.9
    # Two readers of equal sensitivity and specificity: kappa by its definition.
    observed = right**2 + (1 - right) ** 2
    called = prevalence * right + (1 - prevalence) * (1 - right)
    expected = called**2 + (1 - called) ** 2
    kappa = (observed - expected) / (1 - expected)
    held = 0
    for seed in range(200):
        truth = (rng.random(80) < prevalence).astype(int)
        votes = np.stack([erring(rng, truth, right, right) for _ in range(2)], axis=1)
        names = [f"p{number}" for number in range(80)]
        row = agreement({"any": votes}, {"any": ["A", "B"]}, names, 300, seed).iloc[1]
        held += row["low"] <= kappa <= row["high"]
    assert 180 <= held <= 199
