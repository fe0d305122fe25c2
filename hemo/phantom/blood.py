"""What hemorrhages do at points of a head: push the brain, fill spaces, change HU."""

from collections.abc import Sequence

import numpy as np

from hemo.labels import SUBTYPES
from hemo.phantom.anatomy import MIDDLE, SURFACE_PIXEL, Anatomy, Points
from hemo.phantom.brain import Spaces
from hemo.phantom.fields import Field, blend, inside, sample
from hemo.phantom.hemorrhage import Hemorrhage

EDEMA = 19.0
"""HU of perifocal edema."""


def pushed(hemorrhages: Sequence[Hemorrhage], p: Points) -> Field:
    """Return the thickness in mm of blood between skull and brain."""
    total = np.zeros_like(p.u)
    for one in hemorrhages:
        if one.thickness is not None:
            total = np.maximum(total, sample(one.thickness, p.x, p.y, SURFACE_PIXEL))
    return total


def undisturbed(hemorrhages: Sequence[Hemorrhage], p: Points, thick: Field) -> tuple[Field, Field, Field]:
    """Return where the brain at the points lay before the hemorrhages pushed it (mass effect).

    Blood under the skull presses the brain inwards along the radius; a clot of radius r within the brain
    moves what lies at distance d outwards as an incompressible medium would, d'^3 = d^3 - r^3; either shifts
    the midline away from itself.
    """
    surface = np.maximum(p.radius + np.maximum(p.vault, 0.0), 1.0)
    part = np.minimum(p.radius / surface, 1.0)
    factor = 1.0 + thick / np.maximum(surface - thick, 10.0) * part * part
    u = MIDDLE[0] + (p.u - MIDDLE[0]) * factor
    v = MIDDLE[1] + (p.v - MIDDLE[1]) * factor
    w = MIDDLE[2] + (p.w - MIDDLE[2]) * factor
    for one in hemorrhages:
        if one.kind == "intraparenchymal":
            du, dv, dw = p.u - one.centre[0], p.v - one.centre[1], p.w - one.centre[2]
            distance = np.sqrt(du * du + dv * dv + dw * dw) + 1e-3
            move = np.cbrt(np.maximum(1.0 - (0.75 * one.size / distance) ** 3, 0.02)) - 1.0
            move *= np.clip(2.0 - distance / (2.5 * one.size), 0.0, 1.0)
            u, v, w = u + du * move, v + dv * move, w + dw * move
        if one.shift:
            du, dv, dw = p.u - 0.3 * one.centre[0], p.v - one.centre[1], p.w - one.centre[2]
            near = np.exp(-(du * du + dv * dv + dw * dw) / (2 * 38.0**2)) * np.clip(p.vault / 12.0, 0.0, 1.0)
            u = u + np.sign(one.centre[0]) * one.shift * near
    return u, v, w


def wetness(hemorrhages: Sequence[Hemorrhage], p: Points) -> Field:
    """Return how far blood swells the subarachnoid space, mm of width."""
    return 1.8 * _spread([one for one in hemorrhages if one.kind == "subarachnoid"], p)


def _spread(hemorrhages: Sequence[Hemorrhage], p: Points) -> Field:
    total = np.zeros_like(p.u)
    for one in hemorrhages:
        for (cu, cv, cw), spread in one.spots:
            away = ((p.u - cu) ** 2 + (p.v - cv) ** 2 + (p.w - cw) ** 2) / (2 * spread * spread)
            total = np.maximum(total, np.exp(-away))
    return np.clip(2.2 * total - 0.5, 0.0, 1.0)


def fill(
    anatomy: Anatomy,
    hemorrhages: Sequence[Hemorrhage],
    p: Points,
    before: Points,
    spaces: Spaces,
    hu: Field,
    soft: float,
) -> Field:
    """Put the blood into `hu` (in place) and return each type's cover, (5, n) in the order of SUBTYPES.

    Parameters
    ----------
    anatomy, hemorrhages
        The patient, and what bleeds.
    p, before
        The points, and where the brain at them lay before mass effect.
    spaces
        The spaces of the brain at `before`.
    hu
        HU of the inside of the skull without blood, (n,).
    soft
        Width of edges in mm.
    """
    covers = np.zeros((len(SUBTYPES), p.u.size), np.float32)
    texture = sample(anatomy.surface["texture"], p.x + 0.5 * p.radius, p.y, SURFACE_PIXEL)
    free = np.ones_like(p.u)
    for one in sorted(hemorrhages, key=lambda one: SUBTYPES.index(one.kind)):
        if one.kind == "intraparenchymal":
            distance = _clot(anatomy, one, p)
            rim = inside(distance - one.edema * (0.7 + 0.3 * texture), 3.0) * spaces.tissue
            blend(hu, 0.85 * rim, EDEMA)
            cover = inside(distance, soft) * spaces.within * (1.0 - spaces.ventricles)
        elif one.kind == "intraventricular":
            cover = spaces.ventricles * inside(before.v - _level(one, before) - texture, 2.0)
        elif one.kind == "subarachnoid":
            cover = spaces.cisterns * _spread([one], p)
        elif one.thickness is not None:
            cover = inside(p.vault - sample(one.thickness, p.x, p.y, SURFACE_PIXEL), soft) * spaces.cavity
        else:
            cover = _along_falx(one, before, spaces, soft)
        cover = cover * free
        free = free * (1.0 - cover)
        blend(hu, cover, one.hu + 2.5 * texture)
        row = SUBTYPES.index(one.kind)
        covers[row] = np.maximum(covers[row], cover)
    return covers


def _clot(anatomy: Anatomy, one: Hemorrhage, p: Points) -> Field:
    du, dv, dw = p.u - one.centre[0], p.v - one.centre[1], p.w - one.centre[2]
    distance = np.sqrt(du * du + dv * dv + 1.2 * dw * dw)
    grain = 20.0 / one.size
    lump = sample(anatomy.surface["bump"], grain * (du + 0.6 * dw), grain * (dv - 0.6 * dw), SURFACE_PIXEL)
    rough = sample(anatomy.surface["texture"], du + 0.5 * dw, dv - 0.5 * dw, SURFACE_PIXEL)
    return distance - one.size * (1.0 + 0.2 * lump) - 0.6 * rough


def _level(one: Hemorrhage, before: Points) -> Field:
    left, right, middle = one.levels
    level = np.where(before.u > 0, left, right).astype(np.float32)
    central = (np.abs(before.u) < 4.0) & (before.w < 20.0) | (before.w < -5.0) & (np.abs(before.u) < 14.0)
    return np.where(central, np.float32(middle), level)


def _along_falx(one: Hemorrhage, before: Points, spaces: Spaces, soft: float) -> Field:
    side = np.sign(one.centre[0]) * spaces.falx
    away = ((before.v - one.centre[1]) / 45.0) ** 2 + ((before.w - one.centre[2]) / 32.0) ** 2
    width = one.size * np.sqrt(np.clip(1.0 - away, 0.0, 1.0))
    return (
        inside(np.abs(side - 0.6 - width / 2) - width / 2, soft) * (width > 0.5) * (side < 50) * spaces.cavity
    )
