"""Tasks on the workers of a Dask cluster that runs already, of any kind."""

from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager

from hemo.cluster import DASK
from hemo.errors import HemoError

PATIENCE = 30
"""Seconds for which a scheduler that does not answer is waited for."""


@contextmanager
def dask_workers(word: str) -> Iterator[Executor]:
    """Give an executor of the Dask scheduler at `dask://HOST:PORT`.

    Tasks whose worker died are done again by another, three times at most (Dask's `allowed-failures`); a
    scheduler that dies takes all tasks with it, and what they made counts when they are asked for again.

    Raises
    ------
    HemoError
        If the scheduler does not answer, or has no workers.
    """
    from distributed import Client

    address = word.removeprefix(DASK)
    try:
        client = Client(f"tcp://{address}", timeout=PATIENCE, set_as_default=False)
    except (OSError, ValueError):
        raise HemoError(
            f"cluster {word}: no Dask scheduler answers: start one (`dask scheduler`), or give its address"
        ) from None
    try:
        if not client.scheduler_info()["workers"]:
            raise HemoError(
                f"cluster {word}: it has no workers: start some (`dask worker {address} --nthreads 1`)"
            )
        yield client.get_executor(pure=False)
    finally:
        client.close(timeout=5)
