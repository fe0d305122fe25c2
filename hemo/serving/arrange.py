"""From the slices of a request to the stacks that they make, and which of a study's answers for it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hemo.slices.stacks import BESIDE, USUAL_THICKNESS, Geometry, Stack, choose, is_hard, stack_codes

if TYPE_CHECKING:
    from hemo.imaging import RawSlice


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


def which_answer(slices: Sequence["RawSlice"], thickness: float | None) -> tuple[list[str], list[str]]:
    """Return of each slice why its stack does not answer for its study, and which stack does.

    Of a study's stacks one answers, by the rule of `hemo.slices.stacks.choose`. Pictures, which name no
    series and no orientation, answer too: whoever sends them says what they belong to.

    Parameters
    ----------
    slices
        Of any studies, in any order; their stacks are those of `in_study_order`.
    thickness
        Slice thickness in millimetres that the model learned from; routine head CT's where None.

    Returns
    -------
    why_not : list of str
        "" where the slice's stack answers.
    read : list of str
        In words, what of its study was read and why, the same for all slices of a study.
    """
    order, stack = in_study_order(slices)
    study = np.array([slices[row].study or f"alone {row}" for row in order], object)
    described = np.array([bool(slices[row].series or slices[row].normal) for row in order], bool)
    why_not, read = [""] * len(slices), [""] * len(slices)
    for name in dict.fromkeys(study.tolist()):
        here = study == name
        members = [order[here & (stack == code)] for code in np.unique(stack[here & described])]
        found = [_as_stack([slices[row] for row in rows]) for rows in members]
        said = []
        if found:
            best, why = choose(found, USUAL_THICKNESS if thickness is None else thickness)
            thick = np.array([slices[row].thickness for row in members[best]], float)
            said.append(_said(found[best], thick, [reason for reason in why if reason]))
            for rows, reason in zip(members, why, strict=True):
                for row in rows:
                    why_not[row] = reason
        if pictures := np.count_nonzero(here & ~described):
            said.append(f"{pictures} slice{'s' if pictures > 1 else ''} from files that name no stack")
        for row in order[here]:
            read[row] = "; ".join(said)
    return why_not, read


def _said(chosen: Stack, thickness: NDArray[np.float64], why_others: Sequence[str]) -> str:
    """Return in words which stack answers, and why not the others.

    Parameters
    ----------
    chosen, thickness
        The stack, and the thickness of each of its slices in millimetres; NaN where unknown.
    why_others
        Why each of the others does not answer.

    Examples
    --------
    >>> why = ["another stack of its study answers: slices of 1 mm, not 5 mm"]
    >>> _said(Stack(30, 145.0, 5.0, "H31s"), np.full(30, 5.0), why)
    '30 slices of 5 mm, in a soft kernel; the best of 2 stacks (the others: slices of 1 mm, not 5 mm)'
    """
    words = f"{chosen.slices} slice{'s' if chosen.slices > 1 else ''}"
    low, high = (one(thickness, initial=chosen.thickness) for one in (np.fmin.reduce, np.fmax.reduce))
    if np.isfinite(low):
        words += f" of {low:g} mm" if low == high else f" of {low:g} to {high:g} mm"
    if chosen.kernel.strip():  # its name is a text of the header, which may hold anything
        words += f", in a {'hard' if is_hard(chosen.kernel) else 'soft'} kernel"
    if not why_others:
        return f"{words}; its only stack"
    reasons = dict.fromkeys(reason.removeprefix(BESIDE) for reason in why_others)
    return f"{words}; the best of {len(why_others) + 1} stacks (the others: {'; '.join(reasons)})"


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


def with_neighbours(images: NDArray[Any], slices: Sequence["RawSlice"], reach: int) -> NDArray[Any]:
    """Join neighbouring slices as channels, as `hemo.slices.store` does; a slice of no study stands alone."""
    from hemo.slices.context import neighbour_rows

    order, stack = in_study_order(slices)
    around = order[neighbour_rows(stack, np.argsort(order), reach)]
    stacked = np.moveaxis(images[around], 1, 3)
    return np.ascontiguousarray(stacked).reshape(*images.shape[:3], -1)
