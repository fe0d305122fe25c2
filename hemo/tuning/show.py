"""Studies in the terminal: how far they are, and their best trials."""

import optuna
from optuna.storages import RDBStorage
from optuna.study import StudyDirection
from optuna.trial import TrialState

from hemo import console
from hemo.tuning import storage as storages
from hemo.tuning.record import best_trial, counts
from hemo.tuning.trial import SETTINGS, Result

MOST_SHOWN = 5
"""Trials shown of a study."""


def print_studies(storage: RDBStorage) -> None:
    """Print a line a study."""
    rows = []
    for name in sorted(optuna.get_all_study_names(storage)):
        study = optuna.load_study(study_name=name, storage=storage)
        states = counts(study.get_trials(deepcopy=False))
        best = f"{best_trial(study).values[0]:.4f}" if states["complete"] else ""
        rows.append((name, *states.values(), best))
    words = ("complete", "pruned", "failed", "running", "waiting", "repeated")
    console.out.print(console.table("Studies", ("study", *words, "best"), rows))


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
        f"[bold]{name}[/bold]: {states or 'no trial yet'}; {storages.spent_seconds(trials):.0f} s of trials",
        soft_wrap=True,
    )
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    if not complete:
        return
    sign = -1 if study.directions[0] == StudyDirection.MAXIMIZE else 1
    several = len(study.directions) > 1
    shown = sorted(study.best_trials if several else complete, key=lambda t: (sign * t.values[0], t.number))
    rows = [
        (f"{trial.number} {trial.user_attrs.get(SETTINGS, '')}", *(f"{value:.4f}" for value in trial.values))
        for trial in shown[: None if several else MOST_SHOWN]
    ]
    title = "Pareto front" if several else "Best trials"
    console.out.print(console.table(title, ("trial", *objectives), rows))
    result = Result.of(best_trial(study))
    params = result.params if result else {}
    console.out.print(console.table("Best parameters", ("parameter", "value"), params.items()))
