"""Write shards: one writer each, complete or absent."""

import gc
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import IO, Any, Final

import numpy as np
import pyarrow.parquet as pq
import xxhash
from numpy.typing import NDArray

from hemo import digests
from hemo.imaging.raw import Excluded, Part, RawSlice, check_length
from hemo.imaging.reader import read_parts
from hemo.imaging.reduction import Reduction, reduce
from hemo.slices.records import RECORD, UNOPENED, Identity, Row, records
from hemo.slices.sources import Packed, Source, state_of
from hemo.whole import NO_FILE

RECORDS: Final = 1024
"""Slices whose records are made and written at a time."""

IMAGES: Final = "hemo.images"
"""Where a record's metadata has the digest of its shard's images, taken when they were written."""

LOCK: Final = ".lock"
"""File by which a folder of a store is locked."""

BUILD: Final = ".build"
"""File among the shards that names the build which writes them."""

BUFFER: Final = 1 << 20
"""Bytes of images written at a time."""


@dataclass(frozen=True)
class ShardTask:
    """What one worker makes into one shard; `build` names the build that it is of."""

    number: int
    folder: Path
    sources: tuple[Source, ...] | Packed
    reduction: Reduction
    key: bytes
    build: str = ""


def shard_path(folder: Path, number: int) -> Path:
    """Return where a shard's images lie; its record has the same name and the suffix `.parquet`."""
    return folder / f"{number:05d}.npy"


def npy_header(count: int, shape: tuple[int, ...]) -> bytes:
    """Return the header of a .npy file of uint8; its length does not depend on the count."""
    stream = BytesIO()
    facts = {"descr": "|u1", "fortran_order": False, "shape": (count, *shape)}
    np.lib.format.write_array_header_1_0(stream, facts)
    return stream.getvalue()


def durable(stream: IO[Any]) -> None:
    """Flush a file down to the disk."""
    stream.flush()
    os.fsync(stream.fileno())


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries (renames) down to the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _file(path: str) -> tuple[bytes, os.stat_result]:
    """Return a file's bytes and what the system says of it, with the fewest calls to it."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a pipe that nobody fills opens at once
    try:
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode):
            raise Excluded(NO_FILE)
        check_length(facts.st_size)
        content = os.read(descriptor, facts.st_size)
        while 0 < len(content) < facts.st_size and (
            more := os.read(descriptor, facts.st_size - len(content))
        ):
            content += more
    finally:
        os.close(descriptor)
    return content, facts


def _contents(source: Source) -> tuple[list[bytes] | Excluded, bytes]:
    """Return the bytes of a source's files, or why there are none, and the source's state."""
    paths = source.paths
    try:
        files = [_file(path) for path in paths]
    except OSError as error:
        unknown = state_of(
            paths, [None] * len(paths)
        )  # no file is in that state: it is tried again next time
        return Excluded(f"{UNOPENED} ({error.strerror})"), unknown
    except Excluded as excluded:
        return excluded, source.state()
    return [content for content, _ in files], state_of(paths, [facts for _, facts in files])


def _read(source: Source, contents: list[bytes], reduction: Reduction) -> list[Part]:
    """Return the parts of a source; several windows become channels."""
    if len(contents) == 1:
        return read_parts(contents[0], source.slice_name, reduction)
    planes = []
    for content, channel in zip(contents, source.channels, strict=True):
        parts = read_parts(content, source.slice_name, reduction)
        if len(parts) != 1 or not isinstance(parts[0], RawSlice) or parts[0].hu:
            raise Excluded(f"its {channel} image is no gray picture")
        planes.append(parts[0].pixels)
    if len({plane.shape for plane in planes}) > 1:
        raise Excluded(f"its {' and '.join(source.channels)} images differ in size")
    stacked = RawSlice(np.dstack(planes), hu=False, slice_id=source.slice_name, channels=source.channels)
    return [stacked]


def _rows(task: ShardTask) -> Iterator[tuple[Row, NDArray[np.uint8] | None]]:
    """Yield each slice of a task, with its image unless it is excluded."""
    for source in task.sources:
        contents, state = _contents(source)
        try:
            if isinstance(contents, Excluded):
                raise contents
            if source.is_mask():
                raise Excluded("a segmentation mask beside its picture")
            parts = _read(source, contents, task.reduction)
        except Excluded as excluded:
            yield Row(source, state, reason=str(excluded)), None
            continue
        digest = xxhash.xxh3_128_hexdigest(contents[0] if len(contents) == 1 else b"".join(contents))
        for part in parts:
            try:
                if isinstance(part, Excluded):
                    raise part
                image = reduce(part, task.reduction)
            except Excluded as excluded:
                which = part.slice_id if len(parts) > 1 else ""
                yield Row(source, state, part=which, reason=str(excluded)), None
                continue
            yield Row(source, state, Identity.of(part), digest, xxhash.xxh3_128_hexdigest(image.data)), image


def keep_memory() -> None:
    """Let the C library keep freed memory for the next slice, where it is glibc.

    Freeing one large block raises its thresholds (mallopt(3), M_MMAP_THRESHOLD); else every slice's arrays
    are mapped, zeroed and unmapped again, which takes as long as decoding.
    """
    np.empty(31 << 20, np.uint8)  # freed at once


@contextmanager
def _old_objects_aside() -> Iterator[None]:
    """Keep Python from searching all that was there before for garbage, again and again: a twentieth."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


@_old_objects_aside()
def write_shard(task: ShardTask) -> None:
    """Decode a task's sources into a shard.

    Images go to a temporary file as they come, so that memory does not grow with the shard. The record is
    renamed into place before the images: a shard that exists is complete.
    """
    import cv2

    cv2.setNumThreads(1)
    keep_memory()
    final = shard_path(task.folder, task.number)
    record_path = final.with_suffix(".parquet")
    partial, partial_record = (p.with_name(f"{p.name}.{os.getpid()}.tmp") for p in (final, record_path))
    shape = (task.reduction.size, task.reduction.size, len(task.reduction.windows))
    with partial.open("wb", buffering=BUFFER) as stream, partial_record.open("wb") as record_stream:
        stream.write(npy_header(0, shape))
        count = 0
        rows: list[Row] = []
        # Most columns are hashes: dictionaries and statistics of them cost more than they save.
        options = {"use_dictionary": False, "write_statistics": False}
        with pq.ParquetWriter(record_stream, RECORD, **options) as writer:
            for row, image in _rows(task):
                if image is not None:
                    stream.write(image.data)
                    row.row = count
                    count += 1
                rows.append(row)
                if len(rows) == RECORDS:
                    writer.write_batch(records(rows, task.key))
                    rows.clear()
            writer.write_batch(records(rows, task.key))
            stream.seek(0)
            stream.write(npy_header(count, shape))
            durable(stream)
            writer.add_key_value_metadata({IMAGES: digests.to_text({final.name: digests.of_file(partial)})})
        durable(record_stream)
    os.replace(partial_record, record_path)
    os.replace(partial, final)
    sync_folder(task.folder)
