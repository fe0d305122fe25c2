"""Processes that write shards in parallel, and end when nobody wants their work any more.

Apart from `preprocess`, so that a worker imports nothing but what decoding needs.
"""

import fcntl
import os
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path

from hemo import cluster
from hemo.cluster import Cluster
from hemo.errors import HemoError
from hemo.executors import run_all
from hemo.slices.shards import BUILD, LOCK, ShardTask, write_shard


@contextmanager
def locked(folder: Path, kind: int) -> Iterator[None]:
    """Hold a lock on a folder, by a file in it; it ends with the process, whatever ends that.

    A file, since file systems that several machines share lock nothing that is not open for writing.

    Raises
    ------
    BlockingIOError
        If `kind` says not to wait, and another process holds the lock.
    """
    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(descriptor, kind)
        yield
    finally:
        os.close(descriptor)


def begin_build(shards: Path) -> str:
    """Name the build that writes shards from now on, and return the name: workers of an earlier one end.

    Under the lock of `shards`, which those hold as they write.
    """
    name = uuid.uuid4().hex
    (shards / BUILD).write_text(name)
    return name


def _is_current(task: ShardTask) -> bool:
    with suppress(FileNotFoundError):
        return (task.folder / BUILD).read_text() == task.build
    return False


def _work(task: ShardTask) -> None:
    """Write a shard as a worker: never one that a later build may be writing too."""
    with locked(task.folder, fcntl.LOCK_SH):
        if not _is_current(task):
            raise HemoError(f"{task.folder}: the build that this shard was of has ended")
        write_shard(task)


def _begin() -> None:
    """Do nothing, in a worker that had to import this module for it."""


def started(workers: int, place: Cluster | None = None) -> AbstractContextManager[Executor | None]:
    """Start what `write_shards` will use before it is known what it will write; one process needs none."""
    return nullcontext() if workers == 1 and place is None else cluster.pool(place, workers, _begin)


def write_shards(tasks: Sequence[ShardTask], workers: int, pool: Executor | None) -> Iterator[None]:
    """Write all shards in processes that have `started`, and yield once for each file done."""
    try:
        for task, failure in run_all(_work, tasks, workers, pool):
            if isinstance(failure, Exception):
                raise failure
            yield from (None for _ in range(len(task.sources)))
    except BrokenProcessPool as error:
        raise HemoError(
            "a worker process died (out of memory?): run the same command again with fewer --workers; "
            "finished shards are kept"
        ) from error
    except OSError as error:
        raise HemoError(
            f"{error.filename or 'store'}: cannot be written ({error.strerror}): free the disk or check "
            "permissions, then run the same command again; finished shards are kept"
        ) from error
