"""A study: a patient's head with its hemorrhages, posed in a scanner, as slices in HU with masks."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hemo.labels import LABELS, SUBTYPES
from hemo.phantom.anatomy import Anatomy, Points, draw_anatomy, locate, to_head
from hemo.phantom.blood import fill, pushed, undisturbed, wetness
from hemo.phantom.brain import brain
from hemo.phantom.fields import Field, blend
from hemo.phantom.hemorrhage import Hemorrhage, aged, draw_hemorrhage
from hemo.phantom.scanner import STYLES, Style, expose
from hemo.phantom.skull import around

VISIBLE_AREA = 40.0
"""A slice carries a label when at least so many mm2 of its pixels are half or more such blood."""

BRIGHTEST = 130
"""HU up to which a pixel can be told to be blood: bone that shares its slice, as at the vertex, hides it."""

LAYERS = 3
"""Thin layers averaged into one slice: partial volume."""

PROFILES: tuple[tuple[str, ...], ...] = (
    (),
    (),
    ("epidural",),
    ("subdural",),
    ("intraparenchymal",),
    ("subarachnoid",),
    ("intraventricular",),
    ("intraparenchymal", "intraventricular"),
    ("subarachnoid", "intraventricular"),
    ("subarachnoid", "intraparenchymal"),
    ("epidural", "subdural", "subarachnoid"),
    ("epidural", "subdural", "intraparenchymal"),
)
"""What patients bleed from: every block of so many patients holds each profile once."""


@dataclass(frozen=True)
class PhantomStudy:
    """One synthetic head CT study, slices in anatomical order from the base up.

    Attributes
    ----------
    patient, study
        Identifiers, both starting with `synthetic`.
    slice_ids
        One identifier a slice, `ID_synthetic_<hex>`.
    volume
        HU, int16 (slices, size, size); rows run from front to back, columns from right to left.
    masks
        Bit i set where the pixel is seen to be half or more blood of SUBTYPES[i], uint8 (slices, size, size).
    positions
        ImagePositionPatient of each slice, mm, (slices, 3).
    orientation
        ImageOrientationPatient.
    pixel, thickness
        Pixel spacing and slice thickness, mm.
    style
        The scanner.
    tilt
        Gantry tilt, degrees.
    types
        What the patient bleeds from (a slice shows it only where its label says so).
    """

    patient: str
    study: str
    slice_ids: tuple[str, ...]
    volume: NDArray[np.int16]
    masks: NDArray[np.uint8]
    positions: NDArray[np.float64]
    orientation: tuple[float, float, float, float, float, float]
    pixel: float
    thickness: float
    style: Style
    tilt: float
    types: tuple[str, ...]

    @property
    def labels(self) -> NDArray[np.int8]:
        """The six labels of each slice in the order of LABELS, int8 (slices, 6)."""
        least = VISIBLE_AREA / self.pixel**2
        found = [(self.masks >> bit & 1).sum(axis=(1, 2)) >= least for bit in range(len(SUBTYPES))]
        rows = np.stack([np.any(found, axis=0), *found], axis=1)
        assert rows.shape[1] == len(LABELS)
        return rows.astype(np.int8)


def patient_seed(seed: int, index: int) -> int:
    """Return the seed of patient `index` of a phantom: it depends on nothing else."""
    return int(np.random.SeedSequence((seed, index)).generate_state(1, np.uint64)[0])


def profile(seed: int, index: int) -> tuple[str, ...]:
    """Return what patient `index` bleeds from: profiles are shuffled within blocks of patients."""
    block, place = divmod(index, len(PROFILES))
    order = np.random.default_rng((seed, block, len(PROFILES))).permutation(len(PROFILES))
    return PROFILES[order[place]]


def studies_of(patient: int) -> int:
    """Return how many studies a patient has, 1 or 2, from its seed."""
    return 2 if np.random.default_rng((patient, 7)).random() < 0.2 else 1


def make_study(
    patient: int,
    *,
    types: Sequence[str] | None = None,
    study: int = 0,
    size: int = 256,
    slices: int = 16,
) -> PhantomStudy:
    """Make one study of a synthetic patient.

    Parameters
    ----------
    patient
        The patient's seed (`patient_seed`): anatomy and hemorrhages follow from it.
    types
        What the patient bleeds from, of SUBTYPES; by default one of PROFILES, from the seed.
    study
        0 for the first study, 1 for the follow-up some days later: same head, older blood, other scanner.
    size
        Pixels a side.
    slices
        Slices over the head, from the foramen magnum to the vertex.
    """
    chosen = (
        PROFILES[np.random.default_rng((patient, 8)).integers(len(PROFILES))]
        if types is None
        else tuple(types)
    )
    rng = np.random.default_rng((patient, 1))
    anatomy = draw_anatomy(rng)
    hemorrhages = [draw_hemorrhage(rng, anatomy, kind) for kind in chosen]
    rng = np.random.default_rng((patient, 2, study))
    if study:
        hemorrhages = [aged(rng, one) for one in hemorrhages]
    style = STYLES[rng.integers(len(STYLES))]
    tilt = float(rng.uniform(*style.tilt))
    pixel = round(float(rng.uniform(*style.field)) / size, 4)
    loose = 2.5 if rng.random() < 0.12 else 1.0  # who is restless lies askew
    turn = _rotation(loose * rng.normal(0.0, 4.0), rng.normal(0.0, 3.0), rng.normal(0.0, 5.0) - 0.7 * tilt)
    shift = rng.normal(0.0, (4.0, 4.0, 1.0))
    low, high = -40.0 + rng.normal(0.0, 4.0), (92.0 + rng.normal(0.0, 3.0)) * anatomy.scale[2]
    spacing = (high - low) / slices
    thickness = round(min(style.thickness, spacing), 3)
    angle = np.radians(tilt)
    row, column = np.array([1.0, 0.0, 0.0]), np.array([0.0, np.cos(angle), -np.sin(angle)])
    normal = np.cross(row, column)
    middle = (size - 1) / 2 * pixel
    positions, volume, masks = [], [], []
    for number in range(slices):
        centre = shift + np.array([0.0, 0.0, low + (number + 0.5) * spacing])
        positions.append(np.round(centre - middle * (row + column), 4))
        layers = (np.arange(LAYERS) - (LAYERS - 1) / 2) * thickness / LAYERS
        stack = [positions[-1] + layer * normal for layer in layers]
        image, covers = _render(anatomy, hemorrhages, stack, column, pixel, size, turn, shift)
        _holder(image, style, pixel, shift)
        volume.append(expose(rng, style, image, pixel))
        seen = (covers >= 0.5) & (volume[-1] < BRIGHTEST)
        masks.append(np.packbits(seen, axis=0, bitorder="little")[0])
    name = _digest(patient, study)
    return PhantomStudy(
        patient=f"SYNTHETIC_{_digest(patient)[:8]}",
        study=f"synthetic_{name[:8]}",
        slice_ids=tuple(f"ID_synthetic_{_digest(patient, study, n)[:9]}" for n in range(slices)),
        volume=np.stack(volume),
        masks=np.stack(masks),
        positions=np.stack(positions),
        orientation=(*row.tolist(), *np.round(column, 6).tolist()),
        pixel=pixel,
        thickness=thickness,
        style=style,
        tilt=round(tilt, 2),
        types=chosen,
    )


def _digest(*parts: int) -> str:
    return hashlib.sha256(f"hemo phantom {parts}".encode()).hexdigest()


def _rotation(yaw: float, roll: float, pitch: float) -> NDArray[np.float64]:
    a, b, c = np.radians([yaw, roll, pitch])
    about_z = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    about_y = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(c), -np.sin(c)], [0, np.sin(c), np.cos(c)]])
    return about_z @ about_y @ about_x


def _render(
    anatomy: Anatomy,
    hemorrhages: Sequence[Hemorrhage],
    stack: Sequence[NDArray[np.float64]],
    column: NDArray[np.float64],
    pixel: float,
    size: int,
    turn: NDArray[np.float64],
    shift: NDArray[np.float64],
) -> tuple[Field, Field]:
    """Return HU of the ideal slice (size, size) and the covers of the five types (5, size, size)."""
    steps = (np.arange(size) * pixel).astype(np.float32)
    image = np.zeros(size * size, np.float32)
    covers = np.zeros((len(SUBTYPES), size * size), np.float32)
    # The patient's left, front and up: DICOM's y runs to the back. Rotation and steps make one affine map.
    along = turn @ np.array([[1.0, 0.0], [0.0, -column[1]], [0.0, column[2]]])
    for origin in stack:
        start = turn @ ((origin - shift) * (1.0, -1.0, 1.0))
        posed = [
            (float(along[i, 1]) * steps[:, None] + (float(along[i, 0]) * steps + float(start[i]))).ravel()
            for i in range(3)
        ]
        near = np.flatnonzero(posed[0] ** 2 / 104.0**2 + posed[1] ** 2 / 120.0**2 < 1.0)
        u, v, w = to_head(anatomy, *(axis[near] for axis in posed))
        hu, found = head(anatomy, hemorrhages, locate(anatomy, u, v, w), max(pixel, 0.8))
        layer = np.full(size * size, -1000.0, np.float32)
        layer[near] = hu
        image += layer / len(stack)
        covers[:, near] += found / len(stack)
    return image.reshape(size, size), covers.reshape(-1, size, size)


def head(anatomy: Anatomy, hemorrhages: Sequence[Hemorrhage], p: Points, soft: float) -> tuple[Field, Field]:
    """Return HU at points (n,) and the cover of each type of blood (5, n)."""
    hu = np.zeros_like(p.u)
    outer = np.flatnonzero((p.vault < soft + 1.0) | (p.base < soft + 3.0))
    if outer.size:
        hu[outer] = around(anatomy, p.take(outer), soft)
    covers = np.zeros((len(SUBTYPES), p.u.size), np.float32)
    within = np.flatnonzero((p.vault > -soft) & (p.base > -soft))
    if within.size:
        q = p.take(within)
        thick = pushed(hemorrhages, q)
        before = locate(anatomy, *undisturbed(hemorrhages, q, thick)) if hemorrhages else q
        # The skull is not pushed: depths are those of the points themselves.
        before = Points(before.u, before.v, before.w, before.x, before.y, before.radius, q.vault, q.base)
        content, spaces = brain(anatomy, before, thick, wetness(hemorrhages, q), soft)
        found = fill(anatomy, hemorrhages, q, before, spaces, content, soft)
        inner = hu[within]
        blend(inner, spaces.cavity, content)
        hu[within] = inner
        covers[:, within] = found
    return hu, covers


def _holder(image: Field, style: Style, pixel: float, shift: NDArray[np.float64]) -> None:
    """Draw the head holder into the air behind the head: a thin shell over foam, in place."""
    radius, hu = style.holder
    middle = (image.shape[0] - 1) / 2
    rows = (np.arange(image.shape[0], dtype=np.float32)[:, None] - middle) * pixel
    columns = (np.arange(image.shape[0], dtype=np.float32)[None, :] - middle) * pixel
    distance = np.hypot(columns, rows + 12.0) - radius
    air = np.clip((-900.0 - image) / 100.0, 0.0, 1.0) * (rows > 0)
    shell = np.clip(1.5 - np.abs(distance) / 1.0, 0.0, 1.0) * air
    image += shell * (hu - image)
