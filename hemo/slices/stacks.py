"""Stacks: the slices of one series, one orientation and one acquisition of a study.

Neighbours, studies' scores and label tables' slice numbers mean slices of one stack; two stacks never
interleave. Used for stores and for what is served, so that both see the same stacks.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

TILT: Final = 0.0175
"""Sine of the angle (1 degree) by which slices of one orientation may differ: headers round."""

USUAL_THICKNESS: Final = 5.0
"""Millimetres that a model is taken to have learned from where nothing says so: routine head CT."""

COMPLETE: Final = 0.6
"""Share of the longest stack's extent below which a stack is a part of the head only."""

HEAD: Final = ("", "HEAD", "BRAIN", "SKULL")
"""Values of BodyPartExamined that do not speak against a head, in their beginning."""

BESIDE: Final = "another stack of its study answers: "
"""How it is said why a stack does not answer for its study."""

_HARD: Final = re.compile(
    r"BONE|EDGE|LUNG|SHARP|ULTRA|INNER|IAC"  # GE, and words of all
    r"|^[A-Z]{1,2}[5-9][0-9]|^[A-Z]R[5-9][0-9]"  # Siemens: B60s, H70h, Br64, Hr59
    r"|^FC(3[0-9]|[58][0-9])"  # Canon and Toshiba
    r"|^(D|E|L|Y[A-E])$"  # Philips
)

AXIAL: Final = 0.7
"""Share of the body's axis in the normal of axial slices: within 45 degrees."""

Values = NDArray[np.floating]
"""A number a slice."""

Codes = NDArray[np.int32]
"""A number a slice: slices of one group have the same."""


@dataclass(frozen=True)
class Geometry:
    """What tells stacks apart, an array (n,) each.

    Attributes
    ----------
    series
        A number for each study and series.
    normal
        Unit normals, (n, 3); NaN where unknown.
    acquisition
        A number for each acquisition, 0 where there is but one.
    position
        Along the normal; NaN where unknown.
    number
        InstanceNumber, 0 where unknown.
    time
        Seconds of the day; NaN where unknown.
    """

    series: NDArray[np.integer]
    normal: NDArray[np.floating]
    acquisition: NDArray[np.integer]
    position: NDArray[np.floating]
    number: NDArray[np.integer]
    time: NDArray[np.floating]

    def at(self, rows: NDArray[np.intp]) -> "Geometry":
        """Return some slices'."""
        return Geometry(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))


def stack_codes(geometry: Geometry) -> Codes:
    """Return the stack of each slice as a number.

    Acquisitions of one series are stacks of their own where they go over the same part of the body again;
    those that follow each other along the body (step and shoot) make one stack. Slices at one position of
    an acquisition that have times of their own are as many passes.
    """
    order = np.argsort(geometry.series, kind="stable")
    series = geometry.series[order]
    starts = np.flatnonzero(np.r_[True, series[1:] != series[:-1]][: len(series)])
    result = np.zeros(len(series), np.int32)
    stacks = 0
    for group in np.split(order, starts[1:]) if len(order) else []:
        parts = _parts(geometry.at(group))
        result[group] = stacks + parts
        stacks += int(parts.max()) + 1
    return result


def _parts(one: Geometry) -> Codes:
    """Return the stack of each slice of one series."""
    turned = np.ptp(one.normal, axis=0).max() > TILT / 2 or np.isnan(one.normal).any()
    several = one.acquisition.min() != one.acquisition.max()
    parts = _orientations(one.normal) if turned else np.zeros(len(one.series), np.int32)
    if several:
        parts = _apart(parts, one, _chains)
    if len(np.unique(one.position)) < len(one.position) and np.isfinite(one.time).any():
        parts = _apart(parts, one, _passes)
    return parts


def _apart(parts: Codes, one: Geometry, rule: "object") -> Codes:
    """Divide each part further by a rule."""
    result = np.zeros(len(parts), np.int32)
    count = 0
    for part in np.unique(parts):
        rows = np.flatnonzero(parts == part)
        within = rule(one.at(rows))  # type: ignore[operator]
        result[rows] = count + within
        count += int(within.max()) + 1
    return result


def _orientations(normal: NDArray[np.floating]) -> Codes:
    """Return a number for each orientation, in the order in which they come; one for what is unknown."""
    result = np.full(len(normal), -1, np.int32)
    count = 0
    while (left := np.flatnonzero(result < 0)).size:
        first = normal[left[0]]
        if np.isnan(first).any():
            same = np.isnan(normal).any(axis=1)
        else:
            same = np.linalg.norm(np.cross(normal, first), axis=1) <= TILT
            same &= normal @ first > 0
        result[same & (result < 0)] = count
        count += 1
    return result


def _chains(one: Geometry) -> Codes:
    """Return a number for each run of acquisitions of which each begins where the one before has ended."""
    acquisitions, code = np.unique(one.acquisition, return_inverse=True)
    facts = []
    for number in range(len(acquisitions)):
        here = code == number
        position = one.position[here]
        if np.isnan(position).any():
            return code.astype(np.int32)
        facts.append((position.min(), int(one.number[here].min()), number, position.max()))
    ends: list[float] = []
    chain = np.zeros(len(acquisitions), np.int32)
    for low, _, number, high in sorted(facts):
        free = next((place for place, end in enumerate(ends) if end < low), len(ends))
        ends[free : free + 1] = [high]
        chain[number] = free
    return chain[code]


def _passes(one: Geometry) -> Codes:
    """Return for each slice how many slices at its position were acquired before it, where times say so."""
    result = np.zeros(len(one.series), np.int32)
    order = np.lexsort((one.time, one.position))
    position, time = one.position[order], one.time[order]
    same = position[1:] == position[:-1]
    if not same.any() or np.isnan(time[1:][same]).any() or (time[1:][same] == time[:-1][same]).any():
        return result
    places = np.arange(len(order))
    starts = np.maximum.accumulate(np.where(np.r_[False, same], 0, places))
    result[order] = places - starts
    return result


@dataclass(frozen=True)
class Stack:
    """What a stack is judged by where one of a study's is to answer.

    Attributes
    ----------
    slices
        How many.
    extent
        From its first to its last position in millimetres; 0 where unknown.
    thickness
        Of its slices in millimetres (or what lies between them); NaN where unknown.
    kernel
        The reconstruction kernel's name.
    derived, axial, body
        See `RawSlice`; whether its normal is within 45 degrees of the body's axis.
    time
        When it began; NaN where unknown.
    """

    slices: int
    extent: float
    thickness: float
    kernel: str = ""
    derived: bool = False
    axial: bool = True
    body: str = ""
    time: float = np.nan

    @classmethod
    def of(
        cls,
        position: Values,
        normal: Values,
        thickness: Values,
        time: Values,
        kernel: str,
        derived: bool,
        body: str,
    ) -> "Stack":
        """Return what a stack is judged by, from what its slices say.

        Parameters
        ----------
        position, thickness, time
            Of each slice, (n,); NaN where unknown.
        normal
            The share of the body's axis in each slice's normal, (n,); NaN where unknown.
        kernel, derived, body
            Of the first slice.
        """
        known = np.isfinite(normal).any()
        places = np.sort(position[np.isfinite(position)])
        thick = thickness[np.isfinite(thickness)]
        if len(thick) == 0 and known:
            thick = np.diff(places)
        return cls(
            slices=len(position),
            extent=float(np.ptp(places)) if known and len(places) else 0.0,
            thickness=float(np.median(thick)) if len(thick) else np.nan,
            kernel=kernel,
            derived=derived,
            axial=bool(not known or abs(np.nanmedian(normal)) > AXIAL),
            body=body,
            time=float(np.nanmin(time)) if np.isfinite(time).any() else np.nan,
        )


def is_hard(kernel: str) -> bool:
    """Tell whether a reconstruction kernel is one for bone or lung, by its name; soft where unknown.

    Examples
    --------
    >>> [is_hard(name) for name in ("H31s", "H60s", "BONEPLUS", "STANDARD", "FC21", "")]
    [False, True, True, False, False, False]
    """
    return _HARD.search(kernel.split("\\")[0].strip().upper()) is not None


def choose(stacks: Sequence[Stack], thickness: float = USUAL_THICKNESS) -> tuple[int, list[str]]:
    """Return which stack of a study answers, and why each of the others does not ("" for the chosen).

    The rule, in this order: axial, of a head, original, in a soft kernel, not a part of the head only, its
    thickness nearest to what is wanted, most slices, the earliest; of equals the first.

    Examples
    --------
    >>> thick, thin = Stack(30, 145, 5.0, "H31s"), Stack(150, 149, 1.0, "H31s")
    >>> choose([thin, thick])
    (1, ['another stack of its study answers: slices of 1 mm, not 5 mm', ''])
    """
    longest = max(one.extent for one in stacks)

    def key(one: Stack) -> tuple[float, ...]:
        far = abs(one.thickness - thickness) if np.isfinite(one.thickness) else thickness
        return (
            not one.axial,
            not one.body.startswith(HEAD[1:]) if one.body else False,
            one.derived,
            is_hard(one.kernel),
            one.extent < COMPLETE * longest,
            round(2 * far) / 2,
            -one.slices,
            one.time if np.isfinite(one.time) else np.inf,
        )

    keys = [key(one) for one in stacks]
    best = min(range(len(stacks)), key=lambda place: keys[place])
    return best, [
        "" if place == best else f"{BESIDE}{_why(one, stacks[best], keys[place], keys[best])}"
        for place, one in enumerate(stacks)
    ]


def _why(one: Stack, best: Stack, own: tuple[float, ...], chosen: tuple[float, ...]) -> str:
    """Return the first of the rule's reasons that tells two stacks apart; no text of a header is in it."""
    first = next((place for place, (a, b) in enumerate(zip(own, chosen, strict=True)) if a != b), len(own))
    return (
        "not axial",
        "not of the head",
        "made of other slices",
        "in a hard kernel",
        f"{one.extent:g} mm of {best.extent:g} mm only",
        f"slices of {one.thickness:g} mm, not {best.thickness:g} mm",
        f"{one.slices} slices, not {best.slices}",
        "acquired later",
        "equal to it",
    )[first]
