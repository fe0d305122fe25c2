"""From what a request holds to slices, and from slices to what classifiers see."""

import itertools
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
from mlflow.exceptions import MlflowException
from numpy.typing import NDArray

from hemo.imaging.formats import format_names
from hemo.serving.arrange import with_neighbours

if TYPE_CHECKING:
    from hemo.families.base import Images
    from hemo.imaging import Excluded, RawSlice, Reduction

MAX_IMAGES = 2000
"""Images of one request: more than the largest head study has slices."""


def reduced(slices: Sequence["RawSlice"], reduction: "Reduction") -> "Images":
    """Reduce slices as the store does; slices of one study are each other's neighbours where asked for.

    Returns
    -------
    ndarray
        uint8 (n, size, size, channels).
    """
    from hemo import imaging

    images = np.stack([imaging.reduce(one, reduction) for one in slices])
    return with_neighbours(images, slices, reduction.neighbours) if reduction.neighbours else images


OWN: Final = "\0"
"""Stands before a study's identifier from a file until it has a word."""


@dataclass(frozen=True)
class Unread:
    """What of a request could not be read.

    Attributes
    ----------
    reason
        Why, in one line, without a path.
    study
        The study that it is of, called as in results (see `in_words`); "" where unknown.
    """

    reason: str
    study: str = ""


def read_inputs(table: pd.DataFrame, reductions: Iterable["Reduction"]) -> "list[RawSlice | Unread]":
    """Read the images of a request, each to one slice that can be reduced in all these ways, or to why not.

    What cannot be read and names no study is taken to be of the request's study, where it has but one.

    Raises
    ------
    MlflowException
        INVALID_PARAMETER_VALUE, which the scoring server answers with status 400: where there is no column
        of images, there are too many, or none can be read, naming the first row's fault.
    """
    if "image" not in table.columns:
        raise bad_request(f"no column 'image': send the bytes of one {format_names()} file a row")
    if not 0 < len(table) <= MAX_IMAGES:
        raise bad_request(f"{len(table)} images: send between 1 and {MAX_IMAGES}")
    studies = table["study"] if "study" in table.columns else [None] * len(table)
    asked = set(reductions)
    parts = [_read_one(image, study, asked) for image, study in zip(table["image"], studies, strict=True)]
    if all(isinstance(part, Unread) for part in parts):
        none = f"none of {len(parts)} images can be used: " if len(parts) > 1 else ""
        raise bad_request(f"{none}row 0: image not usable: {parts[0].reason}")  # type: ignore[union-attr]
    return in_words(of_one_study(parts))


def of_one_study(parts: "Sequence[RawSlice | Unread]") -> "list[RawSlice | Unread]":
    """Return parts, of which those that name no study are of the others' where these have but one."""
    named = {part.study for part in parts if not isinstance(part, Unread)}
    (study,) = named if len(named) == 1 else ("",)
    return [
        replace(part, study=study) if isinstance(part, Unread) and not part.study else part for part in parts
    ]


def bad_request(message: str) -> MlflowException:
    """Return the exception that the scoring server answers with status 400 and this message."""
    return MlflowException.invalid_parameter_value(message)


def in_words(parts: "Sequence[RawSlice | Unread]") -> "list[RawSlice | Unread]":
    """Return parts with their studies called by number, `study-1` the first, but those that a caller named.

    An identifier of a file never comes back, nor anything that follows from it: a hash without a key can be
    found by whoever has a list of identifiers.
    """
    called = dict.fromkeys(part.study for part in parts if part.study)
    given = {study for study in called if not study.startswith(OWN)}
    numbers = (f"study-{number}" for number in itertools.count(1))
    free = (word for word in numbers if word not in given)
    words = {"": "", **{study: study if study in given else next(free) for study in called}}
    return [replace(part, study=words[part.study]) for part in parts]


def own_study(identifier: str) -> str:
    """Return the study that a file names itself, told apart from what a caller may call one."""
    return f"{OWN}{identifier}" if identifier else ""


def unread(fault: "Excluded", source: bytes | Path, study: str = "") -> Unread:
    """Return what could not be read of bytes or of a file, with the study that its header names."""
    from hemo.imaging.dicom import study_of

    return Unread(" ".join(str(fault).split()), study or own_study(study_of(source)))


def _read_one(image: Any, study: Any, reductions: Iterable["Reduction"]) -> "RawSlice | Unread":
    from hemo import imaging

    given = study.removeprefix(OWN) if isinstance(study, str) else ""
    source: bytes | Path = b""
    try:
        if isinstance(image, np.ndarray):
            slices = [_from_array(image)]
        elif isinstance(image, bytes | bytearray):
            source = bytes(image)
            if not source:
                raise imaging.Excluded("empty")
            slices = imaging.read(source, "slice")
        elif isinstance(image, str | Path) and not in_server():
            source = Path(image)
            slices = imaging.read(source)
        else:
            raise imaging.Excluded("neither bytes nor an array (over HTTP: base64)")
        if len(slices) != 1:
            raise imaging.Excluded(f"the file holds {len(slices)} slices: send one slice a row")
        for reduction in reductions:
            imaging.check_windows(slices[0], reduction)
    except imaging.Excluded as fault:
        return unread(fault, source, given)
    return replace(slices[0], study=given or own_study(slices[0].study))


def in_server() -> bool:
    """Tell whether MLflow serves the model over HTTP now."""
    return bool(os.environ.get("_MLFLOW_IS_IN_SERVING_ENVIRONMENT"))


def _from_array(array: NDArray[Any]) -> "RawSlice":
    from hemo import imaging
    from hemo.imaging.raster import LARGEST, SMALLEST

    gray = array.dtype == np.uint8
    if not gray and (array.dtype.kind not in "if" or not np.isfinite(array).all()):
        raise imaging.Excluded(f"is an array of {array.dtype}: give uint8 gray or finite float32 HU")
    if array.ndim != 2 or min(array.shape) < SMALLEST or max(array.shape) > LARGEST:
        sizes = f"(height, width), each of {SMALLEST} to {LARGEST}"
        raise imaging.Excluded(f"is an array of shape {array.shape}: give {sizes}")
    if gray:
        return imaging.RawSlice(np.ascontiguousarray(array), hu=False)
    if np.abs(array).max() > np.finfo(np.float32).max:
        raise imaging.Excluded(f"is an array of numbers up to {np.abs(array).max():g}: give HU")
    return imaging.RawSlice(array.astype(np.float32), hu=True)
