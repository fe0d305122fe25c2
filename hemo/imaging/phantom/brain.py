"""What lies inside the skull of a patient, blood aside: liquor spaces, cortex, nuclei, dura."""

from dataclasses import dataclass

import numpy as np

from hemo.imaging.phantom.anatomy import SURFACE_PIXEL, Anatomy, Points
from hemo.imaging.phantom.fields import FAR, Field, Point, blend, capsule, ellipsoid, inside, sample, slab

DURA, CALCIUM = 52.0, 240.0
"""HU of falx and tentorium, and of physiological calcification at 5 mm slices."""

LATERAL: tuple[tuple[Point, Point, tuple[float, float]], ...] = (
    ((15.5, 39.0, 8.0), (6.5, 24.0, 11.0), (2.0, 3.4)),
    ((15.0, 41.0, 15.0), (7.5, 27.0, 18.0), (2.4, 4.0)),
    ((7.5, 27.0, 18.0), (3.8, 10.0, 18.0), (3.8, 2.6)),
    ((13.0, 37.0, 22.0), (4.5, 16.0, 24.0), (2.8, 3.8)),
    ((4.5, 16.0, 20.0), (8.5, -4.0, 30.0), (3.8, 4.8)),
    ((8.5, 20.0, 26.0), (9.5, -10.0, 32.0), (3.6, 5.0)),
    ((9.5, -10.0, 32.0), (17.0, -32.0, 27.0), (5.0, 5.8)),
    ((17.0, -32.0, 27.0), (24.0, -42.0, 15.0), (5.8, 6.0)),
    ((24.0, -42.0, 16.0), (26.0, -52.0, 14.0), (5.4, 4.0)),
    ((26.0, -52.0, 14.0), (22.0, -66.0, 12.0), (4.0, 1.4)),
    ((25.0, -40.0, 13.0), (32.0, -16.0, -4.0), (4.2, 2.0)),
    ((32.0, -16.0, -4.0), (28.0, 4.0, -10.0), (2.0, 1.4)),
)
"""A lateral ventricle as rods: frontal horn, body, atrium, occipital and temporal horn."""


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
    vary = sample(anatomy.surface["bump"], 2.0 * p.x, 2.0 * p.y, SURFACE_PIXEL)
    tent = w - tentorium(p.u, v)
    notch = ((p.u / 19.0) ** 2 + ((v + 12.0) / 24.0) ** 2) > 1.0
    behind = v < 4.0 - 0.5 * (side - 10.0)
    low = inside(tent, 2.5) * behind
    leaf_distance = np.abs(tent) * 0.9 + FAR * ~(behind & notch)

    # Sulci, deep to the convexity, winding as they go; on the inner side of the hemispheres others.
    callosum = 1.0 - np.sqrt(((v + 4.0) / 46.0) ** 2 + ((w - 15.0) / 24.0) ** 2)
    medial = (callosum < 0) & (w > 2.0)
    wind = (
        0.3 * np.minimum(cortex, 15.0) * sample(anatomy.surface["bump"], 4.0 * p.y, 4.0 * p.x, SURFACE_PIXEL)
    )
    fold = sample(anatomy.surface["sulci"], p.x + wind, p.y - wind, SURFACE_PIXEL)
    inner = sample(anatomy.surface["sulci"], v + 0.4 * p.u + 2.0 * vary, w - 40.0 - wind, SURFACE_PIXEL)
    inner += FAR * ~medial
    inner += np.maximum(side - 12.0, 0.0)
    reach = 17.0 + 4.0 * vary
    wide = np.maximum(0.45 + 2.4 * anatomy.atrophy * (1.0 + 0.35 * vary) + 0.35 * vary, 0.1) + wet
    taper = np.clip(1.0 - cortex / reach, 0.0, 1.0)
    taper_inner = np.clip(1.0 - side / 11.0, 0.0, 1.0)
    sulcus = np.maximum(
        slab(fold, wide * np.sqrt(taper), soft), slab(inner, wide * np.sqrt(taper_inner), soft)
    )
    fissure = np.abs(p.u + 0.5 * vary) + FAR * ~medial
    split = slab(fissure, 1.4 + 2.0 * anatomy.atrophy * (0.5 + front) + wet, soft)
    sylvian = _sylvian(anatomy, side + 1.5 * vary, v + 1.5 * wind, w)
    folia = sample(anatomy.surface["sulci"], 2.4 * p.u, 2.4 * (v + w), SURFACE_PIXEL) / 2.4
    folium = slab(folia, (0.2 + 0.9 * anatomy.atrophy) * np.clip(1.0 - cortex / 14.0, 0.0, 1.0), soft)
    cisterns = np.maximum(np.maximum(sulcus, split), inside(sylvian - wet / 2, soft))
    cisterns = cisterns + low * (folium - cisterns)
    basal = _cisterns(anatomy, p.u, side, v, w, vary) - wet / 2
    cisterns = np.maximum(cisterns, np.maximum(inside(basal, soft), inside(cortex, soft)))
    cisterns = np.maximum(cisterns, slab(leaf_distance, 1.4 + anatomy.atrophy, max(soft, 2.5)))

    # Gray matter: a ribbon along every surface of the brain, and the deep nuclei.
    ribbon = np.maximum(
        inside(cortex - 3.6, 1.5), inside(fold - 4.0, 1.8) * inside(cortex - reach - 2.5, 2.5)
    )
    ribbon = np.maximum(ribbon, inside(np.minimum(fissure, inner) - 3.8, 1.8))
    ribbon = np.maximum(ribbon, inside(sylvian - 3.6, 1.8))
    ribbon = np.maximum(ribbon, inside(_nuclei(side + 0.8 * vary, v, w), 2.0))
    hu = anatomy.white + (anatomy.gray - anatomy.white) * ribbon + 0.7 * texture
    blend(
        hu, low, anatomy.gray - 1.0 - 4.0 * inside(5.0 - cortex, 8.0) * inside(np.abs(side - 18.0) - 8.0, 8.0)
    )
    stem = _stem(p.u, v, w)
    blend(hu, inside(stem, soft), 0.4 * anatomy.gray + 0.6 * anatomy.white)

    lateral, central = ventricles(anatomy, p.u, v, w)
    chambers = np.maximum(inside(lateral, soft), inside(central, soft)) * inside(1.0 - cortex, soft)
    blend(hu, cisterns, anatomy.csf + 3.0)
    blend(hu, chambers, anatomy.csf)
    falx = p.u + FAR * ~(medial & (callosum < -0.12 - 0.25 * (v + 20.0) / 80.0))
    membranes = np.maximum(slab(falx, 1.3, soft), slab(leaf_distance, 1.3, max(soft, 2.5)))
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
    """Distance to the Sylvian fissure: a sheet over the insula, and the clefts that open from it."""
    thin = 0.35 + 1.5 * anatomy.atrophy
    bow = side - 41.0 + 0.012 * (v - 2.0) ** 2 + 0.15 * np.abs(w - 10.0)
    insula = np.maximum(np.abs(bow) - thin, np.maximum(np.abs(v - 2.0) - 19.0, np.abs(w - 11.0) - 13.0))
    ramus = np.maximum(
        np.abs(w - 7.0 + 0.8 * v) * 0.78 - thin - 0.3, np.maximum(40.0 - side, np.abs(v + 6.0) - 20.0)
    )
    front = capsule(side, v, w, (38.0, 19.0, 7.0), (64.0, 27.0, 5.0), (thin + 0.8, thin + 1.6))
    entry = capsule(side, v, w, (12.0, 12.0, -1.0), (38.0, 17.0, 1.0), (0.8 + thin / 2, thin))
    return np.minimum(np.minimum(insula, ramus), np.minimum(front, entry))


def _stem(u: Field, v: Field, w: Field) -> Field:
    crura = ellipsoid(np.abs(u), v, w, (7.0, -9.0, 3.0), (9.5, 8.0, 16.0))
    midbrain = np.minimum(crura, ellipsoid(u, v, w, (0.0, -16.0, 3.0), (14.0, 10.0, 16.0)))
    pons = ellipsoid(u, v, w, (0.0, -13.0, -16.0), (16.0, 13.0, 15.0))
    medulla = capsule(u, v, w, (0.0, -20.0, -24.0), (0.0, -30.0, -60.0), (9.5, 7.0))
    return np.minimum(np.minimum(midbrain, pons), medulla)


def _cisterns(anatomy: Anatomy, u: Field, side: Field, v: Field, w: Field, vary: Field) -> Field:
    """Distance to the cisterns of the base: suprasellar star, around the stem, quadrigeminal, great."""
    wide = 1.2 * anatomy.atrophy
    angle = np.arctan2(u, v - 7.0)
    star = np.hypot(u, v - 7.0) - 8.0 - wide - 3.0 * np.cos(5.0 * angle) - 1.5 * vary
    star = np.maximum(star, np.abs(w - 0.0) - 5.0)
    stem = _stem(u, v, w)
    shell = np.maximum(np.abs(stem - 0.8) - 0.8 - wide - 0.6 * vary, np.abs(w + 10.0) - 22.0)
    shell = np.maximum(shell, np.maximum(side - 22.0, -26.0 - v))
    quadrigeminal = (
        ellipsoid(u, v, w, (0.0, -28.5, 9.0), (8.0 + wide, 2.8 + wide, 7.0)) + 0.2 * side - 0.6 * vary
    )
    vermis = ellipsoid(u, v, w, (0.0, -48.0, 17.0), (3.0 + wide, 12.0, 4.0))
    magna = ellipsoid(u, v, w, (0.0, -62.0, -45.0), (12.0 + 4.0 * vary, 8.0, 9.0))
    return np.minimum(np.minimum(star, shell), np.minimum(np.minimum(quadrigeminal, vermis), magna))


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
