"""What poolings give."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hemo.evaluation.calibration import expit, logit
from hemo.evaluation.poolings import POOLINGS

PROBABILITIES = st.lists(st.floats(0.001, 0.999), min_size=1, max_size=40)


def pooling(name):
    return next(one for one in POOLINGS if one.name == name)


@given(PROBABILITIES)
def test_simple_poolings_are_what_their_names_say(probability):
    p = np.array(probability)
    scores = logit(p)
    assert expit(pooling("max").describe(scores))[0] == pytest.approx(p.max())
    three = np.sort(scores)[-3:].mean()
    assert pooling("top 3").describe(scores)[0] == pytest.approx(three)
    assert expit(pooling("noisy or").describe(scores))[0] == pytest.approx(1 - np.prod(1 - p), abs=1e-9)


@given(PROBABILITIES, st.randoms(use_true_random=False))
def test_what_needs_no_order_does_not_depend_on_it(probability, random):
    shuffled = list(probability)
    random.shuffle(shuffled)
    for one in POOLINGS:
        if not one.learned:
            np.testing.assert_allclose(
                one.describe(logit(probability)), one.describe(logit(shuffled)), rtol=1e-9
            )


@pytest.mark.parametrize("one", POOLINGS, ids=lambda one: one.name)
def test_a_study_of_one_slice_and_certain_slices_have_finite_numbers(one):
    for probability in ([0.3], [0.0], [1.0], [1.0] * 60, [0.0] * 60):
        assert np.isfinite(one.describe(logit(probability))).all()
