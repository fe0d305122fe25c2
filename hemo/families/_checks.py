"""What every classifier demands of its input, refused in one line before any work is done."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.errors import HemoError
from hemo.families.base import Slices, Truth


def check_images(images: Slices, shape: tuple[int, ...] | None = None) -> None:
    """Refuse anything but uint8 (n, height, width, channels), and slices of another shape than `shape`."""
    if images.dtype != np.uint8:
        raise HemoError(
            f"images: expected dtype uint8, got {images.dtype}: give slices as the store holds them"
        )
    if len(images.shape) != 4:
        raise HemoError(
            f"images: expected shape (n, height, width, channels), got {images.shape}: add the axis"
        )
    if shape is not None and images.shape[1:] != tuple(shape):
        raise HemoError(
            f"images: expected slices of shape {tuple(shape)} as in training, got {images.shape[1:]}: "
            "reduce them as the training slices were"
        )


def check_truth(y: Truth, n: int, least: int = 2) -> NDArray[np.int8]:
    """Return the truth as int8; refuse another length than `n`, and other values than 0 and 1.

    Fewer classes than `least` are refused too: learning takes two, early stopping does with one.
    """
    array = np.asarray(y)
    if array.shape != (n,):
        raise HemoError(f"truth: expected shape ({n},), got {array.shape}: give one value a slice")
    classes = np.unique(array)
    if not np.isin(classes, (0, 1)).all():
        raise HemoError(
            f"truth: expected only 0 and 1, got {classes.tolist()[:5]}: leave unlabelled slices out"
        )
    if len(classes) < least:
        only = f"all {n} are {classes[0]}" if n else "there are none"
        raise HemoError(f"truth: two classes are needed, but {only}: add slices of the other class")
    return array.astype(np.int8)


def check_truths(y: Truth, n: int, least: int = 2) -> NDArray[np.int8]:
    """Return the truth of several labels, (n, labels), as int8; refuse a label that has too few classes.

    -1 stands where a label is not known.
    """
    array = np.asarray(y)
    if len(array) != n or not array.size:
        raise HemoError(f"truth: expected shape ({n}, labels), got {array.shape}: give one row a slice")
    if not np.isin(array, (-1, 0, 1)).all():
        raise HemoError("truth: expected only 0, 1, and -1 where a label is not known")
    for number, column in enumerate(array.T):
        if len(np.unique(column[column >= 0])) < least:
            raise HemoError(f"truth: label {number} has one class only: add slices of the other")
    return array.astype(np.int8)


def check_choices(params: Mapping[str, Any], choices: Mapping[str, Sequence[Any]]) -> None:
    """Refuse a parameter whose value is not among its choices."""
    for name, allowed in choices.items():
        if params[name] not in allowed:
            words = ", ".join(map(str, allowed))
            raise HemoError(f"parameter {name}: '{params[name]}' is unknown: choose one of {words}")


def check_counts(params: Mapping[str, Any], names: Sequence[str]) -> None:
    """Refuse a parameter that is not a whole number from 0."""
    for name in names:
        if type(params[name]) is not int or params[name] < 0:
            raise HemoError(f"parameter {name}: '{params[name]}': give a whole number, 0 for none")


def check_positive(params: Mapping[str, Any], names: Sequence[str]) -> None:
    """Refuse a parameter that is not a number above zero."""
    for name in names:
        value = params[name]
        if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
            raise HemoError(f"parameter {name}: '{value}' is not above 0: give a positive number")


def check_range(params: Mapping[str, Any], most: Mapping[str, float]) -> None:
    """Refuse a parameter that is no number from 0 to its most."""
    for name, limit in most.items():
        value = params[name]
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= limit:
            asked = f" to {limit:g}" if np.isfinite(limit) else " or more"
            raise HemoError(f"parameter {name}: '{value}' is out of range: give 0{asked}")


def check_probability(probability: NDArray[np.floating], name: str) -> NDArray[np.float64]:
    """Return a family's probabilities as float64; refuse what is none, as a fit that diverged gives."""
    found = np.asarray(probability, np.float64)
    wrong = ~((found >= 0) & (found <= 1))
    if wrong.any():
        raise HemoError(
            f"{name}: {wrong.sum()} of {found.size} probabilities are none, as {found[wrong][0]}: its fit "
            "diverged: give other parameters, as a smaller learning rate, or take another family"
        )
    return found
