"""One metric, one interval: wherever a prediction table is spoken of, the numbers are the same."""

import json
import re
from typing import Any

import matplotlib
import pytest

from hemo.config import Gate
from hemo.display import numbers, run_plots
from hemo.evaluation import intervals
from hemo.evaluation.operating_point import OperatingPointRule
from hemo.evaluation.protocols import Protocol
from hemo.evaluation.summary import Summary, summarize
from hemo.registry import card, gate, gate_page
from hemo.training import Plan, Trained, final_metrics

DRAWS, SEED = 100, 3
NOTHING: Any = None


def texts(figure):
    return " ".join(text.get_text() for text in figure.findobj(matplotlib.text.Text))


@pytest.fixture
def table(simulate):
    return simulate(0, patients=30, positive=12)


@pytest.fixture
def tested(table):
    return summarize(table, DRAWS, SEED)


def test_plots_card_gate_report_and_logged_metrics_have_one_interval(table, tested: Summary, tmp_path):
    plan = Plan(None, "balanced", OperatingPointRule("fixed", 0.5), 10, SEED, draws=DRAWS)
    trained = Trained(NOTHING, None, 0.5, table, table[:0], table[:0], {}, "logreg")
    logged = final_metrics.finals(trained, plan, tested)
    for name in ("auc", "recall", "specificity", "precision", "brier", "calibration_slope"):
        assert numbers.ranged(*tested[name], form="z.4f") == numbers.logged(logged, f"test/{name}", "z.4f")
    drawn = " ".join(texts(figure) for figure in run_plots.draw_all(tested, "logreg / any").values())
    for name in ("auc", "average_precision", "recall", "specificity", "precision", "npv", "brier"):
        assert numbers.ranged(*tested[name]) in drawn
    facts = card.Facts("any", "Logistic regression", {"protocol": "cv"}, {}, {}, 0.5, "r1", {})
    card.write(tmp_path, facts, tested)
    page = (tmp_path / "card.md").read_text()
    verdict = gate.judge(tested, gate.Candidate(Protocol.CV, 0.0), Gate())
    gate_page.write(tmp_path, "any", "logreg/any", verdict, "refused")
    judged = json.loads((tmp_path / "any.json").read_text())["figures"]
    for name in ("auc", "recall", "specificity"):
        assert f"| {numbers.ranged(*tested[name], form='z.3f')} |" in page
        assert judged[name] == list(tested[name])
        assert (
            numbers.ranged(*tested[name], form="z.3f").split(" (")[0] in (tmp_path / "any.html").read_text()
        )


def test_other_draws_would_give_other_intervals(table, tested):
    assert numbers.ranged(*tested["auc"]) != numbers.ranged(*summarize(table)["auc"])


def test_a_summary_draws_once_however_often_it_is_asked(tested, monkeypatch):
    first = tested.metrics
    monkeypatch.setattr(intervals, "bootstrap", None)
    run_plots.roc(tested, "logreg / any")
    assert tested.metrics is first


def test_counts_and_cells_of_the_confusion_matrix_agree_with_the_table(table, tested):
    assert tested.counts.slices == len(table) == sum(cell.slices for cell in tested.confusion)
    hit, missed, alarms, _ = (cell.slices for cell in tested.confusion)
    assert tested.counts.positive_slices == hit + missed
    assert tested["recall"].value == pytest.approx(hit / (hit + missed))
    assert (tested.failures.missed, tested.failures.alarms) == (missed, alarms)


def test_validation_rows_are_no_part_of_what_was_tested(table):
    rows = table.assign(part="validation")
    assert summarize(rows, DRAWS).counts.slices == 0
    assert summarize(rows, DRAWS, part="validation").counts.slices == len(table)


def test_pictures_state_no_interval_that_the_summary_does_not_have(tested):
    known = {numbers.ranged(*tested[name]) for name in tested.metrics["metric"]}
    for figure in run_plots.draw_all(tested, "logreg / any").values():
        assert set(re.findall(r"−?\d\.\d\d \([^)]* to [^)]*\)", texts(figure))) <= known
