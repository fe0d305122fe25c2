"""Try hostile inputs one after another in a process of their own, and note what came of each.

Every input follows from the seed, its class and its number: a finding can be made again, and a hunt that was
stopped goes on where it was.
"""

import json
import os
import resource
import select
import signal
import time
import traceback
import zlib
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.random import Generator

HANG: Final = 60.0
"""Seconds after which an input counts as one that hangs, and its process is ended."""

SLOW: Final = 10.0
"""Seconds of processor time, and ..."""

MOST: Final = 1 << 30
"""... bytes beyond what the process had, that one input may take."""

ROOM: Final = 6 << 30
"""Bytes of address space of the process: what asks for more gets an error, and takes nothing else with it."""

FAULTS: Final = ("traceback", "crash", "hang", "slow", "memory", "unmade")
"""Outcomes that are findings; others are `read` and `refused`."""


@dataclass(frozen=True)
class Target:
    """A class of input.

    Attributes
    ----------
    name
        In words.
    make
        Makes an input.
    feed
        Takes an input as the program does, and says `read`, or `refused: ` and why. What it raises is what a
        user would see as a traceback.
    """

    name: str
    make: Callable[[Generator], Any]
    feed: Callable[[Any], str]


@dataclass
class Found:
    """What came of the inputs of a class so far.

    Attributes
    ----------
    done
        How many were tried.
    counts
        How often each outcome came.
    reasons
        How often each reason for a refusal came, numbers in it left out.
    findings
        Number and what happened, of those that are none of `read` and `refused`.
    seconds, mb
        The most processor time and memory that one took.
    """

    done: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    findings: list[tuple[int, str]] = field(default_factory=list)
    seconds: float = 0.0
    mb: float = 0.0

    def add(self, line: dict[str, Any]) -> None:
        """Note an input's outcome."""
        self.done = line["number"] + 1
        self.seconds, self.mb = max(self.seconds, line["seconds"]), max(self.mb, line["mb"])
        word = line["word"]
        if word in ("read", "refused") and line["seconds"] > SLOW:
            word = "slow"
        if word in ("read", "refused") and line["mb"] * 2**20 > MOST:
            word = "memory"
        self.counts[word] += 1
        if word in FAULTS:
            self.findings.append((line["number"], f"{word}: {line['detail']}"))
        elif word == "refused":
            self.reasons["".join("0" if one.isdigit() else one for one in line["detail"])[:80]] += 1


def made(target: Target, seed: int, number: int) -> Any:
    """Return one of a class's inputs."""
    return target.make(np.random.default_rng([seed, zlib.crc32(target.name.encode()), number]))


def hunt(target: Target, count: int, seed: int, notes: Path | None = None, until: float = np.inf) -> Found:
    """Try a class's inputs up to a number of them, from where `notes` has them on.

    `until` is a time (`time.monotonic`) at which it stops early.
    """
    found = _noted(notes, seed)
    while found.done < count and time.monotonic() < until:
        _some(target, count, seed, found, notes, until)
    _note(notes, seed, found)
    return found


def _noted(notes: Path | None, seed: int) -> Found:
    if notes is None or not notes.exists():
        return Found()
    facts = json.loads(notes.read_text())
    if facts.pop("seed") != seed:
        return Found()
    facts["counts"], facts["reasons"] = Counter(facts["counts"]), Counter(facts["reasons"])
    facts["findings"] = [(number, words) for number, words in facts["findings"]]
    return Found(**facts)


def _note(notes: Path | None, seed: int, found: Found) -> None:
    if notes is not None:
        notes.parent.mkdir(parents=True, exist_ok=True)
        partial = notes.with_suffix(".tmp")
        partial.write_text(json.dumps({"seed": seed, **vars(found)}, indent=1))
        partial.replace(notes)


def _some(target: Target, count: int, seed: int, found: Found, notes: Path | None, until: float) -> None:
    """Try inputs in a child until all are done, it ends or it hangs."""
    source, target_end = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(source)
        os.setsid()
        _try_all(target, found.done, count, seed, target_end)
    os.close(target_end)
    try:
        with os.fdopen(source, "rb", buffering=0) as stream:
            for line in _lines(stream, until):
                found.add(json.loads(line))
                if found.done % 1000 == 0:
                    _note(notes, seed, found)
            stopped = time.monotonic() >= until
    except TimeoutError:
        stopped, hung = False, True
    else:
        hung = False
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if found.done < count and not stopped:
        word, detail = ("hang", f"over {HANG:g} s") if hung else ("crash", f"status {status}")
        found.add({"number": found.done, "word": word, "detail": detail, "seconds": 0.0, "mb": 0.0})


def _lines(stream: Any, until: float) -> Any:
    rest = b""
    while time.monotonic() < until:
        ready, _, _ = select.select([stream], [], [], HANG)
        if not ready:
            raise TimeoutError
        piece = stream.read(1 << 16)
        if not piece:
            return
        *whole, rest = (rest + piece).split(b"\n")
        yield from whole


def _try_all(target: Target, first: int, count: int, seed: int, notes: int) -> None:
    """Feed inputs and write a line of each; never returns."""
    resource.setrlimit(resource.RLIMIT_AS, (ROOM, ROOM))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with os.fdopen(notes, "wb", buffering=0) as stream:
        for number in range(first, count):
            try:
                given = made(target, seed, number)
            except Exception as fault:
                stream.write(
                    json.dumps(
                        {"number": number, "word": "unmade", "detail": repr(fault), "seconds": 0, "mb": 0}
                    ).encode()
                    + b"\n"
                )
                continue
            _forget_peaks()
            before, start = _memory("VmRSS"), time.process_time()
            try:
                word, _, detail = target.feed(given).partition(": ")
            except BaseException as fault:
                where = traceback.extract_tb(fault.__traceback__)[-1]
                word = "traceback"
                detail = f"{type(fault).__name__} at {Path(where.filename).name}:{where.lineno}: {fault}"[
                    :300
                ]
            line = {
                "number": number,
                "word": word,
                "detail": detail,
                "seconds": time.process_time() - start,
                "mb": max(0.0, _memory("VmHWM") - before) / 2**20,
            }
            stream.write(json.dumps(line).encode() + b"\n")
    os._exit(0)


def _processes() -> list[int]:
    """Return this process and the decoder that it may have started."""
    from hemo.imaging import decoding

    worker = decoding._worker
    return [os.getpid(), *([worker.process.pid] if worker else [])]


def _forget_peaks() -> None:
    for process in _processes():
        with suppress(OSError):
            Path(f"/proc/{process}/clear_refs").write_text("5")


def _memory(word: str) -> int:
    """Return bytes of memory, of this process and the decoder's; 0 where the system does not say."""
    total = 0
    for process in _processes():
        with suppress(OSError):
            for line in Path(f"/proc/{process}/status").read_text().splitlines():
                if line.startswith(word):
                    total += int(line.split()[1]) << 10
    return total
