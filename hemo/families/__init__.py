"""Model families: images and one label in, a fitted classifier out.

One file a family, found by its name: a module here that does not start with an underscore (and is not
`base`) defines `FAMILY`. Modules import scikit-learn and TensorFlow only inside functions.

An experiment can hold a family several times, with other parameters: `logreg@saga` is the variant `saga` of
the family `logreg`.
"""

import importlib
import json
import pkgutil
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.errors import HemoError
from hemo.families.base import Classifier, Family, Images, LabelTable, Studies

__all__ = [
    "Classifier",
    "Family",
    "build",
    "check_params",
    "families",
    "fit_context",
    "get",
    "load",
    "names",
    "positive",
    "save",
    "title",
    "variant",
]


def names() -> list[str]:
    """Return the names of the registered families, without importing them."""
    modules = (module.name for module in pkgutil.iter_modules(__path__))
    return sorted(name for name in modules if not name.startswith("_") and name != "base")


@cache
def families() -> dict[str, Family]:
    """Return the registered families by name."""
    return {name: importlib.import_module(f"{__name__}.{name}").FAMILY for name in names()}


def get(name: str) -> Family:
    """Return a family by its name, or by that of a variant; raise HemoError for an unknown word."""
    try:
        return families()[variant(name)[0]]
    except KeyError:
        raise HemoError(f"unknown family '{name}': choose one of {', '.join(families())}") from None


def variant(name: str) -> tuple[str, str]:
    """Return family and variant of a name like `logreg@saga`; the variant is empty in `logreg`."""
    family, _, word = name.partition("@")
    return family, word


def title(name: str) -> str:
    """Return the name for people of a family or of a variant: `Logistic regression (saga)`."""
    word = variant(name)[1]
    return f"{get(name).title} ({word})" if word else get(name).title


def check_params(name: str, params: Mapping[str, Any]) -> None:
    """Raise HemoError if a family is unknown, has no parameter of one of these names, or refuses a value."""
    family = get(name)
    unknown = sorted(set(params) - set(family.defaults))
    if unknown:
        raise HemoError(
            f"family '{name}' has no parameter {', '.join(unknown)}: "
            f"it has {', '.join(sorted(family.defaults))}"
        )
    family.build({**family.defaults, **params}, 0)


def build(name: str, params: Mapping[str, Any] | None = None, seed: int = 0) -> Classifier:
    """Return an unfitted classifier of a family: its defaults, overridden by `params`."""
    check_params(name, params or {})
    family = get(name)
    return family.build({**family.defaults, **(params or {})}, seed)


def fit_context(name: str, study: Studies | None, labels: LabelTable | None) -> dict[str, Any]:
    """Return what `fit` of a family is told of slices, beside images and truth: what it asks for."""
    family = get(name)
    facts: dict[str, Any] = {}
    if family.study:
        facts["study"] = study
    if family.labels:
        facts["labels"] = labels
    return facts


def positive(
    classifier: Classifier, name: str, images: Images, study: Studies | None = None
) -> NDArray[np.float64]:
    """Return the probability of class 1 of slices, float64 (n,), by a fitted classifier of a family.

    Parameters
    ----------
    classifier, name
        The classifier and its family.
    images
        Slices, uint8 (n, height, width, channels).
    study
        The study of each slice, told to a classifier whose family learns from whole studies; None: each slice
        stands alone.
    """
    context: dict[str, Any] = {"study": study} if get(name).study else {}
    return np.asarray(classifier.predict_proba(images, **context)[:, 1], np.float64)


def save(classifier: Classifier, name: str, folder: Path) -> None:
    """Write a fitted classifier and its family's name into a new folder."""
    folder.mkdir(parents=True)
    classifier.save(folder)
    (folder / "family.json").write_text(json.dumps({"family": name}))


def load(folder: Path) -> Classifier:
    """Read a classifier that `save` wrote."""
    name = json.loads((folder / "family.json").read_text())["family"]
    return get(name).classifier().load(folder)
