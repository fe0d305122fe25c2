"""Run independent tasks in this process or in several: one that fails takes no other with it."""

import multiprocessing
import multiprocessing.connection
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager, nullcontext, suppress
from functools import partial
from graphlib import TopologicalSorter
from queue import Empty, SimpleQueue
from types import ModuleType
from typing import Any, TypeVar

from hemo.errors import HemoError


class Terminated(KeyboardInterrupt):
    """SIGTERM came: as Slurm, systemd and `kill` end a process."""


_stop: KeyboardInterrupt | None = None
"""The signal that came to this process, which what it interrupted may have taken for something else."""

_since = 0.0
"""When it came, in seconds since 1970."""

_again: threading.Timer | None = None
"""What sends a signal again that Python has lost."""

Task = TypeVar("Task")
Result = TypeVar("Result")

THREAD_WORDS = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OPENCV_FOR_THREADS_NUM", "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
)  # fmt: skip
"""What NumPy's, OpenCV's and TensorFlow's libraries read at import to size their thread pools."""


def run_all(
    function: Callable[[Task], Result],
    tasks: Sequence[Task],
    workers: int,
    pool: Executor | None = None,
    after: Sequence[Collection[int]] = (),
) -> Iterator[tuple[Task, Result | Exception]]:
    """Apply a function to tasks and yield each with its result, or with the exception it raised.

    Parameters
    ----------
    function : callable
        Defined at the top of a module that is not the main program, so that another process can import it.
    tasks : sequence
        What it is applied to; must survive pickling where `workers` is above 1.
    workers : int
        Processes. With one, tasks run here and in order; with more, as they finish.
    pool : Executor, optional
        What does them, whatever their number: from `processes`, started earlier, or a cluster.
    after : sequence, optional
        For each task the numbers of earlier ones that have to end, well or not, before it begins.

    Examples
    --------
    >>> [(task, result) for task, result in run_all(abs, [-1, 2], workers=1)]
    [(-1, 1), (2, 2)]
    """
    if pool is None and (workers == 1 or len(tasks) < 2):
        for task in tasks:
            try:
                yield task, function(task)
            except Exception as fault:  # one failure stops no other task: the caller has it to judge
                raise_if_stopped(fault)
                yield task, fault
        return
    with nullcontext(pool) if pool else processes(min(workers, len(tasks))) as pool:
        for number, future in _done_in_turn(pool, partial(_work, function), tasks, after):
            if future.cancelled():  # by none of ours: what was to do it is gone
                yield tasks[number], HemoError("what was to do it is gone: the same command goes on")
                continue
            failure = future.exception()
            if failure is None:
                yield tasks[number], future.result()
            elif isinstance(failure, Exception):
                yield tasks[number], failure
            else:
                raise failure


def _done_in_turn(
    pool: Executor,
    function: Callable[[Task], Result],
    tasks: Sequence[Task],
    after: Sequence[Collection[int]],
) -> Iterator[tuple[int, Future[Result]]]:
    """Give the numbers of tasks as they end, each with its future; begin those that waited for them first.

    A signal that comes just before this thread sleeps on a lock, or to another thread, does not wake it; its
    handler would run when a task ends, which can be an hour. So this one looks up twice a second.
    """
    waits = TopologicalSorter(dict(enumerate(after or [()] * len(tasks))))
    waits.prepare()
    ended: SimpleQueue[Future[Result]] = SimpleQueue()
    running: dict[Future[Result], int] = {}
    try:
        while waits.is_active():
            with _main_left_out():
                for number in sorted(waits.get_ready()):
                    future = pool.submit(function, tasks[number])
                    running[future] = number
                    future.add_done_callback(ended.put)
            with suppress(Empty):
                future = ended.get(timeout=0.5)
                number = running.pop(future)
                waits.done(number)
                yield number, future
    finally:  # by Ctrl-C, or since nobody asks for more: what is queued is not started
        for future in running:
            future.cancel()


@contextmanager
def processes(workers: int, begin: Callable[[], None] | None = None) -> Iterator[ProcessPoolExecutor]:
    """Give processes for `run_all`, which share the cores.

    They start with the first tasks; or now, with `begin`, so that they have imported its module (what their
    tasks need) when this process knows the tasks.
    """
    context = multiprocessing.get_context("spawn")  # TensorFlow does not survive a fork
    with surroundings(workers):
        pool = ProcessPoolExecutor(workers, context, initializer=_prepare)
        try:
            if begin:
                with _main_left_out():
                    for _ in range(workers):
                        pool.submit(begin)
            yield pool
        finally:  # as a `with` would not, which takes back that queued tasks are cancelled
            pool.shutdown(cancel_futures=True)


def _prepare() -> None:
    end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # at Ctrl-C, one that waits ends without a traceback


def _work(function: Callable[[Task], Result], task: Task) -> Result:
    """Do a task; after Ctrl-C the worker ends, since it holds further tasks that nobody can take back."""
    if (
        threading.current_thread() is not threading.main_thread()
    ):  # of a Dask worker, which hears signals itself
        return function(task)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with terminable():
            return function(task)
    except KeyboardInterrupt:
        os._exit(1)
    finally:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextmanager
def terminable() -> Iterator[None]:
    """Let SIGTERM end what is done here as Ctrl-C does: with `finally`, and all processes below with it.

    A terminal sends Ctrl-C to the whole group; SIGTERM comes to one process, which hands it on. Python loses
    what is raised while it takes an object down, and so a signal that comes then: it is sent again. Where
    native code makes a fault of its own of a signal, what ends this is the signal.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # no other thread may set it
        return
    before, hook = signal.signal(signal.SIGTERM, _terminate), sys.unraisablehook
    if listens := signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupt)

    def lost(fault: "sys.UnraisableHookArgs") -> None:
        if not issubclass(fault.exc_type, KeyboardInterrupt):
            if _stop is None:  # what a signal left half done complains as it is taken down
                hook(fault)
            return
        number = signal.SIGTERM if issubclass(fault.exc_type, Terminated) else signal.SIGINT
        # Not at once: what is raised here is lost as well.
        global _again
        _again = threading.Timer(0.05, signal.pthread_kill, (threading.main_thread().ident, number))
        _again.daemon = True
        _again.start()

    sys.unraisablehook = lost
    try:
        yield
    except Exception as fault:
        raise_if_stopped(fault)
        raise
    finally:
        sys.unraisablehook = hook
        signal.signal(signal.SIGTERM, before)
        if listens:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        _note(None)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Let what is done here be done before Ctrl-C or SIGTERM, which came meanwhile, ends anything."""
    came: list[int] = []
    before: dict[int, Any] = {}
    main = threading.current_thread() is threading.main_thread()  # no other hears signals
    try:
        for number in (signal.SIGINT, signal.SIGTERM) if main else ():
            before[number] = signal.signal(number, lambda number, _: came.append(number))
        yield
    finally:
        for replaced, handler in before.items():
            signal.signal(replaced, handler)
        for heard in came:
            signal.raise_signal(heard)


def _note(stop: KeyboardInterrupt | None) -> None:
    global _stop, _since
    _stop, _since = stop, time.time()


def stopped_since() -> float | None:
    """Return when the signal came that ends this process, in seconds since 1970; None where none came."""
    return None if _stop is None else _since


def raise_if_stopped(fault: Exception) -> None:
    """Raise the `KeyboardInterrupt` of a signal that came, where native code made another fault of it.

    TensorFlow does, while it traces a network: what was to be stopped would go on to the next training.
    """
    if _stop is not None:
        if _again is not None:  # what is closed now must not be interrupted by it
            _again.cancel()
        raise _stop from fault


def _interrupt(*_: object) -> None:
    _note(KeyboardInterrupt())
    raise KeyboardInterrupt


def _terminate(*_: object) -> None:
    import psutil

    _note(Terminated())
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            child.send_signal(signal.SIGINT)
    raise Terminated


def end_with_parent() -> None:
    """End this worker when its parent is gone, even killed: nobody else would read what it makes."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        sentinel = parent.sentinel

        def watch() -> None:
            multiprocessing.connection.wait([sentinel])
            os._exit(1)

        # A main thread that sleeps is not woken where the system gives a signal to another that takes it.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
        threading.Thread(target=watch, daemon=True).start()
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _main_left_out() -> Iterator[None]:
    """Let processes started now do without the main program, which they would import first otherwise.

    They need nothing of it, and what it imports can take longer than their work. A script that lacks the
    `if __name__ == "__main__"` would start its own workers in each of them, and fail.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


@contextmanager
def surroundings(workers: int) -> Iterator[None]:
    """Let processes started now use their share of the cores, and have temporary files where this one has."""
    share = str(max(1, len(os.sched_getaffinity(0)) // workers) if hasattr(os, "sched_getaffinity") else 1)
    new = {**dict.fromkeys(THREAD_WORDS, share), "TMPDIR": tempfile.gettempdir()}
    before = {word: os.environ.get(word) for word in new}
    os.environ.update(new)
    try:
        yield
    finally:
        for word, value in before.items():
            if value is None:
                del os.environ[word]
            else:
                os.environ[word] = value
