"""Digests of files: recorded when the files are written, compared before they are trusted."""

import hashlib
import json
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from hemo.errors import HemoError
from hemo.whole import opened

FILE: Final = "digests.json"
"""What a manifest is called that lies beside the files it is of."""

FEW: Final = 1 << 26
"""Bytes that one thread hashes before others would have begun."""

SHOWN: Final = 3
"""Files that one message names."""


class DiffersError(HemoError):
    """Files are not what was recorded when they were written."""


@dataclass(frozen=True)
class Digest:
    """A file's content.

    Attributes
    ----------
    size
        In bytes.
    sha256
        In hexadecimal digits.
    """

    size: int
    sha256: str


Manifest = Mapping[str, Digest]
"""Path below a folder, with slashes, to what the file holds."""


@dataclass(frozen=True)
class Difference:
    """A file that is not as it was recorded.

    Attributes
    ----------
    file
        Path below the folder.
    found
        What is wrong: `changed`, `gone`, `added`, or why it cannot be read.
    """

    file: str
    found: str


def of_bytes(content: bytes) -> Digest:
    """Return the digest of bytes.

    >>> of_bytes(b"slice").size
    5
    """
    return Digest(len(content), hashlib.sha256(content).hexdigest())


def of_file(path: Path) -> Digest:
    """Return the digest of a file, read a piece at a time.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    with opened(path) as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
        return Digest(stream.tell(), digest)


def of_files(folder: Path, names: Iterable[str]) -> dict[str, Digest]:
    """Return the digests of files below a folder, several read at a time."""
    listed = sorted(names)
    size = sum((folder / name).stat().st_size for name in listed)
    return dict(zip(listed, _each(lambda name: of_file(folder / name), listed, size), strict=True))


def _each(function: Callable[[str], Any], names: Sequence[str], size: int) -> list[Any]:
    """Apply a function that hashes files of so many bytes in all: hashing lets other threads run."""
    if size < FEW:
        return [function(name) for name in names]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(function, names))


def files_below(folder: Path) -> Iterator[str]:
    """Yield the path of each file below a folder, and of each link to a folder, with slashes."""
    for here, folders, files in os.walk(folder):
        links = [name for name in folders if os.path.islink(os.path.join(here, name))]
        for name in (*files, *links):
            yield Path(here, name).relative_to(folder).as_posix()


def of_folder(folder: Path) -> dict[str, Digest]:
    """Return the digests of all files below a folder."""
    return of_files(folder, files_below(folder))


def compare(folder: Path, recorded: Manifest, there: Collection[str] = ()) -> list[Difference]:
    """Return which files below a folder are not as they were recorded, by name.

    Parameters
    ----------
    folder
        Where they lie.
    recorded
        What they were.
    there
        Files that are there now: those that were never recorded are differences too.
    """

    def found(name: str) -> str:
        try:
            return "" if of_file(folder / name) == recorded[name] else "changed"
        except (FileNotFoundError, NotADirectoryError):
            return "gone"
        except OSError as fault:
            return f"cannot be read ({fault.strerror})"

    names = sorted(recorded)
    words = _each(found, names, sum(one.size for one in recorded.values()))
    differ = {name: word for name, word in zip(names, words, strict=True) if word}
    differ |= {name: "added" for name in there if name not in recorded}
    return [Difference(name, differ[name]) for name in sorted(differ)]


def words(differences: Collection[Difference]) -> str:
    """Return differences in words, the first by name.

    >>> words([Difference("a.npy", "changed"), Difference("b.npy", "gone")])
    'a.npy changed, b.npy gone'
    """
    first = [f"{one.file} {one.found}" for one in list(differences)[:SHOWN]]
    more = len(differences) - len(first)
    return ", ".join(first) + (f" and {more} more" if more else "")


def to_text(manifest: Manifest) -> str:
    """Return a manifest as JSON, a file a line; equal ones give equal texts."""
    lines = [f'{json.dumps(name)}: [{one.size}, "{one.sha256}"]' for name, one in sorted(manifest.items())]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def from_text(text: str) -> dict[str, Digest]:
    """Return the manifest that `to_text` wrote.

    Raises
    ------
    ValueError
        If it is none.
    """
    try:
        return {
            str(name): Digest(int(size), str(sha256)) for name, (size, sha256) in json.loads(text).items()
        }
    except (AttributeError, TypeError) as fault:
        raise ValueError(f"no manifest: {fault}") from None
