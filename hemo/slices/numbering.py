"""Which row of a label table each slice answers to, for tables that name a volume and a number in it.

A volume's rows and slices correspond under one numbering: InstanceNumber, the number in the files' names, or
the position from 0 or from 1. The one is taken under which they fit one to one; where none does, or two do
that differ, the volume is refused. Nothing is ever shifted or mixed.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hemo.errors import HemoError
from hemo.labels import LabelTable
from hemo.slices.arrays import matrix
from hemo.slices.files import slice_name
from hemo.slices.matching import Lookup, Records, Rows
from hemo.slices.names import normalized, without_zeros
from hemo.slices.pseudonyms import keyed_hash
from hemo.slices.records import VOLUMES

INSTANCE, FILE, FROM_0, FROM_1 = "InstanceNumber", "file number", "position from 0", "position from 1"
IN_FILE_0, IN_FILE_1 = "place in the file from 0", "place in the file from 1"

MANY = 8
"""Slices that lie in the order of their numbers by more than chance."""

NONE_FITS = "its volume's label rows fit its slices under no numbering"
SEVERAL_STACKS = "its volume's label rows fit several stacks"


@dataclass(frozen=True)
class Numbered:
    """What slices are numbered by, an array (n,) each.

    Attributes
    ----------
    stack
        A number for each stack.
    place
        Place in the stack's order, from 0.
    position
        Along the normal, or the number in its stead; NaN where unknown.
    number
        InstanceNumber, or the place in a file that holds many; 0 where unknown.
    file_number
        The number in the file's name; -1 where there is none.
    many
        Whether it is one of many slices of a file.
    """

    stack: NDArray[np.integer]
    place: NDArray[np.integer]
    position: NDArray[np.floating]
    number: NDArray[np.integer]
    file_number: NDArray[np.integer]
    many: NDArray[np.bool_]

    def at(self, rows: NDArray[np.intp]) -> "Numbered":
        """Return some slices'."""
        return Numbered(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))


@dataclass(frozen=True)
class _Way:
    """One numbering of some slices of a volume."""

    name: str
    slices: NDArray[np.intp]
    numbers: NDArray[np.int64]
    named: bool  # by header or name, not counted
    steady: bool  # whether it runs as positions do, beyond chance

    def pairs(self, wanted: set[int]) -> tuple[tuple[int, int], ...]:
        """Return slice and number of what the table has a row for."""
        both = zip(self.slices.tolist(), self.numbers.tolist(), strict=True)
        return tuple(sorted(pair for pair in both if pair[1] in wanted))


def _ways(one: Numbered, slices: NDArray[np.intp], whole: bool) -> list[_Way]:
    """Return the numberings that give each slice a number of its own."""
    if one.many.all():
        found = [(IN_FILE_1, one.number, True), (IN_FILE_0, one.number - 1, True)]
    else:
        found = [(INSTANCE, one.number, True), (FILE, one.file_number, True)]
        if whole:
            found += [(FROM_0, one.place, False), (FROM_1, one.place + 1, False)]
    result = []
    for name, numbers, named in found:
        lowest = 1 if name in (INSTANCE, IN_FILE_1) else 0
        if (numbers < lowest).any() or len(np.unique(numbers)) < len(numbers):
            continue
        order = np.argsort(one.place, kind="stable")
        steady = _steady(numbers[order], one.position[order])
        result.append(_Way(name, slices, numbers.astype(np.int64), named, steady))
    return result


def _steady(numbers: NDArray[np.integer], position: NDArray[np.floating]) -> bool:
    """Tell whether numbers rise with positions in a way that chance does not bring about."""
    steps = np.diff(numbers)
    if (steps <= 0).any():
        return False
    if np.isnan(position).any() or (position == numbers).all() or len(numbers) >= MANY:
        return True
    millimetres = np.diff(position) / steps
    return len(numbers) > 2 and bool(np.ptp(millimetres) <= 0.25 * abs(np.median(millimetres)))


def fit(
    one: Numbered, slices: NDArray[np.intp], wanted: set[int], excluded: set[int]
) -> tuple[tuple[tuple[int, int], ...], str]:
    """Return which slices of a volume answer to which numbers of its rows, or none and why.

    Where rows and slices are not as many, the numbering is taken by which all slices have a row or all rows
    a slice, if no other fits as well. Positions are not counted where files of the volume were left out.

    Parameters
    ----------
    one
        The volume's slices.
    slices
        What to call them in the result.
    wanted
        The numbers that the table has rows for.
    excluded
        Numbers in the names of files beside them that could not be used, -1 for those without.
    """
    groups = [(np.flatnonzero(one.stack == stack), not excluded) for stack in np.unique(one.stack)]
    if len(groups) > 1:
        groups.append((np.arange(len(slices)), False))
    ways = [way for rows, whole in groups for way in _ways(one.at(rows), slices[rows], whole)]
    exact, fewer_rows, more_rows = [], [], []
    for way in ways:
        own = set(way.numbers.tolist())
        if own == wanted:
            exact.append(way)
        elif own > wanted and not excluded:
            fewer_rows.append(way)
        elif own < wanted and way.named:
            more_rows.append(way)
    # Each stack has fewer slices than rows where all of them together answer to the rows.
    together = [way for way in more_rows if len(way.slices) == len(slices)]
    others = [way for found in together or more_rows for way in _with_others(found, wanted, excluded)]
    for chosen in (exact, [*fewer_rows, *others]):
        outcomes: dict[tuple[tuple[int, int], ...], _Way] = {}
        for way in chosen:
            outcomes.setdefault(way.pairs(wanted), way)
        if len(outcomes) == 1:
            return next(iter(outcomes)), ""
        if outcomes:
            first, second, *_ = outcomes.values()
            if set(first.slices.tolist()) != set(second.slices.tolist()):
                return (), SEVERAL_STACKS
            return (), f"its volume's label rows fit by {first.name} and by {second.name}, differently"
    return (), NONE_FITS


def _with_others(way: _Way, wanted: set[int], excluded: set[int]) -> list[_Way]:
    """Return a numbering of a volume that lacks slices, with those that would fit as well.

    Where a row has no slice, counting from another start or end may fit too: then nothing is known.
    """
    lacking = wanted - set(way.numbers.tolist())
    others = {}
    if not (way.name in (FILE, IN_FILE_0, IN_FILE_1) and lacking <= excluded):
        others = {"one counted from 1 more": way.numbers + 1, "one counted from 1 less": way.numbers - 1}
    if not way.steady and not way.name.startswith("place"):
        # Which positions the lacking ones had, nobody knows: what would fit by position may be anything.
        return [way, replace(way, name="position", numbers=way.numbers - way.numbers.max() - 1)]
    fitting = {name: numbers for name, numbers in others.items() if set(numbers.tolist()) <= wanted}
    return [way, *(replace(way, name=name, numbers=numbers) for name, numbers in fitting.items())]


@dataclass(frozen=True)
class Fitted:
    """What a table of volumes comes to: each slice's row, and why slices of refused volumes have none."""

    rows: Rows
    refused: dict[int, str]


def match_volumes(
    records: Records,
    excluded: Records,
    slices: NDArray[np.intp],
    facts: Numbered,
    labels: LabelTable,
    key: bytes,
) -> Fitted:
    """Return the row of the table that each slice answers to.

    Parameters
    ----------
    records, excluded
        The slices that count, and the files that could not be used.
    slices
        Which of `records`, in their order, `facts` speaks of.
    facts
        What these are numbered by.
    labels
        A table with volumes and numbers.
    key
        Of the pseudonyms.

    Raises
    ------
    HemoError
        If volumes are named as in two places (folders and PatientIDs, say), differently.
    """
    assert labels.volumes is not None
    assert labels.numbers is not None
    volumes, code = np.unique(labels.volumes.astype(str), return_inverse=True)
    rows_of = [dict[int, int]() for _ in volumes]
    for row, (volume, number) in enumerate(zip(code.tolist(), labels.numbers.tolist(), strict=True)):
        rows_of[volume][number] = row
    outcomes: list[tuple[Fitted, str]] = []
    seen: list[NDArray[np.int32]] = []
    folder = np.concatenate([np.empty(0, np.int64), *(one for one, _ in _folders(records))])[slices]
    left_out: dict[int, set[int]] = {}
    for where, numbers in _folders(excluded):
        for place, number in zip(where.tolist(), numbers.tolist(), strict=True):
            left_out.setdefault(place, set()).add(number)
    for zeros in (True, False):
        lookup = _lookup(volumes, zeros, key)
        if lookup is None:
            continue
        own = _codes(records, lookup, zeros)[slices]
        for kind, name in enumerate(VOLUMES):
            if (own[:, kind] < 0).all() or any(np.array_equal(own[:, kind], one) for one in seen):
                continue
            seen.append(own[:, kind])
            outcomes.append((_fitted(own[:, kind], facts, rows_of, folder, left_out), name))
    if not outcomes:
        return Fitted(np.full(len(slices), -1, np.int32), {})
    most = max(int((one.rows >= 0).sum()) for one, _ in outcomes)
    best = [(one, name) for one, name in outcomes if (one.rows >= 0).sum() == most]
    if most == 0:
        return max(best, key=lambda entry: len(entry[0].refused))[0]
    for one, name in best[1:]:
        if not np.array_equal(one.rows, best[0][0].rows):
            raise HemoError(
                f"its volumes are named as in {best[0][1]} and as in {name}, differently: name the images "
                "by file or SOPInstanceUID"
            )
    return best[0][0]


def _lookup(volumes: Iterable[str], zeros: bool, key: bytes) -> Lookup | None:
    """Return the table's volumes by the hashes of their names; None where two of them have the same."""
    names = [slice_name(normalized(name).rstrip("/").rpartition("/")[2]) for name in volumes]
    if not zeros:
        names = [without_zeros(name) for name in names]
    if len(set(names)) < len(names):
        return None
    hashes = np.fromiter((keyed_hash(key, name) for name in names), np.int64, len(names))
    return Lookup.of(hashes, np.arange(len(names)))


def _codes(records: Records, lookup: Lookup, zeros: bool) -> NDArray[np.int32]:
    """Return the table's volume of each slice by each kind of name, (n, kinds); -1 for none."""
    found = [np.empty((0, len(VOLUMES)), np.int32)]
    for table in records.read(["volumes"]):
        if len(table):
            names = matrix(table["volumes"])
            start = 0 if zeros else len(VOLUMES)
            names = names[:, start : start + len(VOLUMES)]
            found.append(lookup.find(names).astype(np.int32))
    return np.concatenate(found)


def _folders(records: Records) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Yield the folder of each record's file as a hash, and the number in its name."""
    for table in records.read(["folders", "file_number"]):
        if len(table):
            numbers = table["file_number"].fill_null(-1).to_numpy().astype(np.int64)
            yield matrix(table["folders"])[:, 0], numbers


def _fitted(
    code: NDArray[np.int32],
    facts: Numbered,
    rows_of: Sequence[dict[int, int]],
    folder: NDArray[np.int64],
    left_out: dict[int, set[int]],
) -> Fitted:
    rows = np.full(len(code), -1, np.int32)
    refused: dict[int, str] = {}
    order = np.argsort(code, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(code[order]) != 0][: len(code)])
    for slices in np.split(order, starts[1:]):
        volume = int(code[slices[0]])
        if volume < 0:
            continue
        wanted = rows_of[volume]
        excluded = set().union(*(left_out.get(one, ()) for one in set(folder[slices].tolist())))
        pairs, why = fit(facts.at(slices), slices, set(wanted), excluded)
        for one, number in pairs:
            rows[one] = wanted[number]
        if why:
            refused.update(dict.fromkeys(slices.tolist(), why))
    return Fitted(rows, refused)
