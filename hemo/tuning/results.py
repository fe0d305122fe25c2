"""What a study has found: its best trial, that of the defaults, the gain, trials in each state."""

from collections.abc import Sequence
from dataclasses import dataclass

from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from hemo.errors import HemoError
from hemo.tuning.trial import DEFAULT, SETTINGS, Result


@dataclass(frozen=True)
class Values:
    """What a study gained: defaults and best trial by the first objective, on the same folds.

    Attributes
    ----------
    default
        Value of the family's defaults; NaN where their trial has not ended.
    best
        Value of the best trial.
    gain
        How much better the best is, whether more or less is better.
    """

    default: float
    best: float
    gain: float


@dataclass(frozen=True)
class Refits:
    """AUC with interval on the test patients of defaults and best, or why there is none."""

    default: str
    best: str


def best_trial(study: Study) -> FrozenTrial:
    """Return the best trial by the first objective: of several objectives, the best of the Pareto front.

    Raises
    ------
    HemoError
        If no trial has a value.
    """
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if not complete:
        raise HemoError(f"study {study.study_name}: no trial has ended with a value: give it more time")
    sign = -1 if study.directions[0] == StudyDirection.MAXIMIZE else 1
    # On a tie in the first objective a trial that others dominate must not win.
    front = study.best_trials if len(study.directions) > 1 else complete
    return min(front, key=lambda trial: (sign * trial.values[0], trial.number))


def default_trial(study: Study) -> FrozenTrial | None:
    """Return the trial of the family's defaults, if it has ended with a value."""
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return next((trial for trial in complete if trial.user_attrs.get(SETTINGS) == DEFAULT), None)


def values(study: Study) -> Values:
    """Return the first objective of the family's defaults and of the best trial, and the gain."""
    given, best = default_trial(study), best_trial(study).values[0]
    default = given.values[0] if given else float("nan")
    sign = 1 if study.directions[0] == StudyDirection.MAXIMIZE else -1
    return Values(default, best, sign * (best - default))


def counts(trials: Sequence[FrozenTrial]) -> dict[str, int]:
    """Return how many trials are in each state; `repeated` ones took over another's outcome."""
    states = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL,
              "running": TrialState.RUNNING, "waiting": TrialState.WAITING}  # fmt: skip
    result = {word: sum(trial.state == state for trial in trials) for word, state in states.items()}
    found = [Result.of(trial) for trial in trials]
    result["repeated"] = sum(one is not None and one.same_as is not None for one in found)
    return result
