"""How long a command says nothing, as a person before a terminal sees it, or a log.

`python -m tests.helpers.silence [--terminal] COMMAND ...` prints each silence of over five seconds; status 1
where there is one.
"""

import argparse
import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

LONGEST: Final = 5.0
"""Seconds for which nobody wonders whether anything happens."""


@dataclass(frozen=True)
class Silence:
    """A time without a word.

    Attributes
    ----------
    seconds
        It lasted.
    after
        What was said last.
    """

    seconds: float
    after: str


def silences(command: Sequence[str], *, terminal: bool, **how: Any) -> tuple[int, list[Silence]]:
    """Run a command; return its status and its silences of over `LONGEST` seconds.

    Parameters
    ----------
    terminal
        Whether its output is a terminal, else a pipe.
    how
        Of `subprocess.Popen`.
    """
    ours, theirs = pty.openpty() if terminal else os.pipe()
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs, **how)
    os.close(theirs)
    found, said, last = [], "", time.monotonic()
    while True:
        select.select([ours], [], [])
        now = time.monotonic()
        if now - last > LONGEST:
            found.append(Silence(now - last, said[-300:]))
        try:
            words = os.read(ours, 1 << 16)
        except OSError:  # a terminal that nobody has open any more
            words = b""
        if not words:
            break
        sys.stdout.write(words.decode(errors="replace"))
        sys.stdout.flush()
        said, last = said[-300:] + words.decode(errors="replace"), now
    os.close(ours)
    return process.wait(), found


def main() -> int:
    """Run the command of the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.helpers.silence", description=__doc__)
    parser.add_argument("--terminal", action="store_true", help="let the command have a terminal")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    given = parser.parse_args()
    status, found = silences(given.command, terminal=given.terminal)
    for one in found:
        print(f"{one.seconds:.1f} s without a word after: {one.after!r}", file=sys.stderr)
    return status or int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
