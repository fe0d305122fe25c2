"""Files that are written whole or not at all, and JSON that is read whole or refused."""

import errno
import io
import json
import os
import platform
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from hemo.errors import HemoError

if TYPE_CHECKING:
    import pandas as pd

FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""How a text begins that spreadsheets compute."""

NO_FILE: Final = "no file, but a pipe, a socket or a device"

MOST_OF_A_HOST: Final = 32
"""Letters of a machine's name in that of a temporary file: a file's name has at most 255."""


def beside(path: Path) -> Path:
    """Return a name beside a file to write under, which nobody else has.

    What was left under such names by processes of this machine that have ended is removed.
    """
    import psutil

    host = re.sub(r"\W", "-", platform.node())[:MOST_OF_A_HOST]
    start, end = f".{path.name}.{host}.", f".tmp{path.suffix}"
    with suppress(OSError):  # who writes will say what is wrong with the folder
        for name in os.listdir(path.parent):
            if name.startswith(start) and name.endswith(end):
                process = name[len(start) :].partition(".")[0]
                if process.isdecimal() and not psutil.pid_exists(int(process)):
                    path.with_name(name).unlink(missing_ok=True)
    return path.with_name(f"{start}{os.getpid()}.{secrets.token_hex(4)}{end}")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a name beside a file to write under; what was written then takes the file's place.

    Where writing fails, as on a full disk, the file stays as it was, and nothing is left beside it.
    """
    partial = beside(path)
    try:
        yield partial
        with partial.open("rb+") as stream:
            os.fsync(stream.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def opened(path: str | Path) -> Iterator[io.BufferedReader]:
    """Open a file to read. A pipe, a socket or a device is none: it may wait, or go on without end.

    Raises
    ------
    OSError
        If it cannot be opened, or is no file.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a pipe that nobody fills opens at once
    try:
        if stat.S_ISDIR(kind := os.fstat(descriptor).st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(kind):
            raise OSError(errno.EINVAL, NO_FILE, str(path))
        with os.fdopen(descriptor, "rb", closefd=False) as stream:
            yield stream
    finally:
        os.close(descriptor)


def write_text(path: Path, text: str) -> None:
    """Write a text file in UTF-8, whole or not at all."""
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8", errors="replace")


def csv_text(table: "pd.DataFrame | pd.Series", *, index: bool = False) -> str:
    """Return a table as CSV of which no spreadsheet takes a text for a formula: such have a ' before them.

    Examples
    --------
    >>> import pandas as pd
    >>> csv_text(pd.DataFrame({"file": ["=1+1", "scan"], "shift": [-1, 2]})).split()
    ['file,shift', "'=1+1,-1", 'scan,2']
    """
    import pandas as pd

    frame = table if isinstance(table, pd.DataFrame) else table.to_frame()
    texts: dict[Any, Any] = {
        name: column.map(_no_formula)
        for name, column in frame.items()
        if column.dtype == object or column.dtype.kind in "OUT"
    }
    return str(frame.assign(**texts).to_csv(index=index))


def _no_formula(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def read_json(path: Path, remedy: str) -> Any:
    """Return what a JSON file holds.

    Raises
    ------
    HemoError
        If it is no JSON, or nests too deeply, with what to do.
    FileNotFoundError, NotADirectoryError
        If there is none.
    """
    try:
        with opened(path) as stream:
            return json.loads(stream.read())
    except (FileNotFoundError, NotADirectoryError):
        raise
    except RecursionError:
        raise HemoError(f"{path}: unreadable (it nests too deeply): {remedy}") from None
    except (OSError, ValueError) as error:
        raise HemoError(f"{path}: unreadable ({error}): {remedy}") from error
