"""One look for all figures: fonts, colors that color-blind readers tell apart, titles that state the data."""

import functools
import io
from collections.abc import Callable
from typing import Final, ParamSpec, TypeVar

import matplotlib
import numpy as np
import pandas as pd
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hemo.display.colors import BLUE, INK, PALETTE, VERMILION
from hemo.display.colors import ORANGE as ORANGE

GRAY: Final = "#707070"
LIGHT: Final = "#E4E4E4"

POSITIVE: Final = VERMILION
NEGATIVE: Final = BLUE

_STYLE: Final = {
    "font.family": "DejaVu Sans",
    "font.size": 11,
    "text.color": INK,
    "axes.edgecolor": GRAY,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": LIGHT,
    "grid.linewidth": 0.8,
    "axes.prop_cycle": cycler(color=PALETTE),
    "xtick.color": GRAY,
    "ytick.color": GRAY,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "lines.linewidth": 2,
    "figure.dpi": 120,
    "figure.constrained_layout.use": True,
}

_P = ParamSpec("_P")
_R = TypeVar("_R")


def styled(draw: Callable[_P, _R]) -> Callable[_P, _R]:
    """Return the drawing function under this module's look, whatever the caller's settings."""

    @functools.wraps(draw)
    def inside(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        with matplotlib.rc_context():
            matplotlib.rcdefaults()
            matplotlib.rcParams.update(_STYLE)
            return draw(*args, **kwargs)

    return inside


@styled
def png(figure: Figure) -> bytes:
    """Return the figure as PNG; ticks are made while drawing, so this belongs to the look."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def heading(axes: Axes, title: str, detail: str) -> None:
    """Set a bold title and a gray line below it, both at the left edge of the axes."""
    axes.set_title(title, loc="left", weight="bold", size=13, pad=24)
    axes.annotate(detail, (0, 1), (0, 7), "axes fraction", "offset points", size=10, color=GRAY)


def describe(table: pd.DataFrame) -> str:
    """Return what a prediction table holds: patients and slices, and how many are positive.

    Examples
    --------
    >>> describe(pd.DataFrame({"patient": ["p", "p", "q"], "truth": [0, 1, 0]}))
    '2 patients (1 positive), 3 slices (1 positive)'
    """
    positive = table["truth"] == 1
    patients = table["patient"].nunique()
    with_blood = table.loc[positive, "patient"].nunique()
    slices = int(positive.sum())
    return f"{patients:,} patients ({with_blood:,} positive), {len(table):,} slices ({slices:,} positive)"


def ranged(value: float, low: float, high: float) -> str:
    """Return a figure with its interval for people: "0.84 (0.74–0.91)"; a dash where undefined.

    Examples
    --------
    >>> ranged(0.84, 0.74, 0.91)
    '0.84 (0.74–0.91)'
    >>> ranged(-0.02, -0.11, 0.05)
    '−0.02 (−0.11 to 0.05)'
    """
    if not np.isfinite(value):
        return "–"
    if not np.isfinite(low):
        return f"{value:.2f}"
    to = "–" if low >= 0 else " to "
    return f"{value:.2f} ({low:.2f}{to}{high:.2f})".replace("-", "−")


def unit_axes(axes: Axes, x: str, y: str) -> None:
    """Make both axes go from 0 to 1 in equal lengths."""
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), xlabel=x, ylabel=y, aspect="equal")


def say(axes: Axes, text: str) -> None:
    """Write why there is nothing to draw."""
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color=GRAY)
