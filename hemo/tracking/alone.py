"""What only one process may do at a time: make the tracking store's tables, and decide about production."""

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import mlflow
from sqlalchemy.engine import make_url

from hemo import console, temporary


@contextmanager
def alone() -> Iterator[None]:
    """Wait until no other process of this machine is in here with the same tracking store, and keep them out.

    Processes of other machines are not seen: the registry's audit notices what they do at the same time.
    """
    with _file().open("a") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            console.err.print("waiting for another hemo command that uses the same tracking store ...")
            fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def _file() -> Path:
    """Return the file that is locked: beside an SQLite database, else in the folder of temporary files."""
    path = database()
    if path:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.with_name(f"{path.name}.lock")
    uri = str(mlflow.get_tracking_uri())
    name = hashlib.sha256(uri.encode()).hexdigest()[:16]
    return temporary.common() / f"hemo-{os.getuid()}-{name}.lock"


def database() -> Path | None:
    """Return the file of the tracking store in use, where it is an SQLite database."""
    uri = str(mlflow.get_tracking_uri())
    name = make_url(uri).database if uri.startswith("sqlite") else None
    return Path(name).absolute() if name and name != ":memory:" else None
