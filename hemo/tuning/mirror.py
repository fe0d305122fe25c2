"""Trials as MLflow runs: Optuna's storage is the truth, the runs follow it.

Only the parent process writes them, trial by trial as they end, in three calls each; workers that die leave
nothing behind in MLflow. Whatever is missing or unfinished is made good at the next look, so that at the end
runs and trials match one to one.
"""

import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from mlflow.entities import Metric, Param, ViewType
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID, MLFLOW_RUN_NAME
from optuna.trial import FrozenTrial, TrialState

from hemo import tracking
from hemo.tuning.trial import FAULT, SETTINGS, Result

STATUS: Final = {TrialState.COMPLETE: "FINISHED", TrialState.PRUNED: "KILLED", TrialState.FAIL: "FAILED"}
"""A trial's state in Optuna to its run's status in MLflow; trials that wait or run have no run yet."""

MOST_METRICS: Final = 1000
"""Metrics that MLflow takes in one call."""


class Mirror:
    """The runs of a study's trials.

    Parameters
    ----------
    experiment
        Id of the MLflow experiment.
    parent
        Id of the study's run.
    tags
        Tags that all trials of the study share; `study_id` is the study's.

    Attributes
    ----------
    seconds, processor_seconds
        Time spent writing runs, and what of it was work: the rest is waiting for disk or server, in a process
        of its own, which costs the trials nothing.
    written
        Number of runs written.
    """

    def __init__(self, experiment: str, parent: str, tags: Mapping[str, str]) -> None:
        self._client = tracking.client()
        self._experiment = experiment
        self._parent = parent
        self._tags = {**tags, "stage": "trial", MLFLOW_PARENT_RUN_ID: parent}
        self._done: set[int]
        self._started: dict[int, str]
        self.seconds = self.processor_seconds = 0.0
        self.written = 0
        self.look()

    def sync(self, trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
        """Write the runs of trials that ended since the last look, and return those trials."""
        news = [trial for trial in trials if trial.state in STATUS and trial.number not in self._done]
        start, processor_start = time.perf_counter(), time.process_time()
        for trial in news:
            self._write(trial)
        self.seconds += time.perf_counter() - start
        self.processor_seconds += time.process_time() - processor_start
        self.written += len(news)
        return news

    def look(self) -> None:
        """Find the runs that are there, of an earlier start too; of two for one trial keep the older.

        Two come about where two parents work on one study.
        """
        self._done, self._started = set(), {}
        filter_ = f"tags.study_id = '{self._tags['study_id']}' and tags.stage = 'trial'"
        token: str | None = None
        seen: dict[int, str] = {}
        while True:
            page = self._client.search_runs(
                [self._experiment], filter_, ViewType.ACTIVE_ONLY, 1000, ["attributes.start_time ASC"], token
            )
            for run in page:
                number = int(run.data.tags["trial"])
                if number in seen:
                    self._client.delete_run(run.info.run_id)
                    continue
                seen[number] = run.info.run_id
                if run.data.tags.get(MLFLOW_PARENT_RUN_ID) != self._parent:
                    self._client.set_tag(run.info.run_id, MLFLOW_PARENT_RUN_ID, self._parent)
                if run.info.status == STATUS[TrialState[run.data.tags["state"]]]:
                    self._done.add(number)
                else:
                    self._started[number] = run.info.run_id
            token = page.token
            if not token:
                return

    def _write(self, trial: FrozenTrial) -> None:
        run_id = self._started.pop(trial.number, None)
        start, end = _milliseconds(trial.datetime_start), _milliseconds(trial.datetime_complete)
        if run_id is None:
            # All tags at once: with SQLite the cost of a call is its commits, which wait for the disk.
            tags = {**self._tags, **_remarks(trial), MLFLOW_RUN_NAME: f"trial {trial.number}"}
            run_id = self._client.create_run(self._experiment, start_time=start, tags=tags).info.run_id
        params, metrics = run_params(trial), run_metrics(trial)
        entries = [Metric(name, value, start + step, step) for name, value, step in metrics]
        self._client.log_batch(
            run_id,
            metrics=entries[:MOST_METRICS],
            params=[Param(name, str(value)) for name, value in params.items()],
        )
        for rest in range(MOST_METRICS, len(entries), MOST_METRICS):
            self._client.log_batch(run_id, metrics=entries[rest : rest + MOST_METRICS])
        self._client.set_terminated(run_id, STATUS[trial.state], end)
        self._done.add(trial.number)


def run_params(trial: FrozenTrial) -> dict[str, Any]:
    """Return all parameters of a trial, `hp.`-prefixed; of one that died early, what it had drawn."""
    result = Result.of(trial)
    return {f"hp.{name}": value for name, value in (result.params if result else trial.params).items()}


def run_metrics(trial: FrozenTrial) -> list[tuple[str, float, int]]:
    """Return name, value and step of what a trial measured; final metrics only where it has a value."""
    result = Result.of(trial)
    if result is None:
        return []
    entries = [
        (f"epoch/{name}", value, epoch)
        for epoch, logs in enumerate(result.epochs)
        for name, value in logs.items()
    ]
    entries += [("fold/objective", value, fold) for fold, value in result.folds.items()]
    if trial.state == TrialState.COMPLETE:
        names = {"seconds": "time/fit_s", "parameters": "fit/parameters"}
        entries += [(names.get(name, f"val/{name}"), value, 0) for name, value in result.metrics.items()]
    return [entry for entry in entries if np.isfinite(entry[1])]


def _remarks(trial: FrozenTrial) -> dict[str, str]:
    """Return what a reader of a trial's run should know, as tags."""
    result = Result.of(trial)
    remarks = {
        "trial": str(trial.number),
        "state": trial.state.name,
        "settings": trial.user_attrs.get(SETTINGS, ""),
        "same_as": str(result.same_as) if result and result.same_as is not None else "",
        "reason": (result.reason if result else "")
        or trial.user_attrs.get(FAULT, "the worker died" if trial.state == TrialState.FAIL else ""),
        "retry_of": str(trial.system_attrs.get("failed_trial", "")),
        "shared_from": trial.user_attrs.get("from", ""),
    }
    return {name: text for name, text in remarks.items() if text}


def _milliseconds(moment: Any) -> int:
    return int((moment.timestamp() if moment else time.time()) * 1000)
