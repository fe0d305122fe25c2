"""Scaled pixels as the matrix that a linear solver works on, and the way back to pixels.

With fewer slices than pixels, every L2-penalised linear fit has its weights in the space spanned by the
slices (the representer theorem), and depends on them only through their inner products. So the solver is
given the Cholesky factor of the Gram matrix, n columns in place of p, and the weights it finds are rotated
back: the same optimum, several times sooner.
"""

from collections import OrderedDict
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from hemo.families.base import Images, Slices

BLOCK = 2048
"""Pixels (Gram matrix) or slices (rotation back) in float at a time."""

CACHE_BYTES = 512 * 2**20
"""Memory for features that are kept: at the paper's scale, 5,032 slices take 300 MB."""

JITTER = 1e-8
"""Added to the Gram matrix's diagonal, relative to its mean: centred or equal slices make it singular.

It acts as one private pixel a slice with that share of the slice's energy.
"""

SCALES = ("standardise", "unit", "none")
"""Each pixel to mean 0 and deviation 1; all from 0..255 to 0..1; gray levels as they are (the paper's)."""


@dataclass(frozen=True)
class Features:
    """What a linear solver works on, and how its weights become weights of pixels.

    Attributes
    ----------
    matrix
        (n, k) float32: scaled pixels, or their rotation.
    center
        Mean gray level of each pixel, (p,).
    shift, divisor
        Scaled pixels are (gray level - shift) / divisor, each (p,).
    factor
        Cholesky factor (n, n) of the Gram matrix, where the matrix is the rotation; else None.
    """

    matrix: NDArray[np.float32]
    center: NDArray[np.float64]
    shift: NDArray[np.float32]
    divisor: NDArray[np.float32]
    factor: NDArray[np.float64] | None = None

    def pixel_weights(self, weights: NDArray[np.floating], images: Images) -> NDArray[np.float64]:
        """Return weights per gray level, (p,), from the solver's (k,) and the slices it was fitted on."""
        from scipy.linalg import solve_triangular

        if self.factor is None:
            return weights.astype(np.float64) / self.divisor
        dual = solve_triangular(self.factor, weights.astype(np.float64), lower=True, trans="T")
        total = np.zeros(len(self.center))
        for start in range(0, len(images), BLOCK):
            total += dual[start : start + BLOCK] @ _scaled(
                images[start : start + BLOCK], self.shift, self.divisor
            )
        return total / self.divisor

    def project(self, others: Images, images: Images) -> NDArray[np.float32]:
        """Return the features, (m, k), of other slices, given the slices that these are of."""
        from scipy.linalg import solve_triangular

        pixels = _scaled(others, self.shift, self.divisor)
        if self.factor is None:
            return pixels
        products = np.empty((len(images), len(others)))
        for start in range(0, len(images), BLOCK):
            block = _scaled(images[start : start + BLOCK], self.shift, self.divisor)
            products[start : start + BLOCK] = block @ pixels.T
        return solve_triangular(self.factor, products, lower=True).T.astype(np.float32)

    @property
    def nbytes(self) -> int:
        """Memory that the arrays take."""
        return self.matrix.nbytes + (0 if self.factor is None else self.factor.nbytes)


_cache: OrderedDict[Hashable, Features] = OrderedDict()


def features(images: Images, scale: str, rotate: bool) -> Features:
    """Scale the pixels and, where that is allowed and shorter, rotate them into the space of the slices.

    The results for the last slices are kept, up to `CACHE_BYTES`: labels, solvers and trials on the same
    slices share them.

    Parameters
    ----------
    images
        Slices, uint8 (n, height, width, channels).
    scale
        One of `SCALES`.
    rotate
        Whether the fit is unchanged by a rotation of its features (an L2 penalty or none on all alike).
    """
    import xxhash

    digest = xxhash.xxh3_128_digest(np.ascontiguousarray(images).data)
    key = (digest, images.shape, scale, rotate)
    if key in _cache:
        _cache.move_to_end(key)
    else:
        if feature_bytes(len(images), int(np.prod(images.shape[1:])), rotate)[1] > CACHE_BYTES:
            _cache.clear()  # before, not behind: both together would be too much
        _cache[key] = _features(images, scale, rotate)
        while sum(kept.nbytes for kept in _cache.values()) > CACHE_BYTES and len(_cache) > 1:
            _cache.popitem(last=False)
    return _cache[key]


@dataclass(frozen=True)
class Scaling:
    """How gray levels become what a solver is given.

    Attributes
    ----------
    center
        Mean gray level of each pixel, (p,).
    shift, divisor
        Scaled pixels are (gray level - shift) / divisor, each (p,).
    """

    center: NDArray[np.float64]
    shift: NDArray[np.float32]
    divisor: NDArray[np.float32]

    @classmethod
    def of(cls, images: Slices, scale: str) -> Self:
        """Return that of slices, `scale` being one of `SCALES`."""
        p = int(np.prod(images.shape[1:]))
        center, deviation = pixel_moments(images)
        shift, divisor = np.zeros(p, np.float32), np.ones(p, np.float32)
        if scale == "unit":
            divisor[:] = 255
        if scale == "standardise":
            # A pixel that hardly varies must not become the loudest: gray levels are whole: 1 is the least.
            shift, divisor = center.astype(np.float32), np.maximum(deviation, 1).astype(np.float32)
        return cls(center, shift, divisor)

    def __call__(self, images: Images) -> NDArray[np.float32]:
        """Return the scaled pixels of slices, (n, p)."""
        return _scaled(images, self.shift, self.divisor)


def _features(images: Images, scale: str, rotate: bool) -> Features:
    scaling = Scaling.of(images, scale)
    center, shift, divisor = scaling.center, scaling.shift, scaling.divisor
    pixels = scaling(images)
    if not rotate or len(images) >= len(center):
        return Features(pixels, center, shift, divisor)
    factor = gram_factor(pixels)
    return Features(factor.astype(np.float32), center, shift, divisor, factor)


def feature_bytes(n: int, p: int, rotate: bool) -> tuple[int, int]:
    """Return what `features` of n slices of p pixels take, in bytes: while they are made, and once they are.

    Examples
    --------
    >>> [round(size / 1e9, 2) for size in feature_bytes(10_000, 16_384, rotate=True)]
    [1.78, 1.2]
    """
    if not rotate or n >= p:
        return 4 * n * p, 4 * n * p
    return 4 * n * p + 8 * n * n + 2 * 8 * BLOCK * n, 12 * n * n


def _scaled(images: Images, shift: NDArray[np.float32], divisor: NDArray[np.float32]) -> NDArray[np.float32]:
    pixels = images.reshape(len(images), -1).astype(np.float32)
    pixels -= shift
    pixels /= divisor
    return pixels


def pixel_moments(images: Slices) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return each pixel's mean and standard deviation over the slices, (p,) each."""
    total = np.zeros(int(np.prod(images.shape[1:])))
    squares = np.zeros_like(total)
    for block in _blocks(images):
        total += block.sum(axis=0)
        squares += np.square(block, out=block).sum(axis=0)
    center = total / len(images)
    return center, np.sqrt(np.maximum(squares / len(images) - center**2, 0))


def gram_factor(pixels: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the lower Cholesky factor of the slices' inner products, float64 (n, n)."""
    from scipy.linalg import cholesky

    gram = np.zeros((len(pixels), len(pixels)))
    for start in range(0, pixels.shape[1], BLOCK):
        block = pixels[:, start : start + BLOCK].astype(np.float64)
        gram += block @ block.T
    diagonal = np.einsum("ii->i", gram)
    diagonal += JITTER * (diagonal.mean() or 1.0)
    return cholesky(gram, lower=True, overwrite_a=True, check_finite=False)


def _blocks(images: Slices) -> Iterator[NDArray[np.float64]]:
    for start in range(0, len(images), 256):
        yield images[start : start + 256].reshape(-1, int(np.prod(images.shape[1:]))).astype(np.float64)
