"""A training's final metrics under the names they are logged by."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from hemo.evaluation import intervals, metrics, operating_point, predictions
from hemo.training.plan import Plan, Trained

FIRST = ("recall", "specificity", "auc", "precision", "accuracy")
"""Figures that a run lists before the others."""

DECIMALS = 4
"""Of logged figures: the UI shows every digit there is. Exact ones follow from the prediction table."""


def finals(trained: Trained, plan: Plan) -> dict[str, float]:
    """Return all final metrics of a training, with their bounds as `_low` and `_high`.

    Parameters
    ----------
    trained, plan
        What was trained, and how; the plan has draws and seed of the bootstrap over patients.

    Returns
    -------
    dict
        `test/...`: of slices of the tested patients. `study/...`: of their studies (see `study_metrics`).
        `val/...`: of validation patients, under `holdout`, without bounds. `threshold`: the kept operating
        point. And the facts of the training.
    """
    test = trained.predictions[trained.predictions["part"] == "test"]
    found = _with_bounds("test", test, plan) | _counts("test", "slices", test)
    found |= study_metrics(test, plan)
    validation = trained.predictions[trained.predictions["part"] == "validation"]
    if len(validation):
        point = metrics.compute(*(validation[c].to_numpy() for c in ("truth", "probability", "threshold")))
        found |= {f"val/{name}": round(value, DECIMALS) for name, value in point.items()}
    found |= trained.facts
    if len(trained.fitted_on):
        interval = operating_point.threshold_interval(trained.fitted_on, plan.rule, plan.draws, plan.seed)
        _, low, high = interval
        found |= {"threshold_low": round(low, DECIMALS), "threshold_high": round(high, DECIMALS)}
    return found


def study_metrics(test: pd.DataFrame, plan: Plan) -> dict[str, float]:
    """Return the figures of the tested studies, which are called positive as soon as any slice is.

    A study's probability is the largest of its slices', and its threshold is the slices' own: this is how the
    panel answers for a study. The threshold was fitted for slices, so that recall is higher and specificity
    lower than a threshold fitted for studies would give; AUC and recall at a fixed specificity do not depend
    on it.

    Returns
    -------
    dict
        `study/...` as `test/...`; empty under `paper`, which has parts of studies only, and where each slice
        is a study of its own.
    """
    if not plan.protocol.by_patient or test["study"].nunique() == len(test):
        return {}
    studies = predictions.study_table(test, "max")
    return _with_bounds("study", studies, plan) | _counts("study", "studies", studies)


def _with_bounds(prefix: str, table: pd.DataFrame, plan: Plan) -> dict[str, float]:
    """Return figures with their bounds by name, in the order in which the UI lists them."""
    rows = intervals.bootstrap(table, draws=plan.draws, seed=plan.seed).set_index("metric").to_dict("index")
    names = [*FIRST, *(name for name in rows if name not in FIRST)]
    return {
        f"{prefix}/{name}{suffix}": round(float(rows[name][column]), DECIMALS)
        for name in names
        for suffix, column in (("", "value"), ("_low", "low"), ("_high", "high"))
    }


def _counts(prefix: str, rows: str, table: pd.DataFrame) -> dict[str, float]:
    positive = table[table["truth"] == 1]
    return {
        f"{prefix}/{rows}": len(table),
        f"{prefix}/positive_{rows}": len(positive),
        f"{prefix}/patients": table["patient"].nunique(),
        f"{prefix}/positive_patients": positive["patient"].nunique(),
    }


def ranged(found: Mapping[str, float], name: str) -> str:
    """Return a figure with its interval as Markdown for a note: `**0.84** (0.74 to 0.91)`."""
    value, low, high = (found.get(f"{name}{suffix}", np.nan) for suffix in ("", "_low", "_high"))
    return f"**{value:.3f}** ({low:.2f} to {high:.2f})"
