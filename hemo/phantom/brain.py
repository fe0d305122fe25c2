"""What lies inside the skull of a patient, blood aside: CSF spaces, cortex, nuclei, dura."""

from dataclasses import dataclass

import numpy as np

from hemo.phantom import csf
from hemo.phantom.anatomy import SURFACE_PIXEL, Anatomy, Points
from hemo.phantom.fields import FAR, Field, blend, capsule, ellipsoid, inside, sample, slab

DURA, VESSEL, CALCIUM = 50.0, 47.0, 240.0
"""HU of falx and tentorium, of flowing blood, and of physiological calcification at 5 mm slices."""


@dataclass(frozen=True)
class Spaces:
    """Covers of the spaces that blood can fill, 0 to 1.

    Attributes
    ----------
    cavity
        Inside the dura: neither bone nor what lies outside of the skull.
    within
        Inside the surface of the brain, sulci and ventricles included.
    ventricles
        Lateral, third and fourth ventricle.
    cisterns
        Subarachnoid space: sulci, fissures, basal cisterns.
    tissue
        Brain: what is neither of the two, nor dura.
    falx
        Distance in mm to the falx' middle plane (positive: left), where there is a falx, else FAR.
    """

    cavity: Field
    within: Field
    ventricles: Field
    cisterns: Field
    tissue: Field
    falx: Field


def brain(anatomy: Anatomy, p: Points, pushed: Field, wet: Field, soft: float) -> tuple[Field, Spaces]:
    """Return HU of the inside of the skull without blood, and its spaces.

    Parameters
    ----------
    anatomy
        The patient.
    p
        The points, in the coordinates of the undisturbed brain; their depths as they are.
    pushed
        Thickness in mm of what lies between skull and brain, at the points.
    wet
        How swollen the subarachnoid space is with blood, in mm of width.
    soft
        Width of edges in mm.
    """
    side, v, w = np.abs(p.u), p.v, p.w
    # Layers are thinner than slices, yet thick enough to leave contour lines on sheets that lie flat.
    flat = max(soft, 2.5)
    texture = sample(anatomy.surface["texture"], p.x, p.y + 0.4 * p.radius, SURFACE_PIXEL)
    vary = sample(anatomy.surface["bump"], 2.0 * p.x, 2.0 * p.y, SURFACE_PIXEL)
    depth = np.minimum(p.vault, p.base)
    cavity = inside(-depth, soft)
    front = np.clip(v / 80.0, 0.0, 1.0)
    cortex = depth - pushed - 0.5 - anatomy.atrophy * (1.2 + 1.6 * front)
    wind = sample(anatomy.surface["bump"], 4.0 * p.y, 4.0 * p.x, SURFACE_PIXEL)
    wind *= 0.4 * np.minimum(cortex, 15.0)

    # The tentorium and what lies below it; the corpus callosum and, around it, the cleft with the falx.
    tent = w - csf.tentorium(p.u, v)
    behind = v < 4.0 - 0.5 * (side - 10.0)
    notch = ((p.u / 19.0) ** 2 + ((v + 12.0) / 24.0) ** 2) > 1.0
    leaf = np.abs(tent) * 0.9 + FAR * ~(behind & notch)
    low = inside(tent, flat) * behind
    callosum = 1.0 - np.sqrt(((v + 4.0) / 46.0) ** 2 + ((w - 15.0) / 24.0) ** 2)
    around = (callosum < 0) & (w > 2.0)
    medial = FAR * ~around
    cleft = np.abs(p.u + 0.5 * vary) + medial
    leaflet = around & (callosum < -0.12 - 0.25 * (v + 20.0) / 80.0)
    falx = p.u + 0.7 * csf.winding(anatomy, v, w) + FAR * ~leaflet

    stem = csf.stem(p)
    sylvian = csf.sylvian(anatomy, side + 1.5 * vary, v + 1.5 * wind, w)
    sulci, fold = csf.sulci(anatomy, p, cortex, medial, vary, wind, wet, soft)
    upper = np.maximum(sulci, slab(cleft, 1.4 + anatomy.atrophy * (1.0 + 2.0 * front) + wet, soft))
    upper = np.maximum(upper, inside(sylvian - wet / 2, max(soft, 1.8)))
    cisterns = upper + low * (csf.folia(anatomy, p, cortex, soft) - upper)
    basal = csf.basal_cisterns(anatomy, p, stem) - wet / 2
    cisterns = np.maximum(cisterns, inside(np.minimum(basal, cortex), soft))
    cisterns = np.maximum(cisterns, slab(leaf, 1.4 + anatomy.atrophy, flat))
    lateral, central = csf.ventricles(anatomy, p)
    chambers = inside(np.minimum(lateral, central), soft) * inside(1.0 - cortex, soft)

    # Gray matter: a ribbon along every surface of the cerebrum, and the deep nuclei.
    surface = np.minimum(np.minimum(cortex, cleft), np.minimum(fold, sylvian)) - 3.7
    ribbon = inside(np.minimum(surface, _nuclei(side + 0.8 * vary, v, w)), 2.0)
    # With age the white matter around the ventricles darkens.
    white = anatomy.white - 5.0 * anatomy.atrophy * inside(lateral - 7.0, 12.0)
    hu = white + (anatomy.gray - white) * ribbon + 0.7 * texture
    dentate = inside(5.0 - cortex, 8.0) * inside(np.abs(side - 18.0) - 8.0, 8.0)
    blend(hu, low, anatomy.gray - 1.0 - 4.0 * dentate)
    blend(hu, inside(stem, soft), 0.4 * anatomy.gray + 0.6 * anatomy.white)
    blend(hu, cisterns, anatomy.csf + 3.0)
    blend(hu, chambers, anatomy.csf)

    sinus = np.minimum(
        capsule(p.u, v, w, (0.0, -86.0, 5.0), (0.0, -84.0, 30.0), (4.0, 4.0)),
        capsule(side, v, w, (0.0, -84.0, 1.0), (56.0, -48.0, -3.0), (3.2, 2.8)),
    )
    membranes = np.maximum(slab(falx, 1.3, soft), slab(leaf, 1.3, flat))
    membranes = np.maximum(membranes, np.maximum(inside(sinus, 2.0), inside(depth - 0.6, soft) * 0.5))
    blend(hu, membranes, DURA)
    _vessels_and_calcium(anatomy, p, hu, falx, texture, soft)
    dry = (1.0 - membranes) * cavity
    tissue = (1.0 - cisterns) * (1.0 - chambers) * dry
    within = inside(-cortex, soft) * cavity
    return hu, Spaces(cavity, within, chambers * cavity, cisterns * dry, tissue, falx)


def _nuclei(side: Field, v: Field, w: Field) -> Field:
    caudate = ellipsoid(side, v, w, (12.5, 22.0, 17.0), (5.0, 11.0, 9.0))
    lentiform = ellipsoid(side - 0.3 * np.abs(v - 4.0), v, w, (22.0, 5.0, 10.0), (6.5, 17.0, 10.0))
    thalamus = ellipsoid(side + 0.2 * (v + 10.0), v, w, (10.0, -10.0, 15.0), (7.5, 13.0, 10.0))
    return np.minimum(np.minimum(caudate, lentiform), thalamus)


def _vessels_and_calcium(
    anatomy: Anatomy, p: Points, hu: Field, falx: Field, texture: Field, soft: float
) -> None:
    """Draw what is bright without being a hemorrhage, in place."""
    side, v, w = np.abs(p.u), p.v, p.w
    basilar = capsule(p.u, v, w, (0.0, 1.5, -24.0), (0.5, 3.0, -2.0), (1.7, 1.6))
    middle = capsule(side, v, w, (8.0, 9.0, -1.0), (30.0, 14.0, 0.0), (1.4, 1.1))
    blend(hu, inside(np.minimum(basilar, middle), soft), VESSEL)
    if anatomy.calcified["choroid"]:
        plexus = ellipsoid(side, v, w, (23.0, -40.0, 16.0), (3.0, 5.0, 4.0)) + 0.8 * texture
        blend(hu, inside(plexus, soft) * np.where(p.u > 0, 0.9, 0.6), CALCIUM)
    if anatomy.calcified["pineal"]:
        blend(hu, inside(ellipsoid(p.u, v, w, (0.6, -25.0, 12.0), (2.4, 2.4, 2.6)), soft), CALCIUM)
    if anatomy.calcified["falx"]:
        spot = ellipsoid(p.u, v, w, (0.0, 52.0, 52.0), (2.2, 9.0, 8.0))
        blend(hu, inside(spot, soft) * (falx < FAR / 2), CALCIUM + 200.0)
    if anatomy.calcified["ganglia"]:
        spot = ellipsoid(side, v, w, (19.0, 3.0, 9.0), (2.5, 4.5, 3.0)) + texture
        blend(hu, 0.5 * inside(spot, soft), CALCIUM)
