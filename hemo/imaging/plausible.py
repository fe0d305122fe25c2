"""What is no slice by its pixels: masks, colors, stretched and tiny pictures."""

import re
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hemo.imaging.raw import Excluded

FEW: Final = 7
"""Levels of gray that a mask of several classes may have."""

CLASSES: Final = 31
"""The highest level of a mask whose levels are the numbers of its classes."""

MASK_NAMES: Final = re.compile(r"(^|[^a-z])(hge_?)?(seg|segmentation|mask|label|labels|gt|roi)$")
"""How names of masks end, where they lie beside pictures of the same name."""

DARK: Final = 32
BRIGHT: Final = 224
"""Gray levels below and from which a mask's pixels lie, the losses of JPEG included."""

SHADES: Final = 0.05
"""Part of what is not dark that lies between, in a mask. Of 1,871 real slices none has less than 0.11."""

COLORFUL: Final = 0.1
"""Part of the whole range by which the channels of a colored pixel differ."""

COLORED: Final = 0.01
"""Part of a picture that may be colored."""

WHITE: Final = 250
"""Gray from which a pixel is white."""

SKULL: Final = 0.02
"""Part of a slice that is white where it shows a skull."""

STRETCHED: Final = 1.5
"""Largest ratio of the sides of a pixel: scanners make squares, reformats across thick slices do not."""


def refuse_mask(pixels: NDArray[Any], sample: NDArray[Any]) -> None:
    """Raise `Excluded` where HU have but two different values.

    Parameters
    ----------
    pixels
        All of them.
    sample
        Some thousand of them, in which the highest value is alone, or nearly so, unless it is a mask's.
    """
    high = sample.max()
    if np.count_nonzero(sample == high) * 100 > sample.size:
        rest = pixels[pixels != high]
        if not rest.size or rest.min() == rest.max():
            raise Excluded("a mask: no more than two different values")


def check_gray(pixels: NDArray[np.uint8], name: str = "") -> None:
    """Raise `Excluded` where a gray picture, (height, width), is constant or a mask.

    Parameters
    ----------
    pixels
        The picture.
    name
        Its file's name without suffix: where that says it is a mask, a few levels are enough to believe it.
    """
    step = max(1, min(pixels.shape) // 80)
    sample = np.bincount(
        np.ascontiguousarray(pixels[step // 2 :: step, step // 2 :: step]).ravel(), minlength=256
    )
    if np.count_nonzero(sample) > FEW and not _two_valued(sample):
        return
    counts = np.bincount(pixels.ravel(), minlength=256)
    levels = np.flatnonzero(counts)
    if len(levels) == 1:
        raise Excluded(f"constant image: every pixel is {levels[0]}")
    few = len(levels) <= FEW and (levels[-1] <= CLASSES or MASK_NAMES.search(name.lower()))
    if len(levels) == 2 or few:
        raise Excluded(f"a mask: no more than {len(levels)} levels of gray")
    if _two_valued(counts):
        raise Excluded("a mask: black and white with nothing between")


def _two_valued(counts: NDArray[np.intp]) -> bool:
    return bool(counts[DARK:BRIGHT].sum() < SHADES * counts[DARK:].sum())


def check_spacing(spacing: tuple[float, float]) -> None:
    """Raise `Excluded` for pixels, in mm, that are no squares or nearly so."""
    if max(spacing) > STRETCHED * min(spacing):
        raise Excluded(f"pixels of {spacing[0]:g} x {spacing[1]:g} mm are no axial slice's")


def has_white(pixels: NDArray[np.uint8]) -> bool:
    """Tell whether a gray picture has as much white as a skull under a brain's window."""
    step = max(1, min(pixels.shape) // 80)
    sample = pixels[step // 2 :: step, step // 2 :: step]
    return bool(np.count_nonzero(sample >= WHITE) > SKULL * sample.size)


def refuse_color(pixels: NDArray[Any]) -> None:
    """Raise `Excluded` where a picture, (height, width, 3 or more), shows colors: slices are gray.

    A few colored pixels, such as a mark or a caption's, do not count.
    """
    step = 4 if min(pixels.shape[:2]) > 100 else 1
    sample = pixels[step // 2 :: step, step // 2 :: step, :3]
    top = np.iinfo(pixels.dtype).max if pixels.dtype.kind in "iu" else 1.0
    spread = np.maximum(sample[..., 0], sample[..., 2]).astype(np.float32) - sample[..., 1]
    low = np.minimum(sample[..., 0], sample[..., 2]).astype(np.float32) - sample[..., 1]
    colored = np.maximum(spread, -low) > COLORFUL * top
    if np.count_nonzero(colored) > COLORED * colored.size:
        raise Excluded("color image")
