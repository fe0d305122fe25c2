"""One trial: parameters drawn, folds fitted and predicted, a value; or a reason to stop."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from optuna import TrialPruned
from optuna.trial import FrozenTrial, TrialState

from hemo import families
from hemo.evaluation import objectives
from hemo.families.base import Classifier, CountsParameters, SharesFits
from hemo.tuning.folds import Fold
from hemo.tuning.pruning import FOLD_STEP, RUNGS
from hemo.tuning.spec import StudySpec

if TYPE_CHECKING:
    import optuna

SETTINGS = "settings"
"""User attribute of the first trials, which are never pruned: `DEFAULT` or `EXPERIMENT`."""

DEFAULT = "default"
"""The family's defaults, which are the seed paper's settings where it has the family."""

EXPERIMENT = "experiment"
"""The experiment's own parameters, of which none is drawn."""

WORKER = "worker"
"""User attribute: the process that runs (or ran) the trial, `host:pid@start`."""

CREW = "crew"
"""User attribute: what the worker is called whose process its parent asks a cluster about."""

RESULT = "result"
"""User attribute: what the trial found, as JSON (see `Result`)."""

FAULT = "fault"
"""User attribute: the error of a trial that failed by itself. A failed trial without one lost its worker."""

OUT_OF_TIME = "out of time"
"""Reason of a trial that the study's end cut short: its parameters may be tried again."""


@dataclass
class Result:
    """What a trial found, kept in Optuna's storage as JSON.

    Attributes
    ----------
    params
        All parameters of the family, defaults included.
    metrics
        Metrics of the pooled out-of-fold predictions, `seconds` and `parameters`; empty where pruned.
    folds
        The first objective on each fold that was fitted.
    epochs
        `loss`, `val_loss`, ... of each epoch of the first fold.
    same_as
        Number of the trial with the same parameters, whose outcome this one took over.
    reason
        Why it was pruned.
    """

    params: dict[str, Any]
    metrics: dict[str, float] = field(default_factory=dict)
    folds: dict[int, float] = field(default_factory=dict)
    epochs: list[dict[str, float]] = field(default_factory=list)
    same_as: int | None = None
    reason: str = ""

    def write(self, trial: "optuna.Trial") -> None:
        """Keep it with the trial."""
        words = {**self.__dict__}
        words["figures"] = words.pop("metrics")  # the key that studies have had from the first
        trial.set_user_attr(RESULT, json.dumps(words, default=_plain))

    def changed(self, base: Mapping[str, Any]) -> dict[str, Any]:
        """Return the parameters that differ from the base ones; JSON has lists for tuples."""
        return {name: value for name, value in self.params.items() if _key(value) != _key(base.get(name))}

    @classmethod
    def of(cls, trial: FrozenTrial) -> "Result | None":
        """Return what a trial found; None where it ended before that."""
        text = trial.user_attrs.get(RESULT)
        if text is None:
            return None
        words = json.loads(text)
        words["metrics"] = words.pop("figures")
        words["folds"] = {int(fold): value for fold, value in words["folds"].items()}
        return cls(**words)


def run_trial(
    trial: "optuna.Trial", spec: StudySpec, folds: Sequence[Fold], deadline: float
) -> float | tuple[float, ...]:
    """Run a trial and return its values in the order of the objectives.

    Parameters
    ----------
    trial : optuna.Trial
        Of a study whose directions are the objectives'.
    spec : StudySpec
        What is tuned.
    folds : sequence of Fold
        From `make_folds`.
    deadline : float
        Time (as `time.time`) after which a trial is pruned, unless its parameters are given.

    Raises
    ------
    TrialPruned
        If it is not worth going on.
    """
    result = Result(drawn_params(trial, spec))
    try:
        twin = find_twin(trial, result.params)
        if twin is not None:
            result.same_as = twin.number
            return _take_over(trial, twin, result)
        if SETTINGS in trial.user_attrs:
            deadline = float("inf")
        return _run_folds(trial, spec, folds, deadline, result)
    except TrialPruned as pruned:
        result.reason = str(pruned)
        raise
    except Exception as fault:  # the trial says why it failed, whatever it was; Optuna sees it too
        trial.set_user_attr(FAULT, f"{type(fault).__name__}: {' '.join(str(fault).split())}"[:500])
        raise
    finally:
        result.write(trial)
        if families.get(spec.family).neural:
            families.release()


def drawn_params(trial: "optuna.Trial", spec: StudySpec) -> dict[str, Any]:
    """Return all parameters of a trial: what it draws, over the base."""
    if trial.user_attrs.get(SETTINGS) == EXPERIMENT:
        return dict(spec.training.params)
    return {**spec.training.params, **families.get(spec.family).suggest(trial)}


def find_twin(trial: "optuna.Trial", params: Mapping[str, Any]) -> FrozenTrial | None:
    """Return an earlier trial with the same parameters that has an outcome, or runs now; else None."""
    wanted = _key(params)
    drawn = trial.params
    states = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING)
    for other in trial.study.get_trials(deepcopy=False, states=states):
        if other.number >= trial.number:
            continue
        found = Result.of(other)
        if found is None or other.state == TrialState.RUNNING:
            # What it has drawn tells, unless it is drawing at this moment.
            same = bool(drawn) and other.params == drawn
        else:
            fresh = found.same_as is None and found.reason != OUT_OF_TIME
            same = fresh and _key(found.params) == wanted
        if same:
            return other
    return None


def _take_over(trial: "optuna.Trial", twin: FrozenTrial, result: Result) -> float | tuple[float, ...]:
    """End as the twin did, without running anything."""
    found = Result.of(twin)
    if found is None or twin.state == TrialState.RUNNING:  # the two writes of its end are not one
        raise TrialPruned(f"trial {twin.number} runs with the same parameters")
    result.metrics, result.folds = found.metrics, found.folds
    if len(trial.study.directions) == 1:
        for step, value in twin.intermediate_values.items():
            trial.report(value, step)
    if twin.state == TrialState.PRUNED:
        raise TrialPruned(found.reason)
    return tuple(twin.values)


def _run_folds(
    trial: "optuna.Trial", spec: StudySpec, folds: Sequence[Fold], deadline: float, result: Result
) -> float | tuple[float, ...]:
    main = spec.objectives[0]
    prunes = len(spec.objectives) == 1
    seconds = 0.0
    probabilities = []
    for fold in folds:
        classifier = families.build(spec.family, result.params, fold.learned.seed)

        def on_epoch(
            epoch: int,
            logs: Mapping[str, float],
            classifier: Classifier = classifier,
            fold: Fold = fold,
        ) -> None:
            _check_time(deadline)
            if fold.number:
                return
            result.epochs.append({name: float(value) for name, value in logs.items()})
            if prunes and epoch + 1 in RUNGS:
                value = objectives.fold_metric(main, fold.truth, _positive(spec, classifier, fold))
                _report(trial, value, epoch + 1, f"after {epoch + 1} epochs")

        start = time.perf_counter()
        probabilities.append(_fit_predict(spec, classifier, fold, on_epoch))
        seconds += time.perf_counter() - start
        if main in objectives.RANKING:
            result.folds[fold.number] = objectives.fold_metric(main, fold.truth, probabilities[-1])
        if fold is not folds[-1]:
            if prunes:
                value = result.folds[fold.number]
                _report(trial, value, FOLD_STEP + fold.number, f"after fold {fold.number}")
            _check_time(deadline)
        elif prunes and np.isfinite(result.folds[fold.number]):
            trial.report(result.folds[fold.number], FOLD_STEP + fold.number)
    result.metrics = objectives.pooled_metrics(
        np.concatenate([fold.truth for fold in folds]),
        np.concatenate(probabilities),
        np.repeat([fold.number for fold in folds], [len(fold.truth) for fold in folds]),
        spec.training.plan.rule,
    )
    result.metrics["seconds"] = seconds
    if isinstance(classifier, CountsParameters):
        result.metrics["parameters"] = float(classifier.n_parameters)
    return tuple(result.metrics[name] for name in spec.objectives)


def _report(trial: "optuna.Trial", value: float, step: int, when: str) -> None:
    """Report a value and stop if the pruner says so; a fold without both classes says nothing."""
    if not np.isfinite(value):
        return
    trial.report(value, step)
    if trial.should_prune() and SETTINGS not in trial.user_attrs:
        raise TrialPruned(f"worse {when}")


def _check_time(deadline: float) -> None:
    if time.time() > deadline:
        raise TrialPruned(OUT_OF_TIME)


def _fit_predict(
    spec: StudySpec, classifier: Classifier, fold: Fold, on_epoch: Callable[..., None]
) -> NDArray[np.float64]:
    """Return the probabilities of the fold's tested slices by a classifier fitted on the others."""
    learned = fold.learned
    if isinstance(classifier, SharesFits):
        return classifier.fit_predict(learned.x, learned.y, fold.tested, fold.shared)
    classifier.fit(learned.x, learned.y, validation=learned.validation, on_epoch=on_epoch, **learned.context)
    return _positive(spec, classifier, fold)


def _positive(spec: StudySpec, classifier: Classifier, fold: Fold) -> NDArray[np.float64]:
    return families.positive(classifier, spec.family, fold.tested, fold.tested_study)


def _key(params: Any) -> str:
    return json.dumps(params, sort_keys=True, default=_plain)


def _plain(value: Any) -> Any:
    """Return what JSON can hold of a NumPy number."""
    return value.item() if isinstance(value, np.generic) else str(value)
