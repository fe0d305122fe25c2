"""What a condition says: a reason to refuse shows as many digits as it takes to see why."""

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hemo.config import Gate
from hemo.display.numbers import number
from hemo.evaluation.protocols import Protocol
from hemo.evaluation.summary import Counts, Estimate, summarize
from hemo.registry import conditions, gate, gate_page
from hemo.registry.evidence import Candidate, Evidence, Finding
from tests.helpers.registry_world import table

NUMBER = r"[-+−]?\d+(?:\.\d+)?(?:e-\d+)?"

asked = st.integers(0, 1000).map(lambda number: number / 1000)
nearly = st.integers(1, 16).flatmap(lambda digits: st.floats(10.0**-digits, 9.9 * 10.0**-digits))


class Metrics(dict):
    """Metrics as they are wanted, of predictions that are neither degenerate nor few."""

    counts = Counts(200, 100, 40, 20)
    called = np.arange(200) % 2 == 0
    table = table(patients=100)
    prevalence = 0.5


def seen(gate=None, gap=0.0, **metrics):
    found: Any = Metrics({name: Estimate(low, low, 1.0) for name, low in metrics.items()})
    return Evidence(found, Candidate(Protocol.CV, gap), gate or Gate())


def numbers_of(text):
    return re.findall(NUMBER, text)


@pytest.mark.parametrize("name", ["recall", "specificity"])
@given(least=asked, below=nearly)
@example(least=0.5, below=0.0004)
@example(least=0.125, below=0.005)
def test_a_lower_bound_that_is_too_low_reads_as_lower_than_what_is_asked(name, least, below):
    evidence = seen(Gate(**{f"min_{name}_low": least}), **{name: least - below})
    finding = getattr(conditions, name)(evidence)
    assert finding.passed == (least - below >= least)
    if not finding.passed:
        ((low, wanted),) = re.findall(r"as low as (\S+), (\S+) asked", finding.words)
        assert float(low.replace("−", "-")) < float(wanted) == least
        assert low in finding.found
        assert wanted in finding.required


@given(least=asked, below=nearly)
def test_an_auc_that_may_be_too_low_reads_as_lower_than_what_is_asked(least, below):
    finding = conditions.discriminates(seen(Gate(min_auc_low=least), auc=least - below))
    assert not finding.passed
    if least - below < least:
        ((low, wanted),) = re.findall(r"as low as (\S+), over (\S+) asked", finding.words)
        assert float(low.replace("−", "-")) < float(wanted) == least
        assert wanted in finding.required


@given(away=nearly, steep=st.booleans())
def test_a_calibration_slope_out_of_bounds_reads_as_out_of_bounds(away, steep):
    slope = 10 + away if steep else 0.1 - away
    finding = conditions.calibration(seen(calibration_slope=slope))
    assert finding.passed == (0.1 <= slope <= 10)
    if not finding.passed:
        told, *_, least, most = (float(n.replace("−", "-")) for n in numbers_of(finding.words))
        assert told > most if steep else told < least
        assert (least, most) == (0.1, 10)


@given(above=nearly)
def test_a_brier_score_above_that_of_the_prevalence_reads_as_above_it(above):
    finding = conditions.calibration(seen(calibration_slope=np.nan, auc=1.0, brier=0.25 + above))
    assert finding.passed == (0.25 + above <= 0.25)
    if not finding.passed:
        score, reference = map(float, numbers_of(finding.words))
        assert score > reference


@given(above=st.floats(0, 1e-6, exclude_min=True))
def test_a_model_that_is_not_quite_the_same_reads_as_beyond_what_is_allowed(above):
    gap = conditions.LOADED_BACK_TOLERANCE + above
    finding = conditions.loaded_back(seen(gap=gap))
    assert finding.passed == (gap <= conditions.LOADED_BACK_TOLERANCE)
    if not finding.passed:
        assert float(finding.found) > conditions.LOADED_BACK_TOLERANCE
        assert finding.found in finding.words


@given(value=st.floats(-2, 2), least=st.integers(0, 6))
def test_a_number_reads_as_the_number_it_is(value, least):
    assert float(number(value, f"z.{least}f").replace("−", "-")) == pytest.approx(value, abs=10.0**-least)


def test_a_condition_is_added_in_one_place(monkeypatch, tmp_path):
    def on_a_sunday(evidence):
        return Finding("sunday", "a monday", "a sunday", False, "it is no sunday")

    monkeypatch.setattr(gate, "CONDITIONS", (*gate.CONDITIONS, on_a_sunday))
    verdict = gate.judge(summarize(table(), 100), Candidate(Protocol.CV, 0.0), Gate())
    assert not verdict.sound
    assert verdict.reason == "it is no sunday"
    gate_page.write(tmp_path, "any", "logreg/any", verdict, "refused")
    for name in ("any.html", "any.json"):
        assert "a monday" in (tmp_path / name).read_text()


def test_a_report_keeps_the_names_of_its_values(tmp_path):
    verdict = gate.judge(summarize(table(), 100), Candidate(Protocol.CV, 0.0), Gate())
    facts = gate_page.as_dict("any", "logreg/any", verdict, "refused", "")
    assert set(facts) == {
        "label", "candidate", "decision", "passed", "override", "reason", "level", "conditions", "figures",
    }  # fmt: skip
    found: Any = facts["conditions"]
    for one in found:
        assert {"name", "figure", "required", "passed", "words", "override"} <= set(one)
