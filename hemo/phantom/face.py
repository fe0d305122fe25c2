"""What hangs below the base of the skull: flesh, orbits, sinuses, facial bones."""

from dataclasses import replace

import numpy as np

from hemo.phantom.anatomy import SURFACE_PIXEL, Anatomy, Points
from hemo.phantom.fields import Field, blend, capsule, ellipsoid, inside, sample, slab

AIR, FAT, MUSCLE, SKIN = -1000.0, -95.0, 55.0, 40.0
"""HU at 120 kVp of what is not bone."""


def face(anatomy: Anatomy, p: Points, hu: Field, depth: Field, texture: Field, soft: float) -> None:
    """Draw face and neck into `hu`, in place; `depth` is the depth below the skin in mm."""
    below = np.flatnonzero((p.base < 3.0) & (depth > -25.0))
    if not below.size:
        return
    q = _bent(anatomy, p.take(below))
    part, deep, grain = hu[below], depth[below], texture[below]
    under = inside(q.base + 2.0, 2.0) * inside(3.0 - deep, soft)
    # Muscles part at fatty planes, here wider, there closed.
    muscles = sample(anatomy.surface["bump"], 2.6 * q.u + q.w, 2.6 * q.v - q.w, SURFACE_PIXEL)
    planes = sample(anatomy.surface["bump"], 1.5 * q.v, 1.5 * q.u - 2.0 * q.w, SURFACE_PIXEL)
    fat = slab(muscles, 0.2 * np.clip(planes + 0.5, 0.0, 1.5), 0.15)
    blend(part, under, MUSCLE - 150.0 * fat + 4.0 * grain)
    nose = capsule(q.u, q.v, q.w, (0.0, 80.0, -4.0), (0.0, 91.0, -44.0), (9.0, 16.0))
    blend(part, inside(nose, soft), SKIN)
    hu[below] = part
    front = np.flatnonzero(q.v > -2.0)
    if front.size:
        ahead, q = below[front], q.take(front)
        part = hu[ahead]
        under = inside(q.base + 2.0, 2.0) * inside(3.0 - depth[ahead], soft)
        _orbits(q, part, under, soft)
        _sinuses(anatomy, q, part, under, texture[ahead], soft)
        hu[ahead] = part


def _bent(anatomy: Anatomy, p: Points) -> Points:
    """Return the points in a face that is neither symmetric nor straight: moved by some 2 mm."""
    bump = anatomy.surface["bump"]
    u = p.u + 2.0 * sample(bump, 1.4 * p.v + 0.6 * p.w, 1.4 * p.u, SURFACE_PIXEL)
    v = p.v + 2.0 * sample(bump, 1.4 * p.u, 0.6 * p.w - 1.4 * p.v, SURFACE_PIXEL)
    return replace(p, u=u, v=v)


def _orbits(p: Points, hu: Field, under: Field, soft: float) -> None:
    """Draw a bony cone around fat, eye, lens, three muscles and the nerve."""
    side, v, w = np.abs(p.u), p.v, p.w
    cone = capsule(side, v, w, (31.0, 64.0, -13.0), (14.0, 30.0, -7.0), (17.0, 5.0))
    cone = np.minimum(cone, ellipsoid(side, v, w, (33.0, 70.0, -13.0), (18.0, 16.0, 17.0)))
    # Its wall is thin beside the eye and massive where it is the sphenoid's greater wing.
    wall = 1.3 + 4.0 * np.clip((52.0 - v) / 14.0, 0.0, 1.0) * np.clip((side - 18.0) / 8.0, 0.0, 1.0)
    blend(hu, inside(cone - wall, soft) * inside(v - 76.0 + 0.35 * side, soft) * under, 1000.0)
    blend(hu, inside(cone, soft), FAT)
    for end in ((18.0, 68.0, -13.0), (44.0, 66.0, -13.0), (31.0, 66.0, -2.0)):
        blend(hu, inside(capsule(side, v, w, (16.0, 36.0, -8.0), end, (1.5, 1.9)), soft), MUSCLE)
    blend(hu, inside(capsule(side, v, w, (15.0, 34.0, -8.0), (32.0, 64.0, -12.0), (2.0, 2.2)), soft), 35.0)
    eye = ellipsoid(side, v, w, (33.0, 75.0, -13.0), (12.3, 12.3, 12.0))
    blend(hu, inside(eye, soft), 60.0)
    blend(hu, inside(eye + 1.3, soft), 8.0)
    blend(hu, inside(ellipsoid(side, v, w, (33.0, 83.5, -13.0), (4.5, 2.2, 4.5)), soft), 85.0)


def _sinuses(anatomy: Anatomy, p: Points, hu: Field, under: Field, texture: Field, soft: float) -> None:
    """Draw ethmoid, sphenoid and maxillary sinuses and the nose, in thin walls; cheekbones and jaw."""
    side, v, w, size = np.abs(p.u), p.v, p.w, anatomy.sinus
    ethmoid = ellipsoid(side, v, w, (6.5, 51.0, -15.0), (7.0, 21.0, 11.0)) + 0.8 * texture
    sphenoid = ellipsoid(side, v, w, (8.0, 21.0, -17.0), (7.5 * size, 10.0 * size, 8.0 * size))
    maxilla = ellipsoid(side, v, w, (29.0, 50.0, -46.0), (13.0 * size, 15.0, 15.0))
    nose = ellipsoid(side, v, w, (6.0, 58.0, -42.0), (6.5, 28.0, 18.0))
    wall = np.minimum(np.minimum(ethmoid, sphenoid), np.minimum(maxilla, nose))
    blend(hu, inside(wall - 1.5, soft) * under, 700.0)
    blend(hu, inside(wall, soft), AIR)
    septa = slab(np.mod(v + 2.0 * texture + 0.4 * p.u, 8.0) - 4.0, 1.0, soft)
    blend(hu, inside(ethmoid, soft) * septa, 250.0)
    blend(hu, inside(nose + 1.0, soft) * inside(0.4 - texture, 0.5), MUSCLE)
    blend(hu, slab(p.u, 1.5, soft) * inside(np.minimum(nose, ethmoid) - 3.0, soft), 300.0)
    cheek = capsule(side, v, w, (48.0, 62.0, -26.0), (64.0, 20.0, -28.0), (4.5, 3.0))
    rim = capsule(side, v, np.zeros_like(w), (51.0, 66.0, 0.0), (46.0, 54.0, 0.0), (4.2, 1.8))
    rim = np.maximum(rim, np.abs(w + 10.0) - 15.0)
    jaw = capsule(side, v, w, (52.0, 4.0, -30.0), (50.0, 10.0, -60.0), (5.0, 4.0))
    blend(hu, inside(np.minimum(np.minimum(cheek, rim), jaw), soft), 1150.0)
