import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hemo.errors import HemoError
from hemo.evaluation import metrics
from hemo.evaluation.operating_point import OperatingPointRule, cross_fit, fit, threshold_interval


@st.composite
def predictions(draw):
    size = draw(st.integers(2, 40))
    truth = draw(
        st.lists(st.integers(0, 1), min_size=size, max_size=size).filter(lambda y: 0 < sum(y) < len(y))
    )
    levels = draw(st.sampled_from([1, 3, 1000]))
    probability = draw(st.lists(st.integers(0, levels), min_size=size, max_size=size))
    return np.array(truth), np.array(probability) / levels


def every_decision(truth, probability):
    """Return sensitivity and specificity of each threshold that makes a difference."""
    thresholds = [*np.unique(probability), 2.0]
    figures = [metrics.compute(truth, probability, threshold) for threshold in thresholds]
    return np.array([(found["recall"], found["specificity"]) for found in figures]).T


@given(predictions(), st.sampled_from([0.0, 0.5, 0.8, 0.9, 1.0]))
def test_a_target_is_met_at_the_least_cost(data, target):
    truth, probability = data
    sensitivity, specificity = every_decision(truth, probability)
    found = metrics.compute(
        truth, probability, fit(truth, probability, OperatingPointRule("sensitivity_at_least", target))
    )
    assert found["recall"] >= target
    assert found["specificity"] == specificity[sensitivity >= target].max()
    found = metrics.compute(
        truth, probability, fit(truth, probability, OperatingPointRule("specificity_at_least", target))
    )
    assert found["specificity"] >= target
    assert found["recall"] == sensitivity[specificity >= target].max()


@given(predictions())
def test_youden_is_the_largest_sum_and_the_more_sensitive_of_equals(data):
    truth, probability = data
    sensitivity, specificity = every_decision(truth, probability)
    found = metrics.compute(truth, probability, fit(truth, probability, OperatingPointRule("youden")))
    best = (sensitivity + specificity).max()
    assert found["recall"] + found["specificity"] == pytest.approx(best)
    assert found["recall"] == sensitivity[sensitivity + specificity >= best - 1e-9].max()


@given(predictions(), st.sampled_from(["sensitivity_at_least:0.9", "specificity_at_least:0.9", "youden"]))
def test_rounding_to_single_precision_changes_no_decision(data, rule):
    truth, probability = data
    threshold = fit(truth, probability, OperatingPointRule.parse(rule))
    rounded = probability.astype(np.float32).astype(float)
    if probability.min() < threshold <= probability.max():
        assert ((probability >= threshold) == (rounded >= threshold)).all()


@given(predictions(), st.integers(0, 2**16))
def test_no_fold_sees_its_own_truth_or_probabilities(data, seed):
    truth, probability = np.tile(data[0], 3), np.tile(data[1], 3)
    fold = np.repeat([0, 1, 2], len(data[0]))
    random = np.random.default_rng(seed)
    rule = OperatingPointRule("sensitivity_at_least", 0.8)
    before = cross_fit(truth, probability, fold, rule)
    own = fold == 1
    truth[own] = random.integers(0, 2, own.sum())
    probability[own] = random.random(own.sum())
    assert (cross_fit(truth, probability, fold, rule)[own] == before[own]).all()


def test_other_folds_do_set_the_threshold(simulate):
    table = simulate(0, folds=3)
    rule = OperatingPointRule("youden")
    before = cross_fit(table["truth"], table["probability"], table["fold"], rule)
    others = table["probability"].where(table["fold"] == 1, table["probability"] / 2)
    after = cross_fit(table["truth"], others, table["fold"], rule)
    assert (before[table["fold"] == 1] != after[table["fold"] == 1]).all()


@pytest.mark.parametrize(
    "text", ["sensitivity_at_least:0.9", "specificity_at_least:0.85", "youden", "fixed:0.5"]
)
def test_a_rule_reads_as_it_is_written(text):
    assert str(OperatingPointRule.parse(text)) == text


@pytest.mark.parametrize(
    "text", ["best", "youden:1", "fixed", "fixed:x", "sensitivity_at_least:90", "fixed:nan"]
)
def test_a_wrong_rule_is_refused_with_the_remedy(text):
    with pytest.raises(HemoError, match=r"write|one of"):
        OperatingPointRule.parse(text)


def test_a_rule_without_its_class_is_refused():
    with pytest.raises(HemoError, match="no positive slice"):
        fit([0, 0], [0.1, 0.2], OperatingPointRule.parse("sensitivity_at_least:0.9"))
    with pytest.raises(HemoError, match="no negative slice"):
        fit([1, 1], [0.1, 0.2], OperatingPointRule.parse("youden"))
    assert fit([0, 0], [0.1, 0.2], OperatingPointRule.parse("fixed:0.3")) == 0.3


def test_one_fold_cannot_be_cross_fitted():
    with pytest.raises(HemoError, match="two or more"):
        cross_fit([0, 1], [0.1, 0.2], [0, 0], OperatingPointRule("youden"))


@pytest.mark.parametrize("text", ["sensitivity_at_least:0.9", "specificity_at_least:0.9", "youden"])
def test_a_threshold_is_less_certain_with_fewer_patients(simulate, text):
    rule = OperatingPointRule.parse(text)
    widths = []
    for patients in (20, 200):
        value, low, high = threshold_interval(simulate(1, patients, patients // 2), rule, draws=200)
        assert low <= value <= high
        widths.append(high - low)
    assert widths[0] > widths[1] > 0


def test_a_fixed_threshold_is_certain(simulate):
    assert threshold_interval(simulate(1), OperatingPointRule("fixed", 0.4), draws=20) == (0.4, 0.4, 0.4)
