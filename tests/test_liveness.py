"""A process is told by its name: host, number and start."""

import subprocess
import sys

import psutil
import pytest

from hemo import liveness


def test_this_process_is_alive():
    assert liveness.is_alive(liveness.this_process()) is True


def test_a_process_that_has_ended_is_not_alive():
    host = liveness.this_process().rpartition(":")[0]
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        name = f"{host}:{process.pid}@{psutil.Process(process.pid).create_time():.2f}"
        assert liveness.is_alive(name) is True
        process.communicate(b"\n")
    assert liveness.is_alive(name) is False


def test_a_number_that_was_given_again_is_another_process():
    host, _, rest = liveness.this_process().rpartition(":")
    pid = rest.partition("@")[0]
    assert liveness.is_alive(f"{host}:{pid}@1.00") is False


@pytest.mark.parametrize("name", ["elsewhere:1@1.00", "", "None:None", "no name"])
def test_of_another_machine_nothing_can_be_told(name):
    assert liveness.is_alive(name) is None
