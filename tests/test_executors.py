"""A task that fails takes no other with it."""

import os

import pytest

from hemo.executors import run_all


def halve(number: int) -> float:
    if number == 3:
        raise ValueError("three has no half here")
    if number == 99:
        os._exit(1)
    return number / 2


@pytest.mark.parametrize("workers", [1, 2])
def test_every_task_is_answered_and_a_failed_one_carries_its_exception(workers):
    outcomes = dict(run_all(halve, [1, 2, 3, 4], workers))
    assert isinstance(outcomes.pop(3), ValueError)
    assert outcomes == {1: 0.5, 2: 1.0, 4: 2.0}


def test_a_killed_worker_is_an_answer_too():
    outcomes = dict(run_all(halve, [99, 1], 2))
    assert isinstance(outcomes[99], Exception)


def test_the_environment_is_as_before_after_workers_ran(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("TF_NUM_INTRAOP_THREADS", raising=False)
    list(run_all(halve, [1, 2], 2))
    assert os.environ["OMP_NUM_THREADS"] == "7"
    assert "TF_NUM_INTRAOP_THREADS" not in os.environ
