"""Studies in the terminal: how far they are, and their best trials."""

import numpy as np
import optuna
from optuna.storages import RDBStorage
from optuna.study import StudyDirection
from optuna.trial import TrialState

from hemo import console
from hemo.display.terminal import table
from hemo.tuning import storage as storages
from hemo.tuning.results import Values, best_trial, counts, default_trial, values
from hemo.tuning.trial import SETTINGS, Result

MOST_SHOWN = 5
"""Trials shown of a study."""


def print_studies(storage: RDBStorage) -> None:
    """Print a line a study: trials in each state, minutes, and the first objective of defaults and best."""
    rows, gains = [], []
    names = sorted(optuna.get_all_study_names(storage))
    if not names:
        console.out.print("no study yet: `hemo tune` makes some")
        return
    for name in names:
        study = optuna.load_study(study_name=name, storage=storage)
        trials = study.get_trials(deepcopy=False)
        states = counts(trials)
        found = values(study) if states["complete"] else None
        minutes = f"{storages.spent_seconds(trials) / 60:.1f}"
        rows.append((name, *states.values(), minutes, *(cells(found) if found else ("", "", ""))))
        gains += [found.gain] if found and np.isfinite(found.gain) else []
    words = ("complete", "pruned", "failed", "running", "waiting", "repeated")
    console.out.print(table("Studies", ("study", *words, "minutes", "default", "best", "gain"), rows))
    if len(gains) > 1:
        console.out.print(f"gain on average: {np.mean(gains):+.4f}, least: {min(gains):+.4f}")


def cells(found: Values) -> tuple[str, str, str]:
    """Return default, best and gain for people."""
    return f"{found.default:.4f}", f"{found.best:.4f}", f"{found.gain:+.4f}"


def print_study(storage: RDBStorage, name: str) -> None:
    """Print a study's state, best trials and best parameters.

    Raises
    ------
    HemoError
        If there is no such study; the known ones are named.
    """
    study = storages.load_study(storage, name)
    trials = study.get_trials(deepcopy=False)
    objectives = study.user_attrs.get("facts", {}).get("objective", "objective").split(",")
    states = ", ".join(f"{n} {word}" for word, n in counts(trials).items() if n)
    console.out.print(
        f"{name}: {states or 'no trial yet'}; {storages.spent_seconds(trials):.0f} s of trials",
        soft_wrap=True,
        style="bold",
    )
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    if not complete:
        return
    default, best, gain = cells(values(study))
    console.out.print(
        f"{objectives[0]}, out-of-fold on the same folds: {default} by the defaults, {best} by the best "
        f"trial: a gain of {gain}",
        soft_wrap=True,
    )
    sign = -1 if study.directions[0] == StudyDirection.MAXIMIZE else 1
    several = len(study.directions) > 1
    shown = sorted(study.best_trials if several else complete, key=lambda t: (sign * t.values[0], t.number))
    rows = [
        (f"{trial.number} {trial.user_attrs.get(SETTINGS, '')}", *(f"{value:.4f}" for value in trial.values))
        for trial in shown[: None if several else MOST_SHOWN]
    ]
    title = "Pareto front" if several else "Best trials"
    console.out.print(table(title, ("trial", *objectives), rows))
    result = Result.of(best_trial(study))
    before = default_trial(study)
    untuned = Result.of(before) if before else None
    rows = [
        (name, value, untuned.params.get(name, "") if untuned else "")
        for name, value in (result.params if result else {}).items()
    ]
    console.out.print(table("Best parameters", ("parameter", "best", "default"), rows))
