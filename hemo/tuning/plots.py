"""Pictures of a study: how it went, what mattered, where good values lie, how folds and epochs went."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullFormatter
from optuna.study import Study
from optuna.trial import FrozenTrial

from hemo.display import style
from hemo.tuning.pruning import RUNGS
from hemo.tuning.study_data import (
    DEFAULT_COLOR,
    OTHER_COLOR,
    StudyData,
    by_epoch,
    by_fold,
    by_trial,
    categories,
    height,
    shares,
    ticks,
)

ACROSS = 4
"""Panels of parameters beside each other."""

UNUSED = -0.14
"""Height on a parallel axis of a parameter that a trial does not have."""


def draw(study: Study, objectives: Sequence[str]) -> dict[str, Figure]:
    """Return the pictures that a study is rich enough for, by name.

    Parameters
    ----------
    study : Study
        With at least one trial that has a value.
    objectives : sequence of str
        Names of its objectives.
    """
    data = StudyData.of(study, objectives)
    drawn = {"history": history(data)}
    if len(objectives) > 1:
        front = {trial.number for trial in study.best_trials}
        drawn["pareto_front"] = pareto_front(data, front)
    if len({trial.values[0] for trial in data.complete if trial.params}) > 1:
        drawn |= {
            "importances": importances(data, shares(study)),
            "parameters": parameters(data),
            "parallel_coordinates": parallel_coordinates(data),
        }
    if any(by_fold(trial)[0] for trial in data.complete):
        drawn["folds"] = folds(data)
    if any(by_epoch(trial)[0] for trial in data.complete):
        drawn["epochs"] = epochs(data)
    return drawn


@style.styled
def history(data: StudyData) -> Figure:
    """Draw the value of each trial in their order, and the best so far."""
    figure = Figure(figsize=(9, 4.8))
    axes = figure.subplots()
    axes.plot(*by_trial(data.others), "o", ms=5, mew=0, alpha=0.7, color=OTHER_COLOR, label="trial")
    numbers, values = by_trial(data.complete)
    better = np.maximum if data.larger else np.minimum
    axes.step(numbers, better.accumulate(values), where="post", color=style.INK, lw=1.5, label="best so far")
    if data.pruned:
        at = [trial.number for trial in data.pruned]
        bottom = axes.get_xaxis_transform()
        label = f"pruned: {len(at)}"
        axes.plot(at, np.full(len(at), 0.015), "|", color=style.GRAY, ms=7, transform=bottom, label=label)
    _mark(axes, data, lambda trial: (trial.number, trial.values[0]))
    if data.default:
        axes.axhline(data.default.values[0], color=DEFAULT_COLOR, lw=1, ls="--")
    axes.set(xlabel="trial", ylabel=f"{data.objective}, out-of-fold")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    style.heading(axes, f"{data.name}: how it went", data.gain)
    return figure


@style.styled
def importances(data: StudyData, found: Mapping[str, float]) -> Figure:
    """Draw how much each parameter mattered (see `hemo.tuning.study_data.shares`)."""
    figure = Figure(figsize=(7, 1.4 + 0.36 * max(len(found), 2)))
    axes = figure.subplots()
    names = list(found)[::-1]
    bars = axes.barh(names, [found[name] for name in names], color=OTHER_COLOR, height=0.65)
    axes.bar_label(bars, [f"{found[name]:.2f}" for name in names], padding=4)
    axes.set(
        xlim=(0, 1.1 * max(found.values(), default=1)), xlabel="share of what tells the best tenth of trials"
    )
    axes.grid(False, axis="y")
    axes.tick_params(axis="y", length=0)
    style.heading(axes, f"{data.name}: what mattered", f"{len(data.complete)} trials, by PED-ANOVA")
    return figure


@style.styled
def parameters(data: StudyData) -> Figure:
    """Draw the value of each trial over each parameter, a panel a parameter."""
    kinds = data.distributions
    down = -(-len(kinds) // ACROSS)
    figure = Figure(figsize=(3.3 * min(ACROSS, len(kinds)) + 1, 3.2 * down + 0.6))
    panels = figure.subplots(down, min(ACROSS, len(kinds)), sharey=True, squeeze=False).ravel()
    rng = np.random.default_rng(0)
    for axes, (name, kind) in zip(panels, kinds.items(), strict=False):
        words = categories(kind)
        spread = 0.12 if words else 0.0
        shift = {trial.number: rng.uniform(-spread, spread) for trial in data.complete}

        def point(
            trial: FrozenTrial, name: str = name, words: Any = words, shift: Any = shift
        ) -> tuple[float, float]:
            value = trial.params.get(name, np.nan)
            if words and name in trial.params:
                value = words.index(str(value)) + shift[trial.number]
            return value, trial.values[0]

        x, y = zip(*(point(trial) for trial in data.others), strict=True) if data.others else ((), ())
        axes.plot(x, y, "o", ms=5, mew=0, alpha=0.5, color=OTHER_COLOR)
        _mark(axes, data, point)
        if words:
            axes.set_xticks(range(len(words)), words, rotation=20 if len(words) > 3 else 0)
            axes.set_xlim(-0.5, len(words) - 0.5)
        elif getattr(kind, "log", False):
            axes.set_xscale("log")
            axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xlabel(name)
    for axes in panels[len(kinds) :]:
        axes.set_visible(False)
    for axes in panels[:: min(ACROSS, len(kinds))]:
        axes.set_ylabel(data.objective)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower left", ncols=2)
    style.heading(panels[0], f"{data.name}: values over parameters", data.gain)
    # The heading is wider than the panel, which must not grow with it.
    for text in (*panels[0].texts, panels[0]._left_title):
        text.set_in_layout(False)
    return figure


@style.styled
def parallel_coordinates(data: StudyData) -> Figure:
    """Draw each trial as a line over its parameters, the best tenth in color."""
    kinds = data.distributions
    figure = Figure(figsize=(2.2 + 1.35 * len(kinds), 6))
    axes = figure.subplots()
    values = np.array([trial.values[0] for trial in data.complete])
    low, high = values.min(), values.max()
    sign = 1 if data.larger else -1
    good = np.quantile(sign * values, 0.9)

    def line(trial: FrozenTrial) -> list[float]:
        return [
            (trial.values[0] - low) / (high - low),
            *(height(kind, trial.params[n]) if n in trial.params else UNUSED for n, kind in kinds.items()),
        ]

    x = np.arange(len(kinds) + 1)
    for trial in sorted(data.others, key=lambda trial: sign * trial.values[0]):
        top = sign * trial.values[0] >= good
        axes.plot(x, line(trial), color=OTHER_COLOR if top else style.GRAY, lw=1, alpha=0.75 if top else 0.18)
    for trial, color, word in data.marked:
        axes.plot(x, line(trial), "-o", ms=4, color=color, lw=2.5, label=word)
    axes.plot([], [], color=OTHER_COLOR, lw=1, label="best tenth")
    axes.plot([], [], color=style.GRAY, lw=1, alpha=0.4, label="others")
    _label(axes, 0, [(0.0, f"{low:.3f}"), (1.0, f"{high:.3f}")])
    for axis, kind in enumerate(kinds.values(), 1):
        _label(axes, axis, ticks(kind))
    axes.set_xticks(x, [data.objective, *kinds], rotation=20, ha="right")
    axes.set_yticks([UNUSED], ["not used"])
    axes.set(ylim=(UNUSED - 0.06, 1.06), xlim=(-0.1, len(kinds) + 0.5))
    axes.grid(False, axis="y")
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.tick_params(length=0)
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1))
    style.heading(axes, f"{data.name}: parameters together", data.gain)
    return figure


@style.styled
def folds(data: StudyData) -> Figure:
    """Draw the value of each trial on each fold, pruned ones as far as they got."""
    figure = Figure(figsize=(8.6, 4.8))
    axes = figure.subplots()
    _courses(axes, data, by_fold, "-o")
    axes.plot([], [], color=style.GRAY, lw=0.8, label="trial")
    if data.pruned:
        axes.plot([], [], ":", color=style.GRAY, lw=0.8, label="pruned")
    axes.set(xlabel="fold", ylabel=f"{data.objective} of the fold")
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    style.heading(axes, f"{data.name}: fold by fold", "a trial below the best one in two folds is pruned")
    return figure


@style.styled
def epochs(data: StudyData) -> Figure:
    """Draw the AUC of the first fold's validation slices, epoch by epoch."""
    figure = Figure(figsize=(8.6, 4.8))
    axes = figure.subplots()
    _courses(axes, data, by_epoch, "-")
    axes.set(xlabel="epoch", ylabel="AUC, validation slices")
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    after = " or ".join(map(str, RUNGS))
    detail = f"trials in the worse half after {after} epochs are pruned (dotted)"
    style.heading(axes, f"{data.name}: first fold, epoch by epoch", detail)
    return figure


@style.styled
def pareto_front(data: StudyData, front: set[int]) -> Figure:
    """Draw the first two objectives of each trial, those that no other beats in all objectives in color."""
    figure = Figure(figsize=(7.6, 5.6))
    axes = figure.subplots()
    for inside, color, word in ((False, style.GRAY, "dominated"), (True, OTHER_COLOR, "Pareto front")):
        values = np.array([t.values[:2] for t in data.complete if (t.number in front) == inside])
        if len(values):
            axes.plot(*values.T, "o", color=color, mew=0, alpha=0.8 if inside else 0.4, label=word)
    _mark(axes, data, lambda trial: (trial.values[0], trial.values[1]))
    axes.set(xlabel=data.objectives[0], ylabel=data.objectives[1])
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    style.heading(axes, f"{data.name}: what is traded", f"{len(front)} of {len(data.complete)} trials")
    return figure


def _mark(axes: Axes, data: StudyData, point: Callable[[FrozenTrial], tuple[float, float]]) -> None:
    """Draw the defaults' trial and the best one where they belong."""
    for (trial, color, word), marker in zip(data.marked, "D*"[-len(data.marked) :], strict=True):
        x, y = point(trial)
        size = 15 if marker == "*" else 8
        axes.plot([x], [y], marker, ms=size, color=color, mec="white", mew=0.8, label=word, ls="none")


def _label(axes: Axes, x: int, marks: Sequence[tuple[float, str]]) -> None:
    """Write words beside a parallel axis."""
    for y, word in marks:
        box = {"boxstyle": "square,pad=0.1", "fc": "white", "ec": "none", "alpha": 0.75}
        axes.annotate(word, (x, y), (5, 0), "data", "offset points", va="center", size=9, bbox=box, zorder=9)


def _courses(
    axes: Axes, data: StudyData, points: Callable[[FrozenTrial], tuple[Any, Any]], marks: str
) -> None:
    """Draw the course of each trial over whole steps, pruned ones dotted; those of note in colour."""
    for trials, look in ((data.pruned, ":"), (data.others, "-")):
        for trial in trials:
            axes.plot(*points(trial), look, color=style.GRAY, lw=0.8, alpha=0.4)
    for trial, color, word in data.marked:
        axes.plot(*points(trial), marks, color=color, lw=2.5, label=word)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
