"""Blood drawn into slices that have none: where it lies is then known for each pixel, as no table tells it.

What reads pixels needs outlines to learn from, and those of blood cost a radiologist hours. But most slices
have no blood, and what it looks like is known: denser than the brain, a lens or a crescent under the skull,
a lump in the brain, a level in the ventricles, a filling of the spaces around the brain. So it is drawn. What
learns from it does not learn which scanner, age or pose goes with blood, as both have the same background.
(For lesions of other organs: P. Schlegl et al., "Anomaly detection by foreign patch interpolation", 2020.)
"""

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hemo.families._canonical import SIDE, Canonical, Gray

CONTRAST: Final = {"subarachnoid": (12.0, 60.0)}
"""By how many gray levels blood is brighter than the brain, where not by `USUAL`: it is thin."""

USUAL: Final = (18.0, 85.0)
"""Gray levels, of which the brain window has 3.2 a HU: 6 to 27 HU above the brain."""

BONE: Final = 235
"""Gray level that blood does not exceed."""

_V, _U = (np.mgrid[0:SIDE, 0:SIDE] - SIDE / 2).astype(np.float32)
_ANGLE = np.arctan2(_V, _U)


def draw(rng: np.random.Generator, seen: Canonical, kind: str) -> tuple[Gray, NDArray[np.float32]] | None:
    """Draw blood of one type into a slice and its neighbours.

    Parameters
    ----------
    rng
        Of place, size, form and density.
    seen
        A slice without blood, between its neighbours.
    kind
        One of `KINDS`.

    Returns
    -------
    tuple or None
        Gray levels with the blood, float32 (3, SIDE, SIDE), and how far it covers each pixel, 0 to 1; None
        where the slice has no room for it.
    """
    import cv2

    # How thick it is in each of the three slices, by its own extent across slices.
    middle, extent = rng.uniform(-1.2, 1.2), rng.uniform(1.0, 4.0)
    away = (np.arange(-1, 2) - middle) / (extent + abs(middle))
    cover = _COVERS[kind](rng, seen, np.sqrt(np.maximum(1 - away**2, 0)))
    if cover is None or cover[1].max() < 0.5 or cover[1].sum() < 3:
        return None
    contrast, kept = rng.uniform(*CONTRAST.get(kind, USUAL)), rng.uniform(0.25, 0.8)
    texture = _clouds(rng, 1.5) * rng.uniform(0, 6)
    drawn = seen.gray.copy()
    for place, gray in enumerate(seen.gray):
        soft = cv2.GaussianBlur(cover[place], (0, 0), rng.uniform(0.4, 0.9))
        grain = (gray - cv2.GaussianBlur(gray, (0, 0), 3)) * kept  # the scanner's noise stays
        blood = gray * (1 - soft) + (seen.median + contrast + texture + grain) * soft
        drawn[place] = np.minimum(blood, np.maximum(gray, BONE))
    return drawn, cover


def _clouds(rng: np.random.Generator, size: float) -> Gray:
    """Return smooth noise of deviation 1, whose lumps are some `size` pixels wide."""
    import cv2

    field = cv2.GaussianBlur(rng.standard_normal((SIDE, SIDE)).astype(np.float32), (0, 0), size)
    return np.asarray(field / field.std(), np.float32)


def _under_skull(
    rng: np.random.Generator, seen: Canonical, profile: NDArray[np.float64], *, lens: bool
) -> Gray:
    """Cover a lens (epidural) or a crescent (subdural) between skull and brain."""
    facing = rng.uniform(-np.pi, np.pi)
    half = rng.uniform(0.25, 0.75) if lens else rng.uniform(0.6, 1.5)  # radians
    thick = rng.uniform(0.02, 0.13) * min(1, half / 0.45) if lens else rng.uniform(0.015, 0.06)
    bulge = 1 - (np.abs((_ANGLE - facing + np.pi) % (2 * np.pi) - np.pi) / half) ** 2
    shape = np.clip(bulge if lens else 1.8 * bulge, 0, 1) * (1 + 0.15 * _clouds(rng, 6))
    deep = thick * profile[:, None, None] * shape
    edge = np.clip((deep - seen.depth) * SIDE / 1.2 + 0.5, 0, 1)
    return np.asarray(edge * seen.brain * (deep > 0.006), np.float32)


def _epidural(rng: np.random.Generator, seen: Canonical, profile: NDArray[np.float64]) -> Gray:
    return _under_skull(rng, seen, profile, lens=True)


def _subdural(rng: np.random.Generator, seen: Canonical, profile: NDArray[np.float64]) -> Gray:
    return _under_skull(rng, seen, profile, lens=False)


def _intraparenchymal(rng: np.random.Generator, seen: Canonical, profile: NDArray[np.float64]) -> Gray | None:
    """Cover a lump in the brain, 3 to 22 mm in radius."""
    room = np.argwhere(seen.brain[1] & (seen.depth[1] > rng.choice((0.03, 0.06, 0.1))))
    if not len(room):
        return None
    row, column = room[rng.integers(len(room))] - SIDE / 2
    radius, flat = np.exp(rng.uniform(np.log(1.7), np.log(13))), rng.uniform(0.6, 1.0)
    turn = rng.uniform(0, np.pi)
    along = (_U - column) * np.cos(turn) + (_V - row) * np.sin(turn)
    across = (_V - row) * np.cos(turn) - (_U - column) * np.sin(turn)
    distance = np.hypot(along, across / flat)
    reach = radius * profile[:, None, None]
    edge = np.clip(reach * (1 + 0.2 * _clouds(rng, 6)) - distance + 0.5, 0, 1)
    return np.asarray(edge * seen.brain * (reach > 0.8), np.float32)


def _fluid(rng: np.random.Generator, seen: Canonical) -> Gray:
    """Return how surely each pixel is fluid, darker than the brain."""
    import cv2

    limit = seen.median - rng.uniform(0.8, 1.2) * seen.spread
    smooth = np.stack([cv2.GaussianBlur(gray, (0, 0), 1.0) for gray in seen.gray])
    return np.asarray(seen.brain / (1 + np.exp(np.clip((smooth - limit) / 3, -50, 50))), np.float32)


def _intraventricular(rng: np.random.Generator, seen: Canonical, profile: NDArray[np.float64]) -> Gray:
    """Cover the fluid in the middle up to a level: blood settles behind, the patient lying on the back."""
    level = rng.uniform(-0.2, 0.22) * SIDE
    place = (np.hypot(_U, _V) < 0.27 * SIDE) * np.clip((_V - level) / 2, 0, 1)
    return np.asarray(_fluid(rng, seen) * place, np.float32)


def _subarachnoid(rng: np.random.Generator, seen: Canonical, profile: NDArray[np.float64]) -> Gray | None:
    """Cover the fluid around a few places: sulci, fissures, cisterns."""
    room = np.argwhere(seen.brain[1])
    if not len(room):
        return None
    near = np.zeros((SIDE, SIDE))
    for _ in range(rng.integers(1, 4)):
        row, column = room[rng.integers(len(room))] - SIDE / 2
        away = ((_U - column) ** 2 + (_V - row) ** 2) / (2 * rng.uniform(6, 18) ** 2)
        near = np.maximum(near, np.exp(-away))
    there = np.clip(2 * near - 0.4, 0, 1)
    return np.asarray(_fluid(rng, seen) * there * profile[:, None, None], np.float32)


_COVERS: Final[dict[str, Callable[[np.random.Generator, Canonical, NDArray[np.float64]], Gray | None]]] = {
    "epidural": _epidural,
    "intraparenchymal": _intraparenchymal,
    "intraventricular": _intraventricular,
    "subarachnoid": _subarachnoid,
    "subdural": _subdural,
}

KINDS: Final = tuple(_COVERS)
"""Types of blood that can be drawn."""
