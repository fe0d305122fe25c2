"""A study as one page: what was gained, the best parameters, the pictures, all trials."""

from collections.abc import Mapping, Sequence

import pandas as pd
from optuna.study import Study
from optuna.trial import FrozenTrial

from hemo.display.page import Mark, Section, Table, render
from hemo.tuning import storage as storages
from hemo.tuning.results import Refits, best_trial, counts, default_trial, values
from hemo.tuning.trial import SETTINGS, Result


def as_html(study: Study, objectives: Sequence[str], tested: Refits, figures: Mapping[str, bytes]) -> str:
    """Return the page.

    Parameters
    ----------
    study : Study
        With at least one trial that has a value.
    objectives : sequence of str
        Names of its objectives.
    tested : Refits
        AUC of defaults and best on the test patients.
    figures : mapping
        From `hemo.tuning.plots.draw`, as PNG.
    """
    trials = study.get_trials(deepcopy=False)
    found, best, default = values(study), best_trial(study), default_trial(study)
    states = ", ".join(f"{n} {word}" for word, n in counts(trials).items() if n)
    of_best, of_default = Result.of(best), Result.of(default) if default else None
    params = of_best.params if of_best else {}
    given = of_default.params if of_default else {}
    gained = pd.DataFrame(
        [
            ("defaults", f"{found.default:.4f}", tested.default),
            (f"trial {best.number}, the best", f"{found.best:.4f}", tested.best),
            ("gain", f"{found.gain:+.4f}", ""),
        ],
        columns=["", f"{objectives[0]}, out-of-fold", "AUC, test patients"],
    )
    chosen = pd.DataFrame(
        [(name, _text(value), _text(given.get(name, ""))) for name, value in params.items()],
        columns=["parameter", "best", "default"],
    )
    changed: list[Mark] = ["good" if v != given.get(name, v) else "" for name, v in params.items()]
    columns = ["trial", "state", *objectives, "seconds", "remark", "parameters"]
    each = pd.DataFrame([_row(trial, len(objectives)) for trial in trials], columns=columns)
    sections = [
        Section(
            "In short",
            f"Trials: {states}, in {storages.spent_seconds(trials) / 60:.1f} minutes. The best was chosen by "
            "its out-of-fold metric, which flatters it; the test patients were seen by no trial.",
            {"": gained},
        ),
        Section("Parameters", tables={"": Table(chosen, changed)}),
        Section("Figures", figures={name.replace("_", " "): png for name, png in figures.items()}),
        Section("Trials", tables={"": each}),
    ]
    return render(f"Study {study.study_name}", sections)


def _text(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _row(trial: FrozenTrial, objectives: int) -> list[object]:
    found = Result.of(trial)
    reached = [f"{value:.4f}" for value in trial.values or ()] or [""] * objectives
    seconds = f"{trial.duration.total_seconds():.1f}" if trial.duration else ""
    remark = trial.user_attrs.get(SETTINGS, "") or (found.reason if found else "")
    drawn = ", ".join(f"{name}={_text(value)}" for name, value in trial.params.items())
    return [trial.number, trial.state.name.lower(), *reached, seconds, remark, drawn]
