"""How runs end that their process did not end: it was stopped, or killed."""

import gc
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from mlflow.entities import ViewType
from mlflow.tracking import MlflowClient

from hemo import executors, liveness


def close_orphans(experiment: str) -> list[str]:
    """End runs that still count as running although their process on this machine is gone."""
    runs = MlflowClient().search_runs([experiment], "attributes.status = 'RUNNING'", ViewType.ACTIVE_ONLY)
    closed = []
    for run in runs:
        tags = run.data.tags
        if liveness.is_alive(f"{tags.get('host')}:{tags.get('process')}") is False:
            MlflowClient().set_tag(run.info.run_id, "ended", "the process died; closed at the next start")
            MlflowClient().set_terminated(run.info.run_id, "KILLED")
            closed.append(run.info.run_id)
    return closed


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


def _clear(stop: KeyboardInterrupt) -> None:
    """Drop what the calls hold that a signal ended: connections go back, and what they began is undone."""
    traceback.clear_frames(stop.__traceback__)
    gc.collect()


@contextmanager
def killed_when_stopped(open_runs: list[str]) -> Iterator[None]:
    """Let runs that are opened within end as KILLED by Ctrl-C or SIGTERM: MLflow ends them as FAILED."""
    try:
        yield
    except KeyboardInterrupt:
        for run_id in open_runs:
            MlflowClient().set_terminated(run_id, "KILLED")
        raise
