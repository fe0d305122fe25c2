"""What is printed for people: one console, one progress bar.

Results go to standard output; progress and notices to standard error, so that output can be piped.
"""

import io
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

Item = TypeVar("Item")

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


def track(items: Iterable[Item], description: str, total: int) -> Iterator[Item]:
    """Yield the items behind a progress bar; where there is no terminal, stay silent."""
    columns = (
        TextColumn("[bold]{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=err, disable=not err.is_terminal) as progress:
        yield from progress.track(items, total=total, description=description)


def bar(description: str) -> Callable[[Iterable[Item], int], Iterator[Item]]:
    """Return what shows a progress bar behind items, given their number: for functions that take one."""
    return lambda items, total: track(items, description, total)


def next_commands(*commands: str) -> None:
    """Print what to type next."""
    err.print("Next:", style="bold")
    for command in commands:
        err.print(f"  {command}", markup=False, soft_wrap=True)
