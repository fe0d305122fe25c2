"""What a classifier gives for slices of a store that it was not made of."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from hemo import families
from hemo.external import predicting


class Store:
    """Two slices of a stack, one that stands alone, and a stack that nobody asks for."""

    stack = np.array([0, 0, 1, 2, 2])
    image_shape = (4, 4, 1)

    def __len__(self) -> int:
        return len(self.stack)


@pytest.mark.parametrize(("says", "wanted"), [(True, 0.9), (False, 0.2)])
def test_the_only_slice_of_its_stack_is_judged_as_where_it_is_served(says, wanted):
    member: Any = SimpleNamespace(
        scores=lambda images, stack: families.Scores(np.full(len(images), 0.2)),
        alone=lambda images: np.full(len(images), 0.9) if says else None,
    )
    store: Any = Store()
    found, attention = predicting._scores(member, store, np.array([True, False, True, False, False]))
    np.testing.assert_array_equal(found, [0.2, 0.2, wanted, np.nan, np.nan])
    assert np.isnan(attention).all()
