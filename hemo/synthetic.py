"""What is made of slices that a program drew, and what must be said of it."""

from collections.abc import Mapping, Sequence

PHANTOM = "phantom"
"""Tag `dataset` of what is made of the phantom; runs of before had no other sign of it."""


def is_synthetic(tags: Mapping[str, str]) -> bool:
    """Tell by the tags of a run or version whether it is made of slices that a program drew.

    >>> is_synthetic({"synthetic": "true"}), is_synthetic({"dataset": "phantom"}), is_synthetic({})
    (True, True, False)
    """
    return tags.get("synthetic") == "true" or tags.get("dataset") == PHANTOM


def synthetic_warning(labels: Sequence[str]) -> str:
    """Return what must be said of classifiers that learned from synthetic slices."""
    return f"Made of synthetic data, which says nothing of patients: {', '.join(labels)}"
