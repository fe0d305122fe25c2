"""What a result comes from beside its data: the commit of the code, and versions of packages."""

import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

VERSIONED = (
    "hemo", "mlflow", "scikit-learn", "tensorflow", "tensorflow-cpu", "keras", "optuna", "numpy", "pandas",
    "pydicom", "opencv-python-headless",
)  # fmt: skip
"""Packages whose versions every run records."""

CHANGED = "+changes"
"""Ends the commit of code that differs from it."""


def versions() -> dict[str, str]:
    """Return the versions of the packages that decide results."""
    found = {}
    for package in VERSIONED:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


@cache
def git_commit() -> str:
    """Return the commit of the code, `CHANGED` behind it where the work tree differs; else `unknown`."""
    folder = Path(__file__).parents[1]
    try:
        commit = _git(folder, "rev-parse", "HEAD")
        return commit + (CHANGED if _git(folder, "status", "--porcelain", "--", ".") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(folder: Path, *words: str) -> str:
    return subprocess.run(
        ["git", "-C", str(folder), *words], capture_output=True, text=True, check=True
    ).stdout.strip()
