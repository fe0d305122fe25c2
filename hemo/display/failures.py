"""The failure gallery: the worst errors of a run as images, with where the classifier looked."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from hemo.display import style
from hemo.display.attribution import LEGEND, overlaid
from hemo.errors import HemoError


@style.styled
def failure_gallery(
    rows: pd.DataFrame, images: NDArray[np.uint8], attributions: NDArray[np.float32], name: str
) -> Figure:
    """Draw errors as images, each above itself with the attribution laid over it.

    Parameters
    ----------
    rows
        Rows of a prediction table: errors, in the order to show them (see
        `hemo.evaluation.predictions.worst_errors`).
    images
        The slices, uint8 (n, height, width, channels); the first channel is shown.
    attributions
        Where the classifier looked, float32 (n, height, width): positive speaks for blood. Each is scaled
        to its own largest value.
    name
        What the picture is of, for example "cnn / epidural".

    Raises
    ------
    HemoError
        If rows, images and attributions differ in number.
    """
    if not len(rows) == len(images) == len(attributions):
        numbers = f"{len(rows)} rows, {len(images)} images, {len(attributions)} attributions"
        raise HemoError(f"{name}: {numbers}: the gallery needs one of each a slice")
    truth = rows["truth"].to_numpy() == 1
    blocks = [("missed", np.flatnonzero(truth)), ("false alarm", np.flatnonzero(~truth))]
    blocks = [(word, members) for word, members in blocks if len(members)]
    across = max([len(members) for _, members in blocks], default=1)
    down = 2 * max(len(blocks), 1)
    figure = Figure(figsize=(max(2.0 * across, 6.0), 0.9 + 2.15 * down))
    panels = figure.subplots(down, across, squeeze=False)
    for axes in panels.ravel():
        axes.axis("off")
    for block, (word, members) in enumerate(blocks):
        for column, position in enumerate(members):
            row = rows.iloc[position]
            plain, looked = panels[2 * block : 2 * block + 2, column]
            plain.imshow(images[position][..., 0], cmap="gray", vmin=0, vmax=255)
            slice_id = str(row["slice_id"])
            short = slice_id if len(slice_id) <= 9 else f"{slice_id[:3]}…{slice_id[-5:]}"
            plain.set_title(f"{word}: {short}", size=9, weight="bold", color=style.INK)
            _overlay(looked, images[position][..., 0], attributions[position])
            words = f"truth {row['truth']}, probability {row['probability']:.2f}"
            threshold = f"threshold {row['threshold']:.2f}"
            looked.set_title(f"{words}\n{threshold}", size=8, color=style.GRAY)
    if not blocks:
        style.say(panels[0, 0], "no errors to show")
    figure.suptitle(
        f"{name}: worst errors, and where the classifier looked ({LEGEND})",
        x=0.01,
        ha="left",
        weight="bold",
        size=12,
    )
    return figure


def _overlay(axes: Axes, image: NDArray[np.uint8], attribution: NDArray[np.float32]) -> None:
    """Draw a slice under its attribution: the stronger, the less transparent."""
    axes.imshow(overlaid(image, attribution))
