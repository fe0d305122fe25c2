"""What must be there in a test."""

from typing import TypeVar

T = TypeVar("T")


def present(value: T | None) -> T:
    """Return a value that may not be missing here."""
    assert value is not None
    return value
