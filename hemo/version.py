"""The version of hemo, and the commit of its code."""

import subprocess
from functools import cache
from pathlib import Path

__version__ = "0.1.0"

CHANGED = "+changes"
"""Ends the commit of code that differs from it."""


@cache
def git_commit() -> str:
    """Return the commit of the code, `CHANGED` behind it where the work tree differs; else `unknown`."""
    folder = Path(__file__).parent
    try:
        commit = _git(folder, "rev-parse", "HEAD")
        return commit + (CHANGED if _git(folder, "status", "--porcelain", "--", ".") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(folder: Path, *words: str) -> str:
    return subprocess.run(
        ["git", "-C", str(folder), *words], capture_output=True, text=True, check=True
    ).stdout.strip()
