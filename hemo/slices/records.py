"""What is kept of each slice beside its image, and of each excluded file: the record of a shard."""

import math
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

import pyarrow as pa

from hemo.slices.arrays import array
from hemo.slices.groups import groups_of
from hemo.slices.names import bare, normalized, plain, readable, without_zeros
from hemo.slices.pseudonyms import keyed_hash, pseudonym
from hemo.slices.sources import WINDOW_FOLDERS, Source

if TYPE_CHECKING:
    from hemo.imaging.raw import Origin, RawSlice

RECORD: Final = pa.schema(
    [
        ("source", pa.int64()),  # keyed hash of the files and their state
        ("path", pa.int64()),  # keyed hash of the files' paths
        ("folders", pa.list_(pa.int64())),  # keyed hashes of all folders above, absolute
        ("slice_id", pa.string()),
        ("names", pa.list_(pa.int64())),  # keyed hashes of what an image is called (see `NAMES`)
        ("tails", pa.list_(pa.int64())),  # of the folders above by their last parts (see `tails`)
        ("volumes", pa.list_(pa.int64())),  # of what its volume is called (see `VOLUMES`)
        ("patient", pa.string()),  # pseudonyms
        ("study", pa.string()),
        ("study_uid", pa.int64()),  # keyed hash of the StudyInstanceUID, 0 where there is none
        ("known", pa.bool_()),  # whether the source names its patient
        ("series", pa.int64()),  # keyed hash of the series, or of the folder
        ("acquisition", pa.int64()),  # keyed hash, 0 where there is but one
        ("normal_x", pa.float64()),
        ("normal_y", pa.float64()),
        ("normal_z", pa.float64()),
        ("time", pa.float64()),  # seconds of the day
        ("position", pa.float64()),
        ("number", pa.int32()),  # InstanceNumber, or the number in a file that holds many
        (
            "file_number",
            pa.int32(),
        ),  # the number in the file's name that counts slices, -1 where there is none
        ("many", pa.bool_()),  # whether it is one of many slices of a file
        ("thickness", pa.float64()),
        ("kernel", pa.string()),
        ("derived", pa.bool_()),
        ("body", pa.string()),
        ("groups", pa.string()),  # a line each (see `groups_of`); records of before they were kept lack it
        ("notes", pa.string()),  # a line each
        ("digest", pa.string()),  # of the source's bytes
        ("image", pa.string()),  # of the reduced image
        ("row", pa.int32()),  # in the shard, -1 where excluded
        ("file", pa.string()),  # of the excluded only
        ("reason", pa.string()),
    ]
)

UNOPENED: Final = "cannot be opened"
"""How the reason of a file begins that the system did not give out: it is tried again by every build."""

NAMES: Final = ("uid", "slice", "file", "stem")
"""What an image may be called: SOPInstanceUID, name of the slice, of its file, and that without suffix.

Their hashes come twice: of the names as they are, then of the names without the zeros before numbers.
"""

VOLUMES: Final = ("file", "folder", "second folder", "third folder", "fourth folder", "top folder",
                  "PatientID", "StudyInstanceUID", "SeriesInstanceUID")  # fmt: skip
"""What a table of volumes or studies may call a slice's; 0 for what there is not.

Their hashes come three times: of the names as they are, without zeros as those of `NAMES`, and bare (see
`names.bare`). Records written before tables of studies could be read lack the last.
"""

DEPTH: Final = 4
"""How many of the folders above a file may be a part of what a table calls it."""


def _without(name: str, identifiers: Sequence[str], replacement: str) -> str:
    """Return a name in which a patient's and study's identifiers are replaced where they stand alone."""
    for identifier in sorted({i for i in identifiers if i and i in name}, key=len, reverse=True):
        name = re.sub(rf"(?<![A-Za-z0-9]){re.escape(identifier)}(?![A-Za-z0-9])", replacement, name)
    return name


class Identity(NamedTuple):
    """What a slice says of itself (see `RawSlice`)."""

    slice_id: str
    patient: str
    study: str
    position: float
    uid: str
    number: int
    series: str = ""
    acquisition: str = ""
    normal: tuple[float, float, float] | None = None
    time: float = math.nan
    thickness: float = math.nan
    kernel: str = ""
    image_type: tuple[str, ...] = ()
    body_part: str = ""
    origin: "Origin | None" = None
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, raw: "RawSlice") -> Self:
        """Return what a slice says of itself, without its pixels."""
        return cls(*_facts_of(raw))


_facts_of = attrgetter(*Identity._fields)


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
    source, raw = row.source, row.identity or NOTHING
    one = raw.slice_id in ("", source.slice_name)
    state = keyed_hash(key, row.state.hex())
    place = (path_hash(key, source), above(key, source.folder))
    number = source.number if one else raw.number
    if row.part.rpartition("_")[2].isdecimal():
        number = int(row.part.rpartition("_")[2])
    volumes = _volumes(source, raw, key)
    if row.identity is None:
        name = readable(source.name) + source.file[len(source.slice_name) :]
        file = f"{name} {row.part}" if row.part else name
        said = {
            "source": state, "path": place[0], "folders": place[1], "volumes": volumes, "number": 0,
            "file_number": -1 if number is None else number, "row": row.row, "file": file,
            "reason": row.reason,
        }  # fmt: skip
        return tuple(said.get(column) for column in RECORD.names)
    volume = source.volume
    nameless = not (raw.patient or source.patient)
    # A volume of NIfTI knows no patient but its own name: the folder's comes first.
    patient = (source.patient if volume else "") or raw.patient or source.patient
    patient = patient or raw.study or readable(source.name)
    study = "" if volume and source.patient else raw.study
    study = study or readable(os.path.dirname(source.name))
    series = raw.series or (readable(source.name) if not one else f"{raw.study}\0{readable(source.below)}")
    if volume and not raw.series:
        series = readable(source.name)
    code, study_code = _pseudonyms(key, patient, study)
    name = source.name if one else f"{source.name}/{raw.number}"
    counted = raw.number or number
    known = raw.position == raw.position
    normal = raw.normal or (None, None, None)
    return (
        state,
        *place,
        _without(readable(name), [raw.patient, source.patient, raw.study, raw.series, raw.uid], code),
        _names(source, raw, one, key),
        tails(key, source),
        volumes,
        code,
        study_code,
        folder_hash(key, raw.study) if raw.study and not volume else 0,
        not nameless,
        folder_hash(key, series),
        folder_hash(key, raw.acquisition) if raw.acquisition else 0,
        *normal,
        raw.time if raw.time == raw.time else None,
        raw.position if known else None if counted is None else float(counted),
        raw.number,
        -1 if number is None else number,
        not one,
        raw.thickness if raw.thickness == raw.thickness else None,
        raw.kernel,
        raw.image_type[:1] == ("DERIVED",),
        raw.body_part.upper(),
        groups_of(key, raw.origin, raw.kernel, raw.thickness),
        "\n".join(raw.notes),
        row.digest,
        row.image,
        row.row,
        None,
        None,
    )


NOTHING: Final = Identity("", "", "", math.nan, "", 0)
"""What a file that is excluded says of itself."""


@lru_cache(maxsize=1024)  # a study's slices come one after another
def _pseudonyms(key: bytes, patient: str, study: str) -> tuple[str, str]:
    """Return the pseudonyms of a patient and of a study of theirs."""
    known = plain(patient)
    return pseudonym(key, "patient", known), pseudonym(key, "study", f"{known}\0{study}")


def _twice(key: bytes, name: str) -> tuple[int, int]:
    """Return the hashes of a name in its one spelling, and of it without zeros; 0 of no name."""
    name = normalized(name)
    if not name:
        return 0, 0
    without = without_zeros(name)
    own = keyed_hash(key, name)
    return own, own if without == name else keyed_hash(key, without)


folder_hash = lru_cache(maxsize=4096)(keyed_hash)
"""`keyed_hash` of what many slices share, one coming after another."""

_shared = lru_cache(maxsize=4096)(_twice)


def _names(source: Source, raw: Identity, one: bool, key: bytes) -> list[int]:
    """Return the hashes of `NAMES`, as they are and without zeros."""
    stem = _shared(key, source.slice_name) if one else (0, 0)
    file = _twice(key, source.file) if one else (0, 0)
    named = stem if raw.slice_id == source.slice_name else _twice(key, raw.slice_id)
    uid = 0 if (raw.number and not one) or not raw.uid else keyed_hash(key, raw.uid)
    return [uid, named[0], file[0], stem[0], uid, named[1], file[1], stem[1]]


@lru_cache(maxsize=256)
def _shared_volumes(
    key: bytes, folder: str, below: str, *identifiers: str
) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Return the hashes of `VOLUMES` but the file's: as they are, without zeros, and bare."""
    parts = [part for part in folder.split(os.sep) if part and part not in WINDOW_FOLDERS][::-1]
    parts = [*[*parts, "", "", "", ""][:DEPTH], below.split(os.sep)[0], *identifiers]
    own, without = zip(*(_twice(key, part) for part in parts), strict=True)
    return own, without, tuple(_bare(key, part) for part in parts)


def _bare(key: bytes, name: str) -> int:
    """Return the hash of a name without what often differs; 0 of no name."""
    shortest = bare(name)
    return keyed_hash(key, shortest) if shortest else 0


def _volumes(source: Source, raw: Identity, key: bytes) -> list[int]:
    """Return the hashes of `VOLUMES`: as they are, without zeros, and bare."""
    folders = _shared_volumes(key, source.folder, source.below, raw.patient, raw.study, raw.series)
    own, without, shortest = folders
    file = _shared(key, source.slice_name)
    alone = _bare(key, source.slice_name) if source.volume else 0  # other files are slices, not studies
    return [file[0], *own, file[1], *without, alone, *shortest]


@lru_cache(maxsize=64)
def _tails(key: bytes, folder: str) -> tuple[int, ...]:
    """Return hashes of the last one to `DEPTH` parts of a folder's path, then of them without zeros."""
    parts = normalized(folder).strip("/").split("/")
    ends = ["/".join(parts[-count:]) if count <= len(parts) else "" for count in range(1, DEPTH + 1)]
    own, without = zip(*(_twice(key, end) for end in ends), strict=True)
    return (*own, *without)


def tails(key: bytes, source: Source) -> list[int]:
    """Return the hashes of a source's folder by its last parts, without and with the windows' folders."""
    folders = [source.folder, *(os.path.join(source.folder, window) for window in source.channels)]
    return [value for folder in folders for value in _tails(key, folder)]


def path_hash(key: bytes, source: Source) -> int:
    """Return the hash of where a source's files lie, whatever their state."""
    return keyed_hash(key, "\0".join(source.paths))


@lru_cache(maxsize=64)
def above(key: bytes, folder: str) -> tuple[int, ...]:
    """Return hashes of a folder and of all above it, by their absolute paths."""
    folders = [folder]
    while (parent := os.path.dirname(folders[-1])) != folders[-1]:
        folders.append(parent)
    return tuple(keyed_hash(key, one) for one in folders)


def records(rows: Sequence[Row], key: bytes) -> pa.RecordBatch:
    """Return the records of some slices and excluded files."""
    made = [_record(row, key) for row in rows]
    columns = zip(*made, strict=True) if made else [()] * len(RECORD)
    arrays = [array(column, field.type) for column, field in zip(columns, RECORD, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=RECORD)
