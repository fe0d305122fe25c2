"""What a study leaves on its own run: state, best trial and parameters, plots and the table of trials."""

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import mlflow
import numpy as np
from mlflow.entities import Metric, Param, RunTag
from mlflow.utils.time import get_current_time_millis
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from hemo import tracking
from hemo.errors import HemoError
from hemo.tuning import plots
from hemo.tuning import storage as storages
from hemo.tuning.mirror import Mirror
from hemo.tuning.trial import SETTINGS, Result
from hemo.tuning.worker import Job

TABLE = ("number", "value", "state", "datetime_start", "datetime_complete", "duration", "params")
"""Columns of a study's table of trials."""


@dataclass(frozen=True)
class Values:
    """First objective of the first settings and of the best trial; NaN where there is none."""

    first: float
    best: float


def best_trial(study: Study) -> FrozenTrial:
    """Return the best trial by the first objective: of several objectives, the best of the Pareto front.

    Raises
    ------
    HemoError
        If no trial has a value.
    """
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if not complete:
        raise HemoError(f"study {study.study_name}: no trial has ended with a value: give it more time")
    sign = -1 if study.directions[0] == StudyDirection.MAXIMIZE else 1
    # On a tie in the first objective a trial that others dominate must not win.
    front = study.best_trials if len(study.directions) > 1 else complete
    return min(front, key=lambda trial: (sign * trial.values[0], trial.number))


def values(study: Study) -> Values:
    """Return the first objective of the first trial with a value and of the best."""
    trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    given = [trial.values[0] for trial in trials if SETTINGS in trial.user_attrs]
    return Values(given[0] if given else float("nan"), best_trial(study).values[0])


def log_study(study: Study, job: Job, mirror: Mirror, run_id: str, refitted: str) -> None:
    """Log a study's state, best trial, plots and trials to its run."""
    trials = study.get_trials(deepcopy=False)
    best, found = best_trial(study), Result.of(best_trial(study))
    assert found is not None
    both = values(study)
    now = get_current_time_millis()
    metrics = {
        **{f"trials/{word}": float(n) for word, n in counts(trials).items()},
        **{f"best/{name}": value for name, value in found.figures.items()},
        f"first/{job.task.objectives[0]}": both.first,
        "time/trials_s": storages.spent_seconds(trials),
    }
    if mirror.written:
        metrics["time/tracking_ms_per_trial"] = 1000 * mirror.seconds / mirror.written
        metrics["time/tracking_processor_ms_per_trial"] = 1000 * mirror.processor_seconds / mirror.written
    tags = {
        "best_trial": str(best.number),
        **{f"best.{name}": str(value) for name, value in found.params.items()},
        "mlflow.note.content": _note(study, job, best, found, both, refitted),
    }
    params = {
        "family": job.task.family,
        "label": job.label,
        "objective": ",".join(job.task.objectives),
        "train.protocol": job.plan.protocol,
        "train.sampling": job.plan.sampling,
        "train.seed": job.plan.seed,
    }
    tracking.client().log_batch(
        run_id,
        metrics=[
            Metric(name, value, now, len(trials)) for name, value in metrics.items() if np.isfinite(value)
        ],
        params=[Param(name, str(value)) for name, value in params.items()],
        tags=[RunTag(name, value) for name, value in tags.items()],
    )
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for name in ("plots", "best", "trials"):
            (folder / name).mkdir()
        plots.write(study, job.task.objectives, folder / "plots")
        (folder / "best" / "params.json").write_text(json.dumps(found.params, indent=2))
        study.trials_dataframe(TABLE).to_csv(folder / "trials" / "trials.csv", index=False)
        mlflow.log_artifacts(str(folder))


def counts(trials: Sequence[FrozenTrial]) -> dict[str, int]:
    """Return how many trials are in each state; `repeated` ones took over another's outcome."""
    states = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL,
              "running": TrialState.RUNNING, "waiting": TrialState.WAITING}  # fmt: skip
    result = {word: sum(trial.state == state for trial in trials) for word, state in states.items()}
    found = [Result.of(trial) for trial in trials]
    result["repeated"] = sum(one is not None and one.same_as is not None for one in found)
    return result


def _note(study: Study, job: Job, best: FrozenTrial, found: Result, both: Values, refitted: str) -> str:
    rows = "\n".join(
        f"| {name} | {value} | {job.task.base.get(name)} |"
        for name, value in found.changed(job.task.base).items()
    )
    table = f"\n\n| parameter | best | first |\n|---|---|---|\n{rows}" if rows else ""
    return (
        f"**{study.study_name}**: {job.task.objectives[0]} **{both.best:.3f}** out-of-fold in trial "
        f"{best.number}, {both.first:.3f} with the first settings. Chosen on these patients, so it flatters; "
        f"AUC of the test patients, which no trial saw: {refitted}.{table}\n\n"
        "Trials are the runs below: FINISHED have a value, KILLED were pruned, FAILED had a fault or lost "
        "their worker."
    )
