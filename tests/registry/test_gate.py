import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hemo.config import Gate
from hemo.evaluation.predictions import study_table
from hemo.evaluation.protocols import Protocol
from hemo.evaluation.summary import summarize
from hemo.registry.gate import Candidate, Incumbent, judge
from tests.helpers.registry_world import table

GATE = Gate()
DRAWS = 200


def candidate(**words):
    return Candidate(**{"protocol": Protocol.CV, "loaded_back_gap": 0.0, **words})


def verdict(predictions, gate=GATE, incumbent=None, **words):
    return judge(summarize(predictions, DRAWS), candidate(**words), gate, incumbent)


def failed(found):
    return [finding.name for finding in found.findings if not finding.passed]


def test_a_good_classifier_passes_every_condition():
    found = verdict(table())
    assert found.passed
    assert failed(found) == []
    assert found.reason == "passed every condition; nothing was in production"


def test_a_split_by_slice_is_refused_with_the_reason():
    found = verdict(table(), protocol=Protocol.PAPER)
    assert failed(found) == ["protocol"]
    assert "by slice" in found.reason


def test_data_that_does_not_name_its_patients_is_refused():
    found = verdict(table(), patients_known=False)
    assert failed(found) == ["protocol"]
    assert "does not name its patients" in found.reason


def test_few_positive_patients_are_refused():
    found = verdict(table(patients=12))
    assert "positive patients" in failed(found)
    assert "6 positive patients tested, 10 asked" in found.reason


def test_calling_everything_positive_is_degenerate():
    found = verdict(table(threshold=0.0))
    assert {"specificity", "not degenerate"} <= set(failed(found))
    assert "degenerate: calls 100% of all slices positive" in found.reason


def test_calling_nothing_positive_is_degenerate():
    found = verdict(table(threshold=1.1))
    assert {"recall", "not degenerate"} <= set(failed(found))


def test_a_classifier_no_better_than_chance_is_refused():
    assert "not degenerate" in failed(
        verdict(table(quality=0.0), GATE.model_copy(update={"min_recall_low": 0}))
    )


def test_probabilities_that_say_nothing_are_refused():
    flat = table()
    flat["probability"] = 0.5 + (flat["probability"] - 0.5) * 1e-3
    gate = GATE.model_copy(update={"max_calibration_slope": 2.0})
    assert failed(verdict(flat, gate)) == ["calibration"]


def test_separated_classes_have_no_slope_and_are_judged_by_the_brier_score():
    perfect = table(quality=60.0)
    found = verdict(perfect)
    assert found.passed
    assert "Brier score" in next(c.words for c in found.findings if c.name == "calibration")


@pytest.mark.parametrize("gap", [1e-3, float("nan")])
def test_a_model_that_gives_other_probabilities_is_refused_and_cannot_be_overridden(gap):
    found = verdict(table(), loaded_back_gap=gap)
    assert failed(found) == ["loaded back"]
    assert not found.can_override


def test_a_model_that_does_not_load_is_refused_with_the_fault():
    found = verdict(table(), fault="no file fitted/model.keras")
    assert "no file fitted/model.keras" in found.reason
    assert not found.can_override


def test_one_class_only_is_refused_not_an_error():
    one = table()
    one["truth"] = np.int8(0)
    found = verdict(one)
    assert {"positive patients", "recall", "not degenerate"} <= set(failed(found))


def test_a_better_classifier_replaces_the_incumbent():
    old = Incumbent("1", "sgd", table(quality=1.0), "the same split")
    found = verdict(table(quality=4.0), incumbent=old)
    assert found.passed
    assert "better than version 1 (sgd)" in found.reason


def test_the_same_predictions_do_not_replace_the_incumbent():
    found = verdict(table(), incumbent=Incumbent("1", "sgd", table(), "the same split"))
    assert found.sound
    assert not found.passed
    assert "not shown to be better" in found.reason


def test_a_worse_classifier_does_not_replace_the_incumbent():
    found = verdict(table(quality=2.0), incumbent=Incumbent("1", "sgd", table(quality=4.0), "the same split"))
    assert failed(found) == ["incumbent"]


def test_not_inferior_and_better_in_the_second_figure_is_enough():
    gate = GATE.model_copy(update={"figure": "recall_at_specificity_80", "margin": 1.0})
    found = verdict(table(quality=3.0), gate, Incumbent("1", "sgd", table(quality=1.5), "the same split"))
    assert found.passed
    nothing_allowed = gate.model_copy(update={"margin": 0.0, "second_figure": "specificity"})
    assert not verdict(table(), nothing_allowed, Incumbent("1", "sgd", table(), "")).passed


def test_what_is_in_production_itself_is_told_so_and_fails_nothing():
    found = verdict(table(), incumbent=Incumbent("1", "sgd", None, "", same_run=True))
    assert found.passed
    assert found.findings[-1].found.startswith("in production already")


def test_an_incumbent_that_cannot_be_compared_with_closes_the_gate():
    found = verdict(table(), incumbent=Incumbent("1", "sgd", None, "its store is gone"))
    assert failed(found) == ["incumbent"]
    assert "its store is gone" in found.reason


def test_an_incumbent_tested_on_other_slices_closes_the_gate():
    other = table().assign(slice_id=lambda t: "x" + t["slice_id"])
    found = verdict(table(), incumbent=Incumbent("1", "sgd", other, ""))
    assert failed(found) == ["incumbent"]
    assert "cannot be compared" in found.reason


def test_validation_rows_are_not_looked_at():
    seen = table()
    noise = table(quality=-9, seed=5).assign(part="validation", slice_id=lambda t: "v" + t["slice_id"])
    noise["patient"] = "v" + noise["patient"]
    both = type(seen)(np.concatenate([noise, seen]), columns=seen.columns).astype(seen.dtypes)
    assert verdict(both)["auc"] == verdict(seen)["auc"]


@settings(max_examples=25, deadline=None)
@given(
    quality=st.floats(-1, 6),
    least=st.floats(0, 1),
    seed=st.integers(0, 50),
    patients=st.integers(2, 30),
    threshold=st.floats(0, 1),
)
@example(quality=4, least=0.5, seed=0, patients=30, threshold=0.5)
def test_whatever_passes_has_the_figures_that_were_asked(quality, least, seed, patients, threshold):
    gate = Gate(min_recall_low=least, min_specificity_low=least, min_positive_patients=5)
    found = judge(summarize(table(quality, patients, seed, threshold), 100), candidate(), gate)
    assert found.passed or (quality, patients) != (4, 30), "the example passes"
    if found.passed:
        assert found["recall"][1] >= least
        assert found["specificity"][1] >= least
        assert patients // 2 >= 5
    else:
        assert found.reason


@pytest.mark.parametrize("name", ["recall", "specificity"])
def test_the_lower_bound_is_what_counts_not_the_value(name):
    value, low, _ = verdict(table(quality=2.0))[name]
    between = GATE.model_copy(update={f"min_{name}_low": (value + low) / 2})
    assert failed(verdict(table(quality=2.0), between)) == [name]
    exactly = GATE.model_copy(update={f"min_{name}_low": low})
    assert verdict(table(quality=2.0), exactly).passed


def with_studies(good_slices, good_studies):
    """Return a summary whose slices and studies are judged well or badly, each for itself."""
    slices, studies = table(quality=3.0 if good_slices else 0.0), table(quality=3.0 if good_studies else 0.0)
    return summarize(slices, DRAWS, by_study=studies)


@pytest.mark.parametrize(
    ("level", "good_slices", "good_studies", "passes"),
    [
        ("study", False, True, True),
        ("study", True, False, False),
        ("slice", True, False, True),
        ("slice", False, True, False),
        ("both", True, True, True),
        ("both", True, False, False),
        ("both", False, True, False),
    ],
)
def test_the_gate_judges_what_it_is_told_to(level, good_slices, good_studies, passes):
    found = judge(with_studies(good_slices, good_studies), candidate(), Gate(level=level))
    assert found.passed == passes
    assert found.level == ("slice" if level == "slice" else "study")


def test_judged_by_both_what_depends_on_the_level_is_found_twice_and_the_rest_once():
    names = [one.name for one in judge(with_studies(True, False), candidate(), Gate(level="both")).findings]
    assert names.count("protocol") == names.count("loaded back") == 1
    assert {"recall by study", "recall by slice", "not degenerate by study"} <= set(names)
    assert "recall" not in names


def test_where_studies_are_not_whole_slices_are_judged():
    found = verdict(table(quality=3.0))
    assert (found.passed, found.level) == (True, "slice")


def test_studies_are_compared_with_the_incumbent_s_studies():
    new = summarize(table(quality=3.0), DRAWS, by_study=table(quality=3.0))
    perfect = Incumbent("1", "sgd", table(quality=3.0), "the same split", studies=table(quality=6.0))
    assert not judge(new, candidate(), Gate(), perfect).passed
    assert (
        "cannot be compared"
        in judge(new, candidate(), Gate(), Incumbent("1", "sgd", table(), "it has no studies")).reason
    )


def test_what_was_made_of_synthetic_data_never_blocks_what_was_tested_on_patients():
    phantom = Incumbent("1", "sgd", table(quality=6.0), "the same split", synthetic=True)
    found = verdict(table(quality=3.0), incumbent=phantom)
    assert found.passed
    assert "made of synthetic data, and gives way" in found.reason
    assert not verdict(table(quality=3.0), incumbent=phantom, synthetic=True).passed


def of_studies_alone(predictions):
    """Return the summary of a run whose studies are labelled, and no slice."""
    return summarize(predictions.iloc[:0], DRAWS, by_study=study_table(predictions))


@pytest.mark.parametrize(("level", "passed"), [("study", True), ("slice", False), ("both", False)])
def test_where_no_slice_is_judged_studies_are_and_asking_for_slices_is_refused(level, passed):
    found = judge(of_studies_alone(table()), candidate(), Gate(level=level))
    assert found.level == "study"
    assert found.passed is passed
    if not passed:
        assert not found.can_override
        assert "set gate.level to study" in found.reason


@pytest.mark.parametrize("slices", [True, False])
def test_of_several_deals_means_are_judged_and_compared_and_patients_counted_once(slices):
    one, other = table(quality=3.0, seed=1), table(quality=0.0, seed=2)
    both = pd.concat([one.assign(repeat=0), other.assign(repeat=1)], ignore_index=True)
    tested = summarize(both if slices else both.iloc[:0], DRAWS, by_study=both)
    found = judge(tested, candidate(), GATE, Incumbent("1", "sgd", both, "the same split", studies=both))
    assert found.repeats == 2
    each = [summarize(part, DRAWS)["auc"].value for part in (one, other)]
    assert found["auc"].value == pytest.approx(np.mean(each))
    assert next(line.found for line in found.findings if line.name == "positive patients") == "20"
    assert failed(found)[-1] == "incumbent"
