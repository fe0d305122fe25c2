"""What is no slice by its pixels: masks, colors, stretched and tiny pictures."""

import re
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hemo.imaging.raw import AIR, Excluded

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

NOT_AIR: Final = -700
"""HU above which a pixel holds something, if only in part."""

BRAIN: Final = 500
"""Between brain in HU (about 35) and brain in numbers that are 1000 or 1024 too high."""

SOFT: Final = (-150, 150)
"""HU of skin, fat, brain and blood."""

LEAST_SOFT: Final = 0.34
"""Part of what is no air that is soft, in any slice of a head. With an intercept of -1024 too many it is bone
that lies there: of a real study's 28 slices 0.10 to 0.33 so, and 0.33 to 0.85 as they are."""

STRETCHED: Final = 1.5
"""Largest ratio of the sides of a pixel: scanners make squares, reformats across thick slices do not."""


def refuse_implausible(pixels: NDArray[Any], sample: NDArray[Any], offset: int) -> None:
    """Raise `Excluded` where HU are a mask's, or the intercept was added twice.

    Parameters
    ----------
    pixels, offset
        HU are `pixels + offset`, floored at `AIR`.
    sample
        Some thousand of them, on a grid; the highest value is alone there, or nearly so, unless it is a
        mask's.
    """
    few = sample.ravel()[:: sample.size // 64 + 1].tolist()  # most slices need no closer look
    lowest, highest = min(few), max(few)
    if not any(lowest < value < highest for value in few):
        _refuse_mask(pixels, sample)
    inner = sorted(few[len(few) // 4 : len(few) - len(few) // 4])
    if inner[len(inner) // 3] <= NOT_AIR - offset:
        _refuse_shifted(pixels, sample, offset)
    lowest, air = max(lowest, AIR - offset), -200 - offset
    if not any(lowest < value <= air for value in few):
        _refuse_lone_air(pixels, offset)


def _refuse_lone_air(pixels: NDArray[Any], offset: int) -> None:
    """Raise `Excluded` where all that is as low as air is one number, and brain is where bone should be.

    The number is what lies outside a round field of view, and the intercept is missing, or too small.
    """
    middle = _middle(pixels)
    if 2 * np.count_nonzero(middle > BRAIN - offset) <= middle.size:
        return
    low = pixels[pixels <= -200 - offset]
    if low.size and max(low.min(), AIR - offset) == max(low.max(), AIR - offset):
        rest = pixels[pixels > -200 - offset].min() + offset
        raise Excluded(
            f"implausible HU: nothing but one number below {rest:g}, as of padding: no air around a head"
        )


def _refuse_mask(pixels: NDArray[Any], sample: NDArray[Any]) -> None:
    """Raise `Excluded` where HU have but two different values."""
    high = sample.max()
    if np.count_nonzero(sample == high) * 100 > sample.size:
        rest = pixels[pixels != high]
        if not rest.size or rest.min() == rest.max():
            raise Excluded("a mask: no more than two different values")


def _refuse_shifted(pixels: NDArray[Any], sample: NDArray[Any], offset: int) -> None:
    """Raise `Excluded` where brain is as low as air: the intercept is in the numbers, and was added again.

    Brain is then near -990, what was air or fat at the floor of -1024, and only bone is above air: a ring
    around an empty middle, or, nearer to the vertex, bone without skin. A slice of a small head in much air
    looks alike but for its skin, and for air that is measured around it.
    """
    solid = NOT_AIR - offset
    middle = _middle(sample)
    if 2 * np.count_nonzero(middle > solid) >= middle.size:
        return
    middle, floor = _middle(pixels), AIR - offset
    empty = np.count_nonzero(middle > solid) < 0.2 * middle.size
    low = np.count_nonzero((middle > floor) & (middle <= -900 - offset)) / middle.size
    bone = np.count_nonzero(pixels > solid)
    soft = np.count_nonzero((pixels >= SOFT[0] - offset) & (pixels <= SOFT[1] - offset))
    skinless = 0.002 * pixels.size < bone and soft < LEAST_SOFT * bone
    thick = skinless and empty and bone > 0.04 * pixels.size
    if (
        (empty and low > 0.6 and _encloses(pixels > solid))
        or (low > 0.04 and thick)
        or (low > 0.04 and skinless and np.count_nonzero(_ring(pixels) <= floor) > 12)
    ):
        raise Excluded(
            "implausible HU: bone, but no soft tissue, and a brain's shape near -990: "
            "its numbers seem to be HU already, to which the intercept is added once more"
        )


def _encloses(solid: NDArray[np.bool_]) -> bool:
    """Tell whether something solid lies above, below, left and right of the middle half."""
    rows, columns = solid.shape
    row, column = solid[rows // 2], solid[:, columns // 2]
    ends = (column[: rows // 4], column[-(rows // 4) :], row[: columns // 4], row[-(columns // 4) :])
    return all(end.any() for end in ends)


def _ring(pixels: NDArray[Any]) -> NDArray[Any]:
    """Return 64 pixels of a circle well within a round field of view, and outside most of a head."""
    height, width = pixels.shape
    angle, reach = np.arange(64) * (np.pi / 32), 0.375 * min(height, width)
    rows, columns = height / 2 + reach * np.sin(angle), width / 2 + reach * np.cos(angle)
    return pixels[rows.astype(int), columns.astype(int)]


def _middle(pixels: NDArray[Any]) -> NDArray[Any]:
    """Return the middle half of rows and columns."""
    rows, columns = pixels.shape[0] // 4, pixels.shape[1] // 4
    return pixels[rows : pixels.shape[0] - rows, columns : pixels.shape[1] - columns]


def gray_sample(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return some thousand pixels of a picture, (n,), on a grid."""
    step = max(1, -(-min(pixels.shape) // 96))
    return np.ascontiguousarray(pixels[step // 2 :: step, step // 2 :: step]).ravel()


def check_gray(pixels: NDArray[np.uint8], name: str = "", sample: NDArray[np.uint8] | None = None) -> None:
    """Raise `Excluded` where a gray picture, (height, width), is constant or a mask.

    Parameters
    ----------
    pixels
        The picture.
    name
        Its file's name without suffix: where that says it is a mask, a few levels are enough to believe it.
    sample
        Its `gray_sample`, where that is known.
    """
    sample = gray_sample(pixels) if sample is None else sample
    levels_there = set(sample[:: sample.size // 128 + 1].tolist())
    if len(levels_there) > FEW and not _two_valued(sample):
        return
    counts = np.bincount(pixels.ravel(), minlength=256)
    levels = np.flatnonzero(counts)
    if len(levels) == 1:
        raise Excluded(f"constant image: every pixel is {levels[0]}")
    few = len(levels) <= FEW and (levels[-1] <= CLASSES or MASK_NAMES.search(name.lower()))
    if len(levels) == 2 or few:
        raise Excluded(f"a mask: no more than {len(levels)} levels of gray")
    if _two_valued(pixels):
        raise Excluded("a mask: black and white with nothing between")


def _two_valued(pixels: NDArray[np.uint8]) -> bool:
    """Tell whether hardly anything lies between black and white."""
    bright = np.count_nonzero(pixels >= BRIGHT)
    lit = pixels.size - np.count_nonzero(pixels < DARK)
    return bool(lit - bright < SHADES * lit)


def check_spacing(spacing: tuple[float, float]) -> None:
    """Raise `Excluded` for pixels, in mm, that are no squares or nearly so."""
    if max(spacing) > STRETCHED * min(spacing):
        raise Excluded(f"pixels of {spacing[0]:g} x {spacing[1]:g} mm are no axial slice's")


def has_white(sample: NDArray[np.uint8]) -> bool:
    """Tell by a gray picture's `gray_sample` whether it is as white as a skull under a brain's window."""
    return bool(np.count_nonzero(sample >= WHITE) > SKULL * sample.size)


def refuse_color(pixels: NDArray[Any]) -> None:
    """Raise `Excluded` where a picture, (height, width, 3 or more), shows colors: slices are gray.

    A few colored pixels, such as a mark or a caption's, do not count.
    """
    step = max(1, min(pixels.shape[:2]) // 80)
    red, green, blue = (
        np.ascontiguousarray(pixels[step // 2 :: step, step // 2 :: step, channel]) for channel in range(3)
    )
    if red.tobytes() == green.tobytes() == blue.tobytes():  # as gray in three channels is
        return
    top = np.iinfo(pixels.dtype).max if pixels.dtype.kind in "iu" else 1.0
    spread = np.maximum(red, blue).astype(np.float32) - green
    low = np.minimum(red, blue).astype(np.float32) - green
    colored = np.maximum(spread, -low) > COLORFUL * top
    if np.count_nonzero(colored) > COLORED * colored.size:
        raise Excluded("color image")
