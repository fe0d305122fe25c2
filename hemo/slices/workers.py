"""Processes that write shards in parallel, and end when nobody wants their work any more.

Apart from `preprocess`, so that a worker imports nothing but what decoding needs.
"""

import fcntl
import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

from hemo.errors import HemoError
from hemo.executors import processes, run_all
from hemo.slices.shards import ShardTask, write_shard


@contextmanager
def locked(folder: Path, kind: int) -> Iterator[None]:
    """Hold a lock on a folder; it ends with the process, whatever ends that.

    Raises
    ------
    BlockingIOError
        If `kind` says not to wait, and another process holds the lock.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, kind)
        yield
    finally:
        os.close(descriptor)


def _orphaned() -> bool:
    parent = multiprocessing.parent_process()
    return parent is not None and os.getppid() != parent.pid


def _work(task: ShardTask) -> None:
    """Write a shard as a worker: never one that a later build may be writing too."""
    with locked(task.folder, fcntl.LOCK_SH):
        if _orphaned():
            os._exit(1)
        write_shard(task)


def _begin() -> None:
    """Do nothing, in a worker that had to import this module for it."""


def started(workers: int) -> AbstractContextManager[ProcessPoolExecutor | None]:
    """Start the processes of `write_shards` before it is known what they will write; one needs none."""
    return nullcontext() if workers == 1 else processes(workers, _begin)


def write_shards(
    tasks: Sequence[ShardTask], workers: int, pool: ProcessPoolExecutor | None
) -> Iterator[None]:
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
