"""Every condition of the gate, word for word, on either side of what it asks."""

import dataclasses
from typing import Any

import numpy as np
import pandas as pd
import pytest

from hemo.config import Gate
from hemo.errors import HemoError
from hemo.evaluation import paired
from hemo.evaluation.protocols import Protocol
from hemo.evaluation.summary import Counts, Estimate
from hemo.registry import conditions
from hemo.registry.evidence import Candidate, Evidence, Incumbent

NAN = float("nan")


class Tested(dict):
    """Metrics as they are wanted, of slices called as they are wanted."""

    draws, seed = 100, 3

    def __init__(self, metrics, called, truth, positive_patients, prevalence):
        super().__init__({name: Estimate(*values) for name, values in metrics.items()})
        self.counts = Counts(len(truth), sum(truth), 40, positive_patients)
        self.called, self.prevalence = np.array(called, bool), prevalence
        self.table = pd.DataFrame({"truth": truth, "part": "test"})


def evidence(
    metrics=None, *, called=(1, 0, 1, 0), truth=(1, 1, 0, 0), patients=20, prevalence=0.5,
    candidate=None, incumbent=None, **gate,
):  # fmt: skip
    tested: Any = Tested(metrics or {}, called, truth, patients, prevalence)
    return Evidence(tested, candidate or Candidate(Protocol.CV, 0.0), Gate(**gate), incumbent)


def check(finding, name, found, required, passed, words, override=True, against=False):
    assert dataclasses.astuple(finding) == (name, found, required, passed, words, override, against)


BY_PATIENT = "by patient (cv or holdout)"


@pytest.mark.parametrize(
    ("protocol", "known", "passed", "words"),
    [
        (Protocol.CV, True, True, "tested by patient (cv)"),
        (Protocol.HOLDOUT, True, True, "tested by patient (holdout)"),
        (
            Protocol.PAPER, True, False,
            "protocol paper splits by slice: its metrics do not hold for new patients",
        ),
        (
            Protocol.CV, False, False,
            "the data does not name its patients: nobody can tell whether some were learned from",
        ),
    ],
)  # fmt: skip
def test_patients_are_tested_that_were_not_learned_from(protocol, known, passed, words):
    finding = conditions.protocol(evidence(candidate=Candidate(protocol, 0.0, patients_known=known)))
    check(finding, "protocol", protocol, BY_PATIENT, passed, words)


@pytest.mark.parametrize(
    ("count", "passed", "words"),
    [(10, True, "10 positive patients tested"), (9, False, "9 positive patients tested, 10 asked")],
)
def test_so_many_positive_patients_are_asked(count, passed, words):
    finding = conditions.positive_patients(evidence(patients=count, min_positive_patients=10))
    check(finding, "positive patients", str(count), "at least 10", passed, words)


@pytest.mark.parametrize("name", ["recall", "specificity"])
def test_a_lower_bound_is_asked_of_recall_and_specificity(name):
    def finding(*values):
        return getattr(conditions, name)(evidence({name: values}, **{f"min_{name}_low": 0.6}))

    least = "lower bound at least 0.60"
    words = f"{name} is 0.80, and may be as low as 0.60"
    check(finding(0.8, 0.6, 0.9), name, "0.80 (0.60 to 0.90)", least, True, words)
    words = f"{name} may be as low as 0.59, 0.60 asked"
    check(finding(0.8, 0.59, 0.9), name, "0.80 (0.59 to 0.90)", least, False, words)
    undefined = f"{name} is undefined"
    check(finding(NAN, NAN, NAN), name, undefined, least, False, undefined)


@pytest.mark.parametrize("least", [0.125, 1.5e-05])
def test_what_is_asked_is_written_in_full(least):
    finding = conditions.recall(evidence({"recall": (0.8, 0.7, 0.9)}, min_recall_low=least))
    written = {0.125: "0.125", 1.5e-05: "0.00"}[least]
    assert finding.required == f"lower bound at least {written}"
    low = {0.125: "0.700", 1.5e-05: "0.70"}[least]
    assert finding.words == f"recall is 0.80, and may be as low as {low}"


TOLD_APART = "positive and negative slices are told apart: AUC is 0.80, at worst 0.70"
ALL = "degenerate: calls {} of all slices positive"


@pytest.mark.parametrize(
    ("low", "called", "passed", "share", "words"),
    [
        (0.7, [1] * 10 + [0] * 10 + [1] * 10 + [0] * 10, True, "50%", TOLD_APART),
        (0.5, [1, 0] * 20, False, "50%", "AUC may be as low as 0.50, over 0.50 asked"),
        (NAN, [1, 0] * 20, False, "50%", "AUC is undefined"),
        (0.7, [1] * 40, False, "100%", ALL.format("100%")),
        (0.7, [0] * 40, False, "0%", ALL.format("0.0%")),
        (0.7, [1] * 19 + [0] + [1] * 20, True, "98%", TOLD_APART),
    ],
)
def test_a_classifier_that_tells_nothing_apart_is_degenerate(low, called, passed, share, words):
    auc = (0.8, low, 0.9)
    found = f"calls {share} positive, AUC " + ("0.80" if np.isnan(low) else f"0.80 ({low:.2f} to 0.90)")
    required = "tells positive from negative: lower bound of AUC over 0.50"
    near = {"called": called, "truth": [0] * 20 + [1] * 20}
    check(
        conditions.discriminates(evidence({"auc": auc}, **near)),
        "not degenerate",
        found,
        required,
        passed,
        words,
    )


@pytest.mark.filterwarnings("error")
def test_where_a_class_is_absent_nothing_is_told_apart():
    auc = {"auc": (0.8, 0.7, 0.9)}
    assert not conditions.discriminates(evidence(auc, called=(1, 0), truth=(1, 1))).passed
    assert not conditions.discriminates(evidence(auc, called=(1, 0), truth=(0, 0))).passed


def test_an_auc_that_is_barely_enough_shows_that_it_is():
    finding = conditions.discriminates(evidence({"auc": (0.8, 0.5004, 0.9)}))
    words = "positive and negative slices are told apart: AUC is 0.80, at worst 0.5004"
    assert (finding.passed, finding.words) == (True, words)
    assert finding.found == "calls 50% positive, AUC 0.8000 (0.5004 to 0.9000)"


@pytest.mark.parametrize("calls", [0, 1])
def test_nearly_all_is_more_than_95_in_100_of_either_kind(calls):
    truth = [0] * 200 + [1] * 200

    def finding(others):
        called = np.full(400, calls)
        called[:others] = called[200 : 200 + others] = 1 - calls
        return conditions.discriminates(evidence({"auc": (0.8, 0.7, 0.9)}, called=called, truth=truth))

    share = {0: "4.5%", 1: "96%"}[calls]
    assert (finding(9).passed, finding(9).words) == (False, ALL.format(share))
    assert (finding(11).passed, finding(11).words) == (True, TOLD_APART)


BETWEEN = "between 0.10 and 10.00"


@pytest.mark.parametrize(
    ("slope", "passed", "text", "lean"),
    [
        ((1.0, 0.8, 1.2), True, "1.00 (0.80 to 1.20)", "about right"),
        ((1.2, 1.0, 1.5), True, "1.20 (1.00 to 1.50)", "about right"),
        ((0.8, 0.7, 1.0), True, "0.80 (0.70 to 1.00)", "about right"),
        ((2.0, 1.5, 2.5), True, "2.00 (1.50 to 2.50)", "too cautious"),
        ((1.0, 1.01, 1.2), True, "1.00 (1.01 to 1.20)", "too cautious"),
        ((0.5, 0.3, 0.7), True, "0.50 (0.30 to 0.70)", "too extreme"),
        ((0.1, 0.05, 0.2), True, "0.10 (0.05 to 0.20)", "too extreme"),
        ((10.0, 8.0, 11.0), True, "10.00 (8.00 to 11.00)", "too cautious"),
        ((0.05, 0.01, 0.2), False, "0.05 (0.01 to 0.20)", ""),
        ((12.0, 9.0, 15.0), False, "12.00 (9.00 to 15.00)", ""),
    ],
)
def test_a_calibration_slope_lies_within_bounds(slope, passed, text, lean):
    words = f"probabilities are {lean}" if passed else f"calibration slope {text}, {BETWEEN} asked"
    finding = conditions.calibration(evidence({"calibration_slope": slope}))
    check(finding, "calibration", f"slope {text}", f"slope {BETWEEN}", passed, words)


def test_a_slope_that_is_barely_too_flat_shows_that_it_is():
    finding = conditions.calibration(evidence({"calibration_slope": (0.0996, 0.05, 0.2)}))
    found, asked = "slope 0.0996 (0.0500 to 0.2000)", "between 0.1000 and 10.0000"
    check(finding, "calibration", found, f"slope {asked}", False, f"calibration {found}, {asked} asked")


def test_without_a_slope_separated_classes_are_judged_by_the_brier_score_and_others_are_refused():
    none = {"calibration_slope": (NAN, NAN, NAN)}
    undefined = "calibration slope is undefined"
    finding = conditions.calibration(evidence({**none, "auc": (0.9, 0.8, 1.0)}))
    check(finding, "calibration", undefined, f"slope {BETWEEN}", False, undefined)
    for brier, passed in ((0.0625, True), (0.1875, True), (0.25, False)):
        metrics = {**none, "auc": (1.0, 1.0, 1.0), "brier": (brier, 0.0, 0.3)}
        finding = conditions.calibration(evidence(metrics, prevalence=0.25))
        score, reference = f"Brier score {brier:.3f}", "0.188"
        check(
            finding, "calibration", f"no slope (a threshold separates the classes), {score}",
            f"slope {BETWEEN}; for separated classes a Brier score of at most {reference} (the prevalence's)",
            passed, f"{score}, that of the prevalence {reference}",
        )  # fmt: skip


@pytest.mark.parametrize(
    ("gap", "fault", "found", "passed", "words"),
    [
        (0.0, "", "0", True, "loaded back, its probabilities differ by 0 at most"),
        (1e-6, "", "1e-06", True, "loaded back, its probabilities differ by 1e-06 at most"),
        (2e-6, "", "2e-06", False, "loaded back, its probabilities differ by 2e-06 at most"),
        (1.23e-07, "", "1e-07", True, "loaded back, its probabilities differ by 1e-07 at most"),
        (1.0004e-6, "", "1.0004e-06", False, "loaded back, its probabilities differ by 1.0004e-06 at most"),
        (NAN, "", "nan", False, "the model was never loaded back and compared"),
        (0.0, "no file", "no file", False, "the model cannot be loaded: no file"),
    ],
)
def test_a_model_gives_the_probabilities_of_its_run_or_nobody_can_override_it(
    gap, fault, found, passed, words
):
    finding = conditions.loaded_back(evidence(candidate=Candidate(Protocol.CV, gap, fault)))
    asked = "the run's own probabilities within 1e-06"
    check(finding, "loaded back", found, asked, passed, words, override=False)


REQUIRED = (
    "better in AUC, or not worse by more than 0.01 and better in recall at specificity 0.80 "
    "(paired over patients, lower bounds)"
)
WHO = "version 7 (sgd)"


def against(incumbent, **gate):
    return conditions.better_than_incumbent(
        evidence(
            incumbent=incumbent, figure="auc", second_figure="recall_at_specificity_80", margin=0.01, **gate
        )
    )


def test_where_nothing_is_in_production_there_is_nothing_to_be_better_than():
    assert against(None) is None


def test_what_is_in_production_would_replace_itself():
    finding = against(Incumbent("7", "sgd", None, "", same_run=True))
    found = "in production already: nothing to compare with"
    asked = "nothing: it would replace itself"
    check(finding, "incumbent", found, asked, True, f"it is {WHO} already", against=True)


def test_an_incumbent_without_predictions_cannot_be_compared_with(monkeypatch):
    finding = against(Incumbent("7", "sgd", None, "its store is gone"))
    words = f"{WHO} cannot be compared with: its store is gone"
    check(finding, "incumbent", "not comparable", REQUIRED, False, words, against=True)

    def refuse(*_args, **_words):
        raise HemoError("other slices")

    monkeypatch.setattr(paired, "compare", refuse)
    table = pd.DataFrame({"part": ["test", "validation"], "row": [1, 2]})
    finding = against(Incumbent("7", "sgd", table, "the same split"))
    words = f"{WHO} cannot be compared with: other slices"
    check(finding, "incumbent", "not comparable", REQUIRED, False, words, against=True)


@pytest.mark.parametrize(
    ("first", "second", "gained", "verdict"),
    [
        ((0.02, 0.001, 0.04), (0.0, -0.1, 0.1),
         ("+0.020 (+0.001 to +0.040)", "+0.000 (−0.100 to +0.100)"), "better"),
        ((0.02, 0.0004, 0.04), (0.0, -0.0003, 0.1),
         ("+0.0200 (+0.0004 to +0.0400)", "+0.0000 (−0.0003 to +0.1000)"), "better"),
        ((0.02, 0.0, 0.04), (0.1, 0.05, 0.2),
         ("+0.020 (+0.000 to +0.040)", "+0.100 (+0.050 to +0.200)"), "not inferior"),
        ((0.0, -0.0096, 0.04), (0.1, 0.0003, 0.2),
         ("+0.0000 (−0.0096 to +0.0400)", "+0.1000 (+0.0003 to +0.2000)"), "not inferior"),
        ((0.0, -0.01, 0.04), (0.1, 0.05, 0.2),
         ("+0.000 (−0.010 to +0.040)", "+0.100 (+0.050 to +0.200)"), "no"),
        ((0.0, -0.0104, 0.04), (0.1, 0.05, 0.2),
         ("+0.0000 (−0.0104 to +0.0400)", "+0.100 (+0.050 to +0.200)"), "no"),
        ((0.0, -0.009, 0.04), (0.1, 0.0, 0.2),
         ("+0.000 (−0.009 to +0.040)", "+0.100 (+0.000 to +0.200)"), "no"),
    ],
)  # fmt: skip
def test_a_candidate_is_better_or_not_inferior_and_better_in_the_second_metric(
    monkeypatch, first, second, gained, verdict
):
    asked: list[Any] = []

    def compare(tables, draws, seed, metrics, reference):
        sizes = {name: len(table) for name, table in tables.items()}
        asked.append((sizes, draws, seed, metrics, reference))
        rows = [first, (9.0, 9.0, 9.0), second]  # of three figures the first and the last are looked at
        return pd.DataFrame(rows, columns=["difference", "low", "high"]).assign(metric="x")

    monkeypatch.setattr(paired, "compare", compare)
    table = pd.DataFrame({"part": ["test", "validation"], "row": [1, 2]})
    finding = against(Incumbent("7", "sgd", table, "the same split"))
    sizes = {"candidate": 4, "incumbent": 1}
    assert asked == [(sizes, 100, 3, ("auc", "recall_at_specificity_80"), "incumbent")]
    title = "recall at specificity 0.80"
    both = f"AUC {gained[0]}, {title} {gained[1]}"
    words = {
        "better": f"better than {WHO} in AUC by {gained[0]}",
        "not inferior": f"not inferior to {WHO} in AUC ({gained[0]}), better in {title} by {gained[1]}",
        "no": f"not shown to be better than {WHO}, the same split: {both}",
    }[verdict]
    check(finding, "incumbent", f"{both}; the same split", REQUIRED, verdict != "no", words, against=True)


@pytest.mark.parametrize(
    ("metric", "title"),
    [
        ("auc", "AUC"), ("average_precision", "average precision"), ("specificity_at_recall_90",
         "specificity at recall 0.90"), ("recall", "recall"),
    ],
)  # fmt: skip
def test_metrics_are_called_in_words_for_people(metric, title):
    finding = conditions.better_than_incumbent(
        evidence(incumbent=Incumbent("7", "sgd", None, "gone"), figure=metric, second_figure="recall")
    )
    assert finding is not None
    assert finding.required.startswith(f"better in {title}, or not worse")
