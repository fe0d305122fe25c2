"""Files that are written whole or not at all, and JSON that is read whole or refused."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from hemo.errors import HemoError

if TYPE_CHECKING:
    import pandas as pd

FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""How a text begins that spreadsheets compute."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a name beside a file to write under; what was written then takes the file's place.

    Where writing fails, as on a full disk, the file stays as it was, and nothing is left beside it.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.tmp{path.suffix}")
    try:
        yield partial
        with partial.open("rb+") as stream:
            os.fsync(stream.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


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
        return json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        raise
    except RecursionError:
        raise HemoError(f"{path}: unreadable (it nests too deeply): {remedy}") from None
    except (OSError, ValueError) as error:
        raise HemoError(f"{path}: unreadable ({error}): {remedy}") from error
