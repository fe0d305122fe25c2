"""External validation: a registered version, or the panel, on data that it was not made of."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import mlflow
import numpy as np
import pandas as pd

from hemo import families, tracking
from hemo.display import run_plots, style
from hemo.errors import HemoError
from hemo.evaluation import metrics, predictions
from hemo.evaluation.subgroups import subgroups
from hemo.evaluation.summary import summarize
from hemo.external import page
from hemo.external.predicting import predict, predict_studies
from hemo.labels import LABELS, STUDY_LABELS
from hemo.registry import trusted
from hemo.registry.names import PANEL_URI, model_name
from hemo.serving import Member, ServedPanel
from hemo.slices.assemble import Answering
from hemo.slices.preprocess import preprocess
from hemo.slices.store import SliceStore
from hemo.synthetic import is_synthetic, synthetic_warning
from hemo.tracking import faults, recorded, trained_on
from hemo.training import final_metrics

EXPERIMENT = "hemo-external"
"""The MLflow experiment of external validations."""

METRICS = ("recall", "specificity", "precision", "npv", "auc", "brier", "calibration_slope", "unsure_share")
"""Metrics that are set beside the internal ones; the last under triage only."""

_MANY = {"slice": "slices", "study": "studies"}

_BY_STUDY = (
    " Judged by study, as the labels are: a study has the largest probability of its slices, and is called "
    "positive at the slices' threshold."
)


@dataclass(frozen=True)
class External:
    """The outcome of an external validation.

    Attributes
    ----------
    metrics
        A row a label and metric: `label`, `family`, `version`, `figure` (the metric's name), `value`, `low`,
        `high`, `internal`, `internal_low`, `internal_high`, `level`, `slices` (studies, where the level is
        `study`), `positive_patients`.
    unlabelled
        Labels of the model without a slice (or study) that is known to be negative: what a table says of
        some subtypes makes slices of `any` positive, but none negative.
    warnings
        What a reader must not miss: classifiers that are registered against the gate, or were made of these
        very slices.
    excluded
        Files and slices that were left out, by reason; slices of stacks that do not answer are among them.
    run_id
        The run that holds it.
    """

    metrics: pd.DataFrame
    unlabelled: list[str]
    warnings: list[str]
    excluded: dict[str, int]
    run_id: str


UNNAMED: Final = "unnamed data"
"""What data are called that nobody gave a name."""


def evaluate(
    uri: str,
    images: Path,
    labels: Path,
    *,
    dataset: str = "",
    labels_format: str | None = None,
    workers: int = 1,
    draws: int = 2000,
    seed: int = 0,
) -> External:
    """Evaluate a model on images with labels, and log it as a run with one below it for each label.

    Members of a panel are judged by their own probabilities and operating points; a label table that has
    only some of the six is enough. Where the table has a row a study, studies are judged: the largest
    probability of a study's slices, at the slices' threshold, as the panel answers for it, beside the
    `study/...` metrics of the training run.

    Parameters
    ----------
    uri : str
        MLflow model URI of the panel or of one classifier.
    images, labels : Path
        The data; read by the code of `hemo preprocess` into temporary stores.
    dataset : str
        Name of the data for people. Their folder's, which may be a patient's, is never taken.
    labels_format : str, optional
        Form of the label table; told from its header where None.
    workers : int
        Processes that decode.
    draws, seed : int
        Of the bootstrap over patients.

    Raises
    ------
    HemoError
        If the model or data cannot be read, or no label of the model has labels in the table.
    """
    members = load_members(uri)
    dataset = dataset or UNNAMED
    experiment = tracking.experiment_id(EXPERIMENT)
    with tempfile.TemporaryDirectory() as scratch:
        stores = {}
        for number, reduction in enumerate(dict.fromkeys(member.reduction for member, _ in members)):
            folder = Path(scratch) / f"store-{number}"
            known = [one.thickness for one, _ in members if one.reduction == reduction and one.thickness]
            answering = Answering(best=True, thickness=float(np.median(known)) if known else None)
            summary = preprocess(
                images, labels, folder, reduction,
                labels_format=labels_format, answering=answering, workers=workers,
            )  # fmt: skip
            stores[reduction], excluded = summary.store, summary.excluded
            lost = f" ({summary.unmatched:,} of its rows name no image)" if summary.unmatched else ""
        store = next(iter(stores.values()))
        level = "study" if STUDY_LABELS[0] in store.index else "slice"
        judge = predict_studies if level == "study" else predict
        tables = {member.label: judge(member, stores[member.reduction]) for member, _ in members}
        unlabelled = [label for label, table in tables.items() if not (table["truth"] == 0).any()]
        judgeable = [(member, run_id) for member, run_id in members if member.label not in unlabelled]
        if not judgeable:
            raise HemoError(
                f"{labels}: no negative {_MANY[level]} of {', '.join(tables)}{lost}: give a table that has "
                "some"
            )
        warnings = [f"{member.warning}." for member, _ in judgeable if member.warning]
        drawn = [member.label for member, _ in judgeable if member.synthetic]
        warnings += [f"{synthetic_warning(drawn)}."] if drawn else []
        warnings += _seen({member.label: (run_id, stores[member.reduction]) for member, run_id in judgeable})
        tags = {
            "stage": "external", "level": level, "dataset": dataset, "model": uri,
            "data_digest": store.digest,
            "patients_known": str(store.patients_known).lower(), "git_commit": tracking.git_commit(),
        }  # fmt: skip
        with tracking.root_run(experiment, f"external {dataset}", tags) as parent:
            rows = []
            for member, run_id in judgeable:
                rows += _record(member, tables[member.label], run_id, parent, tags, draws, seed)
            found = pd.DataFrame(rows)
            about = f"{uri} on {dataset}: {len(store)} slices." + _BY_STUDY * (level == "study")
            judged = [tables[member.label] for member, _ in judgeable]
            if level == "slice" and len(judged) == len(LABELS) and len({len(table) for table in judged}) == 1:
                truth, probability = (np.stack([t[c] for t in judged], 1) for c in ("truth", "probability"))
                loss = metrics.rsna_weighted_log_loss(truth, probability)
                mlflow.log_metric("test/rsna_weighted_log_loss", loss)
            of = {member.label: tables[member.label] for member, _ in judgeable}
            groups = {
                label: subgroups({level: table}, store.groups, seed=seed)
                for label, table in of.items()
                if store.groups is not None
            }
            page.record(parent, found, store, dataset, about, warnings, groups)
    return External(found, unlabelled, warnings, excluded, parent)


def load_members(uri: str) -> list[tuple[Member, str]]:
    """Return the classifiers of a model with the training run of each (empty where unknown).

    Raises
    ------
    HemoError
        If there is no such model, or it is none of hemo's.
    """
    try:
        loaded = trusted.load(uri)
    except (mlflow.MlflowException, OSError) as fault:
        raise faults.no_model(uri, fault, f"give one like {PANEL_URI}") from None
    model = loaded.unwrap_python_model()
    if isinstance(model, ServedPanel):
        client = tracking.client()
        return [
            (one, client.get_model_version(model_name(one.label), one.version).run_id or "")
            for one in model.members
        ]
    if not hasattr(model, "member"):
        raise HemoError(f"{uri}: not a model of hemo: give one like {PANEL_URI}")
    return [(_as_registered(uri, model.member), loaded.metadata.run_id or "")]


def _as_registered(uri: str, member: Member) -> Member:
    """Return a classifier with its version, and the override that let it pass, where its URI names one."""
    found = recorded.registered(uri)
    if not found:
        return member
    version = tracking.client().get_model_version(*found)
    return replace(
        member,
        version=str(version.version),
        override=version.tags.get("override", ""),
        synthetic=member.synthetic or is_synthetic(version.tags),
    )


def _seen(known: Mapping[str, tuple[str, SliceStore]]) -> list[str]:
    """Return a warning where classifiers were made of slices that they are evaluated on."""
    labels: dict[str, list[str]] = {}
    for label, (run_id, store) in known.items():
        count = trained_on.overlap(tracking.get_run(run_id), store) if run_id else 0
        if count:
            labels.setdefault(f"{count:,} of these {len(store):,}", []).append(label)
    return [f"Made of {share} slices, no external test: {', '.join(who)}." for share, who in labels.items()]


def _record(
    member: Member,
    table: pd.DataFrame,
    run_id: str,
    parent: str,
    tags: Mapping[str, str],
    draws: int,
    seed: int,
) -> list[dict[str, Any]]:
    """Log one member's evaluation as a run; return its metrics beside the internal ones."""
    tested = summarize(table, draws, seed)
    inside = tracking.get_run(run_id).metrics if run_id else {}
    outside = final_metrics.with_bounds("test", tested)
    own_prefix = {"slice": "test", "study": "study"}[tags["level"]]
    internal = {
        name.replace("test", "internal", 1): inside.get(name.replace("test", own_prefix, 1), np.nan)
        for name in outside
    }
    logged: dict[str, float] = {
        **final_metrics.counts("test", _MANY[tags["level"]], tested),
        "threshold": member.threshold,
        **outside,
        **internal,
    }
    how = ", by study" if tags["level"] == "study" else ""
    title = f"{families.title(member.family)}: {member.label}, {tags['dataset']}{how}"
    own = {**tags, "family": member.family, "label": member.label, "version": member.version, "run": run_id}
    experiment = tracking.get_run(parent).experiment
    with (
        tracking.start_run(experiment, f"{member.family}/{member.label}", own, parent),
        tempfile.TemporaryDirectory() as scratch,
    ):
        mlflow.log_metrics({name: value for name, value in logged.items() if np.isfinite(value)})
        for part in ("plots", "predictions"):
            (Path(scratch) / part).mkdir()
        for name, figure in run_plots.draw_all(tested, title).items():
            (Path(scratch) / "plots" / f"{name}.png").write_bytes(style.png(figure))
        predictions.write(table, Path(scratch) / tracking.PREDICTIONS)
        mlflow.log_artifacts(scratch)
    return [
        {
            "label": member.label, "family": member.family, "version": member.version, "figure": name,
            "value": logged[f"test/{name}"], "low": logged[f"test/{name}_low"],
            "high": logged[f"test/{name}_high"], "internal": logged[f"internal/{name}"],
            "internal_low": logged[f"internal/{name}_low"], "internal_high": logged[f"internal/{name}_high"],
            "level": tags["level"], "slices": tested.counts.slices,
            "positive_patients": tested.counts.positive_patients,
        }
        for name in METRICS
        if f"test/{name}" in logged
    ]  # fmt: skip
