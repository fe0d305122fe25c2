"""Hemorrhages of the five types: where they arise, what shape they take, what they push aside."""

from dataclasses import dataclass, replace

import numpy as np

from hemo.phantom.anatomy import (
    MIDDLE,
    SURFACE_PIXEL,
    SURFACE_RADIUS,
    SURFACE_SIZE,
    Anatomy,
    locate,
)
from hemo.phantom.fields import Field, Point
from hemo.phantom.skull import suture_coronal, suture_lambdoid

ACUTE, SUBACUTE = (60.0, 80.0), (51.0, 59.0)
"""HU of clotted blood in the first days, and after a week or so: still denser than the brain.

Blood as dense as the brain, as it is for some time after that, is not drawn: a reader who knew of nothing but
the slice could not label it.
"""


@dataclass(frozen=True)
class Hemorrhage:
    """One hemorrhage.

    Attributes
    ----------
    kind
        One of the five types.
    hu
        HU of the blood, before partial volume.
    centre
        Its middle in head coordinates, mm.
    size
        Radius (intraparenchymal) or greatest thickness (epidural, subdural), mm.
    shift
        By how much it pushes the midline, mm.
    thickness
        Epidural and convexity subdural: thickness in mm over the Lambert map.
    edema
        Intraparenchymal: width of the rim, mm.
    levels
        Intraventricular: up to which v the left, right and middle ventricles are filled.
    spots
        Subarachnoid: centres and spreads (mm) of where blood lies in the subarachnoid space.
    """

    kind: str
    hu: float
    centre: Point = (0.0, 0.0, 0.0)
    size: float = 0.0
    shift: float = 0.0
    thickness: Field | None = None
    edema: float = 0.0
    levels: tuple[float, float, float] = (-999.0, -999.0, -999.0)
    spots: tuple[tuple[Point, float], ...] = ()


def draw_hemorrhage(rng: np.random.Generator, anatomy: Anatomy, kind: str) -> Hemorrhage:
    """Draw a hemorrhage of one type in a patient."""
    hu = rng.uniform(*(ACUTE if rng.random() < 0.88 else SUBACUTE))
    hand = 1.0 if rng.random() < 0.5 else -1.0
    return _DRAW[kind](rng, anatomy, Hemorrhage(kind, hu), hand)


def aged(rng: np.random.Generator, hemorrhage: Hemorrhage) -> Hemorrhage:
    """Return the hemorrhage some days later: less dense, with more edema."""
    hu = max(hemorrhage.hu - rng.uniform(4, 15), SUBACUTE[0])
    return replace(hemorrhage, hu=hu, edema=hemorrhage.edema * 1.5)


def _surface(anatomy: Anatomy) -> tuple[Field, Field, Field]:
    """Return the points of the inner table under the pixels of the Lambert map, mm."""
    half = (SURFACE_SIZE - 1) / 2
    y, x = (np.mgrid[0:SURFACE_SIZE, 0:SURFACE_SIZE].astype(np.float32) - half) * SURFACE_PIXEL
    sine = np.clip(np.hypot(x, y) / (2 * SURFACE_RADIUS), 0.0, 0.97)
    up = 1.0 - 2.0 * sine * sine
    flat = np.sqrt(np.maximum(1.0 - up * up, 0.0)) / (np.hypot(x, y) + 1e-6)
    direction = [(x * flat).ravel(), (y * flat).ravel(), up.ravel()]
    start = locate(anatomy, *(MIDDLE[i] + 50.0 * direction[i] for i in range(3)))
    reach = start.radius + start.vault
    u, v, w = (MIDDLE[i] + reach * direction[i] for i in range(3))
    return u, v, w


def _epidural(rng: np.random.Generator, anatomy: Anatomy, blank: Hemorrhage, hand: float) -> Hemorrhage:
    u, v, w = _surface(anatomy)
    # Distance to the nearest suture: the dura is fast there, and the lens ends.
    bound = np.minimum(np.abs(suture_coronal(v, w)), np.abs(suture_lambdoid(v, w)))
    bound = np.minimum(bound, np.abs(u))
    room = (bound > 13.0) & (hand * u > 12.0) & (w > 4.0) & (w < 72.0)
    # Most come from the middle meningeal artery, at the temple and above it.
    room &= (suture_coronal(v, w) < 0) | (rng.random() < 0.35)
    room &= (suture_lambdoid(v, w) > 0) | (rng.random() < 0.25)
    at = rng.choice(np.flatnonzero(room))
    centre = (float(u[at]), float(v[at]), float(w[at]))
    size = rng.uniform(14.0, 28.0)
    spread = size * rng.uniform(0.8, 1.1) + 14.0
    away = np.sqrt((u - u[at]) ** 2 + (v - v[at]) ** 2 + (w - w[at]) ** 2)
    same = np.sign(suture_coronal(v, w)) == np.sign(suture_coronal(v[at], w[at]))
    same &= np.sign(suture_lambdoid(v, w)) == np.sign(suture_lambdoid(v[at], w[at]))
    same &= hand * u > 0
    lens = size * np.clip(1.0 - (away / spread) ** 2, 0.0, 1.0) * same * np.clip(bound / 9.0, 0.0, 1.0)
    return replace(
        blank,
        centre=centre,
        size=size,
        shift=size * rng.uniform(0.15, 0.4),
        thickness=lens.reshape(SURFACE_SIZE, SURFACE_SIZE).astype(np.float32),
    )


def _subdural(rng: np.random.Generator, anatomy: Anatomy, blank: Hemorrhage, hand: float) -> Hemorrhage:
    if rng.random() < 0.2:
        centre = (hand * 2.0, rng.uniform(-60.0, 40.0), rng.uniform(45.0, 65.0))
        return replace(blank, centre=centre, size=rng.uniform(5.0, 9.0), shift=0.0)
    u, v, w = _surface(anatomy)
    size = rng.uniform(6.0, 16.0)
    centre = (hand * 62.0, rng.uniform(-35.0, 25.0), rng.uniform(22.0, 55.0))
    long, high = rng.uniform(55.0, 95.0), rng.uniform(38.0, 65.0)
    away = ((v - centre[1]) / long) ** 2 + ((w - centre[2]) / high) ** 2
    ripple = 1.0 + 0.12 * anatomy.surface["bump"].ravel()
    crescent = (
        size * ripple * np.clip(1.7 * (1.0 - away), 0.0, 1.0) * np.clip((hand * u - 3.0) / 12.0, 0.0, 1.0)
    )
    return replace(
        blank,
        centre=centre,
        size=size,
        shift=size * rng.uniform(0.2, 0.7),
        thickness=crescent.reshape(SURFACE_SIZE, SURFACE_SIZE).astype(np.float32),
    )


def _intraparenchymal(
    rng: np.random.Generator, anatomy: Anatomy, blank: Hemorrhage, hand: float
) -> Hemorrhage:
    site = rng.choice(
        ["putamen", "thalamus", "lobar", "cerebellum", "pons"], p=[0.27, 0.15, 0.42, 0.11, 0.05]
    )
    size = float(np.clip(np.exp(rng.normal(2.65, 0.35)), 7.0, 28.0))
    centre = {
        "putamen": (hand * 26.0, 3.0, 11.0),
        "thalamus": (hand * 12.0, -12.0, 15.0),
        "cerebellum": (hand * 24.0, -48.0, -20.0),
        "pons": (hand * 2.0, -14.0, -14.0),
    }.get(str(site))
    if site == "pons":
        size = min(size, 9.0)
    if site in ("cerebellum", "thalamus"):
        size = min(size, 16.0)
    if centre is None:
        angle, up = rng.uniform(-1.2, 1.2), rng.uniform(0.0, 0.85)
        flat = np.sqrt(1.0 - up * up)
        far = rng.uniform(0.5, 0.72)
        centre = (
            MIDDLE[0] + hand * far * 66.0 * flat * float(np.cos(angle)),
            MIDDLE[1] + far * 84.0 * flat * float(np.sin(angle)),
            MIDDLE[2] + far * 74.0 * up,
        )
    u, v, w = (c + rng.normal(0.0, 2.0) for c in centre)
    subacute = blank.hu < SUBACUTE[1]
    edema = 1.5 + size * (rng.uniform(0.4, 0.8) if subacute else rng.uniform(0.1, 0.4))
    return replace(blank, centre=(u, v, w), size=size, shift=size * rng.uniform(0.0, 0.25), edema=edema)


def _intraventricular(
    rng: np.random.Generator, anatomy: Anatomy, blank: Hemorrhage, hand: float
) -> Hemorrhage:
    # Blood settles behind, the patient lying on the back; casts fill a ventricle further to the front.
    settled = rng.uniform(-48.0, -28.0), rng.uniform(-50.0, -34.0)
    if rng.random() < 0.45:
        levels = (settled[0], settled[1], -999.0)
    else:
        levels = (rng.uniform(-25.0, 45.0), settled[1], 45.0)
    if hand < 0:
        levels = (levels[1], levels[0], levels[2])
    return replace(blank, hu=max(blank.hu - 3.0, SUBACUTE[0]), levels=levels)


def _subarachnoid(rng: np.random.Generator, anatomy: Anatomy, blank: Hemorrhage, hand: float) -> Hemorrhage:
    spots: list[tuple[Point, float]] = []
    if rng.random() < 0.55:
        # A ruptured aneurysm: the basal cisterns and one or both Sylvian fissures, the front of the cleft.
        spots.append(((hand * rng.uniform(0.0, 8.0), rng.uniform(0.0, 12.0), 0.0), rng.uniform(18.0, 28.0)))
        spots.append(((hand * 42.0, 10.0, 6.0), rng.uniform(16.0, 26.0)))
        if rng.random() < 0.5:
            spots.append(((-hand * 42.0, 10.0, 6.0), rng.uniform(12.0, 20.0)))
        if rng.random() < 0.5:
            spots.append(((0.0, 50.0, 18.0), rng.uniform(14.0, 22.0)))
    else:
        for _ in range(rng.integers(1, 4)):
            angle, up = rng.uniform(-1.3, 1.3), rng.uniform(0.1, 0.85)
            flat = float(np.sqrt(1.0 - up * up))
            place = (
                MIDDLE[0] + hand * 60.0 * flat * float(np.cos(angle)),
                MIDDLE[1] + 76.0 * flat * float(np.sin(angle)),
                MIDDLE[2] + 66.0 * float(up),
            )
            spots.append((place, rng.uniform(16.0, 28.0)))
    return replace(blank, hu=max(blank.hu - 2.0, 56.0), spots=tuple(spots))


_DRAW = {
    "epidural": _epidural,
    "intraparenchymal": _intraparenchymal,
    "intraventricular": _intraventricular,
    "subarachnoid": _subarachnoid,
    "subdural": _subdural,
}
