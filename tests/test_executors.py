"""A task that fails takes no other with it."""

import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import click
import psutil
import pytest
from click.testing import CliRunner

from hemo import commands
from hemo.cli import main
from hemo.executors import Terminated, processes, run_all, terminable


def halve(number: int) -> float:
    if number == 3:
        raise ValueError("three has no half here")
    if number == 99:
        os._exit(1)
    return number / 2


def note_name(task: tuple[str, str]) -> None:
    with Path(task[0]).open("a") as file:
        file.write(f"{task[1]} ")
    if task[1] == "fails":
        raise ValueError


@pytest.mark.parametrize("workers", [1, 2])
def test_every_task_is_answered_and_a_failed_one_carries_its_exception(workers):
    outcomes = dict(run_all(halve, [1, 2, 3, 4], workers))
    assert isinstance(outcomes.pop(3), ValueError)
    assert outcomes == {1: 0.5, 2: 1.0, 4: 2.0}


def test_tasks_begin_when_those_that_they_wait_for_have_ended_well_or_not(tmp_path):
    begun = tmp_path / "begun"
    tasks = [(str(begun), name) for name in ("a", "fails", "b", "c", "alone")]
    outcomes = [task[1] for task, _ in run_all(note_name, tasks, 2, after=[(), (), (0, 1), (2,), ()])]
    assert sorted(outcomes) == ["a", "alone", "b", "c", "fails"]
    order = begun.read_text().split()
    assert max(map(order.index, ("a", "fails"))) < order.index("b") < order.index("c")
    assert order.index("alone") < order.index("c"), "what waits for nothing does not wait"


def test_a_killed_worker_is_an_answer_too():
    outcomes = dict(run_all(halve, [99, 1], 2))
    assert isinstance(outcomes[99], Exception)


def test_the_environment_is_as_before_after_workers_ran(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("TF_NUM_INTRAOP_THREADS", raising=False)
    list(run_all(halve, [1, 2], 2))
    assert os.environ["OMP_NUM_THREADS"] == "7"
    assert "TF_NUM_INTRAOP_THREADS" not in os.environ


def test_a_script_that_does_not_guard_its_main_part_runs_in_several_processes_too(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "from tests.test_executors import *; print(sorted(r for _, r in run_all(halve, [2, 4], 2)))"
    )
    path = os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])
    done = subprocess.run(
        [sys.executable, script], env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True
    )
    assert done.stdout == "[1.0, 2.0]\n"


def test_processes_that_were_started_before_do_the_tasks(tmp_path):
    with processes(2, partial(note, str(tmp_path / "pids"))) as pool:
        started = {child.pid for child in psutil.Process().children()}
        outcomes: dict[int, Any] = dict(run_all(halve_here, [1, 2, 3, 4], 2, pool))
    assert isinstance(outcomes.pop(3), ValueError)
    assert {number: half for number, (half, _) in outcomes.items()} == {1: 0.5, 2: 1.0, 4: 2.0}
    assert {pid for _, pid in outcomes.values()} <= started


def test_at_ctrl_c_workers_that_wait_end_without_a_word(tmp_path):
    file = tmp_path / "pids"
    program = (
        "from tests.test_executors import *\n"
        f"with processes(2, partial(note, {str(file)!r})):\n"
        "    try: time.sleep(600)\n"
        "    except KeyboardInterrupt: pass"
    )
    path = os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])
    parent = subprocess.Popen(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": path},
        stderr=subprocess.PIPE,
        start_new_session=True,
        text=True,
    )
    wait_for(lambda: file.exists() and file.read_text().split(), lambda found: len(found or []) == 2)
    time.sleep(0.3)  # until both wait
    os.killpg(parent.pid, signal.SIGINT)
    assert parent.communicate(timeout=60)[1] == ""


def note(file: str) -> None:
    """Say that this process has started."""
    with Path(file).open("a") as lines:
        lines.write(f"{os.getpid()}\n")


def halve_here(number: int) -> tuple[float, int]:
    """Return the half, and the process that halved."""
    return halve(number), os.getpid()


def sleep_long(file: str) -> None:
    note(file)
    time.sleep(600)


@pytest.mark.parametrize("kill", [signal.SIGTERM, signal.SIGKILL], ids=["terminated", "killed"])
def test_workers_end_with_the_process_that_wanted_their_work(kill, tmp_path):
    file = tmp_path / "pids"
    program = f"from tests.test_executors import *; list(run_all(sleep_long, [{str(file)!r}] * 2, 2))"
    path = os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])
    parent = subprocess.Popen(
        [sys.executable, "-c", program], env={**os.environ, "PYTHONPATH": path}, stderr=subprocess.DEVNULL
    )
    pids = wait_for(lambda: file.exists() and file.read_text().split(), lambda found: len(found or []) == 2)
    parent.send_signal(kill)
    parent.wait()
    assert wait_for(lambda: [pid for pid in pids if psutil.pid_exists(int(pid))], lambda left: not left) == []


def test_ctrl_c_that_this_process_alone_hears_starts_nothing_more(tmp_path):
    file = tmp_path / "begun"
    program = f"from tests.test_executors import *; list(run_all(note_and_wait, [{str(file)!r}] * 40, 2))"
    path = os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])
    parent = subprocess.Popen(
        [sys.executable, "-c", program], env={**os.environ, "PYTHONPATH": path}, stderr=subprocess.DEVNULL
    )
    wait_for(file.exists, bool)
    parent.send_signal(signal.SIGINT)
    parent.wait(60)
    assert len(file.read_text().split()) < 12


def wait_for(look, enough, seconds=60):
    """Look until it is enough, at most so long; return what was seen last."""
    end = time.monotonic() + seconds
    while not enough(found := look()) and time.monotonic() < end:
        time.sleep(0.1)
    return found


def note_and_wait(file: str) -> None:
    with Path(file).open("a") as lines:
        lines.write("begun\n")
    time.sleep(0.5)


def test_what_is_queued_is_not_started_when_nobody_asks_for_more(tmp_path):
    file = tmp_path / "begun"
    answers: Any = run_all(note_and_wait, [str(file)] * 12, 2)
    next(answers)
    answers.close()
    assert len(file.read_text().split()) < 8


def test_ctrl_c_ends_all_workers_and_starts_nothing_more(tmp_path):
    file = tmp_path / "begun"
    program = f"from tests.test_executors import *; list(run_all(note_and_sleep, [{str(file)!r}] * 9, 2))"
    path = os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])
    parent = subprocess.Popen(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": path},
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # the terminal's Ctrl-C goes to the whole group
    )
    wait_for(lambda: file.exists() and len(file.read_text().split()), lambda begun: begun == 2)
    os.killpg(parent.pid, signal.SIGINT)
    assert parent.wait(timeout=60) != 0
    assert len(file.read_text().split()) == 2


@pytest.mark.parametrize("thread", ["main_thread()", "Thread(target=time.sleep, args=[60], daemon=True)"])
def test_sigterm_to_the_process_alone_ends_its_workers_too_before_it_goes(tmp_path, thread):
    """The system may give a signal to any thread: a main thread that sleeps is not woken by another's."""
    file = tmp_path / "begun"
    program = f"""
from threading import *
from tests.test_executors import *
from hemo.executors import terminable

def terminate():
    file = Path({str(file)!r})
    wait_for(lambda: file.exists() and file.read_text().count("begun"), lambda begun: begun == 2)
    signal.pthread_kill(thread.ident, signal.SIGTERM)
    print(time.monotonic(), flush=True)

thread = {thread}
if thread is not main_thread():
    thread.start()
Thread(target=terminate, daemon=True).start()
with terminable():
    list(run_all(note_and_sleep, [{str(file)!r}] * 9, 2))
"""
    path = os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])
    parent = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        timeout=100,
    )
    assert parent.returncode != 0
    assert time.monotonic() - float(parent.stdout) < 20
    assert len(file.read_text().split()) == 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_of_which_a_task_makes_a_fault_of_its_own_starts_no_further_task(number):
    begun = []

    def swallow(task: int) -> None:
        begun.append(task)
        try:
            signal.raise_signal(number)
        except KeyboardInterrupt:
            raise ValueError("as TensorFlow does while it traces a network") from None

    with pytest.raises(KeyboardInterrupt), terminable():
        list(run_all(swallow, [1, 2, 3], 1))
    assert begun == [1]


def test_a_command_that_is_terminated_says_so_with_status_143(monkeypatch):
    command = click.Command("phantom", callback=lambda: signal.raise_signal(signal.SIGTERM))
    monkeypatch.setattr(commands, "load", lambda name: command)
    before = signal.getsignal(signal.SIGTERM)
    ended = CliRunner().invoke(main, ["phantom"])
    assert (ended.exit_code, "stopped: what was finished is kept" in ended.output) == (143, True)
    assert signal.getsignal(signal.SIGTERM) is before


def note_and_sleep(file: str) -> None:
    with Path(file).open("a") as lines:
        lines.write("begun\n")
    time.sleep(30)


@pytest.mark.parametrize(
    ("number", "raised"), [(signal.SIGTERM, Terminated), (signal.SIGINT, KeyboardInterrupt)]
)
def test_a_signal_that_comes_while_an_object_is_taken_down_is_heard_all_the_same(number, raised, monkeypatch):
    others: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", others.append)

    class Watched:
        def __init__(self, fault: type[BaseException] | None = None) -> None:
            self.fault = fault

        def __del__(self) -> None:
            if self.fault:
                raise self.fault
            signal.raise_signal(number)

    def watch() -> None:
        with terminable():
            Watched(ValueError)
            try:
                Watched()
                time.sleep(20)
            finally:
                Watched(TypeError)  # by what the signal left half done

    with pytest.raises(KeyboardInterrupt) as heard:
        watch()
    assert heard.type is raised
    assert [one.exc_type for one in others] == [ValueError]
    assert sys.unraisablehook == others.append
