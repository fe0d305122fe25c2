"""Tasks on the workers of a Dask cluster that runs already, of any kind."""

import logging
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import TYPE_CHECKING

from hemo import console
from hemo.cluster import DASK
from hemo.errors import HemoError

if TYPE_CHECKING:
    from distributed import Client

ANSWERS = 15
"""Seconds for which a scheduler is waited for."""

PATIENCE = 60
"""Seconds for which a first worker is waited for: clusters are slow to start."""


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
    with _client(word) as client:
        yield client.get_executor(pure=False)


def threads(word: str) -> int:
    """Return how many tasks the workers of a Dask cluster do at a time.

    Raises
    ------
    HemoError
        As `dask_workers` does.
    """
    with _client(word) as client:
        return sum(client.nthreads().values())


@contextmanager
def _client(word: str) -> Iterator["Client"]:
    """Give a client of a scheduler that has workers.

    Raises
    ------
    HemoError
        If the scheduler does not answer, or has no workers.
    """
    from distributed import Client

    logging.getLogger("distributed.client").setLevel(logging.CRITICAL)  # tracebacks, where a scheduler goes
    address = word.removeprefix(DASK)
    console.step(f"asking the Dask scheduler at {address}")
    try:
        client = Client(f"tcp://{address}", timeout=ANSWERS, set_as_default=False)
    except (OSError, ValueError):
        raise HemoError(
            f"cluster {word}: no Dask scheduler answers: start one (`dask scheduler`), or give its address"
        ) from None
    try:
        console.step(f"waiting for a first worker of the Dask scheduler at {address}")
        try:
            client.wait_for_workers(1, timeout=PATIENCE)
        except TimeoutError:
            raise HemoError(
                f"cluster {word}: it has no workers: start some (`dask worker {address} --nthreads 1`)"
            ) from None
        yield client
    finally:
        client.close(timeout=5)
