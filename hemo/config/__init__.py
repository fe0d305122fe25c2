"""The experiment file as validated types."""

from hemo.config.experiment import (
    PAPER_FAMILIES,
    Experiment,
    Gate,
    Part,
    Phantom,
    Protocol,
    Reduction,
)
from hemo.config.loading import label_names, load

__all__ = [
    "PAPER_FAMILIES",
    "Experiment",
    "Gate",
    "Part",
    "Phantom",
    "Protocol",
    "Reduction",
    "label_names",
    "load",
]
