import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hemo.errors import HemoError
from hemo.evaluation import metrics
from hemo.evaluation.operating_point import OperatingPointRule, _fitter, cross_fit, fit, threshold_interval
from hemo.evaluation.resampling import patient_counts


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
    ("text", "fault"),
    [
        (
            "best",
            "best: unknown rule of an operating point: one of "
            "sensitivity_at_least, specificity_at_least, youden, fixed, triage",
        ),
        ("youden:1", "youden:1: youden has no target: write youden"),
        ("fixed", "fixed: no target between 0 and 1: write, for example, fixed:0.9"),
        ("fixed:x", "fixed:x: target 'x' is no number: write, for example, fixed:0.9"),
        (
            "sensitivity_at_least:1.5",
            "sensitivity_at_least:1.5: no target between 0 and 1: "
            "write, for example, sensitivity_at_least:0.9",
        ),
        ("fixed:-0.1", "fixed:-0.1: no target between 0 and 1: write, for example, fixed:0.9"),
        ("fixed:nan", "fixed:nan: no target between 0 and 1: write, for example, fixed:0.9"),
    ],
)
def test_a_wrong_rule_is_refused_with_the_remedy(text, fault):
    with pytest.raises(HemoError) as caught:
        OperatingPointRule.parse(text)
    assert str(caught.value) == fault


@pytest.mark.parametrize("word", ["sensitivity_at_least:0.9", "youden"])
def test_a_rule_without_positives_is_refused(word):
    fault = f"^{word}: no positive slice to fit it on: use fixed:0.5, or patients of both kinds$"
    with pytest.raises(HemoError, match=fault):
        fit([0, 0], [0.1, 0.2], OperatingPointRule.parse(word))
    assert fit([0, 0], [0.1, 0.2], OperatingPointRule.parse("specificity_at_least:1")) > 0.2


@pytest.mark.parametrize("word", ["specificity_at_least:0.9", "youden"])
def test_a_rule_without_negatives_is_refused(word):
    fault = f"^{word}: no negative slice to fit it on: use fixed:0.5, or patients of both kinds$"
    with pytest.raises(HemoError, match=fault):
        fit([1, 1], [0.1, 0.2], OperatingPointRule.parse(word))
    assert fit([1, 1], [0.1, 0.2], OperatingPointRule.parse("sensitivity_at_least:1")) == 0.1


def test_a_fixed_threshold_needs_no_class():
    assert fit([0, 0], [0.1, 0.2], OperatingPointRule.parse("fixed:0.3")) == 0.3


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("sensitivity_at_least:0.9", "the highest threshold whose recall is at least 0.9"),
        ("specificity_at_least:0.9", "the lowest threshold whose specificity is at least 0.9"),
        ("youden", "the largest sum of recall and specificity"),
        ("fixed:0.3", "0.3, whatever the data"),
    ],
)
def test_a_rule_is_told_in_words(word, said):
    assert OperatingPointRule.parse(word).words == said


def test_where_nothing_is_called_the_threshold_is_just_above_the_highest_probability():
    rule = OperatingPointRule("specificity_at_least", 1.0)
    assert fit([0, 1, 1], [0.9, 0.5, 0.1], rule) == np.nextafter(0.9, np.inf)


def test_the_threshold_is_halfway_between_what_is_called_and_what_is_not():
    assert fit([1, 0, 1, 0], [0.9, 0.5, 0.7, 0.1], OperatingPointRule("sensitivity_at_least", 1.0)) == 0.6
    # Of two neighbouring floats, whose middle rounds to the lower one, the higher is called.
    higher = np.nextafter(0.5, 1)
    assert fit([1, 0], [higher, 0.5], OperatingPointRule("youden")) == higher


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("word", ["sensitivity_at_least:0.6", "specificity_at_least:0.6", "youden"])
def test_a_draw_of_patients_has_the_threshold_of_their_slices_and_none_where_a_class_is_absent(word):
    rule = OperatingPointRule.parse(word)
    patient = np.array([0, 0, 0, 0, 0, 1, 1, 2, 2])
    truth = np.array([1, 0, 1, 0, 1, 1, 1, 0, 0])
    probability = np.array([0.9, 0.8, 0.6, 0.3, 0.2, 0.7, 0.4, 0.5, 0.1])
    counts = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 1, 2], [0, 0, 0]], np.int32)
    found = _fitter(truth, probability, patient, rule)(counts)
    assert found.dtype == np.float64
    for count, threshold in zip(counts, found, strict=True):
        rows = np.repeat(np.arange(9), count[patient])
        try:
            alone = fit(truth[rows], probability[rows], rule) if len(rows) else np.nan
        except HemoError:
            alone = np.nan
        # The middles lie between probabilities of all slices: what is called is the same.
        assert np.isnan(threshold) == np.isnan(alone)
        np.testing.assert_array_equal(probability[rows] >= threshold, probability[rows] >= alone)


def test_an_interval_of_a_threshold_leaves_out_draws_that_lack_a_class_and_repeats(simulate):
    rule = OperatingPointRule("specificity_at_least", 0.9)
    table = simulate(3, patients=14, positive=14, slices=4)
    table["truth"] = np.int8(1)
    own = table["patient"] == table["patient"][0]
    table.loc[own, "truth"] = np.int8(0)  # one patient has all negative slices; many draws lack it
    value, low, high = threshold_interval(table, rule, draws=100)
    assert low <= value <= high
    assert threshold_interval(table, rule, draws=100, seed=0) == (value, low, high)
    table = simulate(3)
    assert threshold_interval(table, rule, 200, 0) != threshold_interval(table, rule, 200, 1)


def test_an_interval_of_a_threshold_is_of_2000_draws(simulate, monkeypatch):
    asked = []

    def counted(positive, rows, draws, seed):
        asked.append((rows, draws, seed))
        return patient_counts(positive, rows, draws, seed)

    monkeypatch.setattr("hemo.evaluation.operating_point.patient_counts", counted)
    threshold_interval(simulate(3), OperatingPointRule("youden"))
    assert asked == [(900, 2000, 0)]


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
