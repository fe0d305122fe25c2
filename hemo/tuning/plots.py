"""Optuna's plots of a study as files: PNG to look at in MLflow, one HTML page to explore."""

import html
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import optuna
from optuna.study import Study
from optuna.trial import TrialState

KINDS = ("optimization_history", "param_importances", "parallel_coordinate", "slice", "intermediate_values")
PARETO = "pareto_front"


def write(study: Study, names: Sequence[str], folder: Path) -> list[Path]:
    """Write `*.png` and, where Plotly is installed, `study.html`; return the files.

    Plots that a study has too few trials or parameters for are left out.

    Parameters
    ----------
    study : Study
        With trials that ended.
    names : sequence of str
        Names of its objectives.
    folder : Path
        An existing folder.
    """
    import matplotlib as mpl

    files = []
    with mpl.rc_context():  # Optuna's plots set a style of their own
        for kind, axes in _drawn(study, names, _matplotlib):
            figure = getattr(axes, "figure", None) or axes.ravel()[0].figure
            if kind == "parallel_coordinate":
                figure.set_size_inches(14, 6)
            files.append(folder / f"{kind}.png")
            figure.savefig(files[-1], dpi=100, bbox_inches="tight")
        _close_figures()
    if optuna.visualization.is_available():
        page = folder / "study.html"
        parts = [f"<!doctype html><meta charset='utf-8'><title>{html.escape(study.study_name)}</title>"]
        for _, figure in _drawn(study, names, _plotly):
            parts.append(figure.to_html(full_html=False, include_plotlyjs=len(parts) == 1))
        page.write_text("\n".join(parts), encoding="utf-8")
        files.append(page)
    return files


def _drawn(
    study: Study, names: Sequence[str], plot: Callable[[str], Callable[..., Any]]
) -> Iterator[tuple[str, Any]]:
    """Yield name and figure of each plot that the study is rich enough for."""
    drawn = _with_drawn_params(study)
    complete = drawn.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    varied = len({tuple(trial.values) for trial in complete}) > 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if len(names) > 1:
            if len(names) <= 3 and study.best_trials:
                yield PARETO, plot(PARETO)(study, target_names=list(names))
        else:
            if complete:
                yield KINDS[0], plot(KINDS[0])(study, target_name=names[0])
            yield KINDS[4], plot(KINDS[4])(study)
        if len(complete) < 2 or not varied:
            return
        for kind in KINDS[1:4]:
            yield kind, plot(kind)(drawn, target=_first, target_name=names[0])


def _first(trial: optuna.trial.FrozenTrial) -> float:
    return trial.values[0]


def _with_drawn_params(study: Study) -> Study:
    """Return a copy without trials that drew no parameter: with them, none is common to all trials."""
    copy = optuna.create_study(study_name=study.study_name, directions=study.directions)
    copy.add_trials([trial for trial in study.get_trials(deepcopy=False) if trial.params])
    return copy


def _matplotlib(kind: str) -> Callable[..., Any]:
    return getattr(optuna.visualization.matplotlib, f"plot_{kind}")


def _plotly(kind: str) -> Callable[..., Any]:
    return getattr(optuna.visualization, f"plot_{kind}")


def _close_figures() -> None:
    import matplotlib.pyplot as plt

    plt.close("all")
