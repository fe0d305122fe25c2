"""Attention over a study's slices: what it promises of studies, and what their labels alone teach it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from hemo import families
from hemo.errors import HemoError
from hemo.families import JudgesStudies, _attention, mil

K = 12
"""Made features of a slice."""

SLICES = 10


@pytest.fixture
def _made_features(monkeypatch: pytest.MonkeyPatch) -> None:
    """Slices of 1 x K pixels are their own features."""
    monkeypatch.setattr(
        mil, "cached_radiological_features", lambda images: images.reshape(len(images), -1).astype(np.float32)
    )


def made(studies: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return slices that are features, two labels of each, and studies: half have a run of positive slices.

    Each label shows in two of the features; the others are noise, one of which goes with the slice's place.
    """
    rng = np.random.default_rng(seed)
    labels = np.zeros((studies, SLICES, 2), np.int8)
    for study in range(studies):
        for label in range(2):
            if rng.random() < 0.5:
                start = rng.integers(0, SLICES - 3)
                labels[study, start : start + rng.integers(2, 5), label] = 1
    features = rng.normal(0, 1, (studies, SLICES, K))
    features[..., :2] += 2.0 * labels[..., :1]
    features[..., 2:4] += 2.0 * labels[..., 1:]
    features[..., 4] = np.linspace(-2, 2, SLICES)
    images = (128 + 20 * features).clip(0, 255).astype(np.uint8).reshape(-1, 1, K, 1)
    return images, labels.reshape(-1, 2), np.repeat(np.arange(studies), SLICES)


def auc(classifier: Any, images: np.ndarray, labels: np.ndarray, study: np.ndarray) -> float:
    """Return the mean over labels of the slice AUC."""
    return float(
        np.mean(
            [
                roc_auc_score(labels[:, one], classifier.for_label(one).predict_proba(images, study)[:, 1])
                for one in range(labels.shape[1])
            ]
        )
    )


def fitted(learn_from: str, images: Any, labels: Any, study: Any, epochs: int = 15, **more: Any) -> Any:
    words = {"learn_from": learn_from, "epochs": epochs, "learning_rate": 0.005}
    classifier: Any = families.build("mil", words, seed=1)
    return classifier.fit(images, labels, study=study, **more)


@pytest.mark.no_cover
@pytest.mark.usefixtures("_made_features")
def test_study_labels_alone_teach_nearly_what_slice_labels_teach() -> None:
    images, labels, study = made(120, seed=0)
    other = made(60, seed=1)
    from_slices = fitted("slices", images, labels, study)
    unknown = np.full_like(labels, -1)
    truth = labels.reshape(-1, SLICES, 2).max(axis=1)
    from_studies = fitted("studies", images, unknown, study, study_truth=truth)
    both = fitted("both", images, labels, study)
    learned = {
        name: auc(one, *other)
        for name, one in (("slices", from_slices), ("studies", from_studies), ("both", both))
    }
    assert learned["slices"] > 0.9
    assert learned["studies"] > 0.95 * learned["slices"]
    assert learned["both"] > 0.97 * learned["slices"]
    by_study = other[1].reshape(-1, SLICES, 2).max(axis=1)
    for one in (from_slices, from_studies, both):
        judged = one.for_label(0).study_probability(other[0], other[2])
        assert roc_auc_score(by_study[:, 0], judged) > 0.85


@pytest.mark.usefixtures("_made_features")
def test_what_is_known_of_a_study_is_the_largest_of_its_slices_or_what_is_given() -> None:
    images, labels, study = made(20, seed=0)
    truth = labels.reshape(-1, SLICES, 2).max(axis=1)
    given = fitted("studies", images, np.full_like(labels, -1), study, epochs=2, study_truth=truth)
    followed = fitted("studies", images, labels, study, epochs=2)
    np.testing.assert_array_equal(given.predict_proba(images, study), followed.predict_proba(images, study))


def test_a_slice_of_which_nothing_is_known_does_not_count_nor_does_what_pads_a_study() -> None:
    loss = _attention.slice_loss(None)
    truth = np.array([[[1], [-1], [-1]], [[1], [0], [-1]], [[-1], [-1], [-1]]])
    probability = np.array([[[0.9], [0.9], [0.2]], [[0.8], [0.5], [0.2]], [[0.1], [0.6], [0.7]]], np.float32)
    wanted = [-np.log(0.9), -(np.log(0.8) + np.log(0.5)) / 2, 0]
    np.testing.assert_allclose(loss(truth, probability).numpy(), wanted, rtol=1e-5)


def test_what_pads_a_study_changes_nothing_in_training() -> None:
    keras = pytest.importorskip("keras")
    keras.utils.set_random_seed(0)
    network = _attention.study_network(_attention.slice_network(K, 2, 8, 0.0), 0.0, apart=False)
    features = np.random.default_rng(0).normal(0, 1, (1, 6, K)).astype(np.float32)
    real = np.array([[1, 1, 1, 1, 0, 0]], np.float32)
    longer, shorter = network([features, real]), network([features[:, :4], real[:, :4]])
    np.testing.assert_allclose(longer["studies"], shorter["studies"], atol=1e-6)


def study_sizes() -> st.SearchStrategy[list[int]]:
    return st.lists(st.integers(1, 7), min_size=1, max_size=6)


@given(study_sizes(), st.integers(0, 2**32 - 1), st.floats(0.1, 300))
def test_attention_sums_to_1_within_each_study_whatever_the_scores(
    sizes: list[int], seed: int, spread: float
) -> None:
    study = np.repeat(np.arange(len(sizes)), sizes)
    score = np.random.default_rng(seed).normal(0, spread, (len(study), 3))
    attention = _attention.attention(score, study)
    assert (attention >= 0).all()
    np.testing.assert_allclose(_attention.summed(attention, study), 1, atol=1e-12)


@pytest.fixture(scope="module")
def classifier() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            mil,
            "cached_radiological_features",
            lambda images: images.reshape(len(images), -1).astype(np.float32),
        )
        yield fitted("both", *made(40, seed=0), epochs=5).for_label(0)


@pytest.mark.no_cover
@given(order=st.permutations(range(6)))
def test_the_order_of_studies_does_not_matter(order: list[int], classifier: Any) -> None:
    images, _, study = made(6, seed=3)
    rows = np.concatenate([np.flatnonzero(study == one) for one in order])
    there, here = (images[rows], study[rows]), (images, study)
    slices = classifier.predict_proba(*there), classifier.predict_proba(*here)[rows]
    np.testing.assert_allclose(*slices, atol=1e-6)
    attention = classifier.attention(*there)
    np.testing.assert_allclose(attention, classifier.attention(*here)[rows], atol=1e-6)
    np.testing.assert_allclose(np.bincount(study[rows], attention), 1)
    # Studies are answered by rising number, wherever they stand.
    np.testing.assert_allclose(
        classifier.study_probability(*there), classifier.study_probability(*here), atol=1e-6
    )


def test_a_study_is_judged_by_itself_and_its_slices_by_their_neighbours_too(classifier: Any) -> None:
    images, _, study = made(6, seed=3)
    all_studies = classifier.predict_proba(images, study)
    alone = classifier.predict_proba(images[:SLICES], study[:SLICES])
    np.testing.assert_allclose(all_studies[:SLICES], alone, atol=1e-6)
    assert not np.allclose(all_studies, classifier.predict_proba(images))
    one = classifier.study_probability(images[:SLICES], study[:SLICES])
    np.testing.assert_allclose(classifier.study_probability(images, study)[:1], one, atol=1e-6)


def test_a_study_is_the_attention_weighted_sum_of_its_slices_logits(classifier: Any) -> None:
    images, _, study = made(6, seed=3)
    p = classifier.predict_proba(images, study)[:, 1]
    pooled = np.bincount(study, classifier.attention(images, study) * np.log(p / (1 - p)))
    np.testing.assert_allclose(classifier.study_probability(images, study), 1 / (1 + np.exp(-pooled)))


def test_what_is_saved_judges_studies_the_same(classifier: Any, tmp_path: Path) -> None:
    images, _, study = made(6, seed=3)
    families.save(classifier, "mil", tmp_path / "model")
    loaded: Any = families.load(tmp_path / "model")
    assert isinstance(loaded, JudgesStudies)
    for answer in ("predict_proba", "study_probability", "attention"):
        given, wanted = getattr(loaded, answer)(images, study), getattr(classifier, answer)(images, study)
        np.testing.assert_array_equal(given, wanted)


@pytest.mark.usefixtures("_made_features")
def test_each_label_learned_together_has_its_own_logit_and_attention() -> None:
    images, labels, study = made(20, seed=0)
    together: Any = families.build("mil", {"epochs": 2, "hidden": 8})
    together.fit(images, labels, study=study)
    other: Any = together.for_label(1)
    features = together._standard(together._features(images, study))
    logit, score = _attention.run(together.network_, features)
    own = _attention.run(other.network_, features)
    np.testing.assert_allclose(own[0][:, 0], logit[:, 1], atol=1e-6)
    np.testing.assert_allclose(own[1][:, 0], score[:, 1], atol=1e-6)


@pytest.mark.usefixtures("_made_features")
@pytest.mark.parametrize("how", mil.LEARN_FROM)
def test_wrong_truths_of_studies_are_refused(how: str) -> None:
    images, labels, study = made(12, seed=0)
    truth = labels.reshape(-1, SLICES, 2).max(axis=1)
    with pytest.raises(HemoError, match="label 0 has one class only"):
        fitted(how, images, np.zeros_like(labels), study)
    if how != "slices":
        with pytest.raises(HemoError, match=r"expected shape \(12, 2\), got \(11, 2\)"):
            fitted(how, images, labels, study, study_truth=truth[:11])
        first = int(np.flatnonzero(truth.any(axis=1))[0])
        with pytest.raises(HemoError, match=f"study {first} is given as 0, but has a slice of 1"):
            fitted(how, images, labels, study, study_truth=np.zeros_like(truth))


@pytest.mark.parametrize(
    ("params", "fault"),
    [
        ({"learn_from": "hearsay"}, "learn_from: 'hearsay' is unknown: choose one of studies, slices, both"),
        ({"features": "pixels"}, "features: 'pixels' is unknown"),
        ({"slice_weight": 1.5}, "slice_weight: '1.5' is out of range: give 0 to 1"),
        ({"hidden": 0}, "hidden: '0' is not above 0"),
        ({"hidden": 2.5}, "hidden: '2.5': give a whole number"),
    ],
)
def test_impossible_parameters_are_refused(params: dict[str, Any], fault: str) -> None:
    with pytest.raises(HemoError, match=fault):
        families.build("mil", params)


def test_frozen_features_are_learned_from_and_saved_with_their_network(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    truth = np.arange(24) % 2
    gray = rng.normal(90, 20, (24, 24, 24, 1))
    gray[truth == 1, 6:14, 6:14] += 70
    images = gray.clip(0, 255).astype(np.uint8)
    words = {"features": "frozen", "weights": "none", "size": 32, "epochs": 20, "learning_rate": 0.005}
    classifier: Any = families.build("mil", words).fit(images, truth)
    families.save(classifier, "mil", tmp_path / "model")
    loaded: Any = families.load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.predict_proba(images), classifier.predict_proba(images))
    assert loaded.n_parameters == classifier.n_parameters > 1_000_000
    assert ((loaded.predict_proba(images)[:, 1] > 0.5) == truth).mean() > 0.8
