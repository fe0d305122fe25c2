"""What the figures of a study are drawn from: its trials, and parameters as places on an axis."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from hemo.display import style
from hemo.tuning.results import best_trial, default_trial
from hemo.tuning.trial import Result

DEFAULT_COLOR, BEST_COLOR, OTHER_COLOR = style.ORANGE, style.VERMILION, style.BLUE
"""Of the defaults' trial, the best and the others: the same in every figure."""


@dataclass(frozen=True)
class StudyData:
    """What all figures of a study are drawn from.

    Attributes
    ----------
    name
        Of the study.
    objectives
        Names of its objectives; all figures but the Pareto front are of the first.
    complete, pruned
        Trials with a value, and those that were stopped.
    best, default
        The best trial and that of the defaults, where it has a value.
    larger
        Whether more is better.
    """

    name: str
    objectives: Sequence[str]
    complete: Sequence[FrozenTrial]
    pruned: Sequence[FrozenTrial]
    best: FrozenTrial
    default: FrozenTrial | None
    larger: bool

    @property
    def objective(self) -> str:
        """The first objective for people."""
        return self.objectives[0].replace("_", " ").replace("auc", "AUC")

    @property
    def gain(self) -> str:
        """The objective by the defaults and by the best trial, in a line."""
        objective = self.objective
        before = f"{self.default.values[0]:.3f} by the defaults, " if self.default else ""
        return f"{objective}, out-of-fold: {before}{self.best.values[0]:.3f} by trial {self.best.number}"

    @property
    def others(self) -> list[FrozenTrial]:
        """Trials with a value but the best and the defaults'."""
        return [trial for trial in self.complete if trial is not self.best and trial is not self.default]

    @property
    def marked(self) -> list[tuple[FrozenTrial, str, str]]:
        """Trials that every figure shows by a color and a word of their own: the defaults' and the best."""
        best = (self.best, BEST_COLOR, f"best: trial {self.best.number}")
        return [(self.default, DEFAULT_COLOR, "defaults"), best] if self.default else [best]

    @property
    def distributions(self) -> dict[str, BaseDistribution]:
        """Parameters that trials draw, and from what, those that all have before those that some have."""
        found: dict[str, BaseDistribution] = {}
        for trial in self.complete:
            found |= trial.distributions
        often = {name: sum(name in trial.params for trial in self.complete) for name in found}
        return {name: found[name] for name in sorted(found, key=lambda name: (-often[name], name))}

    @classmethod
    def of(cls, study: Study, objectives: Sequence[str]) -> "StudyData":
        """Return what is drawn of a study that has a trial with a value."""
        trials = study.get_trials(deepcopy=False)
        complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
        pruned = [trial for trial in trials if trial.state == TrialState.PRUNED]
        numbers = {trial.number: trial for trial in complete}
        given = default_trial(study)
        larger = study.directions[0] == StudyDirection.MAXIMIZE
        best, default = numbers[best_trial(study).number], numbers[given.number] if given else None
        return cls(study.study_name, objectives, complete, pruned, best, default, larger)


def shares(study: Study) -> dict[str, float]:
    """Return how much each parameter matters for being among the best tenth of trials, the most first.

    By PED-ANOVA, as shares of one (S. Watanabe et al., "PED-ANOVA", 2023); it takes less for better.
    """
    # Trials that drew no parameter are left out: with them, none is common to all trials.
    copy = optuna.create_study(directions=study.directions)
    copy.add_trials([trial for trial in study.get_trials(deepcopy=False) if trial.params])
    sign = -1 if study.directions[0] == StudyDirection.MAXIMIZE else 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that a target is taken for a loss: this one is one
        return optuna.importance.get_param_importances(copy, target=lambda trial: sign * trial.values[0])


def by_trial(trials: Sequence[FrozenTrial]) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Return numbers and values of trials."""
    numbers = np.array([trial.number for trial in trials], int)
    return numbers, np.array([trial.values[0] for trial in trials], float)


def by_fold(trial: FrozenTrial) -> tuple[list[int], list[float]]:
    """Return the folds that a trial fitted, from 1, and the values."""
    found = Result.of(trial)
    values = found.folds if found else {}
    return [fold + 1 for fold in values], list(values.values())


def by_epoch(trial: FrozenTrial, metric: str = "val_auc") -> tuple[list[int], list[float]]:
    """Return the epochs of a trial's first fold, from 1, and a metric of each."""
    found = Result.of(trial)
    values = [epoch.get(metric, float("nan")) for epoch in found.epochs] if found else []
    return list(range(1, len(values) + 1)), values


def categories(kind: BaseDistribution) -> list[str]:
    """Return the choices of a parameter as words; none of a number."""
    return [str(choice) for choice in kind.choices] if isinstance(kind, CategoricalDistribution) else []


def height(kind: BaseDistribution, value: Any) -> float:
    """Return where a value lies between the least (0) and the greatest (1), by logarithm if drawn so."""
    words = categories(kind)
    if words:
        return words.index(str(value)) / max(len(words) - 1, 1)
    low, high, value = (np.log(v) if kind.log else v for v in (kind.low, kind.high, value))  # type: ignore[attr-defined]
    return float((value - low) / (high - low)) if high > low else 0.5


def ticks(kind: BaseDistribution) -> list[tuple[float, str]]:
    """Return heights and words to write beside a parameter's axis."""
    words = categories(kind)
    if words:
        return [(height(kind, word), word) for word in words]
    return [(height(kind, v), f"{v:.3g}") for v in (kind.low, kind.high)]  # type: ignore[attr-defined]
