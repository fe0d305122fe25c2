"""Variations over what decides on HU, sides and order: read right, or excluded with a true reason."""

import os
import secrets

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.helpers.variations import MAKERS, variation
from tests.helpers.variations.judge import judge
from tests.helpers.variations.oracles import disagrees

SEED = int(os.environ.get("HEMO_VARIATIONS_SEED", secrets.randbelow(10_000)))
COUNT = 500
PIECES = 10


class Drawn:
    """Choices of hypothesis, which shrinks them."""

    def __init__(self, data):
        self.data = data

    def choice(self, options):
        return self.data.draw(st.sampled_from(list(options)))

    def number(self, low, high):
        return self.data.draw(st.integers(low, high))


@pytest.mark.parametrize("piece", range(PIECES))
def test_variations_are_read_right_or_excluded_with_a_true_reason(piece):
    print(f"HEMO_VARIATIONS_SEED={SEED}")
    for seed in range(piece, COUNT, PIECES):
        kind, one = variation(SEED * 1_000_000 + seed)
        fate, reason = judge(one)
        assert fate != "wrong", (seed, kind, one.words, reason)
        assert not disagrees(kind, one), (seed, kind, one.words)


@pytest.mark.parametrize("kind", MAKERS)
@given(st.data())
@settings(max_examples=30, deadline=None)
def test_any_combination_is_read_right_or_excluded_with_a_true_reason(kind, data):
    one = MAKERS[kind](Drawn(data))
    fate, reason = judge(one)
    assert fate != "wrong", (one.words, reason)


def test_a_wrong_reading_is_seen():
    one = next(v for _, v in map(variation, range(0, 500, 5)) if judge(v)[0] == "read")
    one.slices = [truth + 1 for truth in one.slices]
    assert judge(one)[0] == "wrong"
    one.slices = [truth[::-1] - 1 for truth in one.slices]
    assert judge(one)[0] == "wrong"
