"""The files of folders that may be scans: what `preprocess`, `evaluate` and `predict` all look through."""

import os
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Final

from hemo.errors import HemoError
from hemo.imaging.formats import stem, suffixes

SUFFIXES: Final = suffixes()


def may_be_scan(name: str) -> bool:
    """Tell whether a file's name does not speak against its being a scan.

    No suffix, or one of digits, as in names that are UIDs, does not.
    """
    suffix = os.path.splitext(name)[1].lower()
    return not name.startswith(".") and (suffix in SUFFIXES or not suffix or suffix[1:].isdecimal())


@lru_cache(maxsize=1024)  # asked for when a file is read, and when its record is written
def slice_name(name: str) -> str:
    """Return a file's name without its suffix; what ends in a number, as UIDs do, has none.

    Examples
    --------
    >>> slice_name("case-7.nii.gz"), slice_name("1.2.840.10008")
    ('case-7', '1.2.840.10008')
    """
    return stem(name) if name[name.rfind(".") :].lower() in SUFFIXES else name


def check_there(paths: Sequence[str | Path]) -> None:
    """Raise HemoError if one of the paths of scans is absent."""
    for path in paths:
        if not os.path.exists(path):
            raise HemoError(f"{path}: no such file or folder: give scans that exist")


def files_below(paths: Sequence[str | Path]) -> Iterator[tuple[str, str]]:
    """Yield folder and name of every file, of a folder those below it that may be scans.

    Links are followed, but each real folder is gone through once: by its own path where it lies below the
    one given, and not at all where a link leads back to what is being gone through.

    Raises
    ------
    HemoError
        If a path is absent.
    """
    check_there(paths)
    seen: set[tuple[int, int]] = set()
    for path in map(str, paths):
        if os.path.isdir(path):
            yield from _below(path, seen)
        else:
            folder, name = os.path.split(path)
            yield folder or os.curdir, name


def _below(folder: str, seen: set[tuple[int, int]]) -> Iterator[tuple[str, str]]:
    """Yield the files of a folder: real folders first, so that links add only what lies elsewhere."""
    waiting = [folder]
    linked: list[str] = []
    while waiting or linked:
        here = waiting.pop() if waiting else linked.pop(0)
        try:
            facts = os.stat(here)
            if (facts.st_dev, facts.st_ino) in seen:
                continue
            seen.add((facts.st_dev, facts.st_ino))
            with os.scandir(here) as entries:
                found = sorted(entries, key=lambda entry: entry.name)
        except OSError:
            yield os.path.split(here)  # whoever reads it will say why it cannot be opened
            continue
        for entry in found:
            if entry.name.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=False):
                waiting.append(entry.path)
            elif entry.is_symlink() and os.path.isdir(entry.path):  # False where a link leads to itself
                linked.append(entry.path)
            elif may_be_scan(entry.name):
                yield here, entry.name
