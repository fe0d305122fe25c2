"""Faults injected below hemo: what a command says, and whether the same command again makes it right.

Each fault follows from the seed and its number. `python -m tests.fire.faults` is the long form (`make fire`).
"""

import argparse
import gc
import json
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click
import numpy as np

from hemo.cli import Commands
from tests.fire.below import ENDED, KINDS, Below, Fault, leftovers

HANG: Final = 60
"""Seconds after which a command counts as one that hangs."""

GOOD: Final = ("said in a line", "left out with its reason", "gone on", "ended")
BAD: Final = ("lost", "wrong", "traceback", "hang", "left over")


@dataclass(frozen=True)
class Job:
    """A command in the middle of which something fails.

    Attributes
    ----------
    name
        In words.
    begin
        Puts what was finished before into an empty folder.
    command
        What is typed, done in a folder.
    result
        What is finished in a folder, None where nothing is; raises where it is damaged.
    """

    name: str
    begin: Callable[[Path], None]
    command: Callable[[Path], None]
    result: Callable[[Path], Any]


@dataclass(frozen=True)
class Ended:
    """How a command ended: exit status (below 0: by a signal), what it said, and what it left behind."""

    status: int
    said: str
    calls: dict[str, int]
    result: Any


@dataclass(frozen=True)
class Known:
    """What a job does where nothing fails: calls, and the result before and behind it."""

    job: Job
    calls: dict[str, int]
    before: Any
    after: Any


class _One(Commands):
    """The command line with a command of our own: what that raises is said as any command's is."""

    action: Callable[[], None]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return click.Command(cmd_name, callback=self.action)


def as_command(action: Callable[[], None]) -> None:
    """Do something as a command does it, with the command line's answer to what it raises."""
    group = _One("hemo")
    group.action = staticmethod(action)
    group.main(["command"], prog_name="hemo")


def run(job: Job, root: Path, fault: Fault | None = None, only_look: bool = False) -> Ended:
    """Do a job's command in a process of its own, and look at its result where that was not ended."""
    folder, told, answer = root / "job", root / "told.txt", root / "answer.json"
    told.write_text("")
    answer.unlink(missing_ok=True)
    child = os.fork()
    if not child:
        _in_child(job, folder, told, answer, fault, only_look)
    _, status = os.waitpid(child, 0)
    facts = json.loads(answer.read_text()) if answer.exists() else {"calls": {}, "result": "damaged"}
    return Ended(os.waitstatus_to_exitcode(status), told.read_text(errors="replace"), **facts)


def _in_child(job: Job, folder: Path, told: Path, answer: Path, fault: Fault | None, only_look: bool) -> None:
    status = 1
    try:
        signal.alarm(HANG)
        descriptor = os.open(told, os.O_WRONLY)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
        (folder / "scratch").mkdir(exist_ok=True)
        tempfile.tempdir = str(folder / "scratch")
        os.chdir(folder)
        below = Below(str(folder.parent), fault)
        if not only_look:
            with suppress(OSError):
                below.install()
            status = _command(job, folder)
        below.fault = None
        facts = {"calls": below.calls, "result": job.result(folder)}
        answer.write_text(json.dumps(facts))
        status = status if not only_look else 0
    except BaseException:
        traceback.print_exc()
        status = 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _command(job: Job, folder: Path) -> int:
    try:
        job.command(folder)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0
    return 0


def know(job: Job, root: Path) -> Known:
    """Do a job where nothing fails."""
    _begin(job, root)
    before = run(job, root, only_look=True)
    done = run(job, root)
    assert done.status == 0, done.said
    assert (before.status, leftovers(root / "job")) == (0, []), (before.said, leftovers(root / "job"))
    return Known(job, done.calls, before.result, done.result)


def _begin(job: Job, root: Path) -> None:
    shutil.rmtree(root / "job", ignore_errors=True)
    (root / "job").mkdir()
    job.begin(root / "job")


def fault_of(known: list[Known], seed: int, number: int) -> tuple[Known, Fault]:
    """Return which job fails how: the same for a seed and number."""
    rng = np.random.default_rng([seed, number])
    one = known[rng.integers(len(known))]
    points = [point for point in KINDS if one.calls.get(point)]
    point = points[rng.integers(len(points))]
    kind = str(rng.choice(KINDS[point]))
    return one, Fault(point, int(rng.integers(one.calls[point])) + 1, kind)


def attempt(known: Known, root: Path, fault: Fault) -> tuple[str, str]:
    """Let a job fail once, look, and do it again; return what came of it, and the words where it is bad."""
    job, folder = known.job, root / "job"
    _begin(job, root)
    first = run(job, root, fault)
    word = _word(first, fault)
    if word in BAD:
        return word, first.said
    left = run(job, root, only_look=True) if first.status == ENDED else first
    if left.status == -signal.SIGALRM:
        return "hang", left.said
    if left.result not in (known.before, known.after, None, "stopped") and word != "left out with its reason":
        return "wrong", f"{left.result}: {left.said}"
    if left.result is None and known.before is not None:
        return "lost", left.said
    kept = {path: path.stat().st_mtime_ns for path in _finished(folder)}
    again = run(job, root)
    if again.status == -signal.SIGALRM:
        return "hang", again.said
    if again.status or again.result != known.after:
        return "wrong", f"again: {again.result}, {again.said}"
    if any(not path.exists() or path.stat().st_mtime_ns != when for path, when in kept.items()):
        return "lost", "a finished shard was made again"
    scratch = [] if word == "ended" else [path.name for path in (folder / "scratch").iterdir()]
    if left_over := [*leftovers(folder), *scratch]:
        return "left over", ", ".join(left_over)
    return word, ""


def _finished(folder: Path) -> list[Path]:
    return [path for path in folder.glob("store/shards/*.npy") if path.with_suffix(".parquet").exists()]


def _word(ended: Ended, fault: Fault) -> str:
    """Return in a word what a command did about a fault."""
    if ended.status == -signal.SIGALRM:
        return "hang"
    if ended.status == ENDED and fault.kind.startswith("end"):
        return "ended"
    lines = [line for line in ended.said.splitlines() if line.startswith("hemo: ")]
    if "Traceback" in ended.said or ended.status not in (0, 2, 130):
        return "traceback"
    if ended.status == 0:
        return "left out with its reason" if "cannot be opened" in ended.said else "gone on"
    return "said in a line" if len(lines) == 1 else "traceback"


def inject(
    jobs: list[Job], root: Path, count: int, seed: int
) -> tuple[dict[str, Counter[str]], list[tuple[int, str]]]:
    """Return outcomes by point of failure, and number and words of each that is bad."""
    known = [know(job, root) for job in jobs]
    outcomes: dict[str, Counter[str]] = {point: Counter() for point in KINDS}
    bad = []
    gc.collect()
    gc.freeze()  # else each process copies what is searched for garbage
    for number in range(count):
        one, fault = fault_of(known, seed, number)
        word, words = attempt(one, root, fault)
        outcomes[fault.point][word] += 1
        if word in BAD:
            bad.append((number, f"{one.job.name}, {fault}: {word}: {words[-1500:]}"))
    gc.unfreeze()
    return outcomes, bad


def main() -> int:
    """Inject faults and print the table; 1 where one came to a bad end."""
    from tests.fire.jobs import all_jobs

    parser = argparse.ArgumentParser(prog="python -m tests.fire.faults", description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="what all faults follow from (default: 0)")
    parser.add_argument("--count", type=int, default=500, help="how many (default: 500)")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch).resolve()
        start = time.monotonic()
        outcomes, bad = inject(all_jobs(root), root, given.count, given.seed)
    for number, words in bad:
        print(f"seed {given.seed}, number {number}: {words}", file=sys.stderr)
    shown = (*GOOD, *BAD)
    print(f"| what failed | tried | {' | '.join(shown)} |")
    print("|---" * (len(shown) + 2) + "|")
    for point, counts in outcomes.items():
        print(f"| {point} | {counts.total()} | {' | '.join(str(counts[word]) for word in shown)} |")
    print(f"{time.monotonic() - start:.0f} s")
    return int(bool(bad))


if __name__ == "__main__":
    sys.exit(main())
