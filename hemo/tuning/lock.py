"""A lock that a study's workers hold one after the other, wherever they run."""

import hashlib
import os
from types import TracebackType
from typing import IO, TYPE_CHECKING, Protocol, Self

from hemo import temporary

if TYPE_CHECKING:
    from sqlalchemy import Connection


class Turn(Protocol):
    """What one worker does at a time; it ends with its holder, whatever ends that.

    Workers hold it while they look at the budget and start a trial: without it, N of them overshoot a budget
    by up to N - 1. Whoever opens a database holds it, since two that make its tables are in each other's way.
    """

    def __enter__(self) -> Self:
        """Wait until nobody else holds it."""

    def release(self) -> None:
        """Let the next have its turn."""

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Release it."""


def turn(url: str, name: str = "") -> Turn:
    """Return the lock of a database, or of what `name` says in it; equal names exclude each other.

    PostgreSQL's own where that is the database, so that workers of all machines wait for each other; else one
    of this machine's files, since an SQLite database is of one machine.
    """
    return DatabaseLock(url, name) if url.startswith("postgresql") else Lock(name + url)


class Lock:
    """A `Turn` among processes of this machine.

    Parameters
    ----------
    name
        Of what it is about.
    """

    def __init__(self, name: str) -> None:
        digest = hashlib.sha256(name.encode()).hexdigest()[:16]
        self._path = temporary.common() / f"hemo-{os.getuid()}" / f"{digest}.lock"
        self._file: IO[str] | None = None

    def __enter__(self) -> Self:
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


class DatabaseLock:
    """A `Turn` among all clients of a PostgreSQL database, which lets go when its holder's connection ends.

    An advisory lock (https://www.postgresql.org/docs/current/explicit-locking.html#ADVISORY-LOCKS).

    Parameters
    ----------
    url
        Of the database.
    name
        Of what it is about.
    """

    def __init__(self, url: str, name: str = "") -> None:
        from sqlalchemy import create_engine

        self._key = int.from_bytes(hashlib.sha256(f"hemo {name}".encode()).digest()[:8], "big", signed=True)
        # One connection, kept between turns, and looked at before each.
        self._engine = create_engine(
            url, pool_size=1, max_overflow=0, pool_pre_ping=True, isolation_level="AUTOCOMMIT"
        )
        self._held: Connection | None = None

    def __enter__(self) -> Self:
        from sqlalchemy import text

        self._held = self._engine.connect()
        try:
            self._held.execute(text("SELECT pg_advisory_lock(:key)"), {"key": self._key})
        except BaseException:  # Ctrl-C too: a connection that may hold the lock must not be used again
            self._drop()
            raise
        return self

    def release(self) -> None:
        """Let the next have its turn."""
        from sqlalchemy import text
        from sqlalchemy.exc import SQLAlchemyError

        if self._held is None:
            return
        try:
            self._held.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": self._key})
        except SQLAlchemyError:  # the connection is gone, and the lock with it
            self._drop()
            return
        self._held.close()
        self._held = None

    def _drop(self) -> None:
        if self._held is not None:
            self._held.invalidate()
            self._held.close()
            self._held = None

    def __exit__(self, *fault: object) -> None:
        self.release()
