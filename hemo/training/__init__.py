"""Slices and a family to a trained classifier: predictions, operating point, metrics. Knows no MLflow."""

from hemo.training.all_labels import train_fold, train_label, train_together
from hemo.training.one_label import train
from hemo.training.plan import Plan, Trained, Training

__all__ = ["Plan", "Trained", "Training", "train", "train_fold", "train_label", "train_together"]
