"""Scanners: how a head lies in them, how they sample it, and what noise and kernel make of it."""

from dataclasses import dataclass
from functools import cache, lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import fft

from hemo.phantom.fields import Field


@dataclass(frozen=True)
class Style:
    """What one make of scanner and protocol has in common.

    Attributes
    ----------
    name
        Written as the model's name.
    thickness
        Slice thickness, mm.
    field
        Range of the reconstructed field's width, mm.
    tilt
        Range of the gantry's tilt, degrees.
    blur
        Deviation of the point spread in the plane, mm.
    peak
        Spatial frequency at which the noise is strongest, cycles per mm (soft kernels: low).
    noise
        Deviation of the noise in the middle of a 150 mm head, HU.
    kvp
        Tube voltage.
    holder
        Shape of the head holder: radius in mm and HU.
    """

    name: str
    thickness: float
    field: tuple[float, float]
    tilt: tuple[float, float]
    blur: float
    peak: float
    noise: float
    kvp: int
    holder: tuple[float, float]


STYLES = (
    Style("soft", 5.0, (225.0, 245.0), (0.0, 0.0), 0.65, 0.16, 1.9, 120, (112.0, 160.0)),
    Style("standard", 5.0, (210.0, 230.0), (8.0, 18.0), 0.5, 0.25, 2.4, 120, (108.0, 90.0)),
    Style("sharp", 4.0, (220.0, 250.0), (0.0, 5.0), 0.38, 0.34, 3.2, 130, (116.0, 220.0)),
    Style("old", 7.0, (230.0, 255.0), (10.0, 20.0), 0.8, 0.22, 2.7, 120, (110.0, 320.0)),
)


def quantum_noise(rng: np.random.Generator, size: int, pixel: float, peak: float) -> Field:
    """Return noise of unit deviation whose spectrum is a ramp, rolled off by the kernel, (size, size)."""
    transfer = _transfer(size, pixel, peak)
    white = fft.rfft2(rng.standard_normal((size, size), dtype=np.float32))
    noise: Field = fft.irfft2(white * transfer, (size, size))
    return noise / noise.std()


@lru_cache(4)
def _transfer(size: int, pixel: float, peak: float) -> Field:
    frequency = np.fft.fftfreq(size, pixel)
    radius = np.hypot(frequency[:, None], frequency[None, : size // 2 + 1])
    return (np.sqrt(radius) * np.exp(-0.5 * (radius / peak) ** 2)).astype(np.float32)


def project(image: Field, angles: int) -> Field:
    """Return the sums of a square image along `angles` directions of half a turn, (angles, size)."""
    return np.stack(
        [cv2.warpAffine(image, turn, image.shape).sum(0) for turn in _turns(image.shape[0], angles)]
    )


def backproject(sinogram: Field, step: float) -> Field:
    """Return the filtered backprojection (ramp filter) of line integrals `step` apart, (size, size)."""
    angles, size = sinogram.shape
    ramp = np.abs(np.fft.rfftfreq(2 * size, step))
    filtered = np.fft.irfft(np.fft.rfft(sinogram, 2 * size, axis=1) * ramp, axis=1)[:, :size].astype(
        np.float32
    )
    image = np.zeros((size, size), np.float32)
    for row, turn in zip(filtered, _turns(size, angles), strict=True):
        smear = np.ascontiguousarray(np.broadcast_to(row, (size, size)))
        image += cv2.warpAffine(smear, turn, (size, size), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    return image * np.float32(np.pi / angles)


@cache
def _turns(size: int, angles: int) -> tuple[NDArray[np.float64], ...]:
    middle = ((size - 1) / 2, (size - 1) / 2)
    return tuple(cv2.getRotationMatrix2D(middle, 180.0 * n / angles, 1.0) for n in range(angles))


def spectral_error(rng: np.random.Generator, image: Field, pixel: float) -> tuple[Field, Field]:
    """Return what long ways through bone do to a slice: beam hardening (HU), and relative noise.

    A line integral through b cm of bone (1000 HU) is measured too low by a part that grows with b squared:
    dark bands between dense bones, bright edges along the skull. So are its photons fewer, and the
    noise streaks the same way. Worked out on a coarse grid: both are smooth.
    """
    size, angles = 72, 54
    coarse = cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA)
    step = pixel * image.shape[0] / size / 10.0
    bone = project(np.clip((coarse - 150.0) / 1000.0, 0.0, 2.0), angles) * np.float32(step)
    water = project(np.clip(coarse / 1000.0 + 1.0, 0.0, 1.1), angles) * np.float32(step)
    lost = -HARDENING * bone * bone
    scarce = np.exp(0.5 * (0.19 * (water - 15.0) + 0.25 * (bone - 2.0))).astype(np.float32)
    streaks = STREAKS * scarce * scarce * rng.standard_normal(scarce.shape, dtype=np.float32)
    error = backproject(lost + streaks, step)
    head = coarse > -300.0
    error -= np.median(error[head]) if head.any() else 0.0
    spread = np.zeros((size, size), np.float32)
    for row, turn in zip(scarce[::4], _turns(size, angles)[::4], strict=True):
        smear = np.ascontiguousarray(np.broadcast_to(row, (size, size)))
        spread += cv2.warpAffine(smear, turn, (size, size), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    spread *= np.float32(4.0 / angles)
    whole = image.shape[::-1]
    return cv2.resize(error, whole), cv2.resize(spread, whole)


HARDENING, STREAKS = 10.0, 6.0
"""HU cm per cm2 of bone; HU cm of noise on a line through 15 cm of water and 2 cm of bone."""


def expose(rng: np.random.Generator, style: Style, image: Field, pixel: float) -> NDArray[np.int16]:
    """Return the slice as reconstructed: blurred, beam-hardened, with quantum noise, in whole HU."""
    blurred = cv2.GaussianBlur(image, (0, 0), max(style.blur / pixel, 0.3))
    error, spread = spectral_error(rng, image, pixel)
    inside = np.clip((image + 900.0) / 500.0, 0.0, 1.0)
    sd = style.noise * spread * min(1.0, 0.9 / pixel)
    noisy = blurred + error * inside + sd * quantum_noise(rng, image.shape[0], pixel, style.peak)
    return np.clip(np.rint(noisy), -1024, 3071).astype(np.int16)
