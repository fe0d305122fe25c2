"""From draws of patients to the bounds of an interval."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats

from hemo.evaluation import bounds


@given(st.floats(0, 1), st.integers(1, 50), st.integers(0, 2**16), st.floats(0, 0.5))
def test_an_interval_of_a_share_holds_its_value_and_stays_a_share(value, patients, seed, spread):
    draws = np.clip(np.random.default_rng(seed).normal(value, spread, 50), 0, 1)
    low, high = bounds.interval(value, draws, patients, "share")
    assert 0 <= low <= value + 1e-9
    assert value - 1e-9 <= high <= 1


def student(draws, patients):
    """Half the width of Student's interval of values drawn from so many patients."""
    return draws.std() * np.sqrt(patients / (patients - 1)) * stats.t.ppf(0.975, patients - 1)


DRAWN = np.array([-0.04, -0.01, 0.0, 0.02, 0.03])
"""What draws are beside the figure."""


@pytest.mark.parametrize("patients", [2, 3, 12])
@pytest.mark.parametrize("value", [0.3, 0.7, 2.5])
def test_an_interval_is_students_on_the_scale_of_its_figure(value, patients):
    draws = value + DRAWN
    reach = student(draws, patients)
    expected: dict[Any, Any] = {
        "positive": np.exp(np.log(value) + reach / value * np.array([-1, 1])),
        "real": (value - reach, value + reach),
    }
    if value < 1:
        slope = reach / (value * (1 - value)) * np.array([-1, 1])
        expected["share"] = special.expit(special.logit(value) + slope)
        expected["difference"] = (max(-1, value - reach), min(1, value + reach))
    for scale, (low, high) in expected.items():
        assert bounds.interval(value, draws, patients, scale) == pytest.approx((low, high), rel=1e-12)


def test_undefined_draws_are_left_out():
    draws = np.array([0.4, np.nan, 0.5, np.inf, 0.6])
    assert bounds.interval(0.5, draws, 9, "share") == bounds.interval(0.5, draws[[0, 2, 4]], 9, "share")


@pytest.mark.parametrize("scale", ["share", "positive", "real", "difference"])
def test_what_is_undefined_has_no_interval(scale):
    for value, draws, patients in ((np.nan, [0.4, 0.6], 5), (0.5, [np.nan] * 2, 5), (0.5, [0.4, 0.6], 0)):
        assert np.isnan(bounds.interval(value, np.array(draws), patients, scale)).all()


def test_a_difference_stays_between_its_bounds_and_zero_and_one_are_ordinary_to_it():
    wide = 10 * DRAWN
    assert bounds.interval(0.9, 0.9 + wide, 5, "difference")[1] == 1
    assert bounds.interval(-0.9, -0.9 + wide, 5, "difference")[0] == -1
    for value in (0.0, 1.0):
        reach = student(DRAWN, 50)
        low, high = bounds.interval(value, value + DRAWN, 50, "difference")
        assert (low, high) == pytest.approx((value - reach, min(1, value + reach)))


def test_a_positive_figure_of_zero_has_no_logarithm():
    reach = student(DRAWN, 7)
    assert bounds.interval(0.0, DRAWN, 7, "positive") == pytest.approx((-reach, reach))


def test_a_wide_interval_stays_within_what_floats_hold():
    draws = 0.01 + 20 * DRAWN
    low, high = bounds.interval(0.01, draws, 2, "share")
    assert low == pytest.approx(0.01 / 0.99 * np.exp(-700), rel=1e-9, abs=0)
    assert high == 1
    low, high = bounds.interval(0.01, draws, 2, "positive")
    assert (low, high) == pytest.approx((0.01 * np.exp(-700), 0.01 * np.exp(700)), rel=1e-9, abs=0)


def test_where_draws_say_nothing_patients_are_the_units():
    alike = np.full(5, 0.5)
    share = bounds.interval(0.5, alike, 9, "share")
    assert share == bounds.wilson(0.5, 9)
    assert bounds.interval(0.5, 0.5 + DRAWN, 1, "share") == bounds.wilson(0.5, 1)
    for value in (0, 1):
        assert bounds.interval(value, abs(value + DRAWN), 9, "share") == bounds.wilson(value, 9)
    # A difference of 0.5 is where a share of 0.75 is, on a scale twice as long.
    low, high = bounds.wilson(0.75, 9)
    assert bounds.interval(0.5, alike, 9, "difference") == pytest.approx((2 * low - 1, 2 * high - 1))
    assert np.isnan(bounds.interval(0.5, alike, 9, "real")).all()
    assert np.isnan(bounds.interval(0.5, 0.5 + DRAWN, 1, "positive")).all()


def test_wilsons_interval_is_scipys():
    for units in (1, 2, 7, 40, 333):
        for successes in {0, 1, units // 3, units - 1, units}:
            expected = stats.binomtest(successes, units).proportion_ci(method="wilson")
            low, high = bounds.wilson(successes / units, units)
            assert (low, high) == pytest.approx((expected.low, expected.high), rel=1e-12, abs=1e-15)
            assert 0 <= low <= high <= 1


COUNTS = st.tuples(st.integers(2, 60), st.integers(2, 60))


@st.composite
def aucs(draw, number):
    """Counts of both classes, and AUCs that they can have, rising."""
    counts = draw(COUNTS)
    pairs = counts[0] * counts[1]
    right = draw(st.lists(st.integers(0, pairs), min_size=number, max_size=number))
    return counts, *(one / pairs for one in sorted(right))


@given(aucs(1), st.floats(0, 0.3), st.integers(0, 2**16))
def test_an_interval_of_an_auc_holds_it_and_is_that_of_the_other_class_mirrored(found, spread, seed):
    counts, value = found
    draws = np.random.default_rng(seed).normal(value, spread, 50)
    low, high = bounds.auc_interval(value, draws, counts, counts)
    assert 0 <= low <= value + 1e-9
    assert value - 1e-9 <= high <= 1
    mirrored = bounds.auc_interval(1 - value, 1 - draws, counts[::-1], counts[::-1])
    assert mirrored == pytest.approx((1 - high, 1 - low), abs=1e-6)


@given(aucs(2))
def test_of_two_aucs_the_higher_may_not_be_lower(found):
    """As one of 0.999 was that may have been 0.4, beside one of 1 that was 0.85 at least."""
    counts, *values = found
    draws = np.array([0.0, 1e-9])
    lower, higher = (bounds.auc_interval(value, value + draws, counts, counts) for value in values)
    assert lower[0] <= higher[0] + 1e-9
    assert lower[1] <= higher[1] + 1e-9


@given(st.floats(0.05, 0.999), COUNTS, st.floats(0, 0.1))
def test_the_bounds_of_an_auc_are_students_quantile_of_their_own_errors_away(value, patients, spread):
    rows = (3 * patients[0], 5 * patients[1])
    low, high = bounds.auc_interval(value, value + spread * np.array([-1.0, 1.0]), rows, patients)
    fewest = min(patients)
    alone = bounds.auc_error(value, *rows)
    widened = max(1.0, spread / alone) * np.sqrt(fewest / (fewest - 1)) * stats.t.ppf(0.975, fewest - 1)
    if spread > 1e-9:
        for bound in (low, high):
            assert abs(value - bound) == pytest.approx(
                widened * bounds.auc_error(bound, *rows), rel=1e-4, abs=1e-9
            )


def test_an_auc_of_few_patients_is_that_of_patients_and_not_of_their_slices():
    alike = np.ones(9)
    assert bounds.auc_interval(1.0, alike, (400, 900), (4, 9)) == bounds.auc_interval(
        1.0, alike, (4, 9), (4, 9)
    )
    assert bounds.auc_interval(1.0, alike, (4, 9), (4, 9))[0] < 0.6
    assert bounds.auc_interval(0.9, 0.9 + DRAWN, (40, 90), (1, 9)) == bounds.wilson(0.9, 1)
    assert np.isnan(bounds.auc_interval(np.nan, alike, (0, 9), (0, 9))).all()
