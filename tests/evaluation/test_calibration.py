import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.calibration import _SigmoidCalibration
from sklearn.isotonic import IsotonicRegression

from hemo.errors import HemoError
from hemo.evaluation import calibration, metrics


def skewed(simulate, seed=0):
    """Return truth and probabilities that are far too high."""
    table = simulate(seed, patients=200, positive=80)
    return table["truth"].to_numpy(), table["probability"].to_numpy() ** 0.3


def test_the_sigmoid_is_platts(simulate):
    truth, probability = skewed(simulate)
    expected = _SigmoidCalibration().fit(calibration.logit(probability), truth)
    found = calibration.fit(truth, probability, "sigmoid")
    assert found(probability) == pytest.approx(expected.predict(calibration.logit(probability)), abs=1e-4)


def test_isotonic_is_scikit_learns(simulate):
    truth, probability = skewed(simulate)
    expected = IsotonicRegression(out_of_bounds="clip").fit(probability, truth)
    asked = np.linspace(0, 1, 50)
    assert calibration.fit(truth, probability, "isotonic")(asked) == pytest.approx(expected.predict(asked))


@pytest.mark.parametrize("method", calibration.METHODS)
def test_calibration_mends_slope_and_intercept(simulate, method):
    truth, probability = skewed(simulate)
    mended = calibration.fit(truth, probability, method)(probability)
    before, after = metrics.compute(truth, probability, 0.5), metrics.compute(truth, mended, 0.5)
    assert before["calibration_intercept"] < -1
    assert after["calibration_intercept"] == pytest.approx(0, abs=0.02)
    assert after["calibration_slope"] == pytest.approx(1, abs=0.05)
    assert after["brier"] < before["brier"]


@given(
    st.lists(st.tuples(st.integers(0, 1), st.floats(0, 1)), min_size=2, max_size=30).filter(
        lambda rows: 0 < sum(truth for truth, _ in rows) < len(rows)
    ),
    st.sampled_from(calibration.METHODS),
)
def test_a_calibrator_gives_probabilities_and_survives_json_bit_by_bit(rows, method):
    truth, probability = np.array(rows).T
    fitted = calibration.fit(truth, probability, method)
    again = calibration.Calibrator.from_json(json.loads(json.dumps(fitted.to_json())))
    asked = np.linspace(0, 1, 20)
    assert (fitted(asked) == again(asked)).all()
    assert ((fitted(asked) >= 0) & (fitted(asked) <= 1)).all()


@pytest.mark.parametrize("probability", [0.0, 0.3, 1.0])
def test_equal_probabilities_become_the_share_of_positives(probability):
    fitted = calibration.fit([0, 0, 0, 1], [probability] * 4, "sigmoid")
    assert fitted(probability) == pytest.approx((2 / 3 + 3 * 1 / 5) / 4)


def test_separated_classes_keep_a_finite_sigmoid():
    fitted = calibration.fit([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9], "sigmoid")
    assert np.isfinite([fitted.slope, fitted.intercept]).all()


@given(st.lists(st.floats(0, 1), min_size=2, max_size=30), st.integers(0, 1))
def test_a_sigmoid_turns_no_two_slices_around_even_where_probabilities_point_the_wrong_way(p, first):
    truth = np.arange(len(p)) % 2 == first
    fitted = calibration.fit(truth, p, "sigmoid")
    assert (np.diff(fitted(np.sort(p))) >= 0).all()


def test_a_sigmoid_leaves_the_auc_as_it_is_even_of_saturated_probabilities(simulate):
    truth, _ = skewed(simulate)
    probability = np.where(truth == 1, 1e-9, 1e-12) * np.linspace(0.5, 1, len(truth))
    mended = calibration.fit(truth, probability, "sigmoid")(probability)
    before, after = (metrics.compute(truth, p, 0.5)["auc"] for p in (probability, mended))
    assert after == before


def test_what_cannot_be_calibrated_is_refused():
    with pytest.raises(HemoError, match="one class only"):
        calibration.fit([0, 0], [0.1, 0.2], "sigmoid")
    with pytest.raises(HemoError, match="sigmoid or isotonic"):
        calibration.fit([0, 1], [0.1, 0.2], "beta")
    documents: list[Any] = [[], {"method": "beta", "knots": []}, {"method": "sigmoid"}, {"knots": []}]
    for values in documents:
        with pytest.raises(HemoError):
            calibration.Calibrator.from_json(values)
