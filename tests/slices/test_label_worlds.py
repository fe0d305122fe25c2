"""What comes of a label table, against the truth of whoever drew it."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hemo.errors import HemoError
from hemo.imaging import Reduction
from hemo.slices.preprocess import preprocess
from tests.helpers.label_worlds import World, make_world

REDUCTION = Reduction(size=16, windows=("gray",), crop=False)


def outcome(folder: Path, seed: int) -> tuple[World, dict[int, int] | None, int]:
    """Return a world, the label of each stored slice (None where refused), and rows without an image."""
    world = make_world(folder, seed)
    reduction = REDUCTION if not world.words["dicom"] else Reduction(size=16, crop=False)
    try:
        done = preprocess(folder / "images", folder / "labels.csv", folder / "store", reduction)
    except HemoError:
        return world, None, 0
    row = {one.digest: number for number, one in enumerate(world.slices)}
    index = done.store.index
    found = {row[digest]: int(value) for digest, value in zip(index["digest"], index["any"], strict=True)}
    return world, found, done.unmatched


def check(folder: Path, seed: int) -> str:
    """Raise AssertionError where a slice's label is not its own; return what came of the table."""
    world, found, unmatched = outcome(folder, seed)
    if found is None:
        assert not world.certain, f"refused: {world.words}"
        return "refused"
    assert not world.doubtful, f"read in one of two ways: {world.words}"
    missing = 0
    for row, label in found.items():
        assert label in (world.labelled.get(row, -1), -1), f"slice {row} is {label}: {world.words}"
        missing += label == -1 and row in world.labelled
    assert missing <= unmatched, f"labels lost unsaid: {world.words}"
    if world.certain:
        assert missing == 0, f"{missing} labels lost: {world.words}"
    return "matched" if missing == 0 else "in part"


@pytest.mark.no_cover
@given(st.integers(0, 2**32 - 1))
@settings(max_examples=200, suppress_health_check=list(HealthCheck))
def test_no_label_is_ever_given_to_another_slice(seed):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)  # a third of the time
        folder = Path(tempfile.mkdtemp())
        try:
            print("seed", seed)
            check(folder, seed)
        finally:
            shutil.rmtree(folder)


@pytest.mark.parametrize("seed", [15, 38, 1025, 1196, 1199, 1468])
def test_seeds_that_failed_once(tmp_path, seed):
    check(tmp_path, seed)
