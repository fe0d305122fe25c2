"""What lies around the brain: scalp, calvaria with sutures and frontal sinus, skull base."""

import numpy as np

from hemo.phantom.anatomy import SURFACE_PIXEL, Anatomy, Points
from hemo.phantom.face import AIR, FAT, MUSCLE, SKIN, face
from hemo.phantom.fields import Field, blend, capsule, ellipsoid, inside, sample, slab

CORTEX, DIPLOE = 1450.0, 650.0
"""HU of compact bone and of the marrow between its tables, as seen at 5 mm slices."""


def thickness(anatomy: Anatomy, p: Points) -> Field:
    """Return the thickness of the calvaria in mm: thick in front and behind, thin at the temples."""
    side = np.clip(np.abs(p.u) / 62.0, 0.0, 1.0) ** 4 * np.clip(1.0 - (p.w - 10.0) / 50.0, 0.0, 1.0)
    along = np.clip(np.abs(p.v - 2.0) / 85.0, 0.0, 1.2) ** 3
    bump = sample(anatomy.surface["bump"], p.y, p.x, SURFACE_PIXEL)
    return np.maximum(anatomy.skull * (1.0 + 0.35 * along - 0.45 * side + 0.08 * bump), 2.0)


def soft_tissue(anatomy: Anatomy, p: Points, bone: Field) -> Field:
    """Return the thickness in mm of scalp, muscle, nape and swelling over the bone."""
    scalp = anatomy.scalp * (1.0 + 0.25 * np.clip(-p.v / 80.0, -1.0, 1.0))
    temple = 9.0 * np.clip(1.0 - np.abs(p.v - 22.0) / 30.0, 0.0, 1.0) * np.clip((35.0 - p.w) / 40.0, 0.0, 1.0)
    temple *= np.clip((np.abs(p.u) - 25.0) / 30.0, 0.0, 1.0)
    nape = np.clip((-8.0 - p.w) * 0.6, 0.0, 20.0) * np.clip(-p.v / 50.0, 0.0, 1.0)
    nape *= np.clip(1.6 - np.abs(p.u) / 50.0, 0.0, 1.0)
    x, y, thick, radius = anatomy.swelling
    away = ((p.x - x) ** 2 + (p.y - y) ** 2) / radius**2
    return scalp + temple + nape + thick * np.clip(1.0 - away, 0.0, 1.0)


def around(anatomy: Anatomy, p: Points, soft: float) -> Field:
    """Return HU of everything but the inside of the skull, which is left as water (0)."""
    bone = thickness(anatomy, p)
    flesh = soft_tissue(anatomy, p, bone)
    outside = -p.vault
    texture = sample(anatomy.surface["texture"], p.x, p.y + 0.3 * p.radius, SURFACE_PIXEL)
    depth = (bone + flesh) - outside
    hu = np.full_like(p.u, AIR)
    skin = inside(-depth, soft)
    blend(hu, skin, SKIN)
    blend(hu, inside(1.8 - depth, soft), FAT + 10.0 * texture)
    muscle = flesh - anatomy.scalp * 1.1
    blend(hu, inside(outside - bone - muscle, soft) * (muscle > 1.0), MUSCLE + 5.0 * texture)
    blend(hu, skin * inside(depth - 1.8, soft), SKIN)
    face(anatomy, p, hu, depth, texture, soft)
    _calvaria(anatomy, p, hu, bone, texture, soft)
    _floor(anatomy, p, hu, texture, soft)
    return hu


def _calvaria(anatomy: Anatomy, p: Points, hu: Field, bone: Field, texture: Field, soft: float) -> None:
    vault = inside(-p.vault - bone, soft) * inside(p.vault, soft) * inside(-6.0 - p.base, 3.0)
    inner, outer = -p.vault, bone + p.vault
    marrow = np.clip((np.minimum(inner, outer) - 1.4) / 0.9, 0.0, 1.0)
    value = CORTEX + marrow * (DIPLOE - CORTEX + 130.0 * texture)
    wiggle = 1.3 * texture
    coronal = suture_coronal(p.v, p.w) + wiggle
    lambdoid = suture_lambdoid(p.v, p.w) + wiggle
    sagittal = p.u + wiggle
    between = (coronal < 0) & (lambdoid > 0) & (p.w > 40)
    gap = np.maximum(slab(coronal, 1.2, soft), slab(lambdoid, 1.4, soft))
    gap = np.maximum(gap * (p.w > 0), slab(sagittal, 1.2, soft) * between)
    blend(value, 0.7 * gap, 200.0)
    blend(hu, vault, value)
    # The frontal sinus lies between the tables, above the nose.
    size = anatomy.sinus
    cells = ellipsoid(np.abs(p.u), p.v, p.w, (9.0, 82.0, 8.0), (8.0 * size, 4.5, 11.0 * size)) + 0.8 * texture
    blend(hu, inside(cells - 1.5, soft), CORTEX)
    blend(hu, inside(cells, soft) * inside(p.vault + 1.5, soft), AIR)


def suture_coronal(v: Field, w: Field) -> Field:
    """Return the signed distance in mm to the coronal suture's plane, positive in front."""
    return v - 14.0 - 0.12 * (w - 10.0)


def suture_lambdoid(v: Field, w: Field) -> Field:
    """Return the signed distance in mm to the lambdoid suture's plane, negative behind."""
    return v + 58.0 + 0.2 * (w - 5.0)


def _floor(anatomy: Anatomy, p: Points, hu: Field, texture: Field, soft: float) -> None:
    bone = sample(anatomy.base["bone"], p.u, p.v, 1.0)
    side = np.abs(p.u)
    plate = inside(p.base, soft) * inside(-p.base - bone, soft) * inside(-p.vault - 3.0, soft)
    plate *= np.clip(bone / 1.5, 0.0, 1.0)
    dense = 1000.0 + 350.0 * np.clip((bone - 4.0) / 10.0, 0.0, 1.0) + 180.0 * texture
    blend(hu, plate, dense)
    # Air cells of the mastoid, behind and lateral in the petrous bone; the ear canals beside them.
    mastoid = ellipsoid(side, p.v, p.w, (54.0, -27.0, -19.0), (11.0, 12.0, 13.0)) + 2.0 * texture
    blend(hu, inside(mastoid - 2.0, soft), 1000.0)
    blend(hu, inside(mastoid, soft) * np.clip(0.75 + 0.6 * texture, 0.0, 1.0), -600.0)
    blend(
        hu, inside(capsule(side, p.v, p.w, (48.0, -9.0, -17.0), (85.0, -10.0, -22.0), (3.0, 4.0)), soft), AIR
    )
