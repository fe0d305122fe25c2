"""One look for all pictures: fonts, colors that color-blind readers tell apart, titles with the data."""

import functools
import io
from collections.abc import Callable
from textwrap import fill
from typing import Final, ParamSpec, TypeVar

import matplotlib
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from hemo.display.colors import BLUE, INK, PALETTE, VERMILION
from hemo.display.colors import ORANGE as ORANGE

GRAY: Final = "#707070"
LIGHT: Final = "#E4E4E4"

POSITIVE: Final = VERMILION
NEGATIVE: Final = BLUE

DPI: Final = 120
"""Pixels an inch of every picture."""

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
    "figure.dpi": DPI,
    "figure.constrained_layout.use": True,
}

MARGIN, BOLD_PER_INCH, GRAY_PER_INCH = 0.8, 8.2, 12.5
"""Inches beside a heading, and letters of a heading in an inch, measured on titles of runs."""

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
    FigureCanvasAgg(figure).print_png(buffer)  # `savefig` draws twice, the first time for the layout alone
    return buffer.getvalue()


def compact(picture: bytes) -> bytes:
    """Return a PNG as WebP, a fifth of it: for pages that hold many."""
    buffer = io.BytesIO()
    Image.open(io.BytesIO(picture)).convert("RGB").save(buffer, "WEBP", quality=85)
    return buffer.getvalue()


def heading(axes: Axes, title: str, detail: str) -> None:
    """Set a bold title, gray words below it, at the left edge of the axes, in as many lines as it takes."""
    figure = axes.get_figure(root=True)
    width = (figure.get_size_inches()[0] if figure else 6.4) - MARGIN
    title, detail = fill(title, int(width * BOLD_PER_INCH)), fill(detail, int(width * GRAY_PER_INCH))
    axes.set_title(title, loc="left", weight="bold", size=13, pad=24 + 13 * detail.count("\n"))
    axes.annotate(detail, (0, 1), (0, 7), "axes fraction", "offset points", size=10, color=GRAY)


def unit_axes(axes: Axes, x: str, y: str) -> None:
    """Make both axes go from 0 to 1 in equal lengths."""
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), xlabel=x, ylabel=y, aspect="equal")


def say(axes: Axes, text: str) -> None:
    """Write why there is nothing to draw."""
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color=GRAY)
