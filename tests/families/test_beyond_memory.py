"""Linear families on more slices than memory holds: what they learn, and that it is what others would."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import SGDClassifier as Estimator

from hemo import families, memory
from hemo.families._beyond_memory import BATCH, LOSSES, TRIED, Components, descend
from hemo.families._rowspace import Scaling
from tests.helpers.asked import Asked

LINEAR = pytest.mark.parametrize("name", ["logreg", "linear_svc", "sgd"])


def slices(n: int, seed: int = 0, side: int = 12) -> tuple[NDArray[np.uint8], NDArray[np.int8]]:
    """Return noisy slices, those of class 1 with a brighter corner."""
    rng = np.random.default_rng(seed)
    truth = (np.arange(n) % 3 == 0).astype(np.int8)
    images = rng.normal(100, 20, (n, side, side, 1))
    images[truth == 1, :5, :5] += 15
    return images.clip(0, 255).astype(np.uint8), truth


@pytest.fixture
def little(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Leave room for `TRIED` slices of 144 pixels, and not for 9,000."""
    each = 32 if name == "linear_svc" else 8
    monkeypatch.setattr(memory, "room", lambda: each * 144 * (TRIED + 1))


@LINEAR
@pytest.mark.usefixtures("little")
def test_more_than_memory_holds_is_learned_and_what_that_costs_is_said(name: str, tmp_path: Path) -> None:
    images, truth = slices(9_000)
    asked = Asked(images)
    classifier = families.build(name, {}, seed=0).fit(asked, truth)
    assert isinstance(classifier, families.Abridges)
    assert "an AUC of" in classifier.abridged_
    assert asked.most <= 2 * BATCH
    other, known = slices(500, seed=1)
    probability = classifier.predict_proba(other)[:, 1]
    assert np.corrcoef(probability, known)[0, 1] > 0.6
    assert abs(probability.mean() - known.mean()) < 0.1
    families.save(classifier, name, tmp_path / "model")
    again = families.load(tmp_path / "model").predict_proba(other)[:, 1]
    np.testing.assert_array_equal(again, probability)


@LINEAR
def test_what_memory_holds_is_learned_all_at_once(name: str) -> None:
    images, truth = slices(90)
    classifier = families.build(name, {}, seed=0).fit(images, truth)
    assert isinstance(classifier, families.Abridges)
    assert not classifier.abridged_


@LINEAR
@pytest.mark.usefixtures("little")
def test_a_trial_of_tuning_beyond_memory_gives_what_a_training_does(name: str) -> None:
    images, truth = slices(9_000)
    other, _ = slices(50, seed=1)
    build = lambda: families.build(name, {"components": 5}, seed=0)  # noqa: E731
    first, second = build(), build()
    assert isinstance(first, families.SharesFits)
    trial = first.fit_predict(Asked(images), truth, Asked(other), {})
    trained = second.fit(images, truth).predict_proba(other)[:, 1]
    np.testing.assert_allclose(trial, trained, atol=1e-6)


def test_an_ensemble_says_which_members_were_cut_down(monkeypatch: pytest.MonkeyPatch) -> None:
    images, truth = slices(900)
    ensemble = families.build("ensemble", {"members": {"logreg": {}, "sgd": {}}}, seed=0)
    assert not getattr(ensemble.fit(images, truth), "abridged_", None)
    monkeypatch.setattr(memory, "room", lambda: 8 * 144 * 800)
    found = families.build("ensemble", {"members": {"logreg": {}, "sgd": {}}}, seed=0).fit(images, truth)
    assert isinstance(found, families.Abridges)
    assert "logreg on " in found.abridged_
    assert "sgd a batch at a time" in found.abridged_


@pytest.mark.parametrize("loss", ["hinge", "log_loss"])
def test_descent_in_batches_is_scikit_learns_on_all_slices_in_the_same_order(loss: str) -> None:
    images, truth = slices(2_500)
    scaling = Scaling.of(images, "standardise")
    found, times = descend(Estimator(loss=loss, random_state=0), Asked(images), truth, scaling, 2, seed=7)
    assert times == 2
    whole = Estimator(loss=loss, random_state=0, shuffle=False)
    for number in range(2):
        order = np.random.default_rng([7, number]).permutation(len(truth))
        whole.partial_fit(scaling(images[order]).astype(float), truth[order], classes=[0, 1])
    np.testing.assert_allclose(found.coef_, whole.coef_, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(found.intercept_, whole.intercept_, rtol=1e-6)


def test_descent_ends_where_the_loss_falls_no_more() -> None:
    images, truth = slices(1_200)
    scaling = Scaling.of(images, "standardise")
    _, times = descend(Estimator(alpha=0.1, random_state=0), images, truth, scaling, 200, seed=0)
    assert 6 < times < 60


def test_losses_are_those_that_scikit_learn_descends() -> None:
    from sklearn.linear_model import _sgd_fast as compiled

    names = {"Hinge": (1.0,), "SquaredHinge": (1.0,), "ModifiedHuber": ()}
    z = np.linspace(-3, 3, 25)
    for name, given in names.items():
        theirs = getattr(compiled, name)(*given)
        word = {"Hinge": "hinge", "SquaredHinge": "squared_hinge", "ModifiedHuber": "modified_huber"}[name]
        np.testing.assert_allclose(LOSSES[word](z), [theirs.py_loss(1.0, one) for one in z])


def test_components_are_those_of_a_decomposition_of_all_slices() -> None:
    from sklearn.decomposition import PCA

    rng = np.random.default_rng(0)
    base = rng.normal(0, 25, (3, 144))
    images = (120 + rng.normal(size=(600, 3)) @ base + rng.normal(0, 1, (600, 144))).clip(0, 255)
    shown = images.astype(np.uint8).reshape(-1, 12, 12, 1)
    scaling = Scaling.of(shown, "standardise")
    found = Components.of(Asked(shown), scaling, 3, seed=0)
    expected = PCA(3).fit(scaling(shown))
    np.testing.assert_allclose(np.abs(np.sum(found.axes * expected.components_, axis=1)), 1, atol=1e-3)
    np.testing.assert_allclose(found.kept, expected.explained_variance_ratio_.sum(), rtol=0.02)
    told = found(shown)
    np.testing.assert_allclose(told, (scaling(shown) - found.mean) @ found.axes.T, rtol=1e-4, atol=1e-3)
