"""Runs in MLflow: where they are kept, how they nest, how they are found again, how people see them."""

from hemo.tracking.runs import (
    DEFAULT_EXPERIMENT,
    PREDICTIONS,
    client,
    close_orphans,
    experiment_id,
    find_experiment,
    git_commit,
    load_predictions,
    newest_experiment,
    root_run,
    run_below,
    shown_uri,
    start_run,
    training_runs,
    versions,
)

__all__ = [
    "DEFAULT_EXPERIMENT",
    "PREDICTIONS",
    "client",
    "close_orphans",
    "experiment_id",
    "find_experiment",
    "git_commit",
    "load_predictions",
    "newest_experiment",
    "root_run",
    "run_below",
    "shown_uri",
    "start_run",
    "training_runs",
    "versions",
]
