"""What is printed for people: one console, one progress bar.

Results go to standard output; progress and notices to standard error, so that output can be piped.
"""

import io
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

Item = TypeVar("Item")

SILENCE = 3.0
"""Seconds without a word after which a command says what it does; a terminal shows it in a third of them."""

LONG = 600.0
"""Seconds that a command, or what it goes through, takes before a log has fewer lines: it is to be read."""

EVERY = 30.0
"""Seconds from line to line then."""

PLAIN_WIDTH = 148
"""Columns where there is no terminal to ask: wide enough for a leaderboard with its intervals."""


class _Heard(Console):
    """A console that knows when it last printed."""

    def print(self, *words: Any, **how: Any) -> None:
        """Print, and note when."""
        _watch.heard = time.monotonic()
        super().print(*words, **how)


def _console(stderr: bool) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    if isinstance(stream, io.TextIOWrapper):  # names of files may hold what the terminal's alphabet lacks
        stream.reconfigure(errors="backslashreplace")
    # What people wrote, such as a file's name, may have square brackets: nothing printed is read as markup.
    width = None if stream.isatty() else PLAIN_WIDTH
    return _Heard(stderr=stderr, highlight=False, markup=False, emoji=False, width=width)


@dataclass
class _Watch:
    """What is under way in this process.

    Attributes
    ----------
    command
        Its name; "" where nobody waits for one.
    step
        What it does now.
    items
        What is gone through: its description, how many are done and how many there are; None: nothing is.
    since
        Of `items`, or of the command.
    heard
        When something was last printed.
    bar
        What is shown on a terminal.
    """

    command: str = ""
    step: str = ""
    items: tuple[str, list[bool], int] | None = None
    since: float = 0.0
    heard: float = 0.0
    bar: Progress | None = None
    lock: threading.RLock = field(default_factory=threading.RLock)


_watch = _Watch()

out = _console(stderr=False)
err = _console(stderr=True)


def step(words: str) -> None:
    """Note what this process does now: shown beside the bar, or in its place."""
    _watch.step = words


class _StepColumn(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(_watch.step, style="dim")


def track(items: Iterable[Item], description: str, total: int) -> Iterator[Item]:
    """Yield the items behind a progress bar; where there is no terminal, with a line every few seconds."""
    columns = (
        TextColumn("[bold]{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        _StepColumn(),
    )
    step("")
    if err.is_terminal:
        with _watch.lock:
            _hide()
            command, _watch.command = _watch.command, ""  # the bar says it all
        try:
            with Progress(*columns, console=err) as progress:
                yield from progress.track(items, total=total, description=description)
        finally:
            _watch.command, _watch.heard = command, time.monotonic()
            step("")
        return
    with watched(description):
        before = _watch.items, _watch.since
        done: list[bool] = []
        _watch.items, _watch.since = (description, done, total), time.monotonic()
        try:
            for item in items:
                yield item
                done.append(True)
        finally:
            _watch.items, _watch.since = before
            step("")


@contextmanager
def watched(command: str) -> Iterator[None]:
    """Say what is done here wherever nothing is printed for some seconds; within another, that one does."""
    if _watch.command:
        yield
        return
    _watch.command, _watch.since, _watch.heard = command, time.monotonic(), time.monotonic()
    ended = threading.Event()
    teller = threading.Thread(target=_tell, args=(ended,), daemon=True)
    teller.start()
    try:
        yield
    finally:
        ended.set()
        teller.join()
        with _watch.lock:
            _hide()
        _watch.command = _watch.step = ""


def unwatched() -> None:
    """Say no more of this command: it waits for people, as a server does."""
    with _watch.lock:
        _hide()
        _watch.command = ""


def _tell(ended: threading.Event) -> None:
    """Print a line, or on a terminal show a spinner, whenever there was silence."""
    start = time.monotonic()
    while not ended.wait(min(SILENCE / 8, 0.5)):
        now = time.monotonic()
        long = now - max(start, _watch.since) > LONG
        bound = SILENCE / 3 if err.is_terminal else EVERY if long else SILENCE
        if not _watch.command or _watch.bar or now - _watch.heard < bound:
            continue
        if not err.is_terminal:
            err.print(_line(now), markup=False, soft_wrap=True)
            _watch.heard = now
            continue
        with _watch.lock:
            if _watch.command and not ended.is_set():
                _watch.bar = Progress(
                    SpinnerColumn(),
                    TextColumn("{task.description}"),
                    TimeElapsedColumn(),
                    _StepColumn(),
                    console=err,
                    transient=True,
                    redirect_stdout=sys.stdout.isatty(),  # else results would leave their pipe
                )
                _watch.bar.add_task(_watch.command, total=None)
                _watch.bar.start()


def _hide() -> None:
    if _watch.bar:
        _watch.bar.stop()
        _watch.bar = None


def _line(now: float) -> str:
    """Return in a line what is done, how far it is, and what is left."""
    spent = now - _watch.since
    if _watch.items is None:
        words = [_watch.command, _minutes(spent)]
    else:
        description, done, total = _watch.items
        count = len(done)
        words = [f"{description}: {count} of {total}", _minutes(spent)]
        words += [f"about {_minutes(spent / count * (total - count))} left"] if count else []
    return ", ".join([*words, _watch.step] if _watch.step else words)


def _minutes(seconds: float) -> str:
    """Return a duration for people.

    >>> _minutes(75), _minutes(8), _minutes(59.7)
    ('1:15 min', '0:08 min', '1:00 min')
    """
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02} min"


def bar(description: str) -> Callable[[Iterable[Item], int], Iterator[Item]]:
    """Return what shows a progress bar behind items, given their number: for functions that take one."""
    return lambda items, total: track(items, description, total)


def next_commands(*commands: str) -> None:
    """Print what to type next."""
    err.print("Next:", style="bold")
    for command in commands:
        err.print(f"  {command}", markup=False, soft_wrap=True)
