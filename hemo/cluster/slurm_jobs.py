"""Tasks as jobs of Slurm, one each, by submitit.

A job whose process died without a result is submitted again: Slurm itself starts a job again after a node's
failure or a preemption, never after a process's death. That a job ended is read off its result's file, and
asked of `squeue`, since many clusters keep no accounting that `sacct`, submitit's own way, could read.
"""

import os
import shutil
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar

from hemo import console, liveness
from hemo.cluster import Cluster
from hemo.errors import HemoError

if TYPE_CHECKING:
    import submitit

Words = ParamSpec("Words")
Result = TypeVar("Result")

ATTEMPTS: Final = 3
"""Jobs that may die with a task before the task counts as what kills them; Dask allows as many."""

LOOK: Final = 1.0
"""Seconds between looks at the files of results."""

ASK: Final = 10.0
"""Seconds between questions to Slurm, whose controller all users share."""

TIMEOUTS: Final = 100
"""How often a job may run into its time limit, and go on where it was in a new one."""

LONGEST: Final = 500
"""Letters of a refusal."""

DRIVER: Final = "driver"
"""File in a folder of jobs that names the process which submitted them."""


class LostJob(HemoError):
    """Jobs of a task ended without a result."""


@dataclass
class Work:
    """A task as submitit pickles it: what it raises is its result; at the time limit it is queued anew."""

    function: Callable[..., Any]
    words: tuple[Any, ...]

    def __call__(self) -> Any:
        """Do the task; give what comes of it, or the exception it raised."""
        try:
            return self.function(*self.words)
        except Exception as fault:  # submitit would keep its text alone
            return _Raised(fault)

    def checkpoint(self) -> "submitit.helpers.DelayedSubmission":
        """Return what is submitted at the time limit: the same task, which goes on where it was."""
        import submitit

        return submitit.helpers.DelayedSubmission(self)


@dataclass(frozen=True)
class _Raised:
    fault: Exception


@dataclass
class _Task:
    work: Work
    future: Future[Any]
    job: Any = None
    attempts: list[str] = field(default_factory=list)
    gone: int = 0


@contextmanager
def slurm_jobs(cluster: Cluster, workers: int) -> Iterator["SlurmJobs"]:
    """Give an executor whose tasks are jobs of Slurm; leaving it, jobs that are left are cancelled.

    Raises
    ------
    HemoError
        If this machine knows no Slurm, or Slurm refuses what is asked for.
    """
    check_installed()
    _cancel_left_behind(cluster.folder)
    folder = cluster.folder / liveness.this_process().replace(":", "-")
    folder.mkdir(parents=True, mode=0o700)  # tasks and results are pickles: nobody else may write there
    (folder / DRIVER).write_text(liveness.this_process())
    executor = SlurmJobs(folder, workers, cluster)
    try:
        yield executor
    finally:
        executor.shutdown(cancel_futures=True)
        executor.tidy()


def check_installed() -> None:
    """Raise HemoError where this machine submits nothing to Slurm."""
    if shutil.which("sbatch") is None or shutil.which("srun") is None:
        raise HemoError(
            "cluster slurm: no sbatch and srun on PATH: run this on a machine that submits to Slurm (a login "
            "node), or without --cluster"
        )


def _cancel_left_behind(folder: Path) -> None:
    """Cancel jobs whose submitting process on this machine was killed: nobody waits for their results."""
    for named in folder.glob(f"*/{DRIVER}"):
        if liveness.is_alive(named.read_text()) is False:
            _cancel(path.name.split("_")[0] for path in named.parent.glob("*_submitted.pkl"))
            shutil.rmtree(named.parent, ignore_errors=True)


def _cancel(jobs: Iterable[str]) -> None:
    if ids := [job for job in jobs if job.isdigit()]:
        subprocess.run(["scancel", *ids], capture_output=True, check=False)


class SlurmJobs(Executor):
    """Tasks as jobs of Slurm, of which at most `workers` are in its queue.

    Parameters
    ----------
    folder
        Of tasks, results and logs, on a file system that all nodes see.
    workers
        Most jobs at a time.
    cluster
        What each job gets.
    """

    def __init__(self, folder: Path, workers: int, cluster: Cluster) -> None:
        import submitit

        self.folder = folder
        self._workers = workers
        self._slurm = submitit.SlurmExecutor(folder, max_num_timeout=TIMEOUTS)
        asked = dict(cluster.directives)
        self._slurm.update_parameters(
            time=asked.pop("time"),  # of which submitit counts how often it is used up
            job_name=asked.pop("job-name", "hemo"),
            setup=list(cluster.prologue),
            additional_parameters=asked,
        )
        self._waiting: deque[_Task] = deque()
        self._running: list[_Task] = []
        self._lost_jobs: list[str] = []
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._watcher: threading.Thread | None = None

    def submit(
        self, function: Callable[Words, Result], /, *words: Words.args, **named: Words.kwargs
    ) -> Future[Result]:
        """Queue a task; its job is submitted when fewer than `workers` are."""
        future: Future[Result] = Future()
        with self._lock:
            self._waiting.append(_Task(Work(function, words), future))
            if self._watcher is None:
                self._watcher = threading.Thread(target=self._watch, daemon=True)
                self._watcher.start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End: with `cancel_futures` also what is queued or runs, as a result that nobody wants."""
        if cancel_futures:
            self._over.set()
        if wait and self._watcher:
            self._watcher.join()

    def tidy(self) -> None:
        """Remove tasks and results; logs of tasks that were lost stay, since they are named."""
        lost = {f"{job}_0_log.{kind}" for job in self._lost_jobs for kind in ("out", "err")}
        for path in self.folder.iterdir():
            if path.name not in lost:
                path.unlink(missing_ok=True)
        if lost:
            return
        shutil.rmtree(self.folder, ignore_errors=True)
        with suppress(OSError):  # other commands may have jobs
            self.folder.parent.rmdir()

    def _watch(self) -> None:
        since = ASK
        while not self._over.wait(LOOK):
            since += LOOK
            ask, since = (True, 0.0) if since >= ASK else (False, since)
            with self._lock:
                self._fill()
                known = _in_queue([task.job.job_id for task in self._running]) if ask else None
                if known and (waiting := _waiting(known.values())):
                    console.step(waiting)
                for task in list(self._running):
                    self._look_at(task, known)
        with self._lock:
            _cancel(task.job.job_id for task in self._running)
            for task in [*self._waiting, *self._running]:
                if not task.future.cancel():
                    task.future.set_exception(LostJob("cancelled: its result was no longer wanted"))
            self._waiting.clear()
            self._running.clear()

    def _fill(self) -> None:
        while self._waiting and len(self._running) < self._workers:
            task = self._waiting.popleft()
            if not task.attempts and not task.future.set_running_or_notify_cancel():
                continue
            try:
                task.job = self._slurm.submit(task.work)
            except Exception as fault:  # submitit raises what sbatch said, or what pickle did
                said = f"no job could be submitted (`slurm:` in the experiment file): {_all_said(fault)}"
                task.future.set_exception(HemoError(f"cluster slurm: {said}"))
                continue
            task.attempts.append(task.job.job_id)
            task.gone = 0
            self._running.append(task)

    def _look_at(self, task: _Task, known: dict[str, str] | None) -> None:
        """End a task that has a result; submit it again where its job is gone without one."""
        if task.job.paths.result_pickle.exists():
            self._running.remove(task)
            _settle(task)
            for path in (task.job.paths.stdout, task.job.paths.stderr):
                path.unlink(missing_ok=True)
        elif known is not None and task.job.job_id not in known:
            task.gone += 1  # twice, since a result's file can come to sight later than the job's end
            if task.gone == 2:
                self._running.remove(task)
                self._lost(task)

    def _lost(self, task: _Task) -> None:
        said = _last_line(task.job.paths.stderr)
        if len(task.attempts) < ATTEMPTS:
            console.err.print(
                f"job {task.job.job_id} of Slurm ended without a result{said}: submitted again", markup=False
            )
            self._waiting.appendleft(task)
            return
        self._lost_jobs += task.attempts
        task.future.set_exception(
            LostJob(
                f"its jobs {', '.join(task.attempts)} of Slurm all ended without a result{said}: see "
                f"{task.job.paths.stderr}; too little memory or time kills without a word"
            )
        )


def _settle(task: _Task) -> None:
    try:
        result = task.job.result()
    except Exception as fault:  # submitit's, with the traceback of what could not even begin
        task.future.set_exception(LostJob(_said(fault)))
        return
    if isinstance(result, _Raised):
        task.future.set_exception(result.fault)
    else:
        task.future.set_result(result)


def _in_queue(jobs: list[str]) -> dict[str, str] | None:
    """Return the jobs that Slurm still has in its queue, each with what it waits for; None: no answer now.

    One that runs waits for `None`, in Slurm's words.
    """
    if not jobs:
        return {}
    command = ["squeue", "--noheader", "--format=%A|%r", "--jobs", ",".join(jobs)]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    if found.returncode and "Invalid job id" not in found.stderr:
        return None  # its controller restarts, say: it knows its jobs when it is back
    lines = (line.strip().partition("|") for line in found.stdout.splitlines())
    return {job: reason for job, _, reason in lines}


def _waiting(reasons: Iterable[str]) -> str:
    """Return what jobs wait for in the queue, for people; "" where all run.

    >>> _waiting(["None", "Resources", "Resources"])
    "2 jobs wait in Slurm's queue (Resources)"
    """
    held = [reason for reason in reasons if reason not in ("None", "")]
    jobs = "a job waits" if len(held) == 1 else f"{len(held)} jobs wait"
    return f"{jobs} in Slurm's queue ({', '.join(sorted(set(held)))})" if held else ""


def _said(fault: Exception) -> str:
    lines = [line.strip() for line in str(fault).splitlines() if line.strip()]
    return lines[-1] if lines else type(fault).__name__


def _all_said(fault: Exception) -> str:
    """Return the lines of a refusal; its cause comes first, or last."""
    lines = [line.strip() for line in str(fault).splitlines() if line.strip()]
    return " ".join(dict.fromkeys(lines))[:LONGEST] or type(fault).__name__


def _last_line(log: Path) -> str:
    with suppress(OSError), log.open("rb") as stream:
        stream.seek(max(os.path.getsize(log) - 4096, 0))
        lines = [line.strip() for line in stream.read().decode(errors="replace").splitlines() if line.strip()]
        if lines:
            return f" ({lines[-1][:200]})"
    return ""
