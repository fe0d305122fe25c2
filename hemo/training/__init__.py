"""Slices and a family to a trained classifier: predictions, operating point, metrics. Knows no MLflow."""

from hemo.training.all_labels import train_together
from hemo.training.one_label import (
    Plan,
    Trained,
    conclude,
    everything,
    predict,
    predicted_parts,
    train,
)

__all__ = [
    "Plan",
    "Trained",
    "conclude",
    "everything",
    "predict",
    "predicted_parts",
    "train",
    "train_together",
]
