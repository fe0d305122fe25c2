"""Training runs made up in MLflow without training: prediction tables, and the metrics of them."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import cv2
import mlflow
import numpy as np
import pandas as pd
from mlflow.entities import Metric, Param

from hemo import tracking
from hemo.evaluation import predictions
from hemo.evaluation.operating_point import OperatingPointRule
from hemo.evaluation.protocols import Protocol
from hemo.evaluation.summary import summarize
from hemo.labels import LABELS
from hemo.slices.split import Split, make_split
from hemo.slices.store import SliceStore
from hemo.training import Plan, Trained, final_metrics

PICTURE = cv2.imencode(".png", np.zeros((2, 2), np.uint8))[1].tobytes()
"""In the place of a gallery of failures."""


def table(store: SliceStore, split: Split, label: str, skill: float, seed: int = 0) -> pd.DataFrame:
    """Return out-of-fold predictions of a classifier of so much skill: of 0, it knows nothing."""
    rng = np.random.default_rng([seed, LABELS.index(label)])
    index = store.index
    truth = index[label].to_numpy()
    probability = 1 / (1 + np.exp(-(skill * (truth - 0.5) + rng.normal(size=len(truth)))))
    return predictions.validate(
        index[["slice_id", "patient", "study"]].assign(
            part="test",
            fold=index["patient"].map(split.patients.set_index("patient")["fold"]),
            truth=truth,
            probability=probability,
            threshold=0.5,
        )
    )


def log(
    experiment: str,
    store: SliceStore,
    split: Split,
    family: str,
    label: str,
    rows: pd.DataFrame,
    tags: Mapping[str, str] = {},
) -> str:
    """Log one training run, and return its id."""
    plan = Plan(split, "balanced", OperatingPointRule("fixed", 0.5), 10, 0, draws=100)
    unused: Any = None  # the classifier
    trained = Trained(
        unused, None, 0.5, rows, rows, pd.DataFrame(), {"threshold": 0.5, "time/fit_s": 1.0}, family
    )
    about = {
        "stage": "train", "family": family, "label": label, "protocol": "cv", "seed": "0",
        "data_digest": store.digest, "split_digest": split.digest, "git_commit": "c0ffee",
    }  # fmt: skip
    with tracking.start_run(experiment, f"{family}/{label}", {**about, **tags}) as run_id:
        found = final_metrics.finals(trained, plan, summarize(rows, plan.draws, plan.seed))
        logged = [Metric(name, value, 0, 0) for name, value in found.items() if np.isfinite(value)]
        tracking.client().log_batch(run_id, logged, [Param("hp.C", "1.0")])
        folder = Path("scratch") / run_id
        (folder / "predictions").mkdir(parents=True)
        (folder / "plots").mkdir()
        predictions.write(rows, folder / tracking.PREDICTIONS)
        split.save(folder / "split")
        (folder / "plots" / "failures.png").write_bytes(PICTURE)
        mlflow.log_artifacts(str(folder))
    return run_id


def log_all(
    experiment: str, store: SliceStore, skills: Mapping[str, float]
) -> Iterator[tuple[str, str, str]]:
    """Log a run of each family, of the skill given, on each label; yield family, label and id of the run."""
    split = make_split(store.index, Protocol.CV, 0, folds=3)
    for seed, (family, skill) in enumerate(skills.items()):
        for label in LABELS:
            rows = table(store, split, label, skill, seed)
            yield family, label, log(experiment, store, split, family, label, rows)
