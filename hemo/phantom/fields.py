"""Small geometry on flat arrays of points: soft edges, slabs, capsules, ellipsoids, noise maps.

Points are float32 arrays of one shape, in millimetres. A *cover* is the part of a small volume around
a point that a structure fills, 0 to 1: edges are ramps as wide as that volume, which is what partial
volume does within a slice.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.floating]
"""float32 in practice; see the module's docstring."""

Point = tuple[float, float, float]

FAR, MARGIN = 99.0, 6.0
"""The distance given to points of levels that are more than MARGIN mm above or below a body."""


def inside(distance: Field, soft: float) -> Field:
    """Return the cover of a body from the signed distance to its surface (negative inside), in mm."""
    return np.clip(0.5 - distance / soft, 0.0, 1.0)


def slab(distance: Field, width: Field | float, soft: float) -> Field:
    """Return the cover of a sheet `width` mm thick from the distance to its middle: thin sheets fade."""
    upper = np.minimum(distance + soft / 2, width / 2)
    lower = np.maximum(distance - soft / 2, -width / 2)
    return np.clip((upper - lower) / soft, 0.0, 1.0)


def blend(hu: Field, cover: Field, value: Field | float) -> None:
    """Fill `cover` of each point with a tissue of `value` HU, in place."""
    hu += cover * (value - hu)


def _misses(w: Field, low: float, high: float) -> bool:
    return w.size == 0 or float(w.min()) > high or float(w.max()) < low


def capsule(u: Field, v: Field, w: Field, start: Point, end: Point, radii: tuple[float, float]) -> Field:
    """Return the distance to a rod from `start` to `end` whose radius runs from `radii[0]` to `radii[1]`.

    Points of a level that does not come near the rod get FAR at once.
    """
    reach = max(radii) + MARGIN
    if _misses(w, min(start[2], end[2]) - reach, max(start[2], end[2]) + reach):
        return np.full_like(u, FAR)
    axis = np.subtract(end, start)
    length2 = float(axis @ axis)
    du, dv, dw = u - start[0], v - start[1], w - start[2]
    along = np.clip((du * float(axis[0]) + dv * float(axis[1]) + dw * float(axis[2])) / length2, 0.0, 1.0)
    du -= along * float(axis[0])
    dv -= along * float(axis[1])
    dw -= along * float(axis[2])
    return np.sqrt(du * du + dv * dv + dw * dw) - (radii[0] + along * (radii[1] - radii[0]))


def ellipsoid(u: Field, v: Field, w: Field, centre: Point, radii: Point) -> Field:
    """Return about the distance to an ellipsoid (exact to first order at its surface), or FAR."""
    if _misses(w, centre[2] - radii[2] - MARGIN, centre[2] + radii[2] + MARGIN):
        return np.full_like(u, FAR)
    pu, pv, pw = (u - centre[0]) / radii[0], (v - centre[1]) / radii[1], (w - centre[2]) / radii[2]
    norm = np.sqrt(pu * pu + pv * pv + pw * pw) + 1e-6
    gradient = np.sqrt((pu / radii[0]) ** 2 + (pv / radii[1]) ** 2 + (pw / radii[2]) ** 2) + 1e-6
    return norm * (norm - 1.0) / gradient


def sample(field: Field, x: Field, y: Field, pixel: float) -> Field:
    """Return a square map at points (x, y) in mm from its middle; `pixel` is the map's pixel in mm."""
    size = x.size
    columns = 256
    rows = -(-size // columns)
    grid = np.zeros((2, rows * columns), np.float32)
    middle = (field.shape[0] - 1) / 2
    grid[0, :size] = x / pixel + middle
    grid[1, :size] = y / pixel + middle
    at_x, at_y = grid.reshape(2, rows, columns)
    values = cv2.remap(field, at_x, at_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    return values.reshape(-1)[:size]


def noise_map(
    rng: np.random.Generator, size: int, pixel: float, wavelength: float, octave: float = 0.5
) -> Field:
    """Return a periodic random map of unit deviation whose waves are about `wavelength` mm long.

    A Gaussian ring in the frequency plane, `octave` of its radius wide.
    """
    frequency = np.fft.fftfreq(size, pixel)
    radius = np.hypot(frequency[:, None], frequency[None, : size // 2 + 1])
    ring = np.exp(-0.5 * ((radius * wavelength - 1.0) / octave) ** 2)
    ring[0, 0] = 0.0
    spectrum = ring * np.exp(2j * np.pi * rng.random(ring.shape)) * np.sqrt(rng.exponential(size=ring.shape))
    field = np.fft.irfft2(spectrum, (size, size))
    return (field / field.std()).astype(np.float32)
