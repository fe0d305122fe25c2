"""Families that judge a slice by its study."""

from typing import Any

import numpy as np
import pytest
from scipy.special import expit, logit

from hemo import families
from hemo.errors import HemoError
from hemo.families import _study

STUDY = np.array([0, 0, 0, 0, 1, 1, 1, 1])
MEMBERS = {"boosted": {"trees": 20, "learning_rate": 0.2, "samples_in_leaf": 5}}


def slices(n, seed=0):
    rng = np.random.default_rng(seed)
    truth = np.arange(n) // 2 % 2
    images = rng.normal(90, 20, (n, 24, 24, 1))
    images[truth == 1, 6:14, 6:14] += 70
    return images.clip(0, 255).astype(np.uint8), truth


def test_smoothing_stays_within_the_study():
    values = np.array([0.0, 0, 0, 9, 0, 0, 0, 0])
    np.testing.assert_allclose(_study.smoothed(values, STUDY, 1), [0, 0, 3, 6, 0, 0, 0, 0])


def test_a_study_scores_as_its_highest_slices():
    np.testing.assert_allclose(_study.of_study(np.arange(8.0), STUDY), [2, 2, 2, 2, 6, 6, 6, 6])


def test_a_slice_alone_is_its_own_study():
    values = np.arange(8.0)
    alone = _study.numbers(None, 8)
    np.testing.assert_allclose(_study.of_study(_study.smoothed(values, alone, 1), alone), values)


@pytest.mark.parametrize(("family", "params"), [("sequence", {}), ("ensemble", {"members": MEMBERS})])
def test_other_studies_do_not_matter_and_the_own_one_does(family, params):
    images, truth = slices(64)
    study = np.repeat(np.arange(16), 4)
    classifier: Any = families.build(family, params)
    classifier.fit(images, truth, study=study)
    both = classifier.predict_proba(images[:8], study=STUDY)
    np.testing.assert_allclose(both[:4], classifier.predict_proba(images[:4], study=STUDY[:4]), atol=1e-9)
    assert not np.allclose(both, classifier.predict_proba(images[:8]))


@pytest.mark.parametrize("how", ["mean", "stack"])
def test_a_rare_label_leans_on_any_by_the_share_that_is_asked(how):
    images, truth = slices(64)
    labels = np.zeros((64, 6), np.int8)
    labels[:, 0] = truth
    rare = truth * (np.arange(64) % 4 == 2)
    words = {"members": MEMBERS, "how": how}

    def fit(share, y) -> Any:
        classifier: Any = families.build("ensemble", {**words, "any": share})
        return classifier.fit(images, y, study=np.repeat(np.arange(16), 4), labels=labels)

    np.testing.assert_allclose(fit(1, rare).predict_proba(images), fit(0, truth).predict_proba(images))
    assert set(fit(0.5, rare).groups_) == {"own", "any"}
    assert set(fit(0.5, truth).groups_) == {"own"}


@pytest.mark.parametrize("how", ["mean", "stack"])
def test_an_ensemble_judges_a_slice_alone_by_its_members_that_need_no_neighbours(how):
    images, truth = slices(64)
    study = np.repeat(np.arange(16), 4)
    members = {**MEMBERS, "sequence": {}, "lesions": {"trees": 5}}
    classifier: Any = families.build("ensemble", {"members": members, "how": how})
    classifier.fit(images, truth, study=study)
    each = [
        families.alone(member, name, images)
        for name, member in zip(members, classifier.groups_["own"], strict=True)
    ]
    found = families.alone(classifier, "ensemble", images)
    assert found is not None
    assert [one is None for one in each] == [False, False, True]
    if how == "mean":
        mean = np.mean([logit(one) for one in each if one is not None], axis=0)
        np.testing.assert_allclose(found, expit(mean), atol=1e-6)
    assert not np.allclose(found, families.positive(classifier, "ensemble", images))
    assert ((found > 0.5) == truth).mean() > 0.9


def test_an_ensemble_of_none_but_what_needs_the_study_says_nothing_of_a_slice_alone():
    images, truth = slices(32)
    classifier: Any = families.build("ensemble", {"members": {"lesions": {"trees": 5}}})
    classifier.fit(images, truth, study=np.repeat(np.arange(8), 4))
    assert families.alone(classifier, "ensemble", images) is None


def test_a_sequence_judges_a_slice_alone_by_what_it_learned_from_slices_without_their_neighbours(tmp_path):
    images, truth = slices(64)
    study = np.repeat(np.arange(16), 4)
    classifier: Any = families.build("sequence")
    classifier.fit(images, truth, study=study)
    in_pairs: Any = families.build("sequence")
    in_pairs.fit(images, truth, study=np.repeat(np.arange(32), 2))
    found = classifier.predict_alone(images)
    np.testing.assert_array_equal(found, in_pairs.predict_alone(images))
    assert not np.allclose(found, classifier.predict_proba(images))
    families.save(classifier, "sequence", tmp_path / "saved")
    again: Any = families.load(tmp_path / "saved")
    np.testing.assert_array_equal(again.predict_alone(images), found)


@pytest.mark.parametrize(
    ("params", "fault"),
    [
        ({"members": {}}, "names no family"),
        ({"members": {"forest": {}}}, "unknown family 'forest'"),
        ({"members": {"boosted": {"wings": 2}}}, "has no parameter wings"),
        ({"any": 1.5}, "any: '1.5' is out of range: give 0 to 1"),
        ({"neighbours": -1}, "neighbours: '-1' is out of range"),
    ],
)
def test_impossible_ensembles_are_refused(params, fault):
    with pytest.raises(HemoError, match=fault):
        families.build("ensemble", params)
