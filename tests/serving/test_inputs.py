"""Slices of a request are judged in the order of their studies, whatever order they came in."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mlflow.exceptions import MlflowException

from hemo.imaging import RawSlice
from hemo.imaging.reduction import Reduction
from hemo.serving import Member, ServedPanel
from hemo.serving.arrange import in_study_order, which_answer
from hemo.serving.inputs import Unread, in_words, own_study, read_inputs, reduced


def sliced(study, position=0.0, level=0):
    return RawSlice(np.full((16, 16), level, np.uint8), hu=False, study=study, position=position)


GIVEN = [sliced("b", 2, 10), sliced("a", 5, 20), sliced("b", 1, 30), sliced("", 0, 40), sliced("a", 4, 50)]


def test_studies_are_whole_sorted_by_position_and_a_slice_of_none_is_alone():
    order, study = in_study_order(GIVEN)
    assert [(GIVEN[row].study, GIVEN[row].position) for row in order] == [
        ("a", 4), ("a", 5), ("", 0), ("b", 1), ("b", 2),
    ]  # fmt: skip
    np.testing.assert_array_equal(study, [0, 0, 1, 2, 2])


def test_without_positions_slices_keep_the_order_they_came_in():
    order, _ = in_study_order([sliced("a", np.nan, level) for level in (3, 1, 2)])
    np.testing.assert_array_equal(order, [0, 1, 2])


def test_studies_are_called_by_number_and_those_that_were_named_keep_their_names():
    parts = [sliced(own_study("1.2.3")), sliced("study-1"), sliced(own_study("1.2.4")), sliced("")]
    parts += [sliced(own_study("1.2.3")), Unread("cut off", own_study("1.2.4"))]
    called = [part.study for part in in_words(parts)]
    assert called == ["study-2", "study-1", "study-3", "", "study-2", "study-3"]


class Telling:
    """A classifier that gives each slice a hundredth of its place in its study."""

    def predict_proba(self, images, study=None):
        place = np.array([np.sum(study[:row] == study[row]) for row in range(len(study))]) / 100
        return np.stack([1 - place, place], axis=1)


def test_the_panel_s_rows_stay_in_the_order_of_the_request():
    panel = ServedPanel()
    reduction = Reduction(size=16, windows=("gray",), crop=False)
    telling: Any = Telling()
    panel.members = [Member("epidural", "sequence", "1", 0.5, reduction, telling)]
    table = panel.predict_slices(GIVEN)
    np.testing.assert_allclose(table["epidural_probability"], [0.01, 0.01, 0, np.nan, 0])
    assert list(table["study"]) == ["b", "a", "b", "", "a"]


@pytest.mark.parametrize("shape", [(1, 1), (2, 2), (2, 4096), (4, 300), (15, 15), (0, 20), (64,), (4097, 64)])
@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.float32, np.float64])
def test_an_array_of_impossible_shape_is_a_bad_request_before_native_code_sees_it(shape, kind):
    table = pd.DataFrame({"image": [np.zeros(shape, kind)]})
    with pytest.raises(MlflowException, match="row 0: image not usable: is an array of shape"):
        read_inputs(table, [Reduction(windows=("gray",))])


@pytest.mark.parametrize("shape", [(16, 16), (16, 4096), (4096, 16), (17, 301)])
@pytest.mark.parametrize("crop", [True, False])
def test_any_possible_shape_is_reduced(shape, crop):
    array = np.random.default_rng(0).normal(0, 500, shape).astype(np.float32)
    table = pd.DataFrame({"image": [array, array.clip(0, 255).astype(np.uint8)]})
    reduction = Reduction(size=16, windows=("gray",), crop=crop)
    slices: Any = read_inputs(table, [reduction])
    assert reduced(slices, reduction).shape == (2, 16, 16, 1)


def test_numbers_that_are_no_hu_are_a_bad_request():
    for array in (np.full((64, 64), 1e300), np.full((64, 64), np.inf), np.zeros((64, 64), bool)):
        with pytest.raises(MlflowException, match="row 0: image not usable"):
            read_inputs(pd.DataFrame({"image": [array]}), [Reduction(windows=("gray",))])


def of_series(study, series, count, thickness, kernel="H31s"):
    """Return a stack of a study as DICOM gives it."""
    return [
        replace(
            sliced(study, thickness * k, 10 * k), series=series, normal=(0.0, 0.0, 1.0), thickness=thickness,
            kernel=kernel, number=k + 1,
        )
        for k in range(count)
    ]  # fmt: skip


def test_stacks_of_a_study_do_not_interleave_and_one_answers_for_it():
    slices = [
        *of_series("a", "thin", 8, 1.25),
        *of_series("a", "bone", 3, 5.0, "H70h"),
        *of_series("a", "thick", 3, 5.0),
    ]
    mixed = [slices[row] for row in np.random.default_rng(0).permutation(len(slices))]
    order, stack = in_study_order(mixed)
    names = [mixed[row].series for row in order]
    assert len([1 for one, two in pairwise(names) if one != two]) == 2
    assert len(set(stack.tolist())) == 3
    why, _ = which_answer(mixed, None)
    assert {one.series for one, reason in zip(mixed, why, strict=True) if not reason} == {"thick"}
    why, _ = which_answer(mixed, 1.0)
    assert {one.series for one, reason in zip(mixed, why, strict=True) if not reason} == {"thin"}


def test_only_the_stack_that_answers_makes_the_study_s_probability():
    panel = ServedPanel()
    reduction = Reduction(size=16, windows=("gray",), crop=False)
    telling: Any = Telling()
    panel.members = [Member("epidural", "sequence", "1", 0.5, reduction, telling, thickness=5.0)]
    table = panel.predict_slices([*of_series("a", "thin", 16, 1.25), *of_series("a", "thick", 5, 5.0)])
    assert table["epidural_probability"].max() == pytest.approx(0.15)
    assert table["study_epidural_probability"].unique().tolist() == [pytest.approx(0.04)]
    assert table["why_not"].iloc[0] == "another stack of its study answers: slices of 1.25 mm, not 5 mm"
    assert (table["why_not"].iloc[16:] == "").all()


def test_pictures_that_are_sent_as_of_a_study_answer_with_it():
    assert which_answer([*GIVEN, *of_series("a", "x", 2, 5.0)], None)[0] == [""] * 7
