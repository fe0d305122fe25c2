"""What is printed for people: one console, one progress bar.

Results go to standard output; progress and notices to standard error, so that output can be piped.
"""

import io
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

Item = TypeVar("Item")

EVERY = 30.0
"""Seconds from line to line where there is no terminal."""

PLAIN_WIDTH = 132
"""Columns where there is no terminal to ask: wide enough for a leaderboard with its intervals."""


def _console(stderr: bool) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    if isinstance(stream, io.TextIOWrapper):  # names of files may hold what the terminal's alphabet lacks
        stream.reconfigure(errors="backslashreplace")
    # What people wrote, such as a file's name, may have square brackets: nothing printed is read as markup.
    width = None if stream.isatty() else PLAIN_WIDTH
    return Console(stderr=stderr, highlight=False, markup=False, emoji=False, width=width)


out = _console(stderr=False)
err = _console(stderr=True)

_step = ""


def step(words: str) -> None:
    """Note what this process does now: shown beside the bar, or in its place."""
    global _step
    _step = words


class _StepColumn(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(_step, style="dim")


def track(items: Iterable[Item], description: str, total: int) -> Iterator[Item]:
    """Yield the items behind a progress bar; where there is no terminal, with a line every half a minute."""
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
        with Progress(*columns, console=err) as progress:
            yield from progress.track(items, total=total, description=description)
        return
    with _lines(description, total) as done:
        for item in items:
            yield item
            done.append(True)


@contextmanager
def _lines(description: str, total: int) -> Iterator[list[bool]]:
    """Print every `EVERY` seconds how many there are in the list that it gives, and what is left."""
    ended, start = threading.Event(), time.monotonic()
    done: list[bool] = []

    def tell() -> None:
        while not ended.wait(EVERY):
            count, spent = len(done), time.monotonic() - start
            words = [f"{description}: {count} of {total}", _minutes(spent)]
            words += [f"about {_minutes(spent / count * (total - count))} left"] if count else []
            words += [_step] if _step else []
            err.print(", ".join(words), markup=False, soft_wrap=True)

    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    try:
        yield done
    finally:
        ended.set()
        teller.join()


def _minutes(seconds: float) -> str:
    """Return a duration for people.

    >>> _minutes(75), _minutes(8)
    ('1:15 min', '0:08 min')
    """
    return f"{seconds // 60:.0f}:{seconds % 60:02.0f} min"


def bar(description: str) -> Callable[[Iterable[Item], int], Iterator[Item]]:
    """Return what shows a progress bar behind items, given their number: for functions that take one."""
    return lambda items, total: track(items, description, total)


def next_commands(*commands: str) -> None:
    """Print what to type next."""
    err.print("Next:", style="bold")
    for command in commands:
        err.print(f"  {command}", markup=False, soft_wrap=True)
