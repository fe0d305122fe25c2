import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk
from sklearn.linear_model import LogisticRegression

from hemo.evaluation import metrics
from hemo.labels import LABELS


@st.composite
def predictions(draw):
    """Truths of both classes with probabilities that have many ties."""
    size = draw(st.integers(2, 40))
    truth = draw(
        st.lists(st.integers(0, 1), min_size=size, max_size=size).filter(lambda y: 0 < sum(y) < len(y))
    )
    levels = draw(st.sampled_from([3, 10, 1000]))
    probability = draw(st.lists(st.integers(0, levels), min_size=size, max_size=size))
    return np.array(truth), np.array(probability) / levels


@given(predictions(), st.floats(0, 1))
def test_figures_equal_scikit_learns(data, threshold):
    truth, probability = data
    called = probability >= threshold
    found = metrics.compute(truth, probability, threshold)
    expected = {
        "accuracy": sk.accuracy_score(truth, called),
        "precision": sk.precision_score(truth, called, zero_division=np.nan),
        "recall": sk.recall_score(truth, called),
        "specificity": sk.recall_score(truth, called, pos_label=0),
        "npv": sk.precision_score(truth, called, pos_label=0, zero_division=np.nan),
        "f1": sk.f1_score(truth, called),
        "balanced_accuracy": sk.balanced_accuracy_score(truth, called),
        "auc": sk.roc_auc_score(truth, probability),
        "average_precision": sk.average_precision_score(truth, probability),
        "brier": sk.brier_score_loss(truth, probability),
        "log_loss": sk.log_loss(truth, probability),
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected, nan_ok=True)


@given(predictions())
def test_recall_at_a_specificity_is_read_off_the_roc_curve(data):
    truth, probability = data
    wrong, recall, _ = sk.roc_curve(truth, probability, drop_intermediate=False)
    found = metrics.compute(truth, probability, 0.5)
    for fixed in (80, 90):
        assert found[f"recall_at_specificity_{fixed}"] == pytest.approx(
            recall[1 - wrong >= fixed / 100 - 1e-9].max()
        )
        assert found[f"specificity_at_recall_{fixed}"] == pytest.approx(
            1 - wrong[recall >= fixed / 100 - 1e-9].min()
        )


def test_slope_and_intercept_are_those_of_logistic_regression(simulate):
    table = simulate(1)
    score = np.log(table["probability"] / (1 - table["probability"])).to_numpy()
    found = metrics.compute(table["truth"], table["probability"], 0.5)
    fitted = LogisticRegression(C=np.inf, tol=1e-10).fit(score[:, None], table["truth"])
    assert found["calibration_slope"] == pytest.approx(fitted.coef_[0, 0], rel=1e-4)
    shifted = 1 / (1 + np.exp(-score - found["calibration_intercept"]))
    assert shifted.mean() == pytest.approx(table["truth"].mean())


def test_a_threshold_a_row_decides_row_by_row():
    found = metrics.compute([1, 1, 0, 0], [0.4, 0.6, 0.4, 0.6], [0.3, 0.7, 0.5, 0.5])
    assert (found["recall"], found["specificity"]) == (0.5, 0.5)


@pytest.mark.parametrize(
    ("truth", "undefined"),
    [
        (
            0,
            {
                "recall",
                "balanced_accuracy",
                "auc",
                "average_precision",
                "recall_at_specificity_80",
                "precision",
            },
        ),
        (1, {"specificity", "balanced_accuracy", "auc", "average_precision", "specificity_at_recall_90"}),
    ],
)
def test_one_class_leaves_undefined_figures_nan(truth, undefined):
    found = metrics.compute([truth] * 3, [0.1, 0.2, 0.3], 0.5)
    missing = {name for name, value in found.items() if np.isnan(value)}
    assert undefined <= missing
    assert not {"accuracy", "brier", "log_loss"} & missing


def test_separated_classes_have_no_calibration_slope():
    found = metrics.compute([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9], 0.5)
    assert np.isnan(found["calibration_slope"])
    assert np.isfinite(found["calibration_intercept"])


def test_rsna_log_loss_counts_any_twice_and_clips():
    truth = np.zeros((2, 6), int)
    truth[0, LABELS.index("any")] = 1
    probability = np.full((2, 6), 0.5)
    assert metrics.rsna_weighted_log_loss(truth, probability) == pytest.approx(np.log(2))
    probability[0, LABELS.index("any")] = 0
    expected = (2 * (-np.log(1e-15) + np.log(2)) / 2 + 5 * np.log(2)) / 7
    assert metrics.rsna_weighted_log_loss(truth, probability) == pytest.approx(expected)
    with pytest.raises(ValueError, match="should both be"):
        metrics.rsna_weighted_log_loss(truth[:, :5], probability[:, :5])


@settings(max_examples=30)
@given(predictions(), st.integers(0, 2**16))
def test_weights_of_patients_equal_repeated_patients(data, seed):
    truth, probability = data
    random = np.random.default_rng(seed)
    patient = np.sort(random.integers(0, 4, len(truth)))
    counts = random.integers(0, 3, (5, int(patient.max()) + 1)).astype(np.int32)
    drawn = metrics.Arranged.of(truth, probability, 0.5, patient).draws(counts)
    exact = [name for name in metrics.METRICS if not name.startswith("calibration")]
    for row, count in enumerate(counts):
        repeated = np.repeat(np.arange(len(truth)), count[patient])
        if len(repeated):
            brute = metrics.compute(truth[repeated], probability[repeated], 0.5)
            assert {n: drawn[n][row] for n in exact} == pytest.approx(
                {n: brute[n] for n in exact}, nan_ok=True
            )
