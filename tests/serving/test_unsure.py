"""What the panel leaves unsure: slices unlike those learned from, and what lies between two thresholds."""

from typing import Any

import numpy as np
import pytest

from hemo.evaluation.calibration import Calibrator
from hemo.evaluation.study_score import StudyScore
from hemo.evaluation.triage import NEVER
from hemo.imaging import Reduction
from hemo.serving import Member, Sent, tabulate
from hemo.serving.unlike import FAR, GRAY, Learned
from hemo.serving.unsure import unlike, with_unsure

LARGEST = StudyScore("max", Calibrator("sigmoid"))
UNUSED: Any = None  # the classifier


def member(label="subdural", below=0.2, at=0.6, study_below=0.3, study_at=0.8, learned=None) -> Member:
    return Member(
        label, "logreg", "1", at, Reduction(), UNUSED,
        study=(LARGEST, study_at), learned=learned, negative_below=below, study_negative_below=study_below,
    )  # fmt: skip


def answered(probability, studies, *members, reasons=None, **sent):
    raw = {one.label: np.array(values) for one, values in zip(members, probability, strict=True)}
    table = tabulate(raw, members, Sent(studies, **sent))
    return with_unsure(table, members, reasons or [""] * len(studies))


def test_between_the_thresholds_a_slice_and_a_study_are_neither_positive_nor_negative():
    found = answered([[0.1, 0.2, 0.59, 0.6]], [""] * 4, member())
    assert found["subdural_unsure"].tolist() == [False, True, True, False]
    assert found["subdural_decision"].tolist() == [False, False, False, True]
    found = answered([[0.1, 0.79, 0.1, 0.2, 0.8, 0.1]], list("aabbcc"), member())
    assert found["study_subdural_unsure"].tolist() == [True, True, False, False, False, False]


def test_a_study_of_one_slice_is_judged_by_the_slices_thresholds():
    found = answered([[0.25, 0.7, 0.25, 0.1]], list("abcc"), member())
    assert found["study_subdural_unsure"].tolist() == [True, False, False, False]


def test_without_triage_nothing_lies_between():
    found = answered([[0.1, 0.5]], ["a", "a"], member(below=None, study_below=None))
    assert not [name for name in found if name.endswith("subdural_unsure")]
    assert found["unsure"].tolist() == found["study_unsure"].tolist() == ["", ""]


def test_any_is_unsure_where_a_subtype_is_and_none_is_positive():
    members = (member("any", below=None, at=0.9), member("epidural"), member())
    found = answered([[0.1, 0.1, 0.1], [0.3, 0.3, 0.1], [0.1, 0.7, 0.1]], [""] * 3, *members)
    assert found["any_unsure"].tolist() == [True, False, False]
    assert found["any_decision"].tolist() == [False, True, False]


def test_what_no_data_supports_is_never_answered():
    found = answered([[0.0, 1.0]], ["", ""], member(below=0.0, at=NEVER))
    assert found["subdural_unsure"].all()
    assert not found["subdural_decision"].any()


def test_a_study_is_unsure_where_most_of_its_slices_are_or_of_those_that_speak_for_it():
    values, studies = [[0.1, 0.1, 0.1, 0.9, 0.1, 0.1, 0.7]], list("aaabbbb")
    found = answered(values, studies, member(), reasons=[GRAY, GRAY, "", "", FAR, "", ""])
    assert found["study_unsure"].unique().tolist() == [f"{GRAY} (2 of 3 slices)", ""]
    found = answered(values, studies, member(), reasons=["", "", GRAY, FAR, "", "", FAR])
    assert found["study_unsure"].unique().tolist() == [
        "",
        f"{FAR} (2 of 2 slices that speak for subdural)",
    ]
    assert found["unsure"].tolist() == ["", "", GRAY, FAR, "", "", FAR]


def test_slices_of_a_stack_that_does_not_answer_make_no_study_unsure():
    found = answered(
        [[0.1] * 4], list("aaaa"), member(), reasons=[FAR, FAR, FAR, ""], why_not=["old", "old", "old", ""]
    )
    assert found["study_unsure"].tolist() == [""] * 4


@pytest.mark.parametrize("known", [True, False])
def test_each_slice_is_compared_with_what_members_learned_from_where_they_know(known):
    wide = np.full(12, np.inf)
    nothing = Learned(-wide, np.full(12, -np.inf), np.zeros(12), np.eye(12), 1.0)
    images = {Reduction(): np.zeros((2, 128, 128, 1), np.uint8)}
    reasons = unlike([member(learned=nothing if known else None), member()], images, 2)
    assert [bool(reason) for reason in reasons] == [known, known]
