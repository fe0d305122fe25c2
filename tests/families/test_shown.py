from typing import Any

import numpy as np
import pytest

from hemo import families
from hemo.families._shown import Usual
from tests.helpers.drawn_heads import shown

STACKS, SLICES = 10, 5


def stacks(level=40.0, width=120.0, count=STACKS):
    """Stacks of heads whose brains are a bit denser or noisier than each other's, and the stack of each."""
    rng = np.random.default_rng(1)
    images = []
    for _ in range(count):
        brain, grain = 36 + rng.normal(0, 2), 6 * np.exp(rng.normal(0, 0.1))
        images += [
            shown(level, width, side=96, brain_hu=brain, grain=grain, seed=seed) for seed in range(SLICES)
        ]
    return np.array(images)[..., None], np.repeat(np.arange(count), SLICES)


@pytest.fixture(scope="module")
def usual():
    found = Usual.of(*stacks())
    assert found is not None
    return found


def test_slices_that_are_shown_as_those_learned_from_are_left_as_they_are(usual):
    images, study = stacks()
    left = usual.undone(images, study)
    same = (left == images).reshape(len(images), -1).all(axis=1)
    assert same.mean() >= 0.8


@pytest.mark.parametrize("window", [(40, 80), (80, 200)])
def test_another_window_is_undone(usual, window):
    images, study = stacks()
    other, _ = stacks(*map(float, window))
    found = usual.undone(other, study).astype(float)
    brain = (images > 60) & (images < 200)
    assert np.abs(found - images)[brain].mean() < 0.6 * np.abs(other.astype(float) - images)[brain].mean()


def test_black_and_white_stay_so_in_another_window(usual):
    other, study = stacks(80.0, 200.0)
    found = usual.undone(other, study)
    assert (found[other == 0] == 0).all()
    assert (found[other == 255] == 255).all()


def test_what_is_given_is_not_written_to(usual):
    other, study = stacks(80.0, 200.0)
    before = other.copy()
    usual.undone(other, study)
    assert np.array_equal(other, before)


def test_a_stack_is_judged_by_itself_whatever_comes_with_it(usual):
    images, study = stacks()
    other, _ = stacks(80.0, 200.0)
    mixed = np.concatenate([images[:SLICES], other[SLICES : 2 * SLICES]])
    found = usual.undone(mixed, study[: 2 * SLICES])
    assert np.array_equal(found[SLICES:], usual.undone(other, study)[SLICES : 2 * SLICES])


def test_few_stacks_say_nothing_of_what_is_usual():
    assert Usual.of(*stacks(count=4)) is None


def test_slices_without_a_brain_and_slices_of_several_windows_are_left(usual):
    black = np.zeros((3, 96, 96, 1), np.uint8)
    black[:, 40:44, 40:44] = 90
    assert np.array_equal(usual.undone(black, np.zeros(3, int)), black)
    two = np.repeat(stacks(80.0, 200.0)[0][:3], 2, axis=-1)
    assert usual.undone(two, np.zeros(3, int)) is two


def test_it_is_read_back_as_it_was_written(usual):
    again = Usual.from_json(usual.to_json())
    assert again is not None
    assert np.allclose(again.middle, usual.middle)
    assert np.allclose(again.stacks, usual.stacks)
    assert Usual.from_json(None) is None


MEMBERS = {"members": {"sequence": {}}, "any": 0}


def fitted(**words):
    images, study = stacks()
    truth = (study % 2).astype(np.int8)
    images = images.copy()
    images[truth == 1, 60:70, 30:40] = 190
    classifier: Any = families.build("ensemble", {**MEMBERS, **words}, 0)
    return classifier.fit(images, truth, study=study), images, study


def test_an_ensemble_says_of_another_window_nearly_what_it_says_of_the_usual_one(tmp_path):
    classifier, images, study = fitted()
    kept, *_ = fitted(windows="kept")
    own = classifier.predict_proba(images, study=study)[:, 1]
    assert np.allclose(own, kept.predict_proba(images, study=study)[:, 1], atol=0.3)
    wide = np.clip(np.rint(images.astype(float) * 0.6), 0, 255).astype(np.uint8)
    wide[images == 255] = 255
    undone, left = (one.predict_proba(wide, study=study)[:, 1] for one in (classifier, kept))
    assert np.abs(undone - own).mean() < np.abs(left - own).mean()
    families.save(classifier, "ensemble", tmp_path / "one")
    again: Any = families.load(tmp_path / "one")
    assert np.allclose(again.predict_proba(wide, study=study)[:, 1], undone)


def test_an_ensemble_of_before_leaves_windows_as_they_are():
    from hemo.families.ensemble import Ensemble

    params = {name: value for name, value in families.get("ensemble").defaults.items() if name != "windows"}
    assert Ensemble(params).params["windows"] == "kept"
