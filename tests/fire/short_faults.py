"""The short form of the injected faults, and what the injection itself must notice."""

import os
from pathlib import Path

import pytest

from hemo.slices import preprocess as preprocessing
from tests.fire.below import Fault
from tests.fire.faults import Job, as_command, attempt, fault_of, inject, know
from tests.fire.jobs import cheap_jobs


def test_after_any_fault_below_the_same_command_gives_the_same_and_nothing_is_lost(tmp_path, monkeypatch):
    monkeypatch.setattr(preprocessing, "SMALLEST_SHARD", preprocessing.SMALLEST_SHARD)  # put back behind it
    outcomes, bad = inject(cheap_jobs(tmp_path), tmp_path, 30, seed=1)
    assert bad == []
    assert sum(counts["said in a line"] for counts in outcomes.values()) > 10
    assert sum(counts["ended"] for counts in outcomes.values()) > 4


def number_in(folder: Path) -> int | None:
    """Return the number in a file, None where there is none."""
    file = folder / "number.txt"
    return int(file.read_text() or 0) if file.exists() else None


def written(way: str, folder: Path) -> None:
    """Write a number in a way that loses, doubles or leaves something when it is stopped."""
    file, other = folder / "number.txt", folder / f"{os.getpid()}.tmp"
    if way == "lost":
        file.unlink()
    (other if way == "left over" else file).write_text("2")
    os.mkdir(folder / f"made {os.getpid()}")
    if way == "left over":
        os.replace(other, file)
    if way == "wrong" and len(list(folder.glob("made *"))) > 1:
        file.write_text("3")


@pytest.mark.parametrize(
    ("way", "fault"),
    [
        ("lost", Fault("open to write", 1, "ENOSPC")),
        ("wrong", Fault("os.mkdir", 2, "end behind")),  # the first is the command's, for temporary files
        ("left over", Fault("os.mkdir", 2, "end")),
    ],
)
def test_the_injection_notices_each_bad_end(way, fault, tmp_path):

    def begin(folder: Path) -> None:
        (folder / "number.txt").write_text("1")

    job = Job(way, begin, lambda folder: as_command(lambda: written(way, folder)), number_in)
    assert attempt(know(job, tmp_path), tmp_path, fault)[0] == way


def test_a_fault_follows_from_seed_and_number(tmp_path):
    job = Job("none", lambda _: None, lambda f: (f / "a").mkdir(), lambda folder: (folder / "a").exists())
    known = [know(job, tmp_path)]
    made = [fault_of(known, 3, number)[1] for number in range(20)]
    assert made == [fault_of(known, 3, number)[1] for number in range(20)]
    assert len({fault.kind for fault in made}) > 3
