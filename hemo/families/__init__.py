"""Model families: images and one label in, a fitted classifier out.

One file a family, found by its name: a module here that does not start with an underscore (and is not
`base`) defines `FAMILY`. Modules import scikit-learn and TensorFlow only inside functions. Other packages
give families by entry points of the group `hemo.families` (see `hemo.families._plugins`).

An experiment can hold a family several times, with other parameters: `logreg@saga` is the variant `saga` of
the family `logreg`.
"""

import importlib
import json
import pkgutil
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hemo.errors import HemoError
from hemo.families import _plugins
from hemo.families._architectures import weights_file
from hemo.families._checks import check_probability
from hemo.families._compiled import release
from hemo.families._epochs import begun
from hemo.families._features import EstimatorClassifier, FeatureClassifier
from hemo.families._radiology import cached_radiological_features, radiological_features
from hemo.families.base import (
    Abridges,
    Classifier,
    CountsParameters,
    Family,
    Images,
    JudgesAlone,
    JudgesStudies,
    KeepsEpochs,
    LabelTable,
    LearnsTogether,
    SharesFits,
    Slices,
    Studies,
)

__all__ = [
    "Abridges",
    "Classifier",
    "CountsParameters",
    "EstimatorClassifier",
    "Family",
    "FeatureClassifier",
    "JudgesAlone",
    "JudgesStudies",
    "KeepsEpochs",
    "LearnsTogether",
    "Scores",
    "SharesFits",
    "alone",
    "begun",
    "build",
    "built_in",
    "cached_radiological_features",
    "check_params",
    "families",
    "fit_context",
    "get",
    "load",
    "names",
    "positive",
    "provider",
    "radiological_features",
    "release",
    "save",
    "scores",
    "slice_bytes",
    "title",
    "variant",
    "weights_file",
]


@cache
def built_in() -> tuple[str, ...]:
    """Return the names of hemo's own families, without importing them.

    Examples
    --------
    >>> "logreg" in built_in(), "base" in built_in()
    (True, False)
    """
    modules = (module.name for module in pkgutil.iter_modules(__path__))
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
    return importlib.import_module(f"{__name__}.{name}").FAMILY


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


def check_params(name: str, params: Mapping[str, Any]) -> None:
    """Raise HemoError if a family is unknown, has no parameter of one of these names, or refuses a value.

    Examples
    --------
    >>> check_params("logreg", {"C": 0.1})
    >>> check_params("logreg", {"C": -1})
    Traceback (most recent call last):
        ...
    hemo.errors.HemoError: parameter C: '-1' is not above 0: give a positive number
    """
    family = get(name)
    unknown = sorted(set(params) - set(family.defaults))
    if unknown:
        raise HemoError(
            f"family '{name}' has no parameter {', '.join(unknown)}: "
            f"it has {', '.join(sorted(family.defaults))}"
        )
    family.build({**family.defaults, **params}, 0)


def build(name: str, params: Mapping[str, Any] | None = None, seed: int = 0) -> Classifier:
    """Return an unfitted classifier of a family: its defaults, overridden by `params`.

    Examples
    --------
    >>> build("sequence", {"C": 1.0}).params
    {'C': 1.0, 'class_weight': 'none', 'max_iter': 2000}
    """
    check_params(name, params or {})
    family = get(name)
    return family.build({**family.defaults, **(params or {})}, seed)


def fit_context(
    name: str,
    study: Studies | None,
    labels: LabelTable | None,
    validation_study: Studies | None = None,
    study_truth: LabelTable | None = None,
    validation_study_truth: LabelTable | None = None,
) -> dict[str, Any]:
    """Return what `fit` of a family is told of slices, beside images and truth: what it asks for.

    `validation_study` is for families that stop early on slices of whole studies; the truths of studies, by
    rising study (see `hemo.slices.context.study_truth`), for those that learn from them.

    Examples
    --------
    >>> study = np.array([0, 0, 1])
    >>> fit_context("logreg", study, None)
    {}
    >>> fit_context("sequence", study, None)
    {'study': array([0, 0, 1])}
    """
    family = get(name)
    facts: dict[str, Any] = {}
    if family.study:
        facts["study"] = study
    if family.study and family.neural:
        facts["validation_study"] = validation_study
    if family.study_labels:
        facts |= {"study_truth": study_truth, "validation_study_truth": validation_study_truth}
    if family.labels:
        facts["labels"] = labels
    return facts


def slice_bytes(name: str, params: Mapping[str, Any], shape: tuple[int, ...]) -> int:
    """Return the bytes that learning takes for each slice, by a family with full parameters.

    Where a family does not say: of what takes arrays, four times the slice.

    Examples
    --------
    >>> slice_bytes("cnn", get("cnn").defaults, (128, 128, 1))
    0
    """
    said = get(name).slice_bytes
    return 4 * int(np.prod(shape)) if said is None else said(params, shape)


def positive(
    classifier: Classifier, name: str, images: Slices, study: Studies | None = None
) -> NDArray[np.float64]:
    """Return the probability of class 1 of slices, float64 (n,), by a fitted classifier of a family.

    Parameters
    ----------
    classifier, name
        The classifier and its family.
    images
        Slices, uint8 (n, height, width, channels); what is no array is read whole studies at a time.
    study
        The study of each slice, told to a classifier whose family learns from whole studies; None: each slice
        stands alone.
    """
    asks = get(name).study

    def judged(some: Images, of: Studies | None) -> NDArray[np.float64]:
        context: dict[str, Any] = {"study": of} if asks else {}
        return check_probability(classifier.predict_proba(some, **context)[:, 1], name)

    if isinstance(images, np.ndarray):
        return judged(images, study)
    return np.concatenate([judged(*part) for part in _in_parts(images, study)])


def alone(classifier: Classifier, name: str, images: Images) -> NDArray[np.float64] | None:
    """Return the probability of class 1 of slices of which nothing around is known, float64 (n,).

    None where the classifier judges a slice only together with those around it.
    """
    if not get(name).study:
        return positive(classifier, name, images)
    probability = classifier.predict_alone(images) if isinstance(classifier, JudgesAlone) else None
    return None if probability is None else check_probability(probability[:, 1], name)


AT_ONCE: Final = 2048
"""Slices, or one study that has more, that are read and judged at a time."""


def _in_parts(images: Slices, study: Studies | None) -> Iterator[tuple[Images, Studies | None]]:
    """Yield slices with their studies, in order, whole studies at a time."""
    from hemo.slices.context import whole_stacks

    if not len(images):  # of none, what a classifier says of none
        yield images[:0], study
    for rows in whole_stacks(np.arange(len(images)) if study is None else study, AT_ONCE):
        yield images[rows], None if study is None else study[rows]


class Scores(NamedTuple):
    """What a fitted classifier gives for slices.

    Attributes
    ----------
    probability
        Of class 1, float64 (n,), before calibration.
    attention
        Each slice's share in the judgement of its study, float64 (n,), which sums to 1 in each; None of
        classifiers that judge slices only. Where the network looked, not where blood is.
    """

    probability: NDArray[np.float64]
    attention: NDArray[np.float64] | None = None


def scores(classifier: Classifier, name: str, images: Slices, study: Studies | None = None) -> Scores:
    """Return what `positive` does, and the attention of classifiers that judge whole studies."""
    if study is not None and isinstance(classifier, JudgesStudies):
        parts = [(images, study)] if isinstance(images, np.ndarray) else _in_parts(images, study)
        each = [classifier.judge(some, of) for some, of in parts if of is not None]
        probability, attention = (np.concatenate(values) for values in zip(*each, strict=True))
        return Scores(check_probability(probability, name), attention)
    return Scores(positive(classifier, name, images, study))


def save(classifier: Classifier, name: str, folder: Path) -> None:
    """Write a fitted classifier, its family's name and the package that gives it into a new folder."""
    folder.mkdir(parents=True)
    classifier.save(folder)
    package = provider(name)
    facts = {"family": name, "package": package} if package else {"family": name}
    (folder / "family.json").write_text(json.dumps(facts))


def load(folder: Path) -> Classifier:
    """Read a classifier that `save` wrote.

    Raises
    ------
    HemoError
        If another package gives its family, and is not installed.
    """
    facts = json.loads((folder / "family.json").read_text())
    name, package = facts["family"], facts.get("package")
    if package and name not in names():
        raise HemoError(f"{folder}: its family '{name}' is not installed: pip install {package}")
    return get(name).load(folder)
