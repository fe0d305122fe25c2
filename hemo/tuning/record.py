"""What a study leaves on its own run: state, best trial and parameters, plots and the table of trials."""

import json
import tempfile
from pathlib import Path

import mlflow
import numpy as np
from mlflow.entities import Metric, Param, RunTag
from mlflow.utils.time import get_current_time_millis
from optuna.study import Study
from optuna.trial import FrozenTrial

from hemo import tracking
from hemo.display import style
from hemo.tracking.views import markdown_table
from hemo.tuning import plots, study_page
from hemo.tuning import storage as storages
from hemo.tuning.folds import FOLDS
from hemo.tuning.mirror import Mirror
from hemo.tuning.results import Refits, Values, best_trial, counts, values
from hemo.tuning.spec import StudySpec
from hemo.tuning.trial import Result
from hemo.whole import csv_text

TABLE = ("number", "value", "state", "datetime_start", "datetime_complete", "duration", "params")
"""Columns of a study's table of trials."""


def log_study(study: Study, spec: StudySpec, mirror: Mirror, run_id: str, tested: Refits) -> None:
    """Log a study's state, best trial, plots and trials to its run."""
    trials = study.get_trials(deepcopy=False)
    best, found = best_trial(study), Result.of(best_trial(study))
    assert found is not None
    both = values(study)
    now = get_current_time_millis()
    metrics = {
        **{f"trials/{word}": float(n) for word, n in counts(trials).items()},
        **{f"best/{name}": value for name, value in found.metrics.items()},
        f"default/{spec.objectives[0]}": both.default,
        f"gain/{spec.objectives[0]}": both.gain,
        "time/trials_s": storages.spent_seconds(trials),
    }
    if mirror.written:
        metrics["time/tracking_ms_per_trial"] = 1000 * mirror.seconds / mirror.written
        metrics["time/tracking_processor_ms_per_trial"] = 1000 * mirror.processor_seconds / mirror.written
    tags = {
        "best_trial": str(best.number),
        **{f"best.{name}": str(value) for name, value in found.params.items()},
        "mlflow.note.content": _note(study, spec, best, found, both, tested),
    }
    params = {
        "family": spec.family,
        "label": spec.training.label,
        "objective": ",".join(spec.objectives),
        "train.protocol": spec.training.plan.protocol,
        "train.sampling": spec.training.plan.sampling,
        "train.seed": spec.training.plan.seed,
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
        figures = {name: style.png(figure) for name, figure in plots.draw(study, spec.objectives).items()}
        for name, image in figures.items():
            (folder / "plots" / f"{name}.png").write_bytes(image)
        page = study_page.as_html(study, spec.objectives, tested, figures)
        (folder / "study.html").write_text(page, encoding="utf-8")
        (folder / "best" / "params.json").write_text(json.dumps(found.params, indent=2))
        (folder / "trials" / "trials.csv").write_text(csv_text(study.trials_dataframe(TABLE)))
        mlflow.log_artifacts(str(folder))


def _note(
    study: Study, spec: StudySpec, best: FrozenTrial, found: Result, both: Values, tested: Refits
) -> str:
    objective, base = spec.objectives[0], spec.training.params
    changed = [(name, value, base.get(name)) for name, value in found.changed(base).items()]
    parts = [
        f"**{study.study_name}**: {objective} **{both.best:.3f}** in trial {best.number}, "
        f"{both.default:.3f} by the defaults: a gain of {both.gain:+.3f} on the same {FOLDS} folds. It was "
        "chosen on these patients, so it flatters; the test patients were seen by no trial:",
        markdown_table(("", objective + ", out-of-fold", "AUC, test patients"), [
            ("defaults", f"{both.default:.3f}", tested.default), ("tuned", f"{both.best:.3f}", tested.best),
        ]),
        "Trials are the runs below: FINISHED have a value, KILLED were pruned, FAILED had a fault or lost "
        "their worker.",
    ]  # fmt: skip
    if changed:
        parts.insert(2, markdown_table(("parameter", "tuned", "untuned"), changed))
    return "\n\n".join(parts)
