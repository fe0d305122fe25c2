"""Families by their names: hemo's own, one module each, and other packages'."""

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from hemo.errors import HemoError
from hemo.families import _plugins
from hemo.families.base import Family


@cache
def built_in() -> tuple[str, ...]:
    """Return the names of hemo's own families, without importing them.

    Examples
    --------
    >>> "logreg" in built_in(), "base" in built_in()
    (True, False)
    """
    modules = (module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)]))
    return tuple(sorted(name for name in modules if not name.startswith("_") and name != "base"))


def names() -> list[str]:
    """Return the names of all families, hemo's own and other packages', without importing them.

    Examples
    --------
    >>> set(built_in()) <= set(names())
    True
    """
    return sorted({*built_in(), *_plugins.claims()})


def families() -> dict[str, Family]:
    """Return all families by name."""
    return {name: get(name) for name in names()}


def get(name: str) -> Family:
    """Return a family by its name, or by that of a variant; raise HemoError for an unknown word.

    Examples
    --------
    >>> get("logreg@saga").title
    'Logistic regression'
    """
    family = name if name in _plugins.claims() else variant(name)[0]
    if family not in _plugins.claims() and family not in built_in():
        raise HemoError(f"unknown family '{name}': choose one of {', '.join(names())}")
    return _get(family)


@cache
def _get(name: str) -> Family:
    if name in _plugins.claims():
        return _plugins.load(name, built_in())
    return importlib.import_module(f"{__package__}.{name}").FAMILY


def provider(name: str) -> str:
    """Return the other package that gives a family, as pip asks for it: `hemo-forest==1.0`.

    It is empty for hemo's own families: their code travels with a model.

    Examples
    --------
    >>> provider("logreg")
    ''
    """
    entries = _plugins.claims().get(variant(name)[0])
    return _plugins.requirement(entries) if entries else ""


def variant(name: str) -> tuple[str, str]:
    """Return family and variant of a name like `logreg@saga`; the variant is empty in `logreg`.

    Examples
    --------
    >>> variant("logreg@saga")
    ('logreg', 'saga')
    >>> variant("logreg")
    ('logreg', '')
    """
    family, _, word = name.partition("@")
    return family, word


def title(name: str) -> str:
    """Return the name for people of a family or of a variant.

    Examples
    --------
    >>> title("logreg")
    'Logistic regression'
    >>> title("logreg@saga")
    'Logistic regression (saga)'
    """
    word = variant(name)[1]
    return f"{get(name).title} ({word})" if word else get(name).title


def word_of(tags: Mapping[str, str]) -> str:
    """Return the family that tags of a run or version name, with its variant.

    Examples
    --------
    >>> word_of({"family": "logreg", "variant": "saga"})
    'logreg@saga'
    """
    variant = tags.get("variant")
    return tags.get("family", "unknown") + (f"@{variant}" if variant else "")
