"""What is kept of each slice beside its image, and of each excluded file: the record of a shard."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from hemo.labels import plain
from hemo.slices.pseudonyms import keyed_hash, pseudonym
from hemo.slices.sources import Source

RECORD: Final = pa.schema(
    [
        ("source", pa.int64()),  # keyed hash of the files and their state
        ("slice_id", pa.string()),
        ("names", pa.list_(pa.int64())),  # keyed hashes of what a label table may call it
        ("patient", pa.string()),  # pseudonyms
        ("study", pa.string()),
        ("known", pa.bool_()),  # whether the source names its patient
        ("position", pa.float64()),
        ("digest", pa.string()),  # of the source's bytes
        ("image", pa.string()),  # of the reduced image
        ("row", pa.int32()),  # in the shard, -1 where excluded
        ("file", pa.string()),  # of the excluded only
        ("reason", pa.string()),
    ]
)


def _without(name: str, identifiers: Sequence[str], replacement: str) -> str:
    """Return a name in which a patient's and study's identifiers are replaced where they stand alone."""
    for identifier in sorted({i for i in identifiers if i and i in name}, key=len, reverse=True):
        name = re.sub(rf"(?<![A-Za-z0-9]){re.escape(identifier)}(?![A-Za-z0-9])", replacement, name)
    return name


def _number(name: str) -> int:
    digits = re.search(r"(\d+)$", name)
    return int(digits[1][-9:]) if digits else 0


class Identity(NamedTuple):
    """What a slice says of itself (see `RawSlice`)."""

    slice_id: str
    patient: str
    study: str
    position: float
    uid: str
    number: int


@dataclass(slots=True)
class Row:
    """What reading gave for one slice, or for a file that is excluded; its record is made later.

    Records are made many at a time: Python's code for them, run between one slice's pixels and the next's,
    takes twice as long, since the pixels drive it out of the processor's caches.
    """

    source: Source
    state: bytes
    identity: Identity | None = None
    digest: str = ""
    image: str = ""
    row: int = -1
    part: str = ""  # of the excluded: which slice of a file that holds several
    reason: str = ""  # a text, since an exception holds on to all that was read


def _record(row: Row, key: bytes) -> tuple[Any, ...]:
    """Return what is kept of a slice or of an excluded file, in the order of `RECORD`."""
    state = keyed_hash(key, row.state.hex())
    if row.identity is not None:
        named = _named(row.source, row.identity, key)
        return (state, *named, row.digest, row.image, row.row, None, None)
    source = row.source
    file = source.name + source.file[len(source.slice_name) :]
    file = f"{file} {row.part}" if row.part else file
    return (state, *[None] * 8, row.row, file, row.reason)


def _array(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    """Return an Arrow array of one of the types of `RECORD`, None being null.

    Made of buffers, since `pa.array` imports pandas, which takes as long as a worker's whole start.
    """
    given = np.array([value is not None for value in values], bool)
    valid = None if given.all() else _bits(given)
    if pa.types.is_list(kind):
        lists = [value or [] for value in values]
        items = _array([item for value in lists for item in value], kind.value_type)
        return pa.Array.from_buffers(kind, len(values), [valid, _ends(lists)], children=[items])
    if pa.types.is_string(kind):
        texts = [(value or "").encode() for value in values]
        buffers = [valid, _ends(texts), pa.py_buffer(b"".join(texts))]
    elif pa.types.is_boolean(kind):
        buffers = [valid, _bits(np.array(values, bool))]
    else:
        numbers = np.array([value or 0 for value in values], str(kind))
        buffers = [valid, pa.py_buffer(numbers)]
    return pa.Array.from_buffers(kind, len(values), buffers)


def _bits(values: NDArray[np.bool_]) -> pa.Buffer:
    return pa.py_buffer(np.packbits(values, bitorder="little"))


def _ends(values: Sequence[Sequence[Any]]) -> pa.Buffer:
    """Return where each of some values ends that lie one behind another, after a 0 for the first's start."""
    return pa.py_buffer(np.cumsum([0, *map(len, values)], dtype=np.int32))


def records(rows: Sequence[Row], key: bytes) -> pa.RecordBatch:
    """Return the records of some slices and excluded files."""
    made = [_record(row, key) for row in rows]
    columns = zip(*made, strict=True) if made else [()] * len(RECORD)
    arrays = [_array(column, field.type) for column, field in zip(columns, RECORD, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=RECORD)


def _named(source: Source, raw: Identity, key: bytes) -> tuple[Any, ...]:
    """Return whose slice it is and where it lies, from `slice_id` to `position` of `RECORD`.

    Pseudonyms stand in the place of identifiers.
    """
    known = bool(raw.patient or source.patient)
    patient = raw.patient or source.patient or raw.study or source.name
    study = raw.study or os.path.dirname(source.name)
    number = raw.number or _number(raw.slice_id)
    patient_code = pseudonym(key, "patient", plain(patient))
    one = raw.slice_id == source.slice_name
    name = source.name if one else f"{source.name}/{raw.number}"
    return (
        _without(name, [raw.patient, source.patient, raw.study, raw.uid], patient_code),
        [keyed_hash(key, text) for text in source.names(raw.slice_id, raw.uid, raw.number)],
        patient_code,
        pseudonym(key, "study", f"{plain(patient)}\0{study}"),
        known,
        raw.position if raw.position == raw.position else float(number) if number else None,
    )
