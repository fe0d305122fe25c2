"""The leakage audit of a store as runs in MLflow: one for the store, and one below it for each training."""

import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd

from hemo import console, executors, families, tracking
from hemo.config import Experiment
from hemo.display.page import fact_table
from hemo.evaluation.operating_point import OperatingPointRule
from hemo.leakage import measure, page
from hemo.leakage.measure import FEWEST_PATIENTS
from hemo.leakage.page import SPLITS, Audit
from hemo.slices import duplicates, paper
from hemo.slices.store import SliceStore
from hemo.tracking.tags import UNAUDITED
from hemo.training import Plan, Training


def audit(config: Experiment, words: Sequence[str], labels: Sequence[str], out: Path | None = None) -> Audit:
    """Audit an experiment's store and log it as a run `leakage audit` with a run a training below it.

    Parameters
    ----------
    config
        Its store, folds, sampling, operating point, seed and workers are used; its protocol is not: both
        splits are by folds.
    words
        Families, or variants, of the experiment.
    labels
        Of the six; those that fewer than `FEWEST_PATIENTS` patients have are skipped and named.
    out
        Folder where page and tables are written as well.
    """
    store = SliceStore.open_checked(config.store_folder)
    experiment = tracking.experiment_id(config.name)
    tags = {
        "stage": "audit",
        "dataset": config.name,
        "data_digest": store.digest,
        "leakage": "audited" if store.patients_known else UNAUDITED,
        "git_commit": tracking.git_commit(),
    }
    with (
        tracking.root_run(experiment, "leakage audit", tags) as root,
        tempfile.TemporaryDirectory() as scratch,
    ):
        pairs = _pairs(store)
        skipped = [
            {"what": label, "reason": f"fewer than {FEWEST_PATIENTS} patients have it"}
            for label in labels
            if not measure.enough_patients(store.index, label)
        ]
        crossings = pd.DataFrame()
        measured = []
        if store.patients_known:
            crossings = _crossings(store, config, pairs)
            trainings = [
                Training(store, _plan(config), word, label, config.families.get(word, {}), config.name)
                for label in labels
                if measure.enough_patients(store.index, label)
                for word in words
            ]
            trainings.sort(key=lambda one: not families.get(one.family).neural)
            train_pair = partial(_train_pair, config, experiment, root)
            outcomes = executors.run_all(train_pair, trainings, config.workers)
            for one, outcome in console.track(outcomes, "auditing", len(trainings)):
                if isinstance(outcome, Exception):
                    skipped.append({"what": one.name, "reason": str(outcome) or type(outcome).__name__})
                else:
                    measured.append(outcome)
        found = Audit(
            _facts(store, config),
            crossings,
            pairs,
            _ordered(measured, labels, words),
            pd.DataFrame(skipped, columns=["what", "reason"]),
        )
        for folder in (Path(scratch), out):
            if folder is not None:
                page.write(found, store, config.name, folder)
        mlflow.log_artifacts(scratch)
        mlflow.log_metrics(_metrics(found))
        mlflow.set_tag("mlflow.note.content", page.note(found))
    return found


def _train_pair(config: Experiment, experiment: str, parent: str, training: Training) -> pd.DataFrame:
    """Train a family on a label under both splits, inside a run of its own; return its metrics."""
    store, label = training.store, training.label
    tags = {"stage": "audit pair", "family": training.family, "label": label, "dataset": training.dataset}
    tags |= {"data_digest": store.digest, "protocol": config.protocol}
    tags |= {"variant": training.variant} if training.variant else {}
    rows = None
    if not config.protocol.by_patient:
        rows = paper.paper_set(store.index, label, config.seed, config.positives)
    with (
        tracking.start_run(experiment, training.name, tags, parent),
        tempfile.TemporaryDirectory() as scratch,
    ):
        found = measure.inflation(training, rows=rows, folds=config.folds)
        params = families.build(training.family, training.params).params
        mlflow.log_params(
            {"family": training.family, "label": label} | {f"hp.{n}": str(v) for n, v in params.items()}
        )
        logged = {
            f"{name}/{row['metric']}{suffix}": row[name + suffix]
            for row in found.metrics.to_dict("records")
            for name in (*SPLITS, "inflation")
            for suffix in ("", "_low", "_high")
        }
        mlflow.log_metrics({name: value for name, value in logged.items() if np.isfinite(value)})
        for name in SPLITS:
            getattr(found, name).to_parquet(Path(scratch) / f"{name}.parquet", index=False)
        mlflow.log_artifacts(scratch, "predictions")
    return found.metrics.assign(family=training.word, label=label)


def _plan(config: Experiment) -> Plan:
    """Return how the audited families learn; the set of `paper` is balanced already."""
    if config.protocol.by_patient:
        sampling, rule = config.sampling, config.operating_point
    else:
        sampling, rule = "natural", OperatingPointRule("fixed", 0.5)
    return Plan(None, sampling, rule, config.positives, config.seed, draws=config.draws)


def _ordered(measured: list[pd.DataFrame], labels: Sequence[str], words: Sequence[str]) -> pd.DataFrame:
    if not measured:
        return pd.DataFrame(columns=["label", "family", "metric"])
    table = pd.concat(measured)
    rank = {name: number for number, name in enumerate([*labels, *words])}
    table = table.sort_values(
        ["label", "family"], key=lambda c: c.map(rank), kind="stable", ignore_index=True
    )
    return table[["label", "family", *table.columns.drop(["label", "family"])]]


def _pairs(store: SliceStore) -> pd.DataFrame:
    pairs = duplicates.find(store)
    names = store.index["slice_id"].to_numpy()
    return pairs.assign(first_id=names[pairs["first"]], second_id=names[pairs["second"]])


def _crossings(store: SliceStore, config: Experiment, pairs: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for split, trainings in measure.both_splits(store, config.folds, config.seed).items():
        crossing = pairs[measure.across(pairs, trainings)]
        rows.append(
            {
                "split": split,
                "patients_on_both_sides": measure.patients_on_both_sides(trainings, store.index["patient"]),
                "near_duplicates_of_one_patient": int(crossing["same_patient"].sum()),
                "near_duplicates_of_two_patients": int((~crossing["same_patient"]).sum()),
            }
        )
    return pd.DataFrame(rows)


def _facts(store: SliceStore, config: Experiment) -> pd.DataFrame:
    known = f"{store.index['patient'].nunique()}" if store.patients_known else UNAUDITED
    rows = {
        "experiment": config.name,
        "slices": f"{len(store):,}",
        "patients": known,
        "positive patients": ", ".join(f"{r.label} {r.patients}" for r in store.counts().itertuples()),
        "folds of both splits": config.folds,
        "slices learned from": config.sampling,
        "seed": config.seed,
        "data digest": store.digest,
        "code": tracking.git_commit(),
    }
    return fact_table(rows)


def _metrics(found: Audit) -> dict[str, float]:
    result = {
        "leakage/near_duplicates_of_one_patient": float(found.pairs["same_patient"].sum()),
        "leakage/near_duplicates_of_two_patients": float((~found.pairs["same_patient"]).sum()),
    }
    for row in found.crossings.to_dict("records"):
        result[f"leakage/patients_on_both_sides_{row['split'].replace(' ', '_')}"] = row[
            "patients_on_both_sides"
        ]
    return result
