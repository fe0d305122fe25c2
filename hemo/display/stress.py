"""The picture of what changes of the data do to a classifier."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from hemo.display import style

PANELS = {"auc": "AUC", "recall": "recall", "specificity": "specificity"}


@style.styled
def drops(found: pd.DataFrame, title: str) -> Figure:
    """Draw how metrics differ from the unchanged, a row a change, a panel a metric.

    Parameters
    ----------
    found
        A row a change and metric: `change`, `usual`, `metric`, `difference`, `low`, `high`.
    title
        What was judged.
    """
    changes = list(dict.fromkeys(found["change"]))
    figure = Figure(figsize=(10.4, 1.3 + 0.25 * max(len(changes), 2)))
    panels = figure.subplots(1, len(PANELS), sharey=True)
    y = np.arange(len(changes))
    for axes, (metric, name) in zip(panels, PANELS.items(), strict=True):
        rows = found[found["metric"] == metric].set_index("change").reindex(changes)
        usual = rows["usual"].fillna(False).to_numpy(bool)
        for chosen, color in ((usual, style.BLUE), (~usual, style.GRAY)):
            part, at = rows[chosen], y[chosen]
            reach = np.abs(part[["low", "high"]].to_numpy(float).T - part["difference"].to_numpy(float))
            axes.errorbar(part["difference"], at, xerr=reach, fmt="o", color=color, ms=4, capsize=2, lw=1.2)
        axes.axvline(0, color=style.GRAY, lw=1)
        axes.set(ylim=(len(changes) - 0.4, -0.6), xlabel=name)
        axes.set_yticks(y, changes)
        axes.grid(False, axis="y")
    detail = "difference from the unchanged with 95% interval by patient; gray: sizes beyond practice"
    figure.suptitle(f"{title}\n{detail}", x=0.01, ha="left", size=10)  # of no panel, which it would widen
    return figure
