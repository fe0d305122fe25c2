"""One patient's head: sizes, shape, age and the maps that its surfaces are read from.

Head coordinates, in mm: u to the patient's left, v to the front, w up; the origin lies above the sella,
w = 0 is about the orbitomeatal plane. Everything that follows the convexity (skull, sulci, extra-axial
blood) is written on a flat map of the directions seen from the middle of the head, the Lambert
azimuthal equal-area projection from the vertex; everything of the skull base on a map over (u, v).
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from hemo.phantom.fields import Field, noise_map, sample

MIDDLE = (0.0, -6.0, 18.0)
"""The point from which directions are taken, inside the head."""

SURFACE_PIXEL = 0.75
SURFACE_SIZE = 448
SURFACE_RADIUS = 75.0
"""The Lambert map: pixel in mm, pixels a side, radius in mm of the sphere that it unrolls."""

BASE_SIZE = 241
"""The map of the skull base: pixels of 1 mm a side."""


@dataclass(frozen=True)
class Anatomy:
    """A patient's head, drawn once.

    Attributes
    ----------
    age
        In years; drives atrophy and calcification.
    scale
        Size along u, v, w relative to the standard head.
    radii
        Half axes of the cranial cavity: across, along, up, down (mm).
    egg
        How much wider the back is than the front (part of the width).
    warp
        Amplitudes and phases of the smooth deformation that breaks symmetry, (6, 2).
    skull, scalp
        Thickness in mm of the calvaria and of the tissue over it.
    swelling
        Of the scalp, as after a blow: its middle on the Lambert map, greatest thickness and radius (mm).
    atrophy
        0 (young) to 1 (severe).
    gray, white, csf
        HU of the tissues.
    ventricle, lean
        Size of the ventricles relative to the middle of the range; by how many mm the left one is wider.
    calcified
        Which of choroid plexus, pineal gland, falx and basal ganglia carry calcium.
    sinus
        Size of the paranasal sinuses relative to the standard.
    surface
        Lambert maps: `sulci` (distance in mm to the nearest sulcus), `bump` and `texture` (unit
        deviation, slow and fast).
    base
        Maps over (u, v): `floor` (height of the skull base), `slope` (cosine of its steepness), `bone`
        (its thickness).
    """

    age: float
    scale: tuple[float, float, float]
    radii: tuple[float, float, float, float]
    egg: float
    warp: tuple[tuple[float, float], ...]
    skull: float
    scalp: float
    swelling: tuple[float, float, float, float]
    atrophy: float
    gray: float
    white: float
    csf: float
    ventricle: float
    lean: float
    calcified: dict[str, bool]
    sinus: float
    surface: dict[str, Field]
    base: dict[str, Field]


def draw_anatomy(rng: np.random.Generator) -> Anatomy:
    """Draw a patient."""
    age = float(np.clip(rng.normal(58, 20), 18, 95))
    size = rng.normal(1.0, 0.03)
    aspect = rng.normal(0.0, 0.04)
    atrophy = float(np.clip((age - 45) / 60 + rng.normal(0, 0.12), 0.0, 1.0))
    return Anatomy(
        age=age,
        scale=(size * (1 + aspect), size * (1 - aspect), size * rng.normal(1.0, 0.02)),
        radii=(68.0, 84.0, 74.0, 104.0),
        egg=rng.uniform(0.02, 0.12),
        warp=tuple((rng.normal(0, 1.2), rng.uniform(0, 2 * np.pi)) for _ in range(6)),
        skull=float(np.clip(rng.normal(5.8, 1.0), 4.0, 8.5)),
        scalp=float(np.clip(rng.normal(5.5, 1.5), 3.0, 10.0)),
        swelling=_swelling(rng),
        atrophy=atrophy,
        gray=rng.uniform(37.5, 40.0),
        white=rng.uniform(30.5, 33.0),
        csf=rng.uniform(4, 9),
        ventricle=float(np.exp(rng.normal(-0.1, 0.15)) * (0.8 + 0.9 * atrophy)),
        lean=rng.normal(0.3, 0.6),
        calcified={
            "choroid": bool(rng.random() < 0.1 + 0.7 * age / 95),
            "pineal": bool(rng.random() < 0.6),
            "falx": bool(rng.random() < 0.25),
            "ganglia": bool(rng.random() < 0.12 * age / 60),
        },
        sinus=rng.uniform(0.75, 1.2),
        surface=_surface_maps(rng),
        base=_base_maps(rng),
    )


def _swelling(rng: np.random.Generator) -> tuple[float, float, float, float]:
    """Draw a swelling of the scalp, which does not tell what lies beneath; most have none."""
    angle, away = rng.uniform(0, 2 * np.pi), rng.uniform(45.0, 105.0)
    thick = rng.uniform(4.0, 12.0) if rng.random() < 0.3 else 0.0
    return away * float(np.cos(angle)), away * float(np.sin(angle)), thick, rng.uniform(22.0, 45.0)


def _surface_maps(rng: np.random.Generator) -> dict[str, Field]:
    folds = noise_map(rng, SURFACE_SIZE, SURFACE_PIXEL, rng.uniform(24, 30), 0.35)
    # Where the noise changes sign runs a winding line: sulci.
    above = folds > 0
    edge = np.zeros_like(above)
    edge[:-1] |= above[:-1] != above[1:]
    edge[:, :-1] |= above[:, :-1] != above[:, 1:]
    sulci = cv2.distanceTransform((~edge).astype(np.uint8), cv2.DIST_L2, 5) * np.float32(SURFACE_PIXEL)
    return {
        "sulci": sulci,
        "bump": noise_map(rng, SURFACE_SIZE, SURFACE_PIXEL, 80, 0.4),
        "texture": noise_map(rng, SURFACE_SIZE, SURFACE_PIXEL, 6, 0.6),
    }


def _base_maps(rng: np.random.Generator) -> dict[str, Field]:
    half = (BASE_SIZE - 1) / 2
    v, u = np.mgrid[-half : half + 1, -half : half + 1].astype(np.float32)
    # No two sides are alike, and no ridge is straight.
    u, v = (axis + 2.6 * noise_map(rng, 256, 1.0, 38, 0.5)[:BASE_SIZE, :BASE_SIZE] for axis in (u, v))
    side = np.abs(u + rng.normal(0, 0.8))
    wing = 15 + 0.55 * side - 0.002 * side**2
    petrous = 5 - 0.45 * (side - 10) - 0.002 * (side - 10) ** 2
    front = -2 + 0.3 * (v - 25) + 6 * np.exp(-(((side - 28) / 13) ** 2) - ((v - 50) / 18) ** 2)
    front -= 5 * np.exp(-((u / 6) ** 2) - ((v - 55) / 15) ** 2)
    middle = -23 + 7 * ((side - 38) / 22) ** 2 + 4 * ((v - 6) / 22) ** 2
    back = -54 + 0.017 * (u**2 + (v + 36) ** 2)
    floor = np.where(v > wing, front, np.where(v > petrous, middle, back))
    central = (side < 13) & (v > -4) & (v < 24)
    floor = np.where(central, -4 - 8 * np.exp(-((u / 7) ** 2) - ((v - 8) / 5) ** 2), floor)
    floor = np.maximum(floor, np.where((side > 9) & (side < 66), -4 - 1.25 * np.abs(v - petrous), -99))
    floor = np.maximum(floor, np.where((side > 12) & (side < 60), 3 - 1.2 * np.abs(v - wing), -99))
    # Thin plates roof the orbits and carry the temporal lobes; the petrous bones and the clivus are massive.
    bone = np.where(v > wing + 3, 1.6, np.where(v > petrous, 2.6, 4.0))
    bone += 24 * np.exp(-(((v - petrous) / 9) ** 2)) * ((side > 10) & (side < 68))
    bone += 14 * np.exp(-((u / 11) ** 2) - ((v - 0) / 9) ** 2)
    floor += 1.6 * noise_map(rng, 256, 1.0, 16, 0.5)[:BASE_SIZE, :BASE_SIZE]
    bone *= 1 + 0.2 * noise_map(rng, 256, 1.0, 20, 0.5)[:BASE_SIZE, :BASE_SIZE]
    magnum = (u / 14) ** 2 + ((v + 32) / 17) ** 2 < 1
    bone = np.where(magnum, 0, bone)
    floor = np.where(magnum, -120, floor)
    floor = cv2.GaussianBlur(floor.astype(np.float32), (0, 0), 1.8)
    bone = cv2.GaussianBlur(bone.astype(np.float32), (0, 0), 1.5)
    steep = np.hypot(cv2.Sobel(floor, -1, 1, 0) / 8, cv2.Sobel(floor, -1, 0, 1) / 8)
    return {"floor": floor, "slope": (1 / np.sqrt(1 + steep**2)).astype(np.float32), "bone": bone}


@dataclass(frozen=True)
class Points:
    """Points of one patient's head with what most structures need of them.

    Attributes
    ----------
    u, v, w
        Head coordinates, mm.
    x, y
        Place on the Lambert map, mm.
    radius
        Distance from `MIDDLE`, mm.
    vault
        Depth below the inner table of the calvaria, mm; negative in the skull and outside.
    base
        Height above the skull base, mm; negative below.
    """

    u: Field
    v: Field
    w: Field
    x: Field
    y: Field
    radius: Field
    vault: Field
    base: Field

    def take(self, which: NDArray[np.intp]) -> "Points":
        """Return some of the points."""
        return Points(**{name: value[which] for name, value in vars(self).items()})


def to_head(anatomy: Anatomy, x: Field, y: Field, z: Field) -> tuple[Field, Field, Field]:
    """Bring points of the posed head (mm) to standard head coordinates: smooth warp, then size."""
    (au, pu), (av, pv), (aw, pw), (bu, qu), (bv, qv), (bw, qw) = anatomy.warp
    k = 2 * np.pi / 170
    u = x + au * np.sin(k * y + pu) + bu * np.sin(k * z + qu)
    v = y + av * np.sin(k * x + pv) + bv * np.sin(k * z + qv)
    w = z + aw * np.sin(k * x + pw) + bw * np.sin(k * y + qw)
    return u / anatomy.scale[0], v / anatomy.scale[1], w / anatomy.scale[2]


def lambert(u: Field, v: Field, w: Field) -> tuple[Field, Field, Field]:
    """Return the place on the Lambert map (mm) and the distance from `MIDDLE` (mm) of points."""
    du, dv, dw = u - MIDDLE[0], v - MIDDLE[1], w - MIDDLE[2]
    radius = np.sqrt(du * du + dv * dv + dw * dw) + 1e-3
    factor = SURFACE_RADIUS * np.sqrt(2.0 / (1.0 + np.maximum(dw / radius, -0.95))) / radius
    return du * factor, dv * factor, radius


def locate(anatomy: Anatomy, u: Field, v: Field, w: Field) -> Points:
    """Work out where points lie relative to the vault and the base of the skull."""
    x, y, radius = lambert(u, v, w)
    across, along, up, down = anatomy.radii
    du, dv, dw = np.abs(u - MIDDLE[0]), v - MIDDLE[1], w - MIDDLE[2]
    width = across * (1.0 - anatomy.egg * np.clip(dv / along, -1.2, 1.2))
    height = np.maximum(dw / up, -dw / down)
    power = 2.5
    gauge = ((du / width) ** power + np.abs(dv / along) ** power + height**power) ** (1 / power)
    gauge *= 1.0 + 0.008 * sample(anatomy.surface["bump"], x, y, SURFACE_PIXEL)
    vault = radius * (1.0 / np.maximum(gauge, 0.05) - 1.0)
    slope = sample(anatomy.base["slope"], u, v, 1.0)
    base = (w - sample(anatomy.base["floor"], u, v, 1.0)) * slope
    return Points(u, v, w, x, y, radius, vault.astype(np.float32), base)
