"""Where tasks are done: in processes of this machine, in jobs of Slurm, or by a Dask cluster's workers.

Nothing distributed is hemo's own: submitit hands tasks to Slurm, Dask's client to a scheduler that runs. What
is asked for is the same everywhere, a `concurrent.futures.Executor`. Tasks are few, long, and safe to repeat:
each makes a file or a run whose existence means done.
"""

import os
import socket
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

from hemo import executors, memory
from hemo.errors import HemoError
from hemo.version import git_commit

Task = TypeVar("Task")
Result = TypeVar("Result")

SLURM: Final = "slurm"
DASK: Final = "dask://"

WORDS: Final = f"{SLURM}, or {DASK}HOST:PORT of a scheduler that runs"
"""What names a cluster."""


@dataclass(frozen=True)
class Cluster:
    """A cluster, and how its jobs are asked for.

    Attributes
    ----------
    word
        `slurm`, or `dask://HOST:PORT`.
    folder
        Where Slurm's jobs find their tasks and write their logs: all nodes have to see it.
    directives
        What each job asks Slurm for: options of sbatch by their names (see `hemo.config.cluster.Slurm`).
    prologue
        Lines of shell before its work.
    """

    word: str
    folder: Path = Path()
    directives: Mapping[str, Any] = field(default_factory=dict)
    prologue: Sequence[str] = ()


def check_word(word: str) -> str:
    """Return a word that names a cluster.

    Raises
    ------
    HemoError
        For any other.

    Examples
    --------
    >>> check_word("dask://login1:8786")
    'dask://login1:8786'
    """
    host, _, port = word.removeprefix(DASK).rpartition(":")
    if word == SLURM or (word.startswith(DASK) and host and port.isdigit() and int(port) < 65536):
        return word
    raise HemoError(f"cluster '{word}': give {WORDS}")


def size(cluster: Cluster | None, workers: int) -> int:
    """Return how many tasks are done at a time, where `workers` are asked for.

    Raises
    ------
    HemoError
        If there is no such cluster here, or it does not answer.
    """
    if cluster is None:
        return workers
    if cluster.word == SLURM:
        from hemo.cluster.slurm_jobs import check_installed

        check_installed()
        return workers
    from hemo.cluster.dask_workers import threads

    return threads(cluster.word)


@contextmanager
def pool(
    cluster: Cluster | None, workers: int, begin: Callable[[], None] | None = None
) -> Iterator[Executor]:
    """Give what does tasks, `workers` of them at a time.

    Parameters
    ----------
    cluster
        Where; None for processes of this machine.
    workers
        Processes or jobs at a time. A Dask cluster has its own number.
    begin
        Done first in processes here (see `hemo.executors.processes`); elsewhere they start with their tasks.

    Raises
    ------
    HemoError
        If there is no such cluster here, or it does not answer.
    """
    if cluster is None:
        with executors.processes(workers, begin) as executor:
            yield executor
    elif cluster.word == SLURM:
        from hemo.cluster.slurm_jobs import slurm_jobs

        with slurm_jobs(cluster, workers) as executor:
            yield executor
    else:
        from hemo.cluster.dask_workers import dask_workers

        with dask_workers(cluster.word) as executor:
            yield executor


def run_all(
    cluster: Cluster | None,
    function: Callable[[Task], Result],
    tasks: Sequence[Task],
    workers: int,
    after: Sequence[Collection[int]] = (),
    *,
    any_code: bool = False,
) -> Iterator[tuple[Task, Result | Exception]]:
    """Apply a function to tasks where they are to be done, and yield each with its result or exception.

    Parameters
    ----------
    cluster, workers
        Where, and how many at a time (see `pool`).
    function, tasks, after
        See `hemo.executors.run_all`. On a cluster a task can be done twice, after its worker died: what it
        makes has to be a file or run that counts once.
    any_code
        Whether workers may have another commit of the code than this process.
    """
    if cluster is None:
        yield from executors.run_all(function, tasks, workers, after=after)
        return
    with pool(cluster, workers) as executor:
        there = elsewhere(function, any_code=any_code)
        yield from executors.run_all(there, tasks, workers, executor, after)


CARRIED: Final = ("MLFLOW_TRACKING_URI", memory.VARIABLE)
"""Variables of the environment that tasks need where they are done; names and passwords are each worker's."""


@dataclass(frozen=True)
class _Elsewhere(Generic[Task, Result]):
    function: Callable[[Task], Result]
    environment: Mapping[str, str]
    commit: str

    def __call__(self, task: Task) -> Result:
        if self.commit and git_commit() != self.commit:
            raise HemoError(
                f"{socket.gethostname()}: its worker runs other code ({git_commit()[:20]}, here "
                f"{self.commit[:20]}): let all use one environment and one checkout"
            )
        os.environ.update(self.environment)
        return self.function(task)


def elsewhere(function: Callable[[Task], Result], *, any_code: bool = False) -> Callable[[Task], Result]:
    """Return a function that finds on another machine what it would find on this one.

    It raises HemoError where the code there is another, but with `any_code`.
    """
    environment = {word: os.environ[word] for word in CARRIED if os.environ.get(word)}
    return _Elsewhere(function, environment, "" if any_code else git_commit())
