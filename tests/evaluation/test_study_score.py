"""A study's score: what poolings give, which one is chosen, and that read back it is what was fitted."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hemo.errors import HemoError
from hemo.evaluation import study_score
from hemo.evaluation.calibration import expit, logit
from hemo.evaluation.poolings import describe
from hemo.evaluation.study_score import StudyScore, fit


def studies(count=120, slices=20, seed=0, signal=3.0, blood=6):
    """Return probability and study of slices, and truth and fold of studies: blood lies on `blood` slices."""
    rng = np.random.default_rng(seed)
    truth = np.arange(count) % 2
    scores = rng.normal(-2, 1, (count, slices))
    for number in np.flatnonzero(truth):
        start = rng.integers(slices - blood)
        scores[number, start : start + blood] += signal
    study = np.repeat(np.arange(count), slices)
    return expit(scores.ravel()), study, truth, rng.permutation(np.arange(count) % 5)


def test_of_equally_good_poolings_the_simplest_is_taken():
    probability, study, truth, fold = studies(signal=9.0, blood=1)
    assert fit(describe(probability, study), truth, fold).score.pooling == "max"


def test_blood_on_many_slices_is_told_by_more_than_the_largest():
    probability, study, truth, fold = studies(count=400, signal=1.2, blood=10)
    found = fit(describe(probability, study), truth, fold)
    assert found.score.pooling != "max"
    assert found.losses[found.score.pooling] < found.losses["max"]


def test_held_out_probabilities_do_not_follow_the_study_s_own_truth():
    """With scores of chance the largest score, fitted out of fold, tells nothing either."""
    rng = np.random.default_rng(1)
    probability, study, _, fold = studies(signal=0.0)
    truth = rng.integers(0, 2, 120)
    held = fit(describe(probability, study), truth, fold).probability
    gap = held[truth == 1].mean() - held[truth == 0].mean()
    assert abs(gap) < 0.1


@pytest.mark.parametrize("method", ["none", "sigmoid", "isotonic"])
def test_a_score_read_back_gives_the_same_probabilities(method):
    probability, study, truth, fold = studies(count=400, signal=1.2, blood=10)
    score = fit(describe(probability, study), truth, fold, method).score
    again = StudyScore.from_json(json.loads(json.dumps(score.to_json())))
    np.testing.assert_array_equal(again(probability, study), score(probability, study))
    with pytest.raises(HemoError, match="should be what a run wrote"):
        StudyScore.from_json({"pooling": "max"})
    with pytest.raises(HemoError, match="unknown way to a study's score"):
        StudyScore.from_json({**score.to_json(), "pooling": "median"})(probability, study)


@pytest.mark.parametrize("positive", [0, 4, 116, 120])
def test_too_few_studies_of_a_class_teach_no_score(positive):
    probability, study, _, fold = studies()
    with pytest.raises(HemoError, match="learned from 5 positive and as many negative studies"):
        fit(describe(probability, study), (np.arange(120) < positive).astype(int), fold)


@given(st.lists(st.tuples(st.integers(0, 30), st.floats(0, 1)), min_size=1, max_size=60))
def test_patients_are_dealt_whole_and_whatever_they_are_called(rows):
    patient, score = zip(*rows, strict=True)
    fold = study_score.folds_of(patient, np.array(score), 4)
    assert len({(name, number) for name, number in zip(patient, fold, strict=True)}) == len(set(patient))
    renamed = [f"x{1000 - name}" for name in patient]
    np.testing.assert_array_equal(study_score.folds_of(renamed, np.array(score), 4), fold)


def test_what_a_classifier_says_of_studies_itself_is_its_attention_weighted_log_odds():
    probability, study, truth, fold = studies()
    # A good network: it looks at the highest slice where there is blood, else at one like the others.
    rank = np.argsort(np.argsort(probability.reshape(-1, 20), axis=1), axis=1)
    weight = 0.01 + (rank == np.where(truth == 1, 19, 10)[:, None]).ravel()
    attention = weight / np.bincount(study, weight)[study]
    found = fit(describe(probability, study, attention), truth, fold, "none")
    assert found.score.pooling == "attention"
    wanted = expit(np.bincount(study, attention * logit(probability)).astype(float))
    np.testing.assert_allclose(found.score(probability, study, attention), wanted)
    # Attention is a share of a stack: of a study of two it is that of both.
    one = StudyScore("attention", found.score.calibrator)
    both = np.zeros(len(study), int)
    np.testing.assert_allclose(logit(one(probability, both, attention)), np.mean(logit(wanted)), rtol=1e-6)
    read = StudyScore.from_json(json.loads(json.dumps(found.score.to_json())))
    np.testing.assert_array_equal(
        read(probability, study, attention), found.score(probability, study, attention)
    )


def test_attention_that_tells_nothing_gives_way_and_without_any_it_is_not_tried():
    probability, study, truth, fold = studies()
    lowest = np.array([probability[study == one].argmin() == np.arange(20) for one in range(120)])
    found = fit(describe(probability, study, lowest.ravel().astype(float)), truth, fold, "none")
    assert found.score.pooling != "attention"
    assert "attention" not in fit(describe(probability, study), truth, fold, "none").losses
    with pytest.raises(HemoError, match="gave none"):
        StudyScore("attention", found.score.calibrator)(probability, study)
