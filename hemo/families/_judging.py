"""What fitted classifiers say of slices: probabilities, checked, whole studies at a time."""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hemo.families._checks import check_probability
from hemo.families._registry import get
from hemo.families.base import Classifier, Images, JudgesAlone, JudgesStudies, Slices, Studies

AT_ONCE: Final = 2048
"""Slices, or one study that has more, that are read and judged at a time."""


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


def alone(classifier: Classifier, name: str, images: Slices) -> NDArray[np.float64] | None:
    """Return the probability of class 1 of slices of which nothing around is known, float64 (n,).

    None where the classifier judges a slice only together with those around it.
    """
    if not get(name).study:
        return positive(classifier, name, images)
    if not isinstance(classifier, JudgesAlone):
        return None
    parts = [images] if isinstance(images, np.ndarray) else [some for some, _ in _in_parts(images, None)]
    found = [classifier.predict_alone(some) for some in parts]
    known = [check_probability(one[:, 1], name) for one in found if one is not None]
    return np.concatenate(known) if len(known) == len(found) else None


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
