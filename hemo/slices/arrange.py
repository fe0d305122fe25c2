"""From records to stacks in order: what a slice's header says of its place, put together over a store."""

from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hemo.slices.names import natural
from hemo.slices.ordering import IMAGE
from hemo.slices.stacks import USUAL_THICKNESS, Geometry, Stack, choose, stack_codes

NORMAL = ["normal_x", "normal_y", "normal_z"]

GEOMETRY = ["series", *NORMAL, "acquisition", "position", "number", "time"]
"""Columns that stacks are told apart by."""


def one_patient_a_study(frame: pd.DataFrame) -> None:
    """Make the slices of one StudyInstanceUID those of one patient and study, whatever their folders say."""
    uid = frame["study_uid"].to_numpy()
    if not uid.any():
        return
    order = np.argsort(uid, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(uid[order]) != 0])
    joined: dict[str, str] = {}

    def first(name: str) -> str:
        while name in joined:
            name = joined[name]
        return name

    patient = frame["patient"].to_numpy(object)
    study = frame["study"].to_numpy(object)
    several = False
    for rows in np.split(order, starts[1:]):
        if uid[rows[0]] == 0 or (patient[rows] == patient[rows[0]]).all():
            continue
        several = True
        names = sorted({first(name) for name in patient[rows]})
        joined.update(dict.fromkeys(names[1:], names[0]))
        study[rows] = min(study[rows])
    if several:
        frame["patient"] = [first(name) for name in patient]
        frame["study"] = study


def stacks_of(frame: pd.DataFrame) -> NDArray[np.int32]:
    """Return the stack of each slice as a number."""
    study = pd.factorize(frame["study"])[0]
    series = pd.factorize(frame["series"])[0]
    geometry = Geometry(
        series=pd.factorize(study.astype(np.int64) * (int(series.max(initial=0)) + 1) + series)[0],
        normal=frame[NORMAL].to_numpy(),
        acquisition=frame["acquisition"].to_numpy(),
        position=frame["position"].to_numpy(),
        number=frame["number"].to_numpy(),
        time=frame["time"].to_numpy(),
    )
    return stack_codes(geometry)


def in_order(frame: pd.DataFrame) -> tuple[NDArray[np.intp], int]:
    """Return the slices in the order of their stacks, and how many lie at the position of another.

    Within a stack by position, then InstanceNumber, then time, then the natural order of names.
    """
    keys = [frame[name].to_numpy() for name in ("time", "number", "position", "stack")]
    order = np.lexsort(keys)
    same = np.ones(max(len(order) - 1, 0), bool)
    for key in keys:
        ahead, behind = key[order[:-1]], key[order[1:]]
        same &= (ahead == behind) | ((ahead != ahead) & (behind != behind))
    if same.any():
        order = _by_name(frame, order, same)
    position, stack = (frame[name].to_numpy()[order] for name in ("position", "stack"))
    equal = (position[1:] == position[:-1]) & (stack[1:] == stack[:-1])
    return order, int((np.r_[False, equal] | np.r_[equal, False]).sum()) if len(equal) else 0


def _by_name(frame: pd.DataFrame, order: NDArray[np.intp], same: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Put runs of slices that nothing tells apart into the natural order of their names."""
    names = frame["slice_id"].to_numpy(object)
    run = np.cumsum(np.r_[True, ~same])
    tied = np.flatnonzero(np.r_[False, same] | np.r_[same, False])
    keys = [(run[place], natural(names[order[place]])) for place in tied]
    result = order.copy()
    result[tied] = order[tied[sorted(range(len(tied)), key=keys.__getitem__)]]
    return result


def places_in(stack: NDArray[np.integer], order: NDArray[np.intp]) -> NDArray[np.int32]:
    """Return the place of each slice in its stack, from 0."""
    sorted_stack = stack[order]
    starts = np.flatnonzero(np.r_[True, sorted_stack[1:] != sorted_stack[:-1]][: len(order)])
    lengths = np.diff(np.r_[starts, len(order)])
    result = np.empty(len(order), np.int32)
    result[order] = np.arange(len(order)) - np.repeat(starts, lengths)
    return result


ONCE_MORE: Final = "the same slice once more"
"""Why a slice is left out."""


def once_more(frame: pd.DataFrame) -> NDArray[np.intp]:
    """Return the rows of slices that are another of their study once more.

    They have its image and number, and its bytes or its position: compressed otherwise, or in a copy of its
    series. An image that lies at several positions of a study, as that of nothing but air, tells no copies.
    """
    study = pd.factorize(frame["study"])[0]
    keys = [*(frame[name].to_numpy() for name in IMAGE[::-1]), study]
    order = np.lexsort(keys)
    same = np.ones(max(len(order) - 1, 0), bool)
    for key in keys:
        same &= key[order[:-1]] == key[order[1:]]
    found = np.flatnonzero(same)
    if not len(found):
        return np.empty(0, np.intp)
    columns = ("slice_id", "digest", "number", "position")
    names, digest, number, position = (frame[name].to_numpy() for name in columns)
    out: list[int] = []
    for run in np.split(found, np.flatnonzero(np.diff(found) > 1) + 1):
        rows = order[run[0] : run[-1] + 2]
        one_place = bool((position[rows] == position[rows[0]]).all())
        kept = set()
        for row in sorted(rows.tolist(), key=lambda row: natural(str(names[row]))):
            known = (number[row], None if one_place else digest[row])
            if known in kept:
                out.append(row)
            kept.add(known)
    return np.array(sorted(out), np.intp)


def which_answer(frame: pd.DataFrame, thickness: float | None) -> dict[int, str]:
    """Return, for each stack of a study that another one answers for, why."""
    reasons: dict[int, str] = {}
    stacks = frame.groupby(["study", "stack"], sort=False).ngroup().to_numpy()
    if len(np.unique(stacks)) == frame["study"].nunique():
        return reasons
    for _, study in frame.groupby("study", sort=False):
        codes = study["stack"].unique()
        if len(codes) < 2:
            continue
        found = [as_stack(study[study["stack"] == code]) for code in codes]
        _, why = choose(found, USUAL_THICKNESS if thickness is None else thickness)
        reasons.update({int(code): reason for code, reason in zip(codes, why, strict=True) if reason})
    return reasons


def as_stack(slices: pd.DataFrame) -> Stack:
    """Return what a stack is judged by."""
    first = slices.iloc[0]
    return Stack.of(
        slices["position"].to_numpy(),
        slices["normal_z"].to_numpy(),
        slices["thickness"].to_numpy(),
        slices["time"].to_numpy(),
        str(first["kernel"] or ""),
        bool(first["derived"]),
        str(first["body"] or ""),
    )
