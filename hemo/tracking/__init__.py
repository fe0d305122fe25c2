"""Runs in MLflow: where they are kept, how they nest, how they are found again, how people see them."""

from hemo.tracking.artifacts import PREDICTIONS, artifact, load_predictions, log_file, log_folder, set_note
from hemo.tracking.records import Run, family_word
from hemo.tracking.runs import (
    DEFAULT_EXPERIMENT,
    client,
    close_orphans,
    experiment_id,
    find_experiment,
    find_runs,
    get_run,
    git_commit,
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
    "Run",
    "artifact",
    "client",
    "close_orphans",
    "experiment_id",
    "family_word",
    "find_experiment",
    "find_runs",
    "get_run",
    "git_commit",
    "load_predictions",
    "log_file",
    "log_folder",
    "newest_experiment",
    "root_run",
    "run_below",
    "set_note",
    "shown_uri",
    "start_run",
    "training_runs",
    "versions",
]
