"""How runs end that their process did not end: it was stopped, or killed."""

import gc
import threading
import time
import traceback
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Final

from mlflow.entities import ViewType
from mlflow.tracking import MlflowClient

from hemo import executors, liveness

ALIVE: Final = "alive"
"""Tag of a run: when its process was last there, in seconds since 1970."""

BEAT: Final = 60.0
"""Seconds between signs of life."""

SILENCE: Final = 15 * 60.0
"""Seconds without one after which a process of another machine counts as gone: machines that others keep busy
were seen to be minutes late, and their clocks differ."""


def close_orphans(experiment: str) -> list[str]:
    """End runs that still count as running although their process is gone: known of this machine's processes.

    Of another machine's, by their signs of life.
    """
    runs = MlflowClient().search_runs([experiment], "attributes.status = 'RUNNING'", ViewType.ACTIVE_ONLY)
    closed = []
    for run in runs:
        tags = run.data.tags
        alive = liveness.is_alive(f"{tags.get('host')}:{tags.get('process')}")
        if alive is False or (alive is None and _silent(tags)):
            _close(run.info.run_id, "the process died; closed at the next start")
            closed.append(run.info.run_id)
    return closed


def close_lost(experiment: str, parent: str, names: Collection[str] = ()) -> list[str]:
    """End runs below `parent` that count as running, of a worker that was lost: of these `names`, or all.

    For a parent that knows that nobody works on them: it does them again, or has ended.
    """
    below = f"tags.`mlflow.parentRunId` = '{parent}' and attributes.status = 'RUNNING'"
    closed = []
    for run in MlflowClient().search_runs([experiment], below, ViewType.ACTIVE_ONLY):
        if run.data.tags.get("stage") == "train" and (not names or run.info.run_name in names):
            _close(run.info.run_id, "its worker was lost")
            closed.append(run.info.run_id)
    return closed


def _close_stopped(run_id: str) -> None:
    """End a run of this process as KILLED, and what runs below it, or failed behind the signal."""
    experiment = MlflowClient().get_run(run_id).info.experiment_id
    below = f"tags.`mlflow.parentRunId` = '{run_id}' and attributes.status != 'FINISHED'"
    since = executors.stopped_since() or float("inf")
    for run in MlflowClient().search_runs([experiment], below, ViewType.ACTIVE_ONLY):
        failed = run.info.status == "FAILED" and (run.info.end_time or 0) / 1000 >= since
        if failed or run.info.status == "RUNNING":
            _close(run.info.run_id, "stopped as it began")
    MlflowClient().set_terminated(run_id, "KILLED")


def _close(run_id: str, reason: str) -> None:
    MlflowClient().set_tag(run_id, "ended", reason)
    MlflowClient().set_terminated(run_id, "KILLED")


def _silent(tags: Mapping[str, str]) -> bool:
    """Return whether a process gave signs of life, and gives none any more."""
    with suppress(KeyError, ValueError):
        return time.time() - float(tags[ALIVE]) > SILENCE
    return False


@contextmanager
def seen_alive(run_id: str) -> Iterator[None]:
    """Give signs of life of a run, for machines that cannot see its process."""
    over = threading.Event()

    def beat() -> None:
        while True:
            with suppress(Exception):  # what is told of a run must not end it
                MlflowClient().set_tag(run_id, ALIVE, str(int(time.time())))
            if over.wait(BEAT):
                return

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()


@contextmanager
def let_go_when_stopped() -> Iterator[None]:
    """Within a run, let go of what Ctrl-C or SIGTERM interrupted: a write that was begun holds the database.

    Raises
    ------
    KeyboardInterrupt
        Also where native code made another fault of it.
    """
    try:
        yield
    except KeyboardInterrupt as stop:
        _clear(stop)
        raise
    except Exception as fault:
        executors.raise_if_stopped(fault)
        raise


def _clear(fault: BaseException) -> None:
    """Drop what the calls hold that a signal ended: connections go back, and what they began is undone."""
    traceback.clear_frames(fault.__traceback__)
    gc.collect()


@contextmanager
def killed_when_stopped(open_runs: list[str]) -> Iterator[None]:
    """Let runs that are opened within end as KILLED by Ctrl-C or SIGTERM: MLflow ends them as FAILED.

    So do runs below them that a worker had begun and, stopped at that very moment, knew nothing of.
    """
    try:
        with let_go_when_stopped():  # also what MLflow had begun to write as it ended the run
            yield
    except KeyboardInterrupt as stop:
        for run_id in open_runs:
            try:
                _close_stopped(run_id)
            except Exception as fault:  # the database is held by what the signal interrupted
                _clear(stop)
                _clear(fault)
                _close_stopped(run_id)
        raise
