"""Metrics that people look for first, named so that the UI puts them first: recall of a label.

The UI makes a section of charts of what stands before a metric's last `/`, and sorts sections by their names,
capitals first. A section is a recall here, and its charts are labels.
"""

from collections.abc import Mapping
from typing import Final

RECALLS: Final = {
    "Recall at specificity 0.80": "test/recall_at_specificity_80",
    "Recall at specificity 0.80 by study": "study/recall_at_specificity_80",
    "Recall at the own threshold": "test/recall",
    "Recall at the own threshold by study": "study/recall",
}
"""Sections to the metric of a training run that each shows: those that compare as they are stand first."""

COMPARED: Final = tuple(RECALLS)[:2]
OWN_THRESHOLD: Final = tuple(RECALLS)[2:]
"""Sections of recalls that compare as they are, and of those that have to be read with a specificity."""

MEAN: Final = "all labels: mean"
"""Stands for the mean over labels in the place of a label, before all of them."""


def recalls(label: str, metrics: Mapping[str, float]) -> dict[str, float]:
    """Return a training run's recalls of its label, by the names that the UI puts first.

    Examples
    --------
    >>> recalls("any", {"test/recall": 0.9, "test/auc": 0.8})
    {'Recall at the own threshold/any': 0.9}
    """
    return {f"{section}/{label}": metrics[name] for section, name in RECALLS.items() if name in metrics}


def mean_recalls(of_labels: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Return the recalls of several labels, before them the mean of each section that all labels have.

    Parameters
    ----------
    of_labels
        Label to its training run's metrics.

    Examples
    --------
    >>> found = mean_recalls({"any": {"test/recall": 0.9}, "epidural": {"test/recall": 0.7}})
    >>> [(name.partition("/")[2], value) for name, value in found.items()]
    [('all labels: mean', 0.8), ('any', 0.9), ('epidural', 0.7)]
    """
    found: dict[str, float] = {}
    for section, name in RECALLS.items():
        values = {label: metrics[name] for label, metrics in of_labels.items() if name in metrics}
        if values and len(values) == len(of_labels):
            found[f"{section}/{MEAN}"] = round(sum(values.values()) / len(values), 4)
        found |= {f"{section}/{label}": value for label, value in values.items()}
    return found
