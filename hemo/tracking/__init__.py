"""Runs in MLflow: where they are kept, how they nest, how they are found again, how people see them."""

from hemo.tracking.alone import alone
from hemo.tracking.artifacts import (
    AGREEMENT,
    ANSWERS,
    ATTENTION,
    DECISIONS,
    PREDICTIONS,
    STUDIES,
    SUBGROUPS,
    artifact,
    load_predictions,
    load_studies,
    log_file,
    log_folder,
    log_metrics,
    set_note,
)
from hemo.tracking.endings import close_lost, close_orphans
from hemo.tracking.provenance import versions
from hemo.tracking.reachable import check_shared
from hemo.tracking.recorded import load_model, model_copy, model_files, model_folder, record
from hemo.tracking.records import Run
from hemo.tracking.runs import (
    DEFAULT_EXPERIMENT,
    client,
    experiment_id,
    find_experiment,
    find_runs,
    get_run,
    newest_experiment,
    root_run,
    run_below,
    shown_uri,
    start_run,
    training_runs,
)
from hemo.version import CHANGED, git_commit

__all__ = [
    "AGREEMENT",
    "ANSWERS",
    "ATTENTION",
    "CHANGED",
    "DECISIONS",
    "DEFAULT_EXPERIMENT",
    "PREDICTIONS",
    "STUDIES",
    "SUBGROUPS",
    "Run",
    "alone",
    "artifact",
    "check_shared",
    "client",
    "close_lost",
    "close_orphans",
    "experiment_id",
    "find_experiment",
    "find_runs",
    "get_run",
    "git_commit",
    "load_model",
    "load_predictions",
    "load_studies",
    "log_file",
    "log_folder",
    "log_metrics",
    "model_copy",
    "model_files",
    "model_folder",
    "newest_experiment",
    "record",
    "root_run",
    "run_below",
    "set_note",
    "shown_uri",
    "start_run",
    "training_runs",
    "versions",
]
