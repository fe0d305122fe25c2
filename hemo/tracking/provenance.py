"""What a result comes from beside its data and the commit of the code: versions of packages."""

from importlib.metadata import PackageNotFoundError, version

VERSIONED = (
    "hemo", "mlflow", "scikit-learn", "tensorflow", "tensorflow-cpu", "keras", "optuna", "numpy", "pandas",
    "pydicom", "opencv-python-headless",
)  # fmt: skip
"""Packages whose versions every run records."""


def versions() -> dict[str, str]:
    """Return the versions of the packages that decide results."""
    found = {}
    for package in VERSIONED:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
