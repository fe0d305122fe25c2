"""Where a classifier of studies looked: the attention of each slice, study by study."""

from typing import Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hemo.display import style

SAYING: Final = "attention: where the network looked, not where blood is"
"""What has to be said beside any attention."""

MOST: Final = 14
"""Studies of a kind that are shown."""


@style.styled
def strips(slices: pd.DataFrame, studies: pd.DataFrame, name: str) -> Figure:
    """Draw the attention of each slice, a row a study, and each slice's own probability beside it.

    Positive studies are at the left, negative ones at the right, those that are called with most confidence
    first and the most doubtful last, at most `MOST` of each, evenly chosen; as predicted in the first deal.

    Parameters
    ----------
    slices
        `study`, `repeat`, `probability` and `attention` of each slice, a study's in the order of position
        (see `hemo.training.Trained`).
    studies
        The prediction table of studies, of which the part `test` is shown.
    name
        What the picture is of, for example "mil: any".
    """
    slices, studies = slices[slices["repeat"] == 0], studies[studies["repeat"] == 0]
    tested = studies[studies["part"] == "test"].sort_values("probability", ascending=False)
    figure = Figure(figsize=(11.5, 6.4))
    panels = figure.subplots(1, 4, width_ratios=(1, 1, 1, 1))
    for truth, own in ((1, panels[:2]), (0, panels[2:])):
        kind = "positive" if truth else "negative"
        rows = tested[tested["truth"] == truth]
        chosen = rows.iloc[np.unique(np.linspace(0, len(rows) - 1, min(MOST, len(rows))).round().astype(int))]
        for axes, column, color in ((own[0], "attention", "Purples"), (own[1], "probability", "Oranges")):
            _draw(axes, slices, chosen, column, color)
            axes.set_title(f"{kind} studies: {column}", loc="left", size=10, weight="bold")
    panels[0].set_ylabel("studies, the highest probability first")
    figure.suptitle(f"{name}\n{SAYING}", x=0.01, ha="left", weight="bold", size=12)
    return figure


def _draw(axes: Axes, slices: pd.DataFrame, studies: pd.DataFrame, column: str, color: str) -> None:
    """Draw one number of each slice, from the base of the head to the top; each study fills the width."""
    axes.grid(False)
    if studies.empty:
        style.say(axes, "none")
        axes.set(xticks=[], yticks=[])
        return
    grid = np.zeros((len(studies), 100))
    for row, study in enumerate(studies["study"]):
        values = slices.loc[slices["study"] == study, column].to_numpy()
        # Attention is a share of a study: relative to the largest, that studies of any length compare.
        values = values / max(values.max(), 1e-12) if column == "attention" else values
        grid[row] = values[np.arange(100) * len(values) // 100]
    axes.imshow(grid, cmap=color, vmin=0, vmax=1, aspect="auto", interpolation="nearest")
    axes.set_yticks(np.arange(len(studies)), [f"{p:.2f}" for p in studies["probability"]], size=8)
    axes.set_xticks([0, 99], ["lowest slice", "highest"], size=8)
