"""The pictures of a leakage audit: the same classifiers, tested by slice and by patient."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from hemo.display import style
from hemo.labels import LABELS

SPLITS = {"by_slice": (style.VERMILION, "s", "split by slice"), "by_patient": (style.BLUE, "o", "by patient")}


@style.styled
def inflation(measured: pd.DataFrame, title: str, metric: str = "auc", name: str = "AUC") -> Figure:
    """Draw a metric under both splits, a panel a label, a row a family, the inflation between them.

    Parameters
    ----------
    measured
        A row a training and metric: `label`, `family`, `metric`, and `by_slice` and `by_patient` with `_low`
        and `_high`.
    title
        What was audited.
    metric, name
        The metric to show, and its name for people.
    """
    measured = measured[measured["metric"] == metric]
    labels = [label for label in LABELS if label in set(measured["label"])]
    families = list(dict.fromkeys(measured["family"]))
    down = max(len(labels), 1)
    figure = Figure(figsize=(9.6, 1.1 + down * (0.5 + 0.32 * max(len(families), 1))))
    panels = figure.subplots(down, 1, sharex=True, squeeze=False).ravel()
    for axes, label in zip(panels, labels, strict=False):
        rows = measured[measured["label"] == label].set_index("family").reindex(families)
        y = np.arange(len(families))
        axes.hlines(y, rows["by_patient"], rows["by_slice"], color=style.LIGHT, lw=7, zorder=1)
        for split, (color, marker, legend) in SPLITS.items():
            ends = rows[[f"{split}_low", f"{split}_high"]].to_numpy(float).T
            reach = np.abs(ends - rows[split].to_numpy(float))
            axes.errorbar(
                rows[split], y, xerr=reach, fmt=marker, color=color, capsize=3, lw=1.5, label=legend
            )
        axes.axvline(0.5, color=style.GRAY, lw=1, ls=":")
        axes.set(ylim=(len(families) - 0.4, -0.6), xlim=(0, 1.01), ylabel=label)
        axes.set_yticks(y, families)
        axes.grid(False, axis="y")
    if labels:
        panels[-1].set_xlabel(name)
        panels[0].legend(loc="lower left", bbox_to_anchor=(0.6, 1), ncols=2)
    else:
        style.say(panels[0], "no training")
    style.heading(panels[0], title, f"{name} with 95% interval by patient; dotted: chance")
    return figure


@style.styled
def pairs(images: list[tuple[np.ndarray, np.ndarray]], captions: list[str]) -> Figure:
    """Draw pairs of slices side by side, each pair under its caption."""
    across = min(3, max(len(images), 1))
    down = -(-max(len(images), 1) // across)
    figure = Figure(figsize=(4.2 * across, 2.5 * down))
    panels = figure.subplots(down, across, squeeze=False).ravel()
    for axes, pair, caption in zip(panels, images, captions, strict=False):
        axes.imshow(np.hstack(pair), cmap="gray", vmin=0, vmax=255)
        axes.set_title(caption, size=9)
    for axes in panels:
        axes.axis("off")
    return figure
