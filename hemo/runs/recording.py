"""What a training run leaves in MLflow: parameters, metrics with intervals, plots, predictions, the model."""

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from mlflow.entities import Metric, Param

import hemo
from hemo import families, tracking
from hemo.display import failures, run_plots, style
from hemo.evaluation import predictions
from hemo.labels import LABELS
from hemo.leakage import measure
from hemo.runs import logged_model
from hemo.slices.sheet import write_sheet
from hemo.slices.store import SliceStore
from hemo.tracking import views
from hemo.training import Plan, Trained, final_metrics


@dataclass(frozen=True)
class Work:
    """One training of an experiment, as its run will name it.

    Attributes
    ----------
    family, label
        What is trained on what.
    variant
        Name of a variant of the family (see `hemo.families`); empty for the family itself.
    params
        Parameters that differ from the family's defaults.
    dataset
        Name of the data for people.
    draws
        Bootstrap draws of the intervals.
    """

    family: str
    label: str
    params: Mapping[str, Any]
    dataset: str
    draws: int
    variant: str = ""

    @property
    def title(self) -> str:
        """Name of the family, and of its variant, for people."""
        return families.title(self._word)

    @property
    def name(self) -> str:
        """Name of the run: `family/label`, or `family@variant/label`."""
        return f"{self._word}/{self.label}"

    @property
    def _word(self) -> str:
        return f"{self.family}@{self.variant}" if self.variant else self.family


def run_tags(work: Work, plan: Plan, store: SliceStore) -> dict[str, str]:
    """Return the tags of a training run, by which it is found, compared and traced."""
    tags = {"variant": work.variant} if work.variant else {}
    if not store.patients_known:
        tags["leakage"] = measure.UNAUDITED
    return tags | {
        "family": work.family,
        "label": work.label,
        "stage": "train",
        "protocol": plan.protocol,
        "dataset": work.dataset,
        "data_digest": store.digest,
        "split_digest": plan.split_digest,
        "patients_known": str(store.patients_known).lower(),
        "seed": str(plan.seed),
        "git_commit": tracking.git_commit(),
        "hemo": hemo.__version__,
        "mlflow.runColor": views.color(work.family),
    }


def record(trained: Trained, work: Work, plan: Plan, store: SliceStore) -> str:
    """Log a training to the active run and return its figures in a line.

    Raises
    ------
    HemoError
        If the logged model, loaded back, does not give the classifier's own probabilities.
    """
    active = mlflow.active_run()
    assert active is not None
    run_id = active.info.run_id
    test = trained.predictions[trained.predictions["part"] == "test"]
    finals = final_metrics.finals(trained, plan, work.draws)
    curves = trained.epochs[trained.epochs["fold"] == -1] if len(trained.epochs) else trained.epochs
    _log_batch(run_id, _params(work, plan), finals, curves)
    _log_dataset(store, work)
    with tempfile.TemporaryDirectory() as scratch:
        _log_files(Path(scratch), trained, work, plan, store, test)
        model = logged_model.log(Path(scratch), trained, work.family, work.label, store)
    logged_model.check(model, trained, store)
    mlflow.set_tag("mlflow.note.content", _note(work, finals, plan))
    return (
        f"AUC {finals.get('test/auc', np.nan):.3f}, recall {finals.get('test/recall', np.nan):.3f} at "
        f"specificity {finals.get('test/specificity', np.nan):.3f}, fitted in {finals['time/fit_s']:.1f} s"
    )


def note_group(root: str, family: str, dataset: str) -> None:
    """Give the run above a family's trainings a note with the figures of each label."""
    experiment = tracking.client().get_run(root).info.experiment_id
    children = tracking.training_runs(experiment, **{"mlflow.parentRunId": root})
    names = ("recall", "specificity", "auc")
    rows = [
        (run.data.tags["label"], *(final_metrics.ranged(run.data.metrics, f"test/{name}") for name in names))
        for run in sorted(children, key=lambda run: LABELS.index(run.data.tags["label"]))
    ]
    note = views.markdown_table(("label", "recall", "specificity", "AUC"), rows)
    title = f"**{families.title(family)}** on each label ({dataset})"
    tracking.client().set_tag(root, "mlflow.note.content", f"{title}.\n\n{note}")


def record_store(store: SliceStore) -> None:
    """Log a slice store to the active run: counts, options, exclusions and a contact sheet."""
    counts = store.counts().set_index("label")
    facts = store.facts
    numbers = {"slices": len(store), "patients": facts["patients"], "studies": facts["studies"]}
    numbers["excluded"] = sum(facts["excluded"].values())
    mlflow.log_params({f"reduction.{word}": str(value) for word, value in store.reduction.to_json().items()})
    mlflow.log_metrics({f"store/{name}": float(number) for name, number in numbers.items()})
    mlflow.set_tags({"data_digest": store.digest, "patients_known": str(store.patients_known).lower()})
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        counts.to_csv(folder / "labels.csv")
        store.exclusion_counts().to_csv(folder / "exclusions.csv", index=False)
        write_sheet(store, folder / "contact_sheet.png")
        mlflow.log_artifacts(scratch, "store")
    rows = [(label, row["positive"], row["patients"]) for label, row in counts.iterrows()]
    mlflow.set_tag(
        "mlflow.note.content",
        f"{len(store)} slices of {facts['patients']} patients, {facts['studies']} studies; "
        f"{sum(facts['excluded'].values())} files excluded.\n\n"
        + views.markdown_table(("label", "positive slices", "positive patients"), rows),
    )


def _params(work: Work, plan: Plan) -> dict[str, Any]:
    resolved = families.build(work.family, work.params).params
    sample = {"train.positives": plan.positives} if plan.protocol == "paper" else {}
    return {
        "family": work.family,
        "label": work.label,
        "train.protocol": plan.protocol,
        "train.sampling": plan.sampled(work.family),
        "train.operating_point": "fixed:0.5" if plan.protocol == "paper" else plan.rule,
        "train.calibration": "none" if plan.protocol == "paper" else plan.calibration,
        "train.seed": plan.seed,
        **sample,
        **{f"hp.{name}": value for name, value in resolved.items()},
    }


def _log_batch(
    run_id: str, params: Mapping[str, Any], finals: Mapping[str, float], curves: pd.DataFrame
) -> None:
    """Log everything in few calls: over HTTP each costs about 55 ms."""
    now = mlflow.utils.time.get_current_time_millis()
    entries = [Metric(name, value, now, 0) for name, value in finals.items() if np.isfinite(value)]
    for row in curves.drop(columns="fold", errors="ignore").to_dict("records"):
        step = int(row.pop("epoch"))
        entries += [Metric(f"epoch/{n}", float(v), now, step) for n, v in row.items() if np.isfinite(v)]
    client = tracking.client()
    client.log_batch(run_id, params=[Param(name, str(value)) for name, value in params.items()])
    for start in range(0, len(entries), 1000):
        client.log_batch(run_id, metrics=entries[start : start + 1000])


def _log_dataset(store: SliceStore, work: Work) -> None:
    """Log the store as the run's dataset: name, digest and shape, but no row of it."""
    shape = np.broadcast_to(np.uint8(0), (len(store), *store.image_shape))  # takes one byte
    dataset = mlflow.data.from_numpy(  # type: ignore[attr-defined]
        shape, source=str(store.folder), name=work.dataset, digest=store.digest[:16]
    )
    mlflow.log_input(dataset, context="training", tags={"label": work.label, "slices": str(len(store))})


def _log_files(
    scratch: Path, trained: Trained, work: Work, plan: Plan, store: SliceStore, test: pd.DataFrame
) -> None:
    title = f"{work.title}: {work.label}"
    drawn: dict[str, Figure] = {
        "roc": run_plots.roc(test, title),
        "precision_recall": run_plots.precision_recall(test, title),
        "confusion_matrix": run_plots.confusion_matrix(test, title),
        "reliability": run_plots.reliability(test, title),
        "patients": run_plots.patient_strip(test, title),
    }
    if len(trained.epochs):
        drawn["learning_curves"] = run_plots.learning_curves(trained.epochs, title)
    drawn["failures"] = _gallery(trained, store, test, title)
    (scratch / "plots").mkdir()
    for name, figure in drawn.items():
        (scratch / "plots" / f"{name}.png").write_bytes(style.png(figure))
    (scratch / "predictions").mkdir()
    predictions.write(trained.predictions, scratch / tracking.PREDICTIONS)
    if len(trained.epochs):
        (scratch / "epochs").mkdir()
        trained.epochs.to_csv(scratch / "epochs" / "epochs.csv", index=False)
    if plan.split:
        plan.split.save(scratch / "split")
    (scratch / "environment").mkdir()
    (scratch / "environment" / "versions.json").write_text(json.dumps(tracking.versions(), indent=2))
    mlflow.log_artifacts(str(scratch))


def _gallery(trained: Trained, store: SliceStore, test: pd.DataFrame, title: str) -> Figure:
    """Draw the worst errors of the tested slices, with where the kept classifier looks in them."""
    rows = test.iloc[np.concatenate(failures.worst(test))]
    place = pd.Series(np.arange(len(store)), index=store.index["slice_id"].to_numpy())
    images = store.images(place.loc[rows["slice_id"]].to_numpy())
    looked = trained.classifier.attribution(images) if len(images) else np.zeros((0, 1, 1), np.float32)
    return failures.failure_gallery(rows, images, looked, title)


def _note(work: Work, finals: Mapping[str, float], plan: Plan) -> str:
    """Return a run's note; the UI shows its first lines before anything else."""
    how = {
        "cv": "Out-of-fold predictions of all patients",
        "holdout": "Test patients that training never saw",
        "paper": "**Split by slice as in the seed paper, not valid for new patients**",
    }[plan.protocol]
    words = {"recall": "recall", "specificity": "specificity", "auc": "AUC"}
    slices, studies = (
        ", ".join(f"{word} {final_metrics.ranged(finals, f'{level}/{name}')}" for name, word in words.items())
        for level in ("test", "study")
    )
    if "study/studies" in finals:
        whole = f"{finals['study/studies']:.0f} studies, positive where any slice is: {studies}.\n\n"
    else:
        whole = ""
    threshold = f"{finals['threshold']:.3f}"
    if "threshold_low" in finals:
        threshold += f" ({finals['threshold_low']:.3f} to {finals['threshold_high']:.3f})"
    return (
        f"**{work.title}** on **{work.label}** ({work.dataset}): {slices}.\n\n{whole}"
        f"{how}: {finals['test/slices']:.0f} slices of {finals['test/patients']:.0f} patients, "
        f"{finals['test/positive_slices']:.0f} positive in {finals['test/positive_patients']:.0f} patients. "
        f"Operating point {threshold}. Research use only."
    )
