"""A lock that processes of this machine hold one after the other."""

import hashlib
import os
import tempfile
from pathlib import Path
from typing import IO


class Lock:
    """What one process does at a time; the system lets go of it when its holder dies.

    Workers hold it while they look at the budget and start a trial: without it, N of them overshoot a budget
    by up to N - 1. Whoever opens a database holds it, since two that make its tables are in each other's way.

    Parameters
    ----------
    name
        Of what it is about; equal names exclude each other.
    """

    def __init__(self, name: str) -> None:
        digest = hashlib.sha256(name.encode()).hexdigest()[:16]
        self._path = Path(tempfile.gettempdir()) / f"hemo-{os.getuid()}" / f"{digest}.lock"
        self._file: IO[str] | None = None

    def __enter__(self) -> "Lock":
        import fcntl

        self._path.parent.mkdir(exist_ok=True)
        self._file = self._path.open("a")
        fcntl.flock(self._file, fcntl.LOCK_EX)
        return self

    def release(self) -> None:
        """Let the next have its turn."""
        if self._file:
            self._file.close()
            self._file = None

    def __exit__(self, *fault: object) -> None:
        self.release()
