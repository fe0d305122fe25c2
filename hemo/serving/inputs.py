"""From what a request holds to slices, and from slices to what classifiers see."""

import hashlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from mlflow.exceptions import MlflowException
from numpy.typing import NDArray

from hemo.imaging.formats import format_names
from hemo.slices.stacks import USUAL_THICKNESS, Geometry, Stack, choose, stack_codes

if TYPE_CHECKING:
    from hemo.families.base import Images
    from hemo.imaging import RawSlice, Reduction

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
    return _with_neighbours(images, slices, reduction.neighbours) if reduction.neighbours else images


def read_inputs(table: pd.DataFrame, reductions: Iterable["Reduction"]) -> list["RawSlice"]:
    """Read the images of a request, each to one slice that can be reduced in all these ways.

    Raises
    ------
    MlflowException
        INVALID_PARAMETER_VALUE, which the scoring server answers with status 400, naming the row.
    """
    if "image" not in table.columns:
        raise bad_request(f"no column 'image': send the bytes of one {format_names()} file a row")
    if not 0 < len(table) <= MAX_IMAGES:
        raise bad_request(f"{len(table)} images: send between 1 and {MAX_IMAGES}")
    studies = table["study"] if "study" in table.columns else [None] * len(table)
    asked = set(reductions)
    return [
        _read_one(row, image, study, asked)
        for row, (image, study) in enumerate(zip(table["image"], studies, strict=True))
    ]


def in_study_order(slices: Sequence["RawSlice"]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return an order of slices in which stacks are whole and sorted by position, and each one's stack.

    Stacks are those of a store (see `hemo.slices.stacks`), and stacks of one study follow each other. A slice
    that names no study is a stack of its own; slices that nothing orders keep the order they came in.

    Returns
    -------
    order : (n,)
        Rows of `slices`.
    stack : (n,)
        In that order, the stack as a number.
    """
    study = np.array([one.study or f"alone {row}" for row, one in enumerate(slices)], object)
    series = [f"{name}\0{one.series}" for name, one in zip(study, slices, strict=True)]
    unknown = (np.nan, np.nan, np.nan)
    stack = stack_codes(
        Geometry(
            series=pd.factorize(np.array(series, object))[0],
            normal=np.array([one.normal or unknown for one in slices], float).reshape(-1, 3),
            acquisition=pd.factorize(np.array([one.acquisition for one in slices], object))[0],
            position=np.array([one.position for one in slices]),
            number=np.array([one.number for one in slices], int),
            time=np.array([one.time for one in slices]),
        )
    )
    keys = [(study[row], stack[row], *_place(one), row) for row, one in enumerate(slices)]
    order = np.array(sorted(range(len(slices)), key=keys.__getitem__), np.intp)
    return order, np.asarray(pd.factorize(stack[order])[0], np.intp)


def which_answer(slices: Sequence["RawSlice"], thickness: float | None) -> list[str]:
    """Return for each slice why its stack does not answer for its study; "" where it does.

    Of a study's stacks one answers, by the rule of `hemo.slices.stacks.choose`. Pictures, which name no
    series and no orientation, answer too: whoever sends them says what they belong to.

    Parameters
    ----------
    slices
        Of any studies, in any order; their stacks are those of `in_study_order`.
    thickness
        Slice thickness in millimetres that the model learned from; routine head CT's where None.
    """
    order, stack = in_study_order(slices)
    study = np.array([slices[row].study or f"alone {row}" for row in order], object)
    described = np.array([bool(slices[row].series or slices[row].normal) for row in order], bool)
    result = [""] * len(slices)
    for name in dict.fromkeys(study.tolist()):
        here = (study == name) & described
        codes = np.unique(stack[here])
        if len(codes) < 2:
            continue
        members = [order[stack == code] for code in codes]
        found = [_as_stack([slices[row] for row in rows]) for rows in members]
        _, why = choose(found, USUAL_THICKNESS if thickness is None else thickness)
        for rows, reason in zip(members, why, strict=True):
            for row in rows:
                result[row] = reason
    return result


def _as_stack(slices: Sequence["RawSlice"]) -> Stack:
    first = slices[0]
    return Stack.of(
        np.array([one.position for one in slices]),
        np.array([one.normal[2] if one.normal else np.nan for one in slices]),
        np.array([one.thickness for one in slices]),
        np.array([one.time for one in slices]),
        first.kernel,
        first.image_type[:1] == ("DERIVED",),
        first.body_part.upper(),
    )


def _place(one: "RawSlice") -> tuple[float, ...]:
    """Return what orders a slice within its stack: position, number and time; what is unknown comes last."""
    return tuple(
        value if np.isfinite(value) else np.inf for value in (one.position, float(one.number), one.time)
    )


def bad_request(message: str) -> MlflowException:
    """Return the exception that the scoring server answers with status 400 and this message."""
    return MlflowException.invalid_parameter_value(message)


def study_word(identifier: str) -> str:
    """Return what a study is called in results: never the identifier of the file itself."""
    return f"study-{hashlib.sha256(identifier.encode()).hexdigest()[:10]}" if identifier else ""


def _read_one(row: int, image: Any, study: Any, reductions: Iterable["Reduction"]) -> "RawSlice":
    from hemo import imaging

    try:
        if isinstance(image, np.ndarray):
            slices = [_from_array(image)]
        elif isinstance(image, bytes | bytearray):
            if not image:
                raise imaging.Excluded("empty")
            slices = imaging.read(bytes(image), f"row {row}")
        elif isinstance(image, str | Path) and not os.environ.get("_MLFLOW_IS_IN_SERVING_ENVIRONMENT"):
            slices = imaging.read(Path(image))
        else:
            raise imaging.Excluded("neither bytes nor an array (over HTTP: base64)")
        for one in slices:
            for reduction in reductions:
                imaging.check_windows(one, reduction)
    except imaging.Excluded as fault:
        raise bad_request(f"row {row}: image not usable: {fault}") from None
    if len(slices) != 1:
        raise bad_request(f"row {row}: the file holds {len(slices)} slices: send one slice a row")
    given = study if isinstance(study, str) else ""
    return replace(slices[0], study=given or study_word(slices[0].study))


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


def _with_neighbours(images: "Images", slices: Sequence["RawSlice"], reach: int) -> "Images":
    """Join neighbouring slices as channels, as `hemo.slices.store` does; a slice of no study stands alone."""
    from hemo.slices.context import neighbour_rows

    order, stack = in_study_order(slices)
    around = order[neighbour_rows(stack, np.argsort(order), reach)]
    stacked = np.moveaxis(images[around], 1, 3)
    return np.ascontiguousarray(stacked).reshape(*images.shape[:3], -1)
