"""How runs end that their process did not end: it was stopped, or killed."""

from collections.abc import Iterator
from contextlib import contextmanager

from mlflow.entities import ViewType
from mlflow.tracking import MlflowClient

from hemo import liveness


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
def killed_when_stopped(open_runs: list[str]) -> Iterator[None]:
    """Let runs that are opened within end as KILLED by Ctrl-C or SIGTERM: MLflow ends them as FAILED."""
    try:
        yield
    except KeyboardInterrupt:
        for run_id in open_runs:
            MlflowClient().set_terminated(run_id, "KILLED")
        raise
