"""A small MLflow store for tests of the registry: quick training runs with a real model each."""

import json
import os
import shutil
import sqlite3
import sys
from collections.abc import Mapping
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, Schema
from sqlalchemy import event
from sqlalchemy.engine import Engine

import hemo
from hemo import digests, families, tracking
from hemo.evaluation import intervals
from hemo.evaluation.metrics import METRICS
from hemo.evaluation.summary import summarize
from hemo.imaging import Reduction
from hemo.registry import aliases, names, panel, promotion
from hemo.registry.candidates import Judgement
from hemo.registry.gate import Finding, Incumbent, Verdict

REDUCTION = Reduction(size=16, crop=False)

Runs = Mapping[tuple[str, str], str]
"""Ids of training runs by label and name."""

# What loads a model from a local registry would leave bytecode beside the code that was logged.
sys.dont_write_bytecode = True
os.environ["PYTHONDONTWRITEBYTECODE"] = "1"


@event.listens_for(Engine, "connect")
def _without_waiting_for_the_disk(connection: object, _record: object) -> None:
    """Tests kill processes, never the machine."""
    if isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA synchronous=OFF")


def empty_store(template: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make `folder` the current one, with a migrated and empty `mlflow.db` in it."""
    shutil.copy(template, folder / "mlflow.db")
    monkeypatch.chdir(folder)
    mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
    mlflow.set_registry_uri(f"sqlite:///{folder}/mlflow.db")


def images(label: int, seed: int = 0) -> np.ndarray:
    """Return 60 slices of 16x16; the second half has a bright square, whose place depends on the label."""
    rng = np.random.default_rng(seed)
    result = rng.integers(40, 90, (60, 16, 16, 1), dtype=np.uint8)
    result[30:, 2 : 6 + label, 2:6] += 100
    return result


def table(quality: float = 3.0, patients: int = 40, seed: int = 0, threshold: float = 0.5) -> pd.DataFrame:
    """Return out-of-fold predictions of two slices a patient, half of the patients positive.

    `quality` is the distance of the classes in standard deviations of the log odds.
    """
    rng = np.random.default_rng(seed)
    hard = rng.normal(size=2 * patients)  # what is hard is hard for every classifier
    truth = np.repeat(np.arange(patients) % 2, 2)
    odds = quality * (truth - 0.5) + hard + np.random.default_rng(seed + 1).normal(size=2 * patients) / 4
    patient = np.repeat(np.arange(patients), 2)
    return pd.DataFrame(
        {
            "slice_id": [f"s{row:04d}" for row in range(2 * patients)],
            "patient": [f"p{number:03d}" for number in patient],
            "study": [f"t{number:03d}" for number in patient],
            "part": "test",
            "fold": (patient % 5).astype(np.int16),
            "truth": truth.astype(np.int8),
            "probability": 1 / (1 + np.exp(-odds)),
            "threshold": threshold,
        }
    )


def classifier(label: int = 0) -> families.Classifier:
    """Return a fitted logistic regression on the slices of a label."""
    return families.build("logreg").fit(images(label), np.repeat([0, 1], 30))


def train(
    experiment: str,
    label: str,
    predictions: pd.DataFrame,
    fitted: families.Classifier,
    folder: Path,
    **tags: str,
) -> str:
    """Log a training run as `hemo.runs.recording` does, without plots; return its id."""
    known = {
        "family": "logreg", "label": label, "stage": "train", "protocol": "cv", "dataset": "made up",
        "data_digest": "d1", "split_digest": "s1", "seed": "0", "git_commit": "abc",
    } | tags  # fmt: skip
    figures = intervals.bootstrap(predictions, draws=100).set_index("metric")
    with tracking.start_run(experiment, f"{known['family']}/{label}", known) as run_id:
        finals = {f"test/{m}": row["value"] for m, row in figures.iterrows() if np.isfinite(row["value"])}
        mlflow.log_metrics({**finals, "threshold": 0.5, "model/loaded_back_gap": 0.0, "time/fit_s": 0.1})
        folder.mkdir(parents=True)
        (folder / "predictions").mkdir()
        predictions.to_parquet(folder / tracking.PREDICTIONS, index=False)
        (folder / tracking.ANSWERS).parent.mkdir()
        shown = images(0)[::6]
        probability = fitted.predict_proba(shown)[:, 1]
        np.savez(folder / tracking.ANSWERS, images=shown, study=np.arange(10), probability=probability)
        files = digests.of_folder(folder)
        mlflow.log_artifacts(str(folder))
        families.save(fitted, "logreg", folder / "classifier" / "fitted")
        facts = {"label": label, "family": "logreg", "threshold": 0.5, "reduction": REDUCTION.to_json()}
        (folder / "classifier" / "served.json").write_text(json.dumps(facts))
        package = Path(hemo.__file__).parent
        logged = mlflow.pyfunc.log_model(
            name="logreg",
            python_model=str(package / "serving" / "classifier_code.py"),
            artifacts={"classifier": str(folder / "classifier")},
            code_paths=[str(package)],
            pip_requirements=["mlflow"],
            signature=ModelSignature(
                Schema([ColSpec(DataType.binary, "image")]),
                Schema([ColSpec(DataType.double, "probability"), ColSpec(DataType.boolean, "decision")]),
            ),
        )
        with tracking.model_folder(logged.model_uri) as model:
            tracking.record(run_id, files, tracking.model_files(model))
    return run_id


def train_all(folder: Path) -> Runs:
    """Make a tracking store in a folder with runs of `any` and `epidural`: `good`, `better` and `bad`."""
    mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
    experiment = mlflow.create_experiment("made up", f"{folder}/mlruns")
    runs = {}
    for place, label in enumerate(("any", "epidural")):
        fitted = classifier(place)
        # The newest run of a family and label is the candidate: the good one last.
        for name, quality in (("bad", 0.2), ("better", 5.0), ("good", 1.8)):
            runs[label, name] = train(experiment, label, table(quality), fitted, folder / f"{label}-{name}")
    return runs


def case(runs: Runs, label: str, name: str = "good", *, sound: bool = True, better: bool = True) -> Judgement:
    """Return a candidate with a verdict as wanted, without judging anything."""
    own = Finding("recall", "0.9", "at least 0.5", sound, "recall 0.9" if sound else "recall is low")
    words = "better" if better else "not shown to be better"
    against = Finding("incumbent", "", "", better, words, against=True)
    metrics = pd.DataFrame(
        [(name, 0.9, 0.8, 1.0, 20) for name in METRICS],
        columns=["metric", "value", "low", "high", "patients"],
    )
    run = tracking.get_run(runs[label, name])
    number = aliases.current(names.model_name(label)).get("production")
    incumbent = None
    if number:
        version = tracking.client().get_model_version(names.model_name(label), number)
        incumbent = Incumbent(number, "logreg", None, "", same_run=version.run_id == run.run_id)
    verdict = Verdict((own, against) if incumbent else (own,), metrics)
    tested = summarize(tracking.load_predictions(run.run_id), draws=100)
    return Judgement(label, run, tested, verdict, incumbent, {"slices": 80})


def decide(made: Judgement, override: str = "") -> str:
    """Carry out a case in a deciding run of its own, and build the panel."""
    experiment = made.run.experiment
    with tracking.start_run(experiment, "promotion", {"stage": "promotion"}) as deciding:
        aliases.settle(names.model_name(made.label))
        decision = promotion.decide(made, deciding, override)
        panel.update(deciding)
    return decision
