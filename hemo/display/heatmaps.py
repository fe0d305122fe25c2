"""Pictures of many runs: families beside labels."""

import re

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from hemo.display import numbers, style
from hemo.display.colors import family_color
from hemo.labels import LABELS

HATCHES = ("///", "...", "xxx", "\\\\\\", "+++", "ooo")
"""By which variants of a family are told apart."""

DEGENERATE = 0.5
"""A specificity below this is marked: such a recall comes from calling most slices positive."""


@style.styled
def recall_heatmap(leaderboard: pd.DataFrame, title: str, metric: str = "recall") -> Figure:
    """Draw a metric by family and label, with its interval and the specificity that goes with it.

    Parameters
    ----------
    leaderboard
        A row a run: `family`, `label`, the metric, `<metric>_low`, `<metric>_high`; with `specificity`
        where it is there, values below `DEGENERATE` are marked.
    title
        What is compared.
    metric
        The metric to show.

    Returns
    -------
    Figure
        The highest of each label is framed; where several are equal, each of them.
    """
    families = list(dict.fromkeys(leaderboard["family"]))
    labels = [label for label in LABELS if label in set(leaderboard["label"])]
    figure = Figure(figsize=(2.2 + 1.65 * max(len(labels), 5), 1.5 + 0.95 * max(len(families), 2)))
    axes = figure.subplots()
    colors = matplotlib.colormaps["Blues"]
    for column, label in enumerate(labels):
        runs = leaderboard[leaderboard["label"] == label].set_index("family")
        for row, family in enumerate(families):
            if family in runs.index:
                _cell(axes, column, row, runs.loc[family].to_dict(), metric, colors)
        for family in runs.index[runs[metric] == runs[metric].max()]:
            corner = (column + 0.02, families.index(family) + 0.02)
            axes.add_patch(Rectangle(corner, 0.96, 0.96, fill=False, ec=style.VERMILION, lw=3.5))
    if not labels:
        style.say(axes, "no runs")
    axes.set(xlim=(0, max(len(labels), 1)), ylim=(max(len(families), 1), 0))
    axes.set_xticks(np.arange(len(labels)) + 0.5, labels)
    axes.set_yticks(np.arange(len(families)) + 0.5, families)
    axes.tick_params(length=0)
    axes.grid(False)
    axes.spines[:].set_visible(False)
    word = re.sub(r"_(\d\d)$", r" 0.\1", metric).replace("_", " ")
    detail = f"{word} with 95% interval; the highest of each label framed"
    if "specificity" in leaderboard:
        detail += f"; ▼ specificity below {DEGENERATE}"
    style.heading(axes, title, detail)
    return figure


def _cell(
    axes: Axes, column: int, row: int, run: dict, metric: str, colors: matplotlib.colors.Colormap
) -> None:
    """Fill one cell of the heat map."""
    value = float(run[metric])
    color = colors(value) if np.isfinite(value) else (0.93, 0.93, 0.93, 1.0)
    axes.add_patch(Rectangle((column, row), 1, 1, fc=color, ec="white", lw=2))
    # Relative luminance (WCAG 2): white ink on dark cells.
    ink = "white" if np.dot(color[:3], [0.2126, 0.7152, 0.0722]) < 0.5 else style.INK
    text = numbers.ranged(value, run[f"{metric}_low"], run[f"{metric}_high"])
    point, _, interval = text.partition(" ")
    axes.text(column + 0.5, row + 0.36, point, color=ink, size=15, weight="bold", ha="center", va="center")
    axes.text(column + 0.5, row + 0.62, interval, color=ink, size=9, ha="center", va="center")
    specificity = float(run.get("specificity", np.nan))
    if np.isfinite(specificity):
        mark = "▼ " if specificity < DEGENERATE else ""
        words = f"{mark}specificity {specificity:.2f}"
        axes.text(column + 0.5, row + 0.82, words, color=ink, size=8, ha="center", va="center")


@style.styled
def recall_by_family(leaderboard: pd.DataFrame, title: str, metric: str = "recall") -> Figure:
    """Draw a metric as bars with intervals, a group a label, a color a family.

    Parameters are those of `recall_heatmap`. Where the families are named for people, the column `word` holds
    their words, which have the colors; variants of a family share its color and differ by their hatch.
    """
    words = dict(zip(leaderboard["family"], leaderboard.get("word", leaderboard["family"]), strict=True))
    variants: dict[str, int] = {}
    families = list(dict.fromkeys(leaderboard["family"]))
    labels = [label for label in LABELS if label in set(leaderboard["label"])]
    figure = Figure(figsize=(10.6, 5.2))
    axes = figure.subplots()
    width = 0.8 / max(len(families), 1)
    for number, family in enumerate(families):
        runs = leaderboard[leaderboard["family"] == family].set_index("label").reindex(labels)
        x = np.arange(len(labels)) + (number + 0.5) * width - 0.4
        color, hatch = family_color(words[family]), None
        if "@" in words[family]:
            hatch = HATCHES[variants.setdefault(color, 0) % len(HATCHES)]
            variants[color] += 1
        axes.bar(x, runs[metric], 0.92 * width, color=color, hatch=hatch, ec="white", lw=0, label=family)
        reach = np.abs(
            runs[[f"{metric}_low", f"{metric}_high"]].to_numpy(float).T - runs[metric].to_numpy(float)
        )
        axes.errorbar(x, runs[metric], reach, fmt="none", ecolor=style.INK, elinewidth=1, capsize=2)
    axes.set(ylim=(0, 1.02), ylabel=metric.replace("_", " "))
    axes.set_xticks(np.arange(len(labels)), labels)
    axes.grid(False, axis="x")
    if families:
        axes.legend(
            loc="upper center", bbox_to_anchor=(0.5, -0.07), ncols=min(len(families), 3), columnspacing=1.2
        )
    else:
        style.say(axes, "no runs")
    style.heading(axes, title, f"{metric.replace('_', ' ')} with 95% interval")
    return figure
