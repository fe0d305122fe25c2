"""A training's final metrics under the names they are logged by."""

from collections.abc import Mapping

from hemo.evaluation import metrics, operating_point
from hemo.evaluation.summary import Summary
from hemo.training.plan import Plan, Trained

LEADING = ("recall", "specificity", "auc", "precision", "accuracy")
"""Metrics that a run lists before the others."""

DECIMALS = 4
"""Of logged metrics: the UI shows every digit there is. Exact ones follow from the prediction table."""


def finals(trained: Trained, plan: Plan, tested: Summary) -> dict[str, float]:
    """Return all final metrics of a training, with their bounds as `_low` and `_high`.

    Parameters
    ----------
    trained, plan
        What was trained, and how.
    tested
        The summary of its predictions of tested patients.

    Returns
    -------
    dict
        `test/...`: of slices of the tested patients; none where studies are labelled and too few slices are.
        `study/...`: of their studies (see `study_metrics`). `val/...` and `val_study/...`: of validation
        patients, under `holdout`, without bounds. `threshold`: the kept operating point, with its interval;
        under triage `negative_below` as well, and no interval: both thresholds keep their promise as they
        are. And the facts of the training.
    """
    found = {}
    if tested.by_slice:
        found = _rounded(with_bounds("test", tested)) | counts("test", "slices", tested)
    found |= study_metrics(tested, plan)
    tables = [("val", trained.predictions, tested)]
    tables += [("val_study", trained.studies.table, tested.studies)] if trained.studies else []
    for prefix, table, shown in tables:
        held = table[table["part"] == "validation"]
        if len(held):
            columns = ("truth", "probability", "threshold", "negative_below")
            point = metrics.compute(*(held[name].to_numpy() for name in columns))
            if not shown.triaged:
                del point["unsure_share"]
            found |= _rounded({f"{prefix}/{name}": value for name, value in point.items()})
    found |= trained.facts
    if len(trained.fitted_on) and not plan.rule.promise:
        interval = operating_point.threshold_interval(trained.fitted_on, plan.rule, plan.draws, plan.seed)
        _, low, high = interval
        found |= _rounded({"threshold_low": low, "threshold_high": high})
    return found


def study_metrics(tested: Summary, plan: Plan) -> dict[str, float]:
    """Return the metrics of the tested studies, by their own score and operating point.

    Both were fitted without the study's patient (see `hemo.evaluation.study_decisions`); it is how the panel
    answers for a study.

    Returns
    -------
    dict
        `study/...` as `test/...`; empty under `paper`, which has parts of studies only, and where each slice
        is a study of its own.
    """
    single = tested.by_slice and tested.table["study"].nunique() == tested.counts.slices
    if not plan.protocol.by_patient or single:
        return {}
    return _rounded(with_bounds("study", tested.studies)) | counts("study", "studies", tested.studies)


def with_bounds(prefix: str, tested: Summary) -> dict[str, float]:
    """Return all metrics with their bounds, by the names of the log, those of `LEADING` first.

    `unsure_share` is among them under triage only.
    """
    left_out = LEADING if tested.triaged else (*LEADING, "unsure_share")
    names = [*LEADING, *(name for name in tested.metrics["metric"] if name not in left_out)]
    return {
        f"{prefix}/{name}{suffix}": value
        for name in names
        for suffix, value in zip(("", "_low", "_high"), tested[name], strict=True)
    }


def counts(prefix: str, rows: str, tested: Summary) -> dict[str, float]:
    """Return how many slices (or studies, `rows`) and patients were tested, by the names of the log."""
    found = tested.counts
    return {
        f"{prefix}/{rows}": found.slices,
        f"{prefix}/positive_{rows}": found.positive_slices,
        f"{prefix}/patients": found.patients,
        f"{prefix}/positive_patients": found.positive_patients,
    }


def _rounded(found: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, DECIMALS) for name, value in found.items()}
