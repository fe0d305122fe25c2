"""From a slice to the small array that classifiers see. Training and serving share this code."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from hemo.errors import HemoError
from hemo.imaging import standard
from hemo.imaging.crop import Box, cut, head_box
from hemo.imaging.raster import decode_jpeg
from hemo.imaging.raw import AIR, Excluded, RawSlice
from hemo.imaging.shrink import shrink
from hemo.imaging.windows import GRAY, clipped, to_uint8, window

RESAMPLINGS: Final = ("area", "paper")


@dataclass(frozen=True)
class Reduction:
    """How slices become small arrays; travels with every store and every served model.

    Attributes
    ----------
    size
        Height and width of the result in pixels.
    windows
        The channels, by name (see `hemo.imaging.windows`).
    crop
        Whether to cut the head out first.
    resampling
        "area" (the mean over each target pixel's area) or "paper" (the seed paper's: Pillow's gray
        conversion and default resize).
    neighbours
        How many slices of the study on each side join as further channels (see `hemo.slices.context`).
    hu_offset
        What is added to the gray of 16-bit pictures that hold HU (see `hemo.imaging.raster`) to give them;
        None, which leaves such pictures out, where nobody said.
    standard
        Whether slices are brought to one look first (see `hemo.imaging.standard`); with the window `gray`.
    """

    size: int = 128
    windows: tuple[str, ...] = ("brain",)
    crop: bool = True
    resampling: str = "area"
    neighbours: int = 0
    hu_offset: int | None = None
    standard: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "windows", tuple(self.windows))
        if not 8 <= self.size <= 1024:
            raise HemoError(f"{self.size}: impossible size: use 8 to 1024 pixels, 128 by default")
        if not self.windows:
            raise HemoError("windows: none given: name at least one, such as brain")
        if self.resampling not in RESAMPLINGS:
            raise HemoError(f"{self.resampling}: unknown resampling: use {' or '.join(RESAMPLINGS)}")
        if not 0 <= self.neighbours <= 5:
            raise HemoError(f"{self.neighbours}: impossible number of neighbours: use 0 to 5")
        if self.hu_offset is not None and not -65_535 <= self.hu_offset <= 65_535:
            raise HemoError(f"{self.hu_offset}: impossible offset to HU: such as -1024 or -32768")
        if self.standard and (self.windows != (GRAY,) or self.resampling != "area"):
            raise HemoError("standard: goes with the window gray and resampling area only")
        for name in self.windows:
            window(name)

    @property
    def least(self) -> int:
        """Height and width of a picture that are enough for it: twice the result's, as the head is cut out.

        And 256 at least: the head's box is found to a pixel of what is decoded. 0 where nothing less than
        the whole will do.
        """
        return max(2 * self.size, 256) if self.resampling == "area" else 0

    @property
    def channels(self) -> int:
        """Channels of a stored image, neighbours included."""
        return len(self.windows) * (1 + 2 * self.neighbours)

    def to_json(self) -> dict[str, Any]:
        """Return the reduction as plain values."""
        values = {**asdict(self), "windows": list(self.windows)}
        if self.hu_offset is None:  # as reductions were written before it was known
            del values["hu_offset"]
        if not self.standard:
            del values["standard"]
        return values

    @classmethod
    def from_json(cls, value: dict[str, Any] | str) -> Self:
        """Return the reduction that `to_json` described (the values, or their JSON text)."""
        values = json.loads(value) if isinstance(value, str) else value
        unknown = set(values) - {f.name for f in fields(cls)}
        if unknown:
            raise HemoError(f"{min(unknown)}: unknown part of a reduction: made by a newer hemo? update it")
        return cls(**values)


PAPER: Final = Reduction(windows=(GRAY,), crop=False, resampling="paper")
"""The seed paper's: a whole RGB image of 512x512 to gray 128x128."""


def _plane(raw: RawSlice, name: str, windows: Sequence[str]) -> NDArray[Any]:
    """Return one channel of an already windowed image."""
    if name in raw.channels:
        return raw.pixels[..., raw.channels.index(name)]
    if raw.pixels.ndim == 2 and (name == GRAY or len(windows) == 1):
        return raw.pixels
    have = " and ".join(raw.channels) or "one window"
    wanted = " and ".join(one for one in windows if one not in raw.channels)
    raise Excluded(
        f"already windowed ({have}): {wanted} can only be made from HU (DICOM, NIfTI); "
        f"windows {GRAY} takes it as it is"
    )


def check_windows(raw: RawSlice, reduction: Reduction) -> None:
    """Raise Excluded if an already windowed image does not show a window asked for, as `reduce` would."""
    for name in () if raw.hu else reduction.windows:
        _plane(raw, name, reduction.windows)


def _pillow(gray: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    from PIL import Image

    return np.asarray(Image.fromarray(gray).resize((size, size)))


def _rows(raw: RawSlice, box: Box) -> tuple[NDArray[Any], slice]:
    """Return the rows of a slice in HU that hold a box, and the box's columns in them.

    Whole rows lie together in memory, and are clipped in less time than the part of them that is wanted.
    """
    top, left, bottom, right = box
    height, width = raw.pixels.shape
    if top >= 0 and bottom <= height and left >= 0 and right <= width and bottom - top == right - left:
        return raw.pixels[top:bottom], slice(left, right)
    return cut(raw.pixels, box, AIR - raw.offset), slice(None)


def reduce(raw: RawSlice, reduction: Reduction) -> NDArray[np.uint8]:
    """Reduce one slice to uint8 (size, size, number of windows).

    A pure function of its two arguments. HU are clipped to each window first and averaged after, and
    scaled by the window's bounds, never by the image's own minimum and maximum.

    Raises
    ------
    Excluded
        If an already windowed image does not show a window asked for.
    """
    if raw.jpeg:
        raw = replace(raw, pixels=decode_jpeg(raw.jpeg, reduction.least), jpeg=b"")
    if reduction.standard:
        return _standard(raw, reduction)
    size = reduction.size
    box = head_box(raw) if reduction.crop else (0, 0, *raw.pixels.shape[:2])
    image = np.empty((size, size, len(reduction.windows)), np.uint8)
    part, columns = _rows(raw, box) if raw.hu else (None, slice(None))
    for channel, name in enumerate(reduction.windows):
        if part is not None:
            values, top = clipped(part, *window(name), raw.offset)
            values = values[:, columns]
            if reduction.resampling == "paper":
                image[..., channel] = _pillow(to_uint8(values, top), size)
            else:
                image[..., channel] = to_uint8(shrink(values, size), top)
        else:
            gray = cut(_plane(raw, name, reduction.windows), box, 0)
            if reduction.resampling == "paper":
                image[..., channel] = _pillow(np.ascontiguousarray(gray), size)
            else:
                image[..., channel] = to_uint8(shrink(gray, size), 255)
    return image


def _standard(raw: RawSlice, reduction: Reduction) -> NDArray[np.uint8]:
    """Reduce one slice that is brought to one look, uint8 (size, size, 1)."""
    if raw.hu:
        box = head_box(raw) if reduction.crop else (0, 0, *raw.pixels.shape[:2])
        gray = to_uint8(*clipped(raw.pixels, *standard.WINDOW, raw.offset))
    else:
        gray = standard.freed(_plane(raw, GRAY, reduction.windows))
        box = head_box(replace(raw, pixels=gray)) if reduction.crop else (0, 0, *gray.shape)
    part = np.ascontiguousarray(cut(gray, box, 0))
    return standard.alone(to_uint8(shrink(part, reduction.size), 255))[..., None]
