"""What trials are judged by: metrics of out-of-fold predictions, or what a classifier costs."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
from numpy.typing import NDArray

from hemo.errors import HemoError

if TYPE_CHECKING:
    from hemo.evaluation.operating_point import OperatingPointRule

Direction = Literal["minimize", "maximize"]

RANKING: Final[Mapping[str, Direction]] = {
    "auc": "maximize",
    "average_precision": "maximize",
    "recall_at_specificity_80": "maximize",
    "recall_at_specificity_90": "maximize",
    "specificity_at_recall_80": "maximize",
    "specificity_at_recall_90": "maximize",
    "log_loss": "minimize",
    "brier": "minimize",
}
"""Metrics that need no threshold: each can be the only objective."""

TRADED: Final[Mapping[str, Direction]] = {
    "recall": "maximize",
    "specificity": "maximize",
    "precision": "maximize",
    "seconds": "minimize",
    "parameters": "minimize",
}
"""Metrics at the operating point, seconds of fitting, weights of the classifier: senseless one by one."""


def parse(text: str) -> tuple[str, ...]:
    """Return the objectives named by a word such as `auc` or `recall,specificity,seconds`.

    Raises
    ------
    HemoError
        If one is unknown or named twice, or the only one makes no sense alone.

    Examples
    --------
    >>> parse("recall,specificity")
    ('recall', 'specificity')
    >>> directions(parse("auc"))
    ['maximize']
    """
    names = tuple(word.strip() for word in text.split(","))
    for name in names:
        if name not in RANKING and name not in TRADED:
            raise HemoError(f"unknown objective '{name}': choose of {', '.join((*RANKING, *TRADED))}")
    if len(set(names)) < len(names):
        raise HemoError(f"objective {text}: one is named twice: name each once")
    if len(names) == 1 and names[0] in TRADED:
        raise HemoError(
            f"objective {text}: alone it is won by a useless classifier: name several, as in "
            "recall,specificity, or one of " + ", ".join(RANKING)
        )
    return names


def directions(names: Sequence[str]) -> list[Direction]:
    """Return `maximize` or `minimize` for each objective."""
    return [{**RANKING, **TRADED}[name] for name in names]


def fold_metric(name: str, truth: NDArray[np.integer], probability: NDArray[np.floating]) -> float:
    """Return a metric of one fold's predictions; NaN where the fold lacks a class."""
    from hemo.evaluation import metrics

    if truth.min() == truth.max():
        return float("nan")
    return metrics.compute(truth, probability, 0.5)[name]


def pooled_metrics(
    truth: NDArray[np.integer],
    probability: NDArray[np.floating],
    fold: NDArray[np.integer],
    rule: "OperatingPointRule",
) -> dict[str, float]:
    """Return all metrics of pooled out-of-fold predictions, at thresholds fitted on the other folds.

    Parameters
    ----------
    truth, probability, fold
        Out-of-fold predictions, (n,) each.
    rule
        Of the operating point.
    """
    from hemo.evaluation import metrics, operating_point

    threshold = operating_point.cross_fit(truth, probability, fold, rule)
    return metrics.compute(truth, probability, threshold)
