"""Model families: images and one label in, a fitted classifier out.

One file a family, found by its name: a module here that does not start with an underscore (and is not
`base`) defines `FAMILY`. Modules import scikit-learn and TensorFlow only inside functions. Other packages
give families by entry points of the group `hemo.families` (see `hemo.families._plugins`).

An experiment can hold a family several times, with other parameters: `logreg@saga` is the variant `saga` of
the family `logreg`.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hemo.errors import HemoError
from hemo.families._architectures import weights_file
from hemo.families._compiled import release
from hemo.families._epochs import begun
from hemo.families._features import EstimatorClassifier, FeatureClassifier
from hemo.families._judging import Scores, alone, positive, scores
from hemo.families._published import WeightsPlace, weights_places
from hemo.families._radiology import cached_radiological_features, radiological_features
from hemo.families._registry import built_in, families, get, names, provider, title, variant, word_of
from hemo.families.base import (
    Abridges,
    Classifier,
    CountsParameters,
    Family,
    JudgesAlone,
    JudgesStudies,
    KeepsEpochs,
    KeepsFeatures,
    LabelTable,
    LearnsTogether,
    SharesFits,
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
    "KeepsFeatures",
    "LearnsTogether",
    "Scores",
    "SharesFits",
    "WeightsPlace",
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
    "weights_places",
    "word_of",
]


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
