"""What lies inside the skull of a patient, blood aside: liquor spaces, cortex, nuclei, dura."""

from dataclasses import dataclass

import numpy as np

from hemo.imaging.phantom.anatomy import SURFACE_PIXEL, Anatomy, Points
from hemo.imaging.phantom.fields import Field, Point, blend, capsule, ellipsoid, inside, sample, slab

DURA, CALCIUM = 52.0, 240.0
"""HU of falx and tentorium, and of physiological calcification at 5 mm slices."""

LATERAL: tuple[tuple[Point, Point, tuple[float, float]], ...] = (
    ((13.0, 37.0, 15.0), (5.5, 20.0, 20.0), (2.6, 4.0)),
    ((5.5, 20.0, 20.0), (9.0, -4.0, 30.0), (4.2, 4.2)),
    ((9.0, -4.0, 30.0), (16.0, -30.0, 26.0), (4.2, 5.0)),
    ((16.0, -30.0, 26.0), (25.0, -42.0, 14.0), (5.0, 5.2)),
    ((25.0, -42.0, 15.0), (23.0, -62.0, 13.0), (4.6, 1.6)),
    ((25.0, -40.0, 12.0), (31.0, -12.0, -6.0), (4.0, 1.8)),
    ((31.0, -12.0, -6.0), (28.0, 4.0, -10.0), (1.8, 1.4)),
)
"""A lateral ventricle as rods: frontal horn, body (two), atrium, occipital and temporal horn (two)."""


@dataclass(frozen=True)
class Spaces:
    """Covers of the spaces that blood can fill, 0 to 1.

    Attributes
    ----------
    cavity
        Inside the dura: neither bone nor what lies outside of the skull.
    ventricles
        Lateral, third and fourth ventricle.
    cisterns
        Subarachnoid space: sulci, fissures, basal cisterns.
    tissue
        Brain: what is neither of the two, nor dura.
    within
        Inside the surface of the brain, sulci and ventricles included.
    falx
        Distance in mm to the falx' middle plane (positive: left), where there is a falx, else 99.
    """

    cavity: Field
    ventricles: Field
    cisterns: Field
    tissue: Field
    within: Field
    falx: Field


def ventricles(anatomy: Anatomy, u: Field, v: Field, w: Field) -> tuple[Field, Field]:
    """Return the distances in mm to the lateral ventricles, and to the third and fourth."""
    side = np.abs(u)
    grow = 3.2 * (anatomy.ventricle - 1.0)
    lateral = np.full_like(u, 99.0)
    for start, end, radii in LATERAL:
        lateral = np.minimum(lateral, capsule(side, v, w, start, end, radii))
    lateral = np.maximum(lateral - grow, 0.7 - side)
    third = np.maximum(side - 1.6 * anatomy.ventricle, ellipsoid(u, v, w, (0.0, 0.0, 9.0), (9.0, 14.0, 10.0)))
    fourth = ellipsoid(side, v, w, (0.0, -33.0, -17.0), (8.0 + grow, 5.5 + grow / 2, 11.0))
    fourth += 0.5 * np.maximum(side - 3.0, 0.0)
    return lateral, np.minimum(third, fourth)


def tentorium(u: Field, v: Field) -> Field:
    """Return the height in mm of the tentorium over (u, v)."""
    return -4.0 + 25.0 * np.clip(1.0 - np.abs(u) / 62.0, 0.0, 1.0) * np.clip((v + 92.0) / 60.0, 0.0, 1.0)


def brain(anatomy: Anatomy, p: Points, pushed: Field, wet: Field, soft: float) -> tuple[Field, Spaces]:
    """Return HU of the inside of the skull without blood, and its spaces.

    Parameters
    ----------
    anatomy
        The patient.
    p
        The points, in the coordinates of the undisturbed brain.
    pushed
        Thickness in mm of what lies between skull and brain, at the points.
    wet
        How swollen the subarachnoid space is with blood, in mm of width.
    soft
        Width of edges in mm.
    """
    side, v, w = np.abs(p.u), p.v, p.w
    texture = sample(anatomy.surface["texture"], p.x, p.y + 0.4 * p.radius, SURFACE_PIXEL)
    depth = np.minimum(p.vault, p.base)
    cavity = inside(-depth, soft)
    front = np.clip(v / 80.0, 0.0, 1.0)
    gap = 0.5 + 2.0 * anatomy.atrophy * (0.6 + 0.8 * front)
    cortex = depth - pushed - gap

    # Supratentorial or posterior fossa.
    tent = w - tentorium(p.u, v)
    notch = ((p.u / 19.0) ** 2 + ((v + 12.0) / 24.0) ** 2) > 1.0
    behind = v < 4.0 - 0.5 * (side - 10.0)
    low = inside(tent, soft) * behind
    leaf = behind & notch
    leaf_distance = np.abs(tent) * 0.9 + 99.0 * ~leaf

    # Sulci, deep to the convexity; on the inner side of the hemispheres they follow the falx.
    callosum = 1.0 - np.sqrt(((v + 4.0) / 46.0) ** 2 + ((w - 15.0) / 24.0) ** 2)
    medial = (callosum < 0) & (w > 2.0)
    shift = 0.12 * p.radius
    fold = sample(anatomy.surface["sulci"], p.x, p.y, SURFACE_PIXEL)
    inner = sample(anatomy.surface["sulci"], v + shift, w - 40.0, SURFACE_PIXEL) + 99.0 * ~medial
    vary = sample(anatomy.surface["bump"], 2.0 * p.x, 2.0 * p.y, SURFACE_PIXEL)
    reach = 15.0 + 3.0 * vary
    wide = 0.5 + 2.4 * anatomy.atrophy * (1.0 + 0.3 * vary) + wet
    taper = np.clip(1.0 - cortex / reach, 0.0, 1.0)
    taper_inner = np.clip(1.0 - side / 11.0, 0.0, 1.0)
    sulcus = np.maximum(
        slab(fold, wide * np.sqrt(taper), soft), slab(inner, wide * np.sqrt(taper_inner), soft)
    )
    fissure = np.abs(p.u) + 99.0 * ~medial
    split = slab(fissure, 1.6 + 2.0 * anatomy.atrophy * (0.5 + front) + wet, soft)
    sylvian = _sylvian(anatomy, side, v, w)
    above = 1.0 - low
    cisterns = np.maximum(np.maximum(sulcus, split), inside(sylvian - wet / 2, soft)) * above
    cisterns = np.maximum(
        cisterns, inside(_cisterns(p.u, side, v, w) - 0.6 * anatomy.atrophy - wet / 2, soft)
    )
    cisterns = np.maximum(cisterns, inside(cortex, soft))
    cisterns = np.maximum(cisterns, slab(leaf_distance, 2.0 + anatomy.atrophy, soft))

    # Gray matter: a ribbon along every surface of the brain, and the deep nuclei.
    ribbon = np.maximum(
        inside(cortex - 3.2, 1.5), inside(fold - 3.6, 1.5) * inside(cortex - reach - 2.0, 2.0)
    )
    ribbon = np.maximum(ribbon, inside(np.minimum(fissure, inner + 1.5 * (side > 12.0)) - 3.8, 1.5))
    ribbon = np.maximum(ribbon, inside(sylvian - 3.0, 1.5))
    ribbon = np.maximum(ribbon, inside(_nuclei(side, v, w), 2.0))
    hu = anatomy.white + (anatomy.gray - anatomy.white) * ribbon + 0.8 * texture
    blend(
        hu,
        low,
        anatomy.gray - 1.5 - 2.5 * slab(np.abs(np.mod(0.5 * p.radius + texture, 3.0) - 1.5), 0.7, soft),
    )
    stem = _stem(p.u, v, w)
    blend(hu, inside(stem, soft), 0.5 * (anatomy.gray + anatomy.white))

    lateral, central = ventricles(anatomy, p.u, v, w)
    chambers = np.maximum(inside(lateral, soft), inside(central, soft)) * inside(1.0 - cortex, soft)
    blend(hu, cisterns, anatomy.csf + 3.0)
    blend(hu, chambers, anatomy.csf)
    falx = p.u + 99.0 * ~(medial & (callosum < -0.12 - 0.25 * (v + 20.0) / 80.0))
    membranes = np.maximum(slab(falx, 1.3, soft), slab(leaf_distance, 1.2, soft))
    sagittal = inside(capsule(p.u, v, w, (0.0, -86.0, 5.0), (0.0, -84.0, 30.0), (4.0, 4.0)), 2.0)
    membranes = np.maximum(membranes, np.maximum(sagittal, inside(depth - 0.6, soft) * 0.5))
    blend(hu, membranes, DURA)
    _calcifications(anatomy, p, hu, falx, texture, soft)
    tissue = (1.0 - cisterns) * (1.0 - chambers) * (1.0 - membranes) * cavity
    return hu, Spaces(
        cavity,
        chambers * cavity,
        cisterns * (1.0 - membranes) * cavity,
        tissue,
        inside(-cortex, soft) * cavity,
        falx,
    )


def _sylvian(anatomy: Anatomy, side: Field, v: Field, w: Field) -> Field:
    """Distance to the Sylvian fissure: a cleft from the surface to the sheet over the insula."""
    thin = 0.7 + 1.6 * anatomy.atrophy
    insula = np.maximum(np.abs(side - 38.0 - 0.01 * (v - 5.0) ** 2) - thin, np.abs(v - 4.0) - 19.0)
    insula = np.maximum(insula, np.abs(w - 11.0) - 12.0)
    stem = np.maximum(
        np.abs(w - 3.0 - 0.3 * (2.0 - v)) - thin - 0.6, np.maximum(38.0 - side, np.abs(v + 2.0) - 22.0)
    )
    front = capsule(side, v, w, (40.0, 22.0, 8.0), (62.0, 27.0, 6.0), (thin + 0.6, thin + 1.5))
    entry = capsule(side, v, w, (12.0, 12.0, -1.0), (38.0, 16.0, 0.0), (1.5 + thin / 2, thin))
    return np.minimum(np.minimum(insula, stem), np.minimum(front, entry))


def _stem(u: Field, v: Field, w: Field) -> Field:
    midbrain = ellipsoid(u, v, w, (0.0, -14.0, 3.0), (16.0, 13.0, 16.0))
    pons = ellipsoid(u, v, w, (0.0, -13.0, -16.0), (16.0, 13.0, 15.0))
    medulla = capsule(u, v, w, (0.0, -20.0, -24.0), (0.0, -30.0, -60.0), (9.5, 7.0))
    return np.minimum(np.minimum(midbrain, pons), medulla)


def _cisterns(u: Field, side: Field, v: Field, w: Field) -> Field:
    """Distance to the cisterns of the base: suprasellar star, around the stem, quadrigeminal, great."""
    angle = np.arctan2(u, v - 8.0)
    star = np.hypot(u, v - 8.0) - 9.0 - 3.5 * np.cos(5.0 * angle)
    star = np.maximum(star, np.abs(w - 0.0) - 5.0)
    stem = _stem(u, v, w)
    shell = np.maximum(np.maximum(stem - 3.2, -stem), np.abs(w + 12.0) - 22.0)
    shell = np.maximum(shell, np.maximum(side - 22.0, -26.0 - v))
    quadrigeminal = ellipsoid(u, v, w, (0.0, -29.0, 9.0), (9.0, 3.5, 7.0))
    magna = ellipsoid(u, v, w, (0.0, -62.0, -45.0), (14.0, 9.0, 9.0))
    return np.minimum(np.minimum(star, shell), np.minimum(quadrigeminal, magna))


def _nuclei(side: Field, v: Field, w: Field) -> Field:
    caudate = ellipsoid(side, v, w, (12.5, 22.0, 17.0), (5.0, 11.0, 9.0))
    lentiform = ellipsoid(side - 0.3 * np.abs(v - 4.0), v, w, (22.0, 5.0, 10.0), (6.5, 17.0, 10.0))
    thalamus = ellipsoid(side + 0.2 * (v + 10.0), v, w, (10.0, -10.0, 15.0), (7.5, 13.0, 10.0))
    return np.minimum(np.minimum(caudate, lentiform), thalamus)


def _calcifications(anatomy: Anatomy, p: Points, hu: Field, falx: Field, texture: Field, soft: float) -> None:
    side, v, w = np.abs(p.u), p.v, p.w
    if anatomy.calcified["choroid"]:
        plexus = ellipsoid(side, v, w, (23.0, -40.0, 16.0), (3.0, 5.0, 4.0)) + 0.8 * texture
        blend(hu, inside(plexus, soft) * np.where(p.u > 0, 0.9, 0.6), CALCIUM)
    if anatomy.calcified["pineal"]:
        blend(hu, inside(ellipsoid(p.u, v, w, (0.6, -25.0, 12.0), (2.4, 2.4, 2.6)), soft), CALCIUM)
    if anatomy.calcified["falx"]:
        spot = ellipsoid(p.u, v, w, (0.0, 52.0, 52.0), (2.2, 9.0, 8.0))
        blend(hu, inside(spot, soft) * (falx < 50), CALCIUM + 200.0)
    if anatomy.calcified["ganglia"]:
        spot = ellipsoid(side, v, w, (19.0, 3.0, 9.0), (2.5, 4.5, 3.0)) + texture
        blend(hu, 0.5 * inside(spot, soft), CALCIUM)
