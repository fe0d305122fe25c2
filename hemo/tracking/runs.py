"""Runs in MLflow: where they are kept, how they nest, how they are found again.

With nothing set, MLflow's own defaults hold: `mlflow.db` and `mlruns/` in the current folder.
"""

import logging
import os
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from pathlib import Path

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")

import mlflow
from mlflow.entities import Experiment, LifecycleStage
from mlflow.entities import Run as MlflowRun
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from hemo.errors import HemoError
from hemo.tracking import faults, tables, views
from hemo.tracking.alone import alone, database
from hemo.tracking.endings import close_orphans, killed_when_stopped, let_go_when_stopped, seen_alive
from hemo.tracking.reachable import is_shared
from hemo.tracking.records import Run
from hemo.tracking.tags import process_tags

logging.getLogger("mlflow").setLevel(logging.ERROR)
logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)  # what it logs it raises too
# After Ctrl-C in the middle of a query: what it was closing is closed.
logging.getLogger("sqlalchemy.pool").setLevel(logging.CRITICAL)
logging.getLogger("alembic").setLevel(logging.ERROR)
warnings.filterwarnings("ignore", category=UserWarning, module="mlflow.*")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")  # results go there

# Processor, memory, disk and network of runs that ask for it: once a minute, so that SQLite is left in peace.
os.environ.setdefault("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "10")
os.environ.setdefault("MLFLOW_SYSTEM_METRICS_SAMPLES_BEFORE_LOGGING", "6")

DEFAULT_EXPERIMENT = "0"


def client() -> MlflowClient:
    """Return a client of the tracking store in use."""
    return MlflowClient()


def experiment_id(name: str) -> str:
    """Return the id of an experiment, made where it does not exist.

    Called once in the parent process, before any worker, and by one process at a time: those that open a
    fresh SQLite store together die in its schema migration.
    """
    with alone():
        if file := database():
            tables.make(file)
        launched = _launched_run()
        if launched and launched.info.experiment_id != DEFAULT_EXPERIMENT:
            found = launched.info.experiment_id  # `mlflow run --experiment-name` said where
        else:
            experiment = _by_name(name)
            found = experiment.experiment_id if experiment else mlflow.create_experiment(name)
        views.prepare(str(found))
    return str(found)


@contextmanager
def root_run(experiment: str, name: str, tags: Mapping[str, str]) -> Iterator[str]:
    """Open the run that a command's other runs hang below, and yield its id.

    Inside `mlflow run` this is the run that it made, renamed; but where that one was put into MLflow's
    default experiment, the root is a new run in `experiment`, and the launching run says where it is.
    The machine's load is logged in a run below.
    """
    launched = _launched_run()
    with _released_launch():
        if launched and launched.info.experiment_id == experiment:
            close_orphans(experiment)
            with (
                killed_when_stopped([launched.info.run_id]),
                mlflow.start_run(run_id=launched.info.run_id, log_system_metrics=False),
                let_go_when_stopped(),
                _seen(launched.info.run_id),
            ):
                mlflow.set_tags({"mlflow.runName": name, **tags, **process_tags()})
                with _load_logged(experiment, launched.info.run_id):
                    yield launched.info.run_id
            return
        with start_run(experiment, name, tags) as run_id:
            if launched:
                _point_to_root(launched, name, experiment, run_id)
            with _load_logged(experiment, run_id):
                yield run_id


def _seen(run_id: str) -> AbstractContextManager[None]:
    """Give signs of life where other machines use the same tracking store."""
    return seen_alive(run_id) if is_shared() else nullcontext()


@contextmanager
def _load_logged(experiment: str, root: str) -> Iterator[None]:
    """Log the machine's load in a run below a root run: among the root's metrics it would come first."""
    from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

    tags = {"stage": "load", "mlflow.parentRunId": root, **process_tags()}
    run_id = client().create_run(experiment, tags=tags, run_name="load of the machine").info.run_id
    monitor = SystemMetricsMonitor(run_id)
    monitor.start()
    with killed_when_stopped([run_id]):
        try:
            with let_go_when_stopped():  # what is logged last is written, too
                yield
        finally:
            monitor.finish()
            client().set_terminated(run_id)


@contextmanager
def start_run(
    experiment: str,
    name: str,
    tags: Mapping[str, str],
    parent: str | None = None,
    *,
    system_metrics: bool = False,
) -> Iterator[str]:
    """Open a run, below `parent` if given, and yield its id; a failure ends it as FAILED, a stop as KILLED.

    One without a parent first closes runs of its experiment whose process was killed.
    With `system_metrics`, which are for long runs, the machine's load is logged as `system/...` each minute.

    Raises
    ------
    HemoError
        If the tracking store or the disk fails, here or in what is done within.
    """
    opened: list[str] = []
    with (
        faults.answered(),
        killed_when_stopped(opened),
        mlflow.start_run(
            run_id=_after_all_others(experiment, name, {**tags, **process_tags()}, parent),
            experiment_id=experiment,
            run_name=name,
            parent_run_id=parent,
            nested=parent is not None,
            tags={**tags, **process_tags()},
            log_system_metrics=system_metrics,
        ) as run,
    ):
        opened.append(run.info.run_id)
        with let_go_when_stopped(), _seen(run.info.run_id):
            if parent is None:
                close_orphans(experiment)
            yield run.info.run_id


def _after_all_others(experiment: str, name: str, tags: Mapping[str, str], parent: str | None) -> str | None:
    """Return a new run that counts as started after all others, where the clock says otherwise; else None.

    The newest run of a family and label is the one that is compared and promoted: a clock that was set back
    must not make an older one the newest.
    """
    newest = client().search_runs([experiment], max_results=1, order_by=["attributes.start_time DESC"])
    last = int(newest[0].info.start_time) if newest else 0
    if last < int(time.time() * 1000):
        return None
    of = {"mlflow.parentRunId": parent} if parent else {}
    return str(client().create_run(experiment, last + 1, {**tags, **of}, name).info.run_id)


def run_below(
    experiment: str, name: str, tags: Mapping[str, str], parent: str | None
) -> AbstractContextManager[str]:
    """Open a run below `parent`; without one, as the root run of a command."""
    return start_run(experiment, name, tags, parent) if parent else root_run(experiment, name, tags)


def get_run(run_id: str) -> Run:
    """Return a run by its id.

    Raises
    ------
    HemoError
        If there is none.
    """
    try:
        return Run.of(client().get_run(run_id))
    except MlflowException as fault:
        if fault.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        raise HemoError(
            f"{run_id}: no such run in {shown_uri()}: it was deleted for good, or is of another store; name "
            "another run, or train again and promote what comes of it"
        ) from None


def find_runs(experiment: str, text: str = "", most: int = 5000, **tags: str) -> list[Run]:
    """Return runs of an experiment, newest first.

    Parameters
    ----------
    experiment : str
        Its id.
    text : str
        What to search for, in MLflow's words.
    most : int
        Return no more than this.
    tags
        What the runs' tags have to be.
    """
    wanted = [text] if text else []
    wanted += [f"tags.{key} = '{value}'" for key, value in tags.items()]
    found = client().search_runs(
        [experiment], " and ".join(wanted), max_results=most, order_by=["attributes.start_time DESC"]
    )
    return [Run.of(run) for run in found]


def training_runs(experiment: str, **tags: str) -> list[Run]:
    """Return the finished training runs of an experiment, newest first; `tags` narrow them."""
    return find_runs(experiment, "attributes.status = 'FINISHED'", 5000, **{"stage": "train", **tags})


def find_experiment(name: str) -> str:
    """Return the id of an experiment that exists; raise HemoError with the known names otherwise."""
    launched = _launched_run()
    if launched and launched.info.experiment_id != DEFAULT_EXPERIMENT:
        return str(launched.info.experiment_id)
    experiment = _by_name(name)
    if experiment is None:
        known = ", ".join(e.name for e in client().search_experiments()) or "none"
        raise HemoError(
            f"no experiment '{name}' in {shown_uri()} (known: {known}): "
            "train first, or give --experiment FILE"
        )
    return str(experiment.experiment_id)


def _by_name(name: str) -> Experiment | None:
    """Return an experiment, or None; raise HemoError for one that lies among the deleted."""
    found = mlflow.get_experiment_by_name(name)
    if found is not None and found.lifecycle_stage != LifecycleStage.ACTIVE:
        raise HemoError(
            f"experiment '{name}' in {shown_uri()} is deleted: bring it back with `mlflow experiments "
            f"restore --experiment-id {found.experiment_id}`, or give --experiment FILE with another `name:`"
        )
    return found


def newest_experiment(name: str = "") -> str:
    """Return the id of an experiment by name, or without one that of the newest training run.

    Raises
    ------
    HemoError
        If there is no such experiment, or no training run; a store that does not exist is not made.
    """
    uri = str(mlflow.get_tracking_uri())
    missing = uri.startswith("sqlite:///") and not Path(uri.removeprefix("sqlite:///")).is_file()
    if not missing:
        if name:
            return find_experiment(name)
        everywhere = [experiment.experiment_id for experiment in client().search_experiments()]
        newest = client().search_runs(
            everywhere, "tags.stage = 'train'", max_results=1, order_by=["attributes.start_time DESC"]
        )
        if newest:
            return str(newest[0].info.experiment_id)
    raise HemoError(
        f"no training run yet in {shown_uri()}: `mlflow run . --env-manager local` or `hemo main` makes some"
    )


def shown_uri() -> str:
    """Return the tracking store's address as people may see it: without user name and password."""
    return faults.shown(str(mlflow.get_tracking_uri()))


@cache
def _launched_run() -> MlflowRun | None:
    """Return the run that `mlflow run` made for this process, if it was started so."""
    run_id = os.environ.get("MLFLOW_RUN_ID")
    return client().get_run(run_id) if run_id else None


@contextmanager
def _released_launch() -> Iterator[None]:
    """Hide the launched run from MLflow's fluent calls, which would take it up in every `start_run`."""
    run_id = os.environ.pop("MLFLOW_RUN_ID", None)
    try:
        yield
    finally:
        if run_id:
            os.environ["MLFLOW_RUN_ID"] = run_id


def _point_to_root(launched: MlflowRun, name: str, experiment: str, run_id: str) -> None:
    link = f"#/experiments/{experiment}/runs/{run_id}"
    note = f"This run only launched **{name}**: its runs are [in their own experiment]({link})."
    for key, value in {
        "mlflow.runName": f"launch {name}",
        "mlflow.note.content": note,
        "stage": "launch",
    }.items():
        client().set_tag(launched.info.run_id, key, value)
