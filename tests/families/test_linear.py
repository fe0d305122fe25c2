"""The linear families against scikit-learn on the pixels themselves."""

import numpy as np
import pytest
from scipy.special import expit
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

from hemo import families
from hemo.errors import HemoError
from hemo.families._linear import LinearClassifier
from hemo.families._platt import cross_fitted_scores, fit_sigmoid
from hemo.families._rowspace import features, gram_factor


def slices(n: int, size: int, channels: int = 1, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = np.arange(n) % 2
    images = rng.normal(90, 25, (n, size, size, channels))
    images[truth == 1, : size // 2] += 12
    return images.clip(0, 255).astype(np.uint8), truth


def standardised(images: np.ndarray, of: np.ndarray) -> np.ndarray:
    pixels, reference = images.reshape(len(images), -1).astype(float), of.reshape(len(of), -1).astype(float)
    return (pixels - reference.mean(axis=0)) / np.maximum(reference.std(axis=0), 1)


@pytest.mark.parametrize("n", [40, 400], ids=["fewer slices than pixels", "more slices than pixels"])
@pytest.mark.parametrize("solver", ["lbfgs", "newton-cg", "newton-cholesky", "sag", "saga"])
def test_every_solver_finds_the_optimum_on_pixels(n: int, solver: str) -> None:
    images, truth = slices(n, 12)
    other, _ = slices(30, 12, seed=1)
    params = {"solver": solver, "tol": 1e-6, "max_iter": 20_000, "C": 0.01}
    classifier = families.build("logreg", params).fit(images, truth)
    direct = LogisticRegression(C=0.01, tol=1e-9, max_iter=5000).fit(standardised(images, images), truth)
    expected = direct.predict_proba(standardised(other, images))
    np.testing.assert_allclose(classifier.predict_proba(other), expected, atol=2e-3)
    assert classifier.convergence_["converged"] == 1


@pytest.mark.parametrize("scale", ["standardise", "unit", "none"])
def test_a_support_vector_machine_on_the_slices_own_space_is_the_one_on_pixels(scale: str) -> None:
    images, truth = slices(50, 12, channels=2)
    params = {"C": 1e-4, "tol": 1e-7, "max_iter": 100_000, "scale": scale}
    classifier = families.build("linear_svc", params).fit(images, truth)
    assert isinstance(classifier, LinearClassifier)
    flat = images.reshape(50, -1).astype(float)
    pixels = {"standardise": standardised(images, images), "unit": flat / 255, "none": flat}[scale]
    direct = LinearSVC(C=1e-4, tol=1e-7, max_iter=100_000, dual=True).fit(pixels, truth)
    np.testing.assert_allclose(
        classifier.decision_function(images), direct.decision_function(pixels), rtol=1e-3, atol=1e-3
    )


def test_weights_and_mean_slice_add_up_to_the_decision() -> None:
    images, truth = slices(40, 12, channels=3)
    classifier = families.build("sgd", {"components": 7}).fit(images, truth)
    assert isinstance(classifier, LinearClassifier)
    total = classifier.attribution(images).sum(axis=(1, 2)) + classifier.intercept_
    np.testing.assert_allclose(total, classifier.decision_function(images), rtol=1e-4, atol=1e-4)


def test_the_gram_factor_reproduces_inner_products_even_of_equal_slices() -> None:
    rng = np.random.default_rng(0)
    pixels = rng.normal(size=(30, 500)).astype(np.float32)
    pixels[7] = pixels[3]
    factor = gram_factor(pixels)
    np.testing.assert_allclose(factor @ factor.T, pixels @ pixels.T, atol=1e-3)


def test_black_slices_are_not_a_fault() -> None:
    images, truth = np.zeros((6, 8, 8, 1), np.uint8), np.arange(6) % 2
    for family in ("logreg", "linear_svc", "sgd"):
        probability = families.build(family).fit(images, truth).predict_proba(images)
        np.testing.assert_allclose(probability, 0.5, atol=0.1)


def test_principal_components_are_at_most_as_many_as_the_slices() -> None:
    images, truth = slices(20, 12)
    few = families.build("logreg", {"components": 500, "C": 0.01}).fit(images, truth)
    all_pixels = families.build("logreg", {"C": 0.01}).fit(images, truth)
    np.testing.assert_allclose(few.predict_proba(images), all_pixels.predict_proba(images), atol=1e-3)


@pytest.mark.parametrize("scale", ["standardise", "unit"])
@pytest.mark.parametrize("n", [40, 400])
def test_principal_components_are_those_of_the_pixels(n: int, scale: str) -> None:
    images, truth = slices(n, 12)
    other, _ = slices(30, 12, seed=1)
    params = {"components": 5, "scale": scale, "tol": 1e-8}
    classifier = families.build("logreg", params).fit(images, truth)
    if scale == "standardise":
        pixels, new = standardised(images, images), standardised(other, images)
    else:
        pixels, new = (part.reshape(len(part), -1) / 255 for part in (images, other))
    pca = PCA(5, svd_solver="full").fit(pixels)
    direct = LogisticRegression(tol=1e-8).fit(pca.transform(pixels), truth)
    expected = direct.predict_proba(pca.transform(new))
    np.testing.assert_allclose(classifier.predict_proba(other), expected, atol=2e-3)


def test_features_of_the_same_slices_are_shared() -> None:
    images, _ = slices(20, 12)
    assert features(images, "unit", rotate=True) is features(images.copy(), "unit", rotate=True)
    changed = images.copy()
    changed[0, 0, 0, 0] ^= 1
    assert features(changed, "unit", rotate=True) is not features(images, "unit", rotate=True)


def test_a_fit_that_stops_at_its_limit_is_not_called_converged() -> None:
    images, truth = slices(40, 12)
    classifier = families.build("logreg", {"max_iter": 1, "scale": "none"}).fit(images, truth)
    assert classifier.convergence_ == {"converged": 0.0, "iterations": 1.0}


def test_balanced_weights_move_a_rare_class_up() -> None:
    images, truth = slices(80, 12)
    rare = np.flatnonzero((truth == 0) | (np.arange(80) < 16))
    means = {
        weight: families.build("logreg", {"class_weight": weight, "C": 1e-4})
        .fit(images[rare], truth[rare])
        .predict_proba(images)[:, 1]
        .mean()
        for weight in ("none", "balanced")
    }
    assert means["balanced"] > means["none"] + 0.1


@pytest.mark.parametrize(
    ("family", "params", "fault"),
    [
        ("logreg", {"solver": "newton"}, "solver: 'newton' is unknown: choose one of lbfgs"),
        ("logreg", {"penalty": "l1"}, "solver lbfgs: it cannot take the penalty 'l1': choose saga"),
        ("logreg", {"C": 0}, "C: '0' is not above 0"),
        ("linear_svc", {"loss": "hinge", "penalty": "l1"}, "loss hinge: .* choose squared_hinge"),
        ("sgd", {"schedule": "fast"}, "schedule: 'fast' is unknown"),
        ("sgd", {"scale": "log"}, "scale: 'log' is unknown"),
    ],
)
def test_parameters_that_cannot_be_are_refused(family: str, params: dict, fault: str) -> None:
    with pytest.raises(HemoError, match=fault):
        families.build(family, params)


def test_the_sigmoid_finds_the_probabilities_that_scores_were_drawn_with() -> None:
    rng = np.random.default_rng(0)
    scores = rng.normal(0, 3, 20_000)
    truth = (rng.random(20_000) < expit(0.5 * scores - 1)).astype(np.int8)
    slope, offset = fit_sigmoid(scores, truth)
    assert slope == pytest.approx(0.5, abs=0.03)
    assert offset == pytest.approx(-1, abs=0.06)


def test_looser_fits_give_a_support_vector_machine_the_sigmoid_of_strict_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    images, truth = slices(200, 12)
    loose = families.build("linear_svc", {}).fit(images, truth)
    monkeypatch.setattr(type(loose), "cross_fit_slack", 1.0)
    strict = families.build("linear_svc", {}).fit(images, truth)
    assert isinstance(loose, LinearClassifier)
    assert isinstance(strict, LinearClassifier)
    np.testing.assert_array_equal(loose.weights_, strict.weights_)
    assert loose.sigmoid_ != strict.sigmoid_
    np.testing.assert_allclose(loose.sigmoid_, strict.sigmoid_, rtol=0.02)


def test_the_sigmoid_stays_finite_on_separated_scores_and_never_turns_the_ranking() -> None:
    truth = np.repeat([0, 1], 20).astype(np.int8)
    slope, _ = fit_sigmoid(np.linspace(-1, 1, 40), truth)
    assert 0 < slope < 1000
    slope, _ = fit_sigmoid(np.linspace(1, -1, 40), truth)
    assert slope > 0


def test_no_slice_is_scored_by_a_fit_that_saw_it() -> None:
    matrix = np.arange(12, dtype=float).reshape(-1, 1)
    truth = (np.arange(12) % 2).astype(np.int8)
    seen: list[set[float]] = []

    def fit(part: np.ndarray, _: np.ndarray):
        seen.append(set(part[:, 0]))
        return lambda rest: np.array([float(value in seen[-1]) for value in rest[:, 0]])

    assert not cross_fitted_scores(matrix, truth, fit).any()
    assert len(seen) == 3
