"""Slices of a request are judged in the order of their studies, whatever order they came in."""

from typing import Any

import numpy as np

from hemo.imaging import RawSlice
from hemo.imaging.reduction import Reduction
from hemo.serving import Member, ServedPanel
from hemo.serving.inputs import in_study_order


def sliced(study, position, level):
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
    np.testing.assert_allclose(table["epidural_probability"], [0.01, 0.01, 0, 0, 0])
    assert list(table["study"]) == ["b", "a", "b", "", "a"]
