"""A small store of made-up runs under hemo's names, written in a second with MLflow's client."""

import os
from pathlib import Path

import mlflow
import numpy as np
from matplotlib.figure import Figure
from mlflow.entities import Metric, Param

from hemo import tracking, views

FAMILIES = {"cnn": 0.91, "logreg": 0.74}
LABELS = ("any", "epidural")


def make(folder: Path) -> str:
    """Write the store into a folder, by MLflow's own defaults, and return the experiment's id."""
    os.chdir(folder)
    experiment = tracking.experiment_id("made-up")
    views.prepare(experiment)
    client = tracking.client()
    with tracking.root_run(experiment, "made-up", {"stage": "experiment"}) as root:
        for family, recall in FAMILIES.items():
            for label in LABELS:
                tags = {"family": family, "label": label, "stage": "train", "dataset": "made-up"}
                with tracking.start_run(experiment, f"{family}/{label}", tags, root) as run:
                    figures = {"test/recall": recall, "test/auc": recall + 0.03, "test/specificity": 0.8}
                    client.log_batch(
                        run,
                        [Metric(name, value, 0, 0) for name, value in figures.items()],
                        [Param("family", family), Param("label", label)],
                    )
                    dataset = mlflow.data.from_numpy(
                        np.empty((0, 8, 8, 1), np.uint8),
                        source="store",
                        name="made-up",
                        digest="0123456789abcdef",
                    )
                    mlflow.log_input(dataset, context="training")
                    figure = Figure(figsize=(3, 2))
                    figure.subplots().plot([0, 1], [0, 1])
                    mlflow.log_figure(figure, "plots/roc.png")
        with tracking.start_run(experiment, "comparison", {"stage": "comparison"}, root):
            mlflow.log_text("<h1>Families side by side</h1>", "report/comparison.html")
    return experiment
