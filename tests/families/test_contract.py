"""What every registered family promises. A new family is tested here without a line added."""

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import optuna
import pytest

from hemo import families
from hemo.errors import HemoError
from hemo.families import Classifier, Family, _compiled
from tests.helpers.asked import Asked

SHAPE = (24, 24, 1)


def toy(n: int = 60, shape: tuple[int, int, int] = SHAPE, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return noise, with a bright square in the slices of class 1."""
    rng = np.random.default_rng(seed)
    truth = np.arange(n) % 2
    images = rng.normal(90, 20, (n, *shape))
    images[truth == 1, 6:14, 6:14] += 70
    return images.clip(0, 255).astype(np.uint8), truth


@pytest.fixture(scope="module", params=families.families().values(), ids=lambda family: family.name)
def family(request: pytest.FixtureRequest) -> Family:
    """Each family in turn, with all tests of it: what it compiled serves its next fit of the same layers."""
    return request.param


@dataclass(frozen=True)
class Fitted:
    """A classifier that was fitted on the toy set, and what it told of its epochs."""

    classifier: Classifier
    told: list[tuple[int, dict[str, float]]]


@pytest.fixture(scope="module")
def fit(family: Family) -> Fitted:
    told: list[tuple[int, dict[str, float]]] = []
    images, truth = toy()
    classifier = families.build(family.name, family.tiny, seed=1).fit(
        images,
        truth,
        validation=toy(seed=1),
        on_epoch=lambda epoch, values: told.append((epoch, dict(values))),
    )
    return Fitted(classifier, told)


@pytest.fixture
def fitted(fit: Fitted) -> Classifier:
    return fit.classifier


def test_a_family_learns_a_separable_toy_set(family: Family, fitted: Classifier) -> None:
    images, truth = toy(seed=2)
    probability = fitted.predict_proba(images)
    assert ((probability[:, 1] >= 0.5) == truth).mean() >= 0.9
    assert (probability >= 0).all()
    assert (probability <= 1).all()
    np.testing.assert_allclose(probability.sum(axis=1), 1)
    assert probability.dtype == np.float64
    assert probability.shape == (len(images), 2)


@pytest.mark.no_cover
def test_a_fit_repeats_bit_by_bit_under_the_same_seed(family: Family, fitted: Classifier) -> None:
    _compiled.release()  # bits do not hang on what was compiled before
    images, truth = toy()
    again = families.build(family.name, family.tiny, seed=1).fit(images, truth, validation=toy(seed=1))
    other, _ = toy(seed=2)
    np.testing.assert_array_equal(again.predict_proba(other), fitted.predict_proba(other))


def test_slices_that_are_read_as_asked_for_give_what_an_array_gives(
    family: Family, fitted: Classifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEMO_CACHE", str(tmp_path))
    images, truth = toy()
    held, known = toy(seed=1)
    if family.slice_bytes is None:  # it takes arrays
        return
    read = families.build(family.name, family.tiny, seed=1)
    read.fit(Asked(images), truth, validation=(Asked(held), known))
    other, _ = toy(seed=2)
    expected = fitted.predict_proba(other)[:, 1]
    found = families.positive(read, family.name, Asked(other))
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert families.positive(read, family.name, Asked(other[:0])).shape == (0,)
    assert families.scores(read, family.name, Asked(other[:0]), np.zeros(0, int)).probability.shape == (0,)


def test_a_saved_and_loaded_classifier_gives_the_same(
    family: Family, fitted: Classifier, tmp_path: Path
) -> None:
    families.save(fitted, family.name, tmp_path / "model")
    loaded = families.load(tmp_path / "model")
    images, _ = toy(3, seed=2)
    np.testing.assert_array_equal(loaded.predict_proba(images), fitted.predict_proba(images))
    np.testing.assert_array_equal(loaded.attribution(images), fitted.attribution(images))
    assert loaded.convergence_ == fitted.convergence_
    assert not [path for path in tmp_path.rglob("*") if path.suffix in (".pkl", ".pickle", ".joblib")]


def test_the_probability_of_a_slice_does_not_depend_on_its_company(
    family: Family, fitted: Classifier
) -> None:
    images, _ = toy(70, seed=2)
    together = fitted.predict_proba(images)
    alone = np.concatenate([fitted.predict_proba(images[i : i + 1]) for i in range(5)])
    np.testing.assert_allclose(together[:5], alone, atol=1e-6)
    assert fitted.predict_proba(images[:0]).shape == (0, 2)


def test_a_family_that_judges_a_slice_alone_needs_none_of_those_around_it(
    family: Family, fitted: Classifier
) -> None:
    images, _ = toy(6, seed=2)
    study = np.array([0, 0, 0, 1, 1, 1])
    alone = families.alone(fitted, family.name, images)
    in_study = families.positive(fitted, family.name, images, study)
    if not family.study:
        np.testing.assert_array_equal(alone, in_study)  # it sees no study: nothing is lost
    elif alone is None:
        own = families.positive(fitted, family.name, images)
        assert not np.allclose(own, in_study)  # it would have said something else, without a word
    else:
        for row in range(6):
            one = families.alone(fitted, family.name, images[row : row + 1])
            assert one == pytest.approx(alone[row], abs=1e-6)
        assert ((alone >= 0) & (alone <= 1)).all()


def test_wrong_images_are_refused_with_the_expected_and_the_given_shape(
    family: Family, fitted: Classifier
) -> None:
    with pytest.raises(HemoError, match=r"\(24, 24, 1\).*\(20, 24, 1\)"):
        fitted.predict_proba(toy(2, (20, 24, 1))[0])
    with pytest.raises(HemoError, match=r"\(24, 24, 1\).*\(24, 24, 3\)"):
        fitted.attribution(toy(2, (24, 24, 3))[0])
    with pytest.raises(HemoError, match=r"height, width, channels.*\(2, 24, 24\)"):
        fitted.predict_proba(toy(2)[0][..., 0])
    with pytest.raises(HemoError, match=r"uint8.*float32"):
        fitted.predict_proba(toy(2)[0].astype(np.float32))


def test_a_wrong_truth_is_refused(family: Family) -> None:
    images, truth = toy(8)
    classifier = families.build(family.name, family.tiny)
    with pytest.raises(HemoError, match="all 8 are 0"):
        classifier.fit(images, np.zeros(8, int))
    with pytest.raises(HemoError, match="only 0 and 1"):
        classifier.fit(images, truth * 2 - 1)
    with pytest.raises(HemoError, match=r"\(8,\).*\(7,\)"):
        classifier.fit(images, truth[:7])


def test_an_attribution_is_a_map_of_the_slice_and_points_at_the_square(
    family: Family, fitted: Classifier
) -> None:
    images, truth = toy(12, seed=2)
    maps = fitted.attribution(images[truth == 1])
    assert maps.dtype == np.float32
    assert maps.shape == (6, 24, 24)
    assert np.isfinite(maps).all()
    inside = np.zeros((24, 24), bool)
    inside[6:14, 6:14] = True
    # Loosely: the maps of a deep network are coarse.
    assert maps[:, inside].mean() > 1.2 * np.abs(maps[:, ~inside].mean())


def test_slices_of_several_channels_are_learnt(family: Family) -> None:
    images, truth = toy(40, (24, 24, 3))
    classifier = families.build(family.name, family.tiny).fit(images, truth)
    probability = classifier.predict_proba(images)[:, 1]
    assert probability[truth == 1].mean() > probability[truth == 0].mean() + 0.2
    assert classifier.attribution(images[:2]).shape == (2, 24, 24)


def test_convergence_is_told(family: Family, fitted: Classifier) -> None:
    told = fitted.convergence_
    assert told["converged"] in (0, 1)
    assert told["iterations"] >= 1


def test_a_neural_family_reports_its_epochs(family: Family, fit: Fitted) -> None:
    if not family.neural:
        pytest.skip("not trained in epochs")
    assert [epoch for epoch, _ in fit.told] == list(range(int(fit.classifier.convergence_["iterations"])))
    assert {"loss", "accuracy", "val_loss", "val_accuracy"} <= set(fit.told[0][1])


def fixed(params: Mapping[str, Any]) -> optuna.Trial:
    """Return a trial that draws what is given; Optuna's own stand-in is no subclass of its trials."""
    return cast(optuna.Trial, optuna.trial.FixedTrial(dict(params)))


def test_the_first_trial_is_the_defaults(family: Family) -> None:
    drawn = family.suggest(fixed(family.default_trial))
    assert set(drawn) <= set(family.defaults)
    suggested, default = families.build(family.name, drawn), families.build(family.name)
    assert suggested.params == default.params


@pytest.mark.parametrize("family", [one for one in families.families().values() if one.modern_trial])
def test_what_is_usual_today_is_a_whole_trial_and_not_the_defaults(family: Family) -> None:
    drawn = family.suggest(fixed(family.modern_trial))
    assert families.build(family.name, drawn).params != families.build(family.name).params


def test_what_a_study_suggests_can_be_built_and_enqueued(family: Family) -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    study.enqueue_trial(dict(family.default_trial))

    def objective(trial: optuna.Trial) -> float:
        families.build(family.name, family.suggest(trial))
        return 0.0

    study.optimize(objective, n_trials=30)
    assert study.trials[0].params == dict(family.default_trial)


def test_a_parameter_that_a_family_has_not_is_refused(family: Family) -> None:
    with pytest.raises(HemoError, match="has no parameter wings"):
        families.build(family.name, {"wings": 2})


def test_an_unknown_family_is_refused_with_the_known_ones() -> None:
    with pytest.raises(HemoError, match="unknown family 'forest'.*logreg"):
        families.get("forest")


def test_naming_the_families_imports_neither_scikit_learn_nor_tensorflow() -> None:
    code = (
        "import sys; from hemo import families; families.families(); "
        "print([m for m in ('sklearn', 'tensorflow', 'keras', 'scipy', 'optuna', 'cv2') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
