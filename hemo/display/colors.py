"""Colors that color-blind readers tell apart, and each model family's own, in plots and in MLflow alike.

Neither matplotlib nor MLflow is needed to know a color.
"""

import hashlib
from functools import cache
from itertools import count
from typing import Final

BLUE: Final = "#0072B2"
VERMILION: Final = "#D55E00"
GREEN: Final = "#009E73"
ORANGE: Final = "#E69F00"
SKY: Final = "#56B4E9"
PURPLE: Final = "#CC79A7"
YELLOW: Final = "#F0E442"
INK: Final = "#222222"
PALETTE: Final = (BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILION, YELLOW, INK)
"""Okabe and Ito, "Color universal design", 2008: told apart with any kind of color vision."""

BROWN: Final = "#873C2D"
NAVY: Final = "#1E3C87"
CYAN: Final = "#4BF0FF"
VIOLET: Final = "#9600FF"
LAVENDER: Final = "#9678FF"
PLUM: Final = "#5A005A"
"""With BROWN, NAVY, CYAN, VIOLET and LAVENDER those that keep farthest from each other and from `PALETTE`, as
people with normal vision and dichromats see them (see `tests/display/test_colors.py`)."""

FAMILIES: Final = {
    "ann": BLUE,
    "boosted": ORANGE,
    "cnn": GREEN,
    "end_to_end": PLUM,
    "ensemble": PURPLE,
    "finetune": SKY,
    "lesions": LAVENDER,
    "linear_svc": VERMILION,
    "logreg": YELLOW,
    "mil": VIOLET,
    "multilabel": INK,
    "sequence": BROWN,
    "sgd": NAVY,
    "transfer": CYAN,
}
"""The colors of hemo's own families. Others get one from their name."""

APART: Final = 0.12
"""Least distance in OKLab of another family's color from those above: the nearest of those are 0.16 apart."""


@cache
def family_color(name: str) -> str:
    """Return a family's color, the same everywhere and on every machine.

    A variant, like `cnn@tuned`, has its family's. A family that is not hemo's own gets a color that its name
    draws, of middle lightness and apart from those of hemo's families.

    Examples
    --------
    >>> family_color("cnn")
    '#009E73'
    >>> family_color("cnn@tuned")
    '#009E73'
    >>> family_color("forest")
    '#2717DF'
    """
    family = name.partition("@")[0]
    if family in FAMILIES:
        return FAMILIES[family]
    drawn = (
        f"#{hashlib.sha256(f'{family} {number}'.encode()).hexdigest()[:6].upper()}" for number in count()
    )
    return next(color for color in drawn if _is_free(color))


def _is_free(color: str) -> bool:
    own = oklab(color)
    far = all(
        sum((a - b) ** 2 for a, b in zip(own, oklab(taken), strict=True)) >= APART**2
        for taken in FAMILIES.values()
    )
    return far and 0.4 <= own[0] <= 0.85


def oklab(color: str) -> tuple[float, float, float]:
    """Return lightness, green to red and blue to yellow of a color: distances are as people see them.

    Of B. Ottosson, "A perceptual color space for image processing", 2020.

    Examples
    --------
    >>> [round(value, 3) for value in oklab("#FFFFFF")]
    [1.0, 0.0, 0.0]
    """
    red, green, blue = (_linear(int(color[start : start + 2], 16) / 255) for start in (1, 3, 5))
    long, middle, short = (
        (a * red + b * green + c * blue) ** (1 / 3)
        for a, b, c in (
            (0.4122214708, 0.5363325363, 0.0514459929),
            (0.2119034982, 0.6806995451, 0.1073969566),
            (0.0883024619, 0.2817188376, 0.6299787005),
        )
    )
    return (
        0.2104542553 * long + 0.7936177850 * middle - 0.0040720468 * short,
        1.9779984951 * long - 2.4285922050 * middle + 0.4505937099 * short,
        0.0259040371 * long + 0.7827717662 * middle - 0.8086757660 * short,
    )


def _linear(value: float) -> float:
    """Return a channel of sRGB as light (IEC 61966-2-1)."""
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
