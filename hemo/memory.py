"""How much memory a process may take: what would take more is read, or learned from, in pieces."""

import os
import re
from typing import Final

from hemo.errors import HemoError

DEFAULT: Final = "4 GB"

VARIABLE: Final = "HEMO_MEMORY"
"""Environment variable that says it to this process and to those that it starts."""

PROGRAMS: Final = 900 * 10**6
"""Bytes that Python, TensorFlow, scikit-learn and MLflow take before any slice is read; 800 MB were measured
behind a network's first step."""

LEAST: Final = 1_500 * 10**6
"""Bytes below which no promise is given."""

_UNITS: Final = {"GB": 10**9, "MB": 10**6, "GIB": 1 << 30, "MIB": 1 << 20}


def parse(text: str) -> int:
    """Return the bytes that `4 GB`, `1500 MB`, `4 GiB` and the like say.

    Examples
    --------
    >>> parse("4 GB")
    4000000000

    Raises
    ------
    HemoError
        For other words, and for too little.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([GM]I?B)\s*", text.upper())
    if match is None:
        raise HemoError(f"'{text}' is no amount of memory: write it as 4 GB or 1500 MB")
    size = int(float(match[1]) * _UNITS[match[2]])
    if size < LEAST:
        raise HemoError(f"{text} of memory is too little: give {LEAST / 1e9:g} GB or more")
    return size


def words() -> str:
    """Return what a process may take in all, as it was promised."""
    return os.environ.get(VARIABLE) or DEFAULT


def promise(text: str) -> None:
    """Let this process, and those that it starts from now on, take so much.

    Raises
    ------
    HemoError
        As `parse`.
    """
    parse(text)
    os.environ[VARIABLE] = text


def room() -> int:
    """Return the bytes that data may take beside the programs."""
    return parse(words()) - PROGRAMS
