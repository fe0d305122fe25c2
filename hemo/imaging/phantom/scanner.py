"""Scanners: how a head lies in them, how they sample it, and what noise and kernel make of it."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from hemo.imaging.phantom.fields import Field


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
    Style("soft", 5.0, (225.0, 245.0), (0.0, 0.0), 0.65, 0.16, 2.6, 120, (128.0, 160.0)),
    Style("standard", 5.0, (210.0, 230.0), (8.0, 18.0), 0.5, 0.25, 3.4, 120, (120.0, 60.0)),
    Style("sharp", 4.0, (220.0, 250.0), (0.0, 5.0), 0.38, 0.34, 4.6, 130, (135.0, 220.0)),
    Style("old", 7.0, (230.0, 255.0), (10.0, 20.0), 0.8, 0.22, 3.8, 120, (124.0, 320.0)),
)


def quantum_noise(rng: np.random.Generator, size: int, pixel: float, peak: float) -> Field:
    """Return noise of unit deviation whose spectrum is a ramp, rolled off by the kernel, (size, size)."""
    frequency = np.fft.fftfreq(size, pixel)
    radius = np.hypot(frequency[:, None], frequency[None, : size // 2 + 1])
    transfer = np.sqrt(radius) * np.exp(-0.5 * (radius / peak) ** 2)
    white = np.fft.rfft2(rng.standard_normal((size, size), dtype=np.float32))
    noise = np.fft.irfft2(white * transfer, (size, size))
    return (noise / noise.std()).astype(np.float32)


def expose(rng: np.random.Generator, style: Style, image: Field, pixel: float) -> NDArray[np.int16]:
    """Return the slice as reconstructed: blurred by the kernel, with quantum noise, whole HU."""
    blurred = cv2.GaussianBlur(image, (0, 0), max(style.blur / pixel, 0.3))
    # The longer the way through the head, the fewer photons: more noise in its middle and in broad sections.
    body = cv2.GaussianBlur((image > -500).astype(np.float32), (0, 0), 40.0 / pixel)
    sd = style.noise * (0.4 + 0.6 * body / 0.75) * min(1.0, 0.9 / pixel)
    noisy = blurred + sd * quantum_noise(rng, image.shape[0], pixel, style.peak)
    return np.clip(np.rint(noisy), -1024, 3071).astype(np.int16)
