"""Cerebrospinal fluid (CSF): ventricles, sulci, fissures, basal cisterns; and the shape of the brain stem."""

import numpy as np

from hemo.phantom.anatomy import SURFACE_PIXEL, Anatomy, Points
from hemo.phantom.fields import FAR, Field, Point, capsule, ellipsoid, sample, slab

LATERAL: tuple[tuple[Point, Point, tuple[float, float]], ...] = (
    ((15.5, 39.0, 8.0), (6.5, 24.0, 11.0), (2.0, 3.4)),
    ((15.0, 41.0, 15.0), (7.5, 27.0, 18.0), (2.4, 4.0)),
    ((7.5, 27.0, 18.0), (3.8, 10.0, 18.0), (3.8, 2.6)),
    ((13.0, 37.0, 22.0), (4.5, 16.0, 24.0), (2.8, 3.8)),
    ((4.5, 16.0, 22.0), (8.5, -4.0, 30.0), (3.8, 4.8)),
    ((8.5, 20.0, 26.0), (9.5, -10.0, 32.0), (3.6, 5.0)),
    ((9.5, -10.0, 32.0), (17.0, -32.0, 27.0), (5.0, 5.8)),
    ((17.0, -32.0, 27.0), (24.0, -42.0, 15.0), (5.8, 6.0)),
    ((24.0, -42.0, 16.0), (26.0, -52.0, 14.0), (5.4, 4.0)),
    ((26.0, -52.0, 14.0), (22.0, -66.0, 12.0), (4.0, 1.4)),
    ((25.0, -40.0, 13.0), (32.0, -16.0, -4.0), (4.2, 2.0)),
    ((32.0, -16.0, -4.0), (28.0, 4.0, -10.0), (2.0, 1.4)),
)
"""A lateral ventricle as rods: frontal horn, body, atrium, occipital and temporal horn."""


def ventricles(anatomy: Anatomy, p: Points) -> tuple[Field, Field]:
    """Return the distances in mm to the lateral ventricles, and to the third and fourth."""
    u, v, w = p.u + 1.3 * winding(anatomy, p.v, p.w), p.v + 1.3 * winding(anatomy, p.w, p.u), p.w
    side = np.abs(u)
    lateral = np.full_like(p.u, FAR)
    near = np.flatnonzero((side < 52.0) & (v > -84.0) & (v < 60.0) & (w > -24.0) & (w < 52.0))
    if near.size:
        rods = [capsule(side[near], v[near], w[near], *rod) for rod in LATERAL]
        grow = 3.2 * (anatomy.ventricle - 1.0) + anatomy.lean * np.tanh(u[near] / 4.0)
        lateral[near] = np.maximum(np.min(rods, axis=0) - grow, 0.7 - side[near])
    third = ellipsoid(p.u, v, w, (0.0, 0.0, 9.0), (9.0, 14.0, 10.0))
    third = np.maximum(third, side - 1.6 * anatomy.ventricle)
    widen = 2.0 * (anatomy.ventricle - 1.0)
    fourth = ellipsoid(side, v, w, (0.0, -33.0, -17.0), (8.0 + widen, 5.5 + widen / 2, 11.0))
    fourth += 0.5 * np.maximum(side - 3.0, 0.0)
    return lateral, np.minimum(third, fourth)


def winding(anatomy: Anatomy, a: Field, b: Field) -> Field:
    """Return a smooth field of unit deviation over two coordinates: nothing in a head is straight."""
    return sample(anatomy.surface["bump"], 2.0 * a, 2.0 * b, SURFACE_PIXEL)


def tentorium(u: Field, v: Field) -> Field:
    """Return the height in mm of the tentorium over (u, v)."""
    return -4.0 + 25.0 * np.clip(1.0 - np.abs(u) / 62.0, 0.0, 1.0) * np.clip((v + 92.0) / 60.0, 0.0, 1.0)


def stem(p: Points) -> Field:
    """Return the distance in mm to midbrain, pons and medulla."""
    u, v, w = p.u, p.v, p.w
    crura = ellipsoid(np.abs(u) - 0.35 * v, v, w, (13.0, -8.0, 3.0), (7.0, 10.0, 16.0))
    midbrain = np.minimum(crura, ellipsoid(u, v, w, (0.0, -18.0, 3.0), (14.5, 9.0, 16.0)))
    pons = ellipsoid(u, v, w, (0.0, -13.0, -16.0), (16.0, 13.0, 15.0))
    medulla = capsule(u, v, w, (0.0, -20.0, -24.0), (0.0, -30.0, -60.0), (9.5, 7.0))
    return np.minimum(np.minimum(midbrain, pons), medulla)


def basal_cisterns(anatomy: Anatomy, p: Points, stem_distance: Field) -> Field:
    """Return the distance in mm to the suprasellar star, the cleft around the stem and those behind it."""
    u, v, w, side = p.u, p.v, p.w, np.abs(p.u)
    wide = 1.2 * anatomy.atrophy
    vary = winding(anatomy, u + 0.5 * w, v - 0.5 * w)
    angle = np.arctan2(u, v - 7.0)
    star = np.hypot(u, v - 7.0) - 8.0 - wide - 3.0 * np.cos(5.0 * angle) - 1.5 * vary
    star = np.maximum(star, np.abs(w) - 5.0)
    thick = 0.5 + wide + 0.7 * vary + 0.7 * np.clip((-10.0 - v) / 10.0, 0.0, 1.0)
    shell = np.maximum(np.abs(stem_distance - 0.8) - thick, np.abs(w + 10.0) - 22.0)
    shell = np.maximum(shell, np.maximum(side - 22.0, -26.0 - v))
    quadrigeminal = ellipsoid(u, v, w, (0.0, -28.5, 9.0), (8.0 + wide, 2.8 + wide, 7.0))
    quadrigeminal += 0.2 * side - 0.6 * vary
    vermis = ellipsoid(u, v, w, (0.0, -48.0, 17.0), (3.0 + wide, 12.0, 4.0))
    magna = ellipsoid(u, v, w, (0.0, -62.0, -45.0), (12.0, 8.0, 9.0)) - vary
    return np.minimum(np.minimum(star, shell), np.minimum(np.minimum(quadrigeminal, vermis), magna))


def sylvian(anatomy: Anatomy, side: Field, v: Field, w: Field) -> Field:
    """Return the distance in mm to the Sylvian fissure: a sheet over the insula and the clefts from it."""
    thin = 0.35 + 1.5 * anatomy.atrophy
    bow = side - 41.0 + 0.012 * (v - 2.0) ** 2 + 0.15 * np.abs(w - 10.0)
    insula = np.maximum(np.abs(bow) - thin, np.maximum(np.abs(v - 2.0) - 19.0, np.abs(w - 11.0) - 13.0))
    ramus = np.maximum(np.abs(w - 7.0 + 0.8 * v) * 0.78 - thin - 0.3, 40.0 - side)
    ramus = np.maximum(ramus, np.abs(v + 6.0) - 20.0)
    front = capsule(side, v, w, (38.0, 19.0, 7.0), (64.0, 27.0, 5.0), (thin + 0.8, thin + 1.6))
    entry = capsule(side, v, w, (12.0, 12.0, -1.0), (38.0, 17.0, 1.0), (0.8 + thin / 2, thin))
    return np.minimum(np.minimum(insula, ramus), np.minimum(front, entry))


def sulci(
    anatomy: Anatomy,
    p: Points,
    cortex: Field,
    medial: Field,
    vary: Field,
    wind: Field,
    wet: Field,
    soft: float,
) -> tuple[Field, Field]:
    """Return the cover of sulci, and the distance in mm to the nearest one where its gray matter reaches.

    Sulci run deep from the convexity, winding as they go; on the inner side of the hemispheres, where
    `medial` is 0 (else FAR), others run in from the falx. They open with atrophy and with blood (`wet`).
    """
    side = np.abs(p.u)
    surface = anatomy.surface["sulci"]
    fold = sample(surface, p.x + wind, p.y - wind, SURFACE_PIXEL)
    inner = sample(surface, p.v + 0.4 * p.u + 2.0 * vary, p.w - 40.0 - wind, SURFACE_PIXEL) + medial
    reach = 15.0 + 5.0 * vary
    wide = np.maximum(0.25 + 0.35 * vary + anatomy.atrophy * (2.2 + 0.8 * vary), 0.05) + wet
    taper = np.sqrt(np.clip(1.0 - cortex / reach, 0.0, 1.0))
    cover = slab(fold, wide * taper, soft)
    taper = np.sqrt(np.clip(1.0 - side / 11.0, 0.0, 1.0))
    cover = np.maximum(cover, slab(inner, wide * taper, soft))
    gray = np.minimum(np.maximum(fold, cortex - reach + 1.0), np.maximum(inner, side - 9.0))
    return cover, gray


def folia(anatomy: Anatomy, p: Points, cortex: Field, soft: float) -> Field:
    """Return the cover of the clefts between the folia of the cerebellum."""
    lines = sample(anatomy.surface["sulci"], 2.4 * p.u, 2.4 * (p.v + p.w), SURFACE_PIXEL) / 2.4
    return slab(lines, (0.2 + 0.9 * anatomy.atrophy) * np.clip(1.0 - cortex / 14.0, 0.0, 1.0), soft)
