"""What a training run leaves in MLflow: parameters, metrics with intervals, plots, predictions, model."""

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from mlflow.entities import Metric, Param

from hemo import console, digests, families, memory, tracking
from hemo.display import attention, failures, numbers, run_plots, style
from hemo.evaluation import predictions
from hemo.evaluation.subgroups import subgroups
from hemo.evaluation.summary import Summary
from hemo.evaluation.triage import Thresholds
from hemo.labels import LABELS
from hemo.runs import logged_model
from hemo.runs.epochs import curve
from hemo.runs.store_recording import readers_words
from hemo.slices.store import SliceStore
from hemo.tracking import CHANGED, Run, leading, views
from hemo.tracking.tags import ABRIDGED, UNAUDITED
from hemo.training import Trained, Training, final_metrics
from hemo.training.kept import NOTHING, Kept
from hemo.version import __version__
from hemo.whole import csv_text


def run_tags(training: Training) -> dict[str, str]:
    """Return the tags of a training run, by which it is found, compared and traced."""
    plan, store = training.plan, training.store
    tags = {"variant": training.variant} if training.variant else {}
    if not store.patients_known:
        tags["leakage"] = UNAUDITED
    if store.synthetic:
        tags["synthetic"] = "true"
    if memory.words() != memory.DEFAULT:  # what would take more is learned from otherwise
        tags["memory"] = memory.words()
    if store.agreement is not None:
        tags["readers"] = readers_words(store)
    return tags | {
        "family": training.family,
        "label": training.label,
        "stage": "train",
        "protocol": plan.protocol,
        "dataset": training.dataset,
        "data_digest": store.digest,
        "store_digest": store.files_digest,
        "split_digest": plan.split_digest,
        "patients_known": str(store.patients_known).lower(),
        "seed": str(plan.seed),
        "git_commit": tracking.git_commit(),
        "hemo": __version__,
        "mlflow.runColor": views.color(training.family),
    }


def is_of(run: Run | None, training: Training) -> bool:
    """Return whether a finished run is of this very training, and so need not be made again."""
    if run is None or run.tags.get("git_commit", "").endswith(CHANGED):
        return False
    tags, params = _identity(training)
    return tags.items() <= run.tags.items() and params == dict(run.params)


def kept_of(training: Training) -> Kept:
    """Return where what a training has finished is kept until its run is: what is taken is of this very one.

    That is, of the same data, split, seed, parameters, code and versions of what computes. Code that was
    changed since its commit is known by nothing: nothing is kept then.
    """
    if tracking.git_commit().endswith(CHANGED):
        return NOTHING
    tags, params = _identity(training)
    if families.get(training.family).together:  # one fit for all labels
        tags, params = ({**facts, "label": ""} for facts in (tags, params))
    made_by = {**tracking.versions(), "family": families.provider(training.family)}
    key = json.dumps([tags, params, made_by], sort_keys=True)
    return Kept.beside(training.store, digests.of_bytes(key.encode()).sha256[:24])


def _identity(training: Training) -> tuple[dict[str, str], dict[str, str]]:
    """Return the tags and parameters that a run of the training has."""
    tags = {name: str(value) for name, value in run_tags(training).items()}
    return tags, {name: str(value) for name, value in _params(training).items()}


def record(trained: Trained, training: Training, run_id: str, *, seen: bool = False) -> str:
    """Log a training to its run, which is the active one, and return its metrics in a line.

    Its epochs are logged, too, unless they were `seen` as they ended.

    Raises
    ------
    HemoError
        If the logged model, loaded back, does not give the classifier's own probabilities.
    """
    plan = training.plan
    console.step(f"{training.name}: intervals")
    tested = trained.summary(plan)
    finals = final_metrics.finals(trained, plan, tested)
    _log_numbers(run_id, training, finals, trained.epochs.iloc[:0] if seen else trained.epochs)
    _log_dataset(training)
    with tempfile.TemporaryDirectory() as scratch:
        console.step(f"{training.name}: plots")
        _write_files(Path(scratch), trained, training, tested)
        logged_model.write_answers(trained, training.store, Path(scratch))
        files = digests.of_folder(Path(scratch))
        tracking.log_folder(run_id, Path(scratch))
        console.step(f"{training.name}: model")
        model = logged_model.log(Path(scratch), trained, training)
        of_model = logged_model.check(model, Path(scratch) / tracking.ANSWERS)
    tracking.record(run_id, files, of_model)
    tracking.set_note(run_id, _note(training, finals, trained.abridged))
    if trained.abridged:
        tracking.client().set_tag(run_id, ABRIDGED, trained.abridged)
    level = views.level(finals)
    words = "by study: " if level == "study" else ""
    return (
        f"{words}AUC {finals.get(f'{level}/auc', np.nan):.3f}, "
        f"recall {finals.get(f'{level}/recall', np.nan):.3f} at "
        f"specificity {finals.get(f'{level}/specificity', np.nan):.3f}, "
        f"fitted in {finals['time/fit_s']:.1f} s"
    )


def note_group(root: str, family: str, dataset: str) -> None:
    """Give the run above a family's trainings a note with the metrics of each label."""
    children = tracking.training_runs(tracking.get_run(root).experiment, **{"mlflow.parentRunId": root})
    names = ("recall_at_specificity_80", "recall", "specificity", "auc")
    rows = [
        (
            run.label,
            *(numbers.logged(run.metrics, f"{views.level(run.metrics)}/{name}", "z.3f") for name in names),
        )
        for run in sorted(children, key=lambda run: LABELS.index(run.label))
    ]
    note = views.markdown_table(("label", "recall at spec. 0.80", "recall", "specificity", "AUC"), rows)
    title = f"**{families.title(family)}** on each label ({views.as_written(dataset)})"
    tracking.set_note(root, f"{title}.\n\n{note}")


def _params(training: Training) -> dict[str, Any]:
    plan = training.plan
    resolved = families.build(training.family, training.params).params
    sample = {} if plan.protocol.by_patient else {"train.positives": plan.positives}
    return {
        "family": training.family,
        "label": training.label,
        "train.protocol": plan.protocol,
        "train.sampling": plan.sampled(training.family),
        "train.operating_point": plan.rule,
        "train.study_operating_point": plan.study_rule,
        "train.calibration": plan.calibration,
        "train.seed": plan.seed,
        "train.draws": plan.draws,
        "train.repeats": plan.repeats,
        **sample,
        **{f"hp.{name}": value for name, value in resolved.items()},
    }


def _log_numbers(run_id: str, training: Training, finals: Mapping[str, float], epochs: pd.DataFrame) -> None:
    """Log parameters, final metrics and curves of the kept classifier in few calls: each takes 55 ms."""
    now = mlflow.utils.time.get_current_time_millis()
    shown = {**leading.recalls(training.label, finals), **finals}
    entries = [Metric(name, value, now, 0) for name, value in shown.items() if np.isfinite(value)]
    curves = epochs[epochs["fold"] == -1] if len(epochs) else epochs
    for row in curves.to_dict("records"):
        entries += curve("epoch", row, int(row["epoch"]))
    client = tracking.client()
    params = [Param(name, str(value)) for name, value in _params(training).items()]
    client.log_batch(run_id, params=params)
    for start in range(0, len(entries), 1000):
        client.log_batch(run_id, metrics=entries[start : start + 1000])


def _log_dataset(training: Training) -> None:
    """Log the store as the run's dataset: name, digest and shape, but no row of it."""
    store = training.store
    shape = np.broadcast_to(np.uint8(0), (len(store), *store.image_shape))  # takes one byte
    dataset = mlflow.data.from_numpy(  # type: ignore[attr-defined]
        shape, source=str(store.folder), name=training.dataset, digest=store.digest[:16]
    )
    mlflow.log_input(dataset, context="training", tags={"label": training.label, "slices": str(len(store))})


def _write_files(scratch: Path, trained: Trained, training: Training, tested: Summary) -> None:
    """Write the plots, prediction table, epochs, split and versions of a run into a folder."""
    title = f"{training.title}: {training.label}"
    (scratch / "predictions").mkdir()
    predictions.write(trained.predictions, scratch / tracking.PREDICTIONS)
    if trained.studies:
        predictions.write(trained.studies.table, scratch / tracking.STUDIES)
        (scratch / "predictions" / "study_score.json").write_text(json.dumps(_study_score(trained), indent=2))
    shown = tested.judged
    name = title if tested.by_slice else f"{title}, by study"
    drawn = {"failures": _gallery(trained, training.store, _told(trained, shown.table), name)}
    drawn |= run_plots.draw_all(shown, name)
    if trained.attention is not None and trained.studies:
        trained.attention.to_parquet(scratch / tracking.ATTENTION, index=False, compression="zstd")
        drawn["attention"] = attention.strips(trained.attention, trained.studies.table, title)
    if len(trained.epochs):
        drawn["learning_curves"] = run_plots.learning_curves(trained.epochs, title)
    (scratch / "plots").mkdir()
    for name, figure in drawn.items():
        (scratch / "plots" / f"{name}.png").write_bytes(style.png(figure))
    if len(trained.epochs):
        (scratch / "epochs").mkdir()
        (scratch / "epochs" / "epochs.csv").write_text(csv_text(trained.epochs))
    if training.plan.split:
        training.plan.split.save(scratch / "split")
    if training.store.agreement is not None:
        (scratch / tracking.AGREEMENT).parent.mkdir()
        (scratch / tracking.AGREEMENT).write_text(csv_text(training.store.agreement))
    if (groups := training.store.groups) is not None:
        tables = {"slice": tested.table} if tested.by_slice else {}
        tables |= {"study": tested.studies.table} if trained.studies else {}
        console.step(f"{training.name}: groups of patients")
        (scratch / tracking.SUBGROUPS).parent.mkdir()
        (scratch / tracking.SUBGROUPS).write_text(csv_text(subgroups(tables, groups, seed=tested.seed)))
    (scratch / "environment").mkdir()
    (scratch / "environment" / "versions.json").write_text(json.dumps(tracking.versions(), indent=2))


def _study_score(trained: Trained) -> dict[str, Any]:
    """Return how a study is scored, and what each way that was tried came to, as plain values."""
    studies = trained.studies
    assert studies is not None
    score = {**studies.score.to_json(), "words": studies.score.words, "threshold": studies.threshold}
    score["negative_below"] = studies.negative_below
    return {**score, "log_loss": dict(studies.losses)}


def _told(trained: Trained, test: pd.DataFrame) -> pd.DataFrame:
    """Return tested studies with the slice that each is shown by: the one that looks most like blood."""
    if not trained.predictions.empty or trained.attention is None:
        return test
    each = trained.attention.sort_values("probability", ascending=False).drop_duplicates("study")
    return test.assign(slice_id=test["study"].map(each.set_index("study")["slice_id"]))


def _gallery(trained: Trained, store: SliceStore, test: pd.DataFrame, title: str) -> Figure:
    """Draw the worst errors of the tested slices, with where the kept classifier looks in them."""
    rows = test.iloc[np.concatenate(predictions.worst_errors(test))]
    row_of = pd.Series(np.arange(len(store)), index=store.index["slice_id"].to_numpy())
    images = store.images(row_of.loc[rows["slice_id"]].to_numpy())
    looked = trained.classifier.attribution(images) if len(images) else np.zeros((0, 1, 1), np.float32)
    return failures.failure_gallery(rows, images, looked, title)


def _note(training: Training, finals: Mapping[str, float], abridged: str) -> str:
    """Return a run's note; the UI shows its first lines before anything else."""
    words = {
        "recall_at_specificity_80": "recall at specificity 0.80",
        "auc": "AUC",
        "recall": "at the operating point recall",
        "specificity": "specificity",
    }
    slices, studies = (
        ", ".join(
            f"{word} {numbers.logged(finals, f'{level}/{name}', 'z.3f')}" for name, word in words.items()
        )
        for level in ("test", "study")
    )
    whole = ""
    if "study/studies" in finals:
        whole = f"{finals['study/studies']:.0f} studies, by a score and a threshold of their own: {studies}."
        if "study_negative_below" in finals:
            at = Thresholds.of(finals["study_threshold"], finals["study_negative_below"])
            unsure = numbers.logged(finals, "study/unsure_share", ".0%")
            whole += f" A study is {at.words}; unsure: {unsure}."
    repeats = training.plan.repeats
    dealt = f", each the mean of {repeats} deals" if repeats > 1 else ""
    level = views.level(finals)
    units, first, point = "slices", f"{slices}.\n\n{whole}", "threshold"
    if level == "study":
        units, first, point = "studies", f"{whole} {NO_SLICES}", "study_threshold"
    threshold = f"{finals[point]:.3f}"
    below = point.replace("threshold", "negative_below")
    if below in finals:
        threshold = Thresholds.of(finals[point], finals[below]).words
    if f"{point}_low" in finals:
        threshold += f" ({finals[f'{point}_low']:.3f} to {finals[f'{point}_high']:.3f})"
    return (
        f"**{training.title}** on **{training.label}** ({views.as_written(training.dataset)}): "
        f"{first.strip()}\n\n"
        f"{training.plan.protocol.words.tested}{dealt}: {finals[f'{level}/{units}']:.0f} {units} of "
        f"{finals[f'{level}/patients']:.0f} patients, {finals[f'{level}/positive_{units}']:.0f} positive in "
        f"{finals[f'{level}/positive_patients']:.0f} patients. "
        f"Operating point {threshold}. Research use only."
        + (f"\n\nCut down for want of memory: {abridged}." if abridged else "")
    )


NO_SLICES = "Too few slices are labelled to judge any: labels are of studies."
"""Why nothing is said of slices."""
