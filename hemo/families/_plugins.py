"""Families of other packages: the entry points `hemo.families`, read by name, loaded when asked for.

A package that is not as it should be is refused when its family is asked for, and does not stop the others.
"""

import re
from collections.abc import Collection, Sequence
from functools import cache
from importlib.metadata import EntryPoint, entry_points

from hemo.errors import HemoError
from hemo.families.base import Family

GROUP = "hemo.families"
"""The group of entry points; each is called as its family and gives the `Family`."""

WORD = re.compile(r"[a-z][a-z0-9_]*")

RESERVED = (
    "all", "main", "phantom", "preprocess", "store", "tune", "study", "compare", "audit", "promote",
    "rollback", "registry", "history", "predict", "evaluate", "reproduce", "ui", "verify", "stress",
    "slurm", "doctor", "backbones",
)  # fmt: skip
"""Words of the command line, which no family can have."""


@cache
def claims() -> dict[str, tuple[EntryPoint, ...]]:
    """Return the entry points of installed packages by name, without importing what they name."""
    found: dict[str, tuple[EntryPoint, ...]] = {}
    for entry in entry_points(group=GROUP):
        found[entry.name] = (*found.get(entry.name, ()), entry)
    return found


def load(name: str, taken: Collection[str]) -> Family:
    """Import and return a claimed family.

    Parameters
    ----------
    name
        One of `claims`.
    taken
        Names of hemo's own families.

    Raises
    ------
    HemoError
        If two claim the name, it is no word, or what the entry point names is no family.
    """
    entries = claims()[name]
    first, who = entries[0], " and ".join(sorted(distribution(entry) for entry in entries))
    if name in taken:
        raise HemoError(f"family '{name}' is hemo's own, and {who} claims it: uninstall {_package(first)}")
    if len(entries) > 1:
        raise HemoError(f"family '{name}' is claimed by {who}: uninstall all but one")
    remedy = f"mend or uninstall {_package(first)}"
    if not WORD.fullmatch(name):
        rule = "a family's name has small letters, digits and _, a letter first"
        raise HemoError(f"family '{name}' of {who} is not called by a word: {rule}: {remedy}")
    if name in RESERVED:
        raise HemoError(f"family '{name}' of {who} is called as a command of hemo: {remedy}")
    try:
        family = first.load()
    except Exception as fault:  # whatever the code of another package raises
        reason = " ".join(f"{type(fault).__name__}: {fault}".split())
        raise HemoError(f"family '{name}' of {who} cannot be imported ({reason}): {remedy}") from fault
    if not isinstance(family, Family):
        raise HemoError(f"family '{name}' of {who}: {first.value} is not a hemo.families.Family: {remedy}")
    if family.name != name:
        raise HemoError(f"family '{name}' of {who} calls itself '{family.name}': {remedy}")
    return family


def requirement(entries: Sequence[EntryPoint]) -> str:
    """Return the package that provides a family as pip asks for it, pinned: `hemo-forest==1.0`."""
    return distribution(entries[0]).replace(" ", "==")


def distribution(entry: EntryPoint) -> str:
    """Return the package of an entry point and its version: `hemo-forest 1.0`."""
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist else "an unknown package"


def _package(entry: EntryPoint) -> str:
    return distribution(entry).partition(" ")[0]
