"""The short form of the hunt: some hundred inputs of each class, and what the hunt itself must notice."""

import os
import time

import pytest

from tests.fire.hunt import Target, hunt, made
from tests.fire.targets import TARGETS

SHORT = {"experiment files": 25, "requests to the server": 25, "DICOM: bytes": 150}
"""Inputs of the slow classes; 300 of the others: half a minute of a processor together."""


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name.split(":")[0])
def test_no_hostile_input_ends_in_a_traceback_a_crash_a_hang_or_without_memory(target):
    count = next((count for name, count in SHORT.items() if target.name.startswith(name)), 300)
    found = hunt(target, count, seed=2)
    assert found.done == count
    assert found.findings == []
    assert found.counts["refused"]


def fed(word):
    """Take an input, or do what no reader may do."""
    if word == "traceback":
        raise ValueError(word)
    if word == "crash":
        os._exit(3)
    if word == "hang":
        time.sleep(60)
    if word == "memory":
        bytearray(b"x" * (60 << 20))
    return "read"


@pytest.mark.parametrize("word", ["traceback", "crash", "hang", "memory"])
def test_the_hunt_notices_each_kind_of_fault_and_goes_on_behind_it(word, monkeypatch, tmp_path):
    monkeypatch.setattr("tests.fire.hunt.HANG", 1.0)
    monkeypatch.setattr("tests.fire.hunt.MOST", 20 << 20)
    target = Target("faulty", lambda rng: word if rng.random() < 0.5 else "good", fed)
    wanted = [number for number in range(4) if made(target, 1, number) == word]
    found = hunt(target, 4, 1, tmp_path / "notes.json")
    assert [number for number, _ in found.findings] == wanted
    assert wanted
    assert all(happened.startswith(word) for _, happened in found.findings)
    assert hunt(target, 4, 1, tmp_path / "notes.json") == found  # nothing is tried again


def test_a_hunt_goes_on_where_it_was_and_another_seed_begins_anew(tmp_path):
    target = Target("noted", lambda rng: rng.random(), lambda given: "read")
    assert hunt(target, 3, 1, tmp_path / "n.json").done == 3
    assert hunt(target, 5, 1, tmp_path / "n.json").counts["read"] == 5
    assert hunt(target, 2, 2, tmp_path / "n.json").done == 2
