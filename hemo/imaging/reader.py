"""One file, whatever its format, to slices."""

import os
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hemo.imaging.dicom import is_dicom, read_dicom
from hemo.imaging.nifti import is_nifti, read_nifti
from hemo.imaging.raster import is_raster, read_raster
from hemo.imaging.raw import Excluded, Part, RawSlice
from hemo.imaging.reduction import Reduction, reduce

SUFFIXES = frozenset({".dcm", ".dicom", ".ima", ".nii", ".gz", ".jpg", ".jpeg", ".png", ".tif", ".tiff"})
"""Files with one of these suffixes, or with none, are taken for scans."""


@lru_cache(maxsize=16)  # a file's name is asked for several times before the next comes
def stem(name: str) -> str:
    """Return a file's name without its suffix, `.nii.gz` being one."""
    return name[: -len(".nii.gz")] if name.lower().endswith(".nii.gz") else os.path.splitext(name)[0]


def read_parts(source: str | Path | bytes, name: str = "", reduction: Reduction | None = None) -> list[Part]:
    """Read one file's slices, with the reason in the place of each that is unusable.

    Parameters
    ----------
    source
        A path, or the file's bytes. The format is told from the bytes, not from the name.
    name
        What the slices are called; by default the file's stem, or the SOPInstanceUID of DICOM bytes.
    reduction
        The reduction that the slices are read for, if they are for that one alone: JPEG are then decoded at
        the scale it needs only, and the pixels of DICOM may lack an `offset` that it adds.

    Raises
    ------
    Excluded
        Where the whole file is unusable.
    """
    if isinstance(source, bytes):
        data = source
    else:
        path = Path(source)
        name = name or stem(path.name)
        try:
            data = path.read_bytes()
        except OSError as error:
            raise Excluded(f"cannot be opened ({error.strerror})") from error
    if is_dicom(data):  # first, since the preamble of a DICOM file may make it a TIFF as well
        return read_dicom(data, name, reduced=reduction is not None)
    if is_raster(data):
        return read_raster(data, name, reduction.least if reduction else 0)
    if is_nifti(data):
        return read_nifti(data, name)
    raise Excluded("empty file" if not data else "neither DICOM, NIfTI, JPEG, PNG nor TIFF")


def read(source: str | Path | bytes, name: str = "", reduction: Reduction | None = None) -> list[RawSlice]:
    """Read one file's usable slices (see `read_parts`).

    Raises
    ------
    Excluded
        Where it has none, with the reason of the first.
    """
    parts = read_parts(source, name, reduction)
    slices = [part for part in parts if isinstance(part, RawSlice)]
    if not slices:
        raise next((part for part in parts if isinstance(part, Excluded)), Excluded("no slices"))
    return slices


def read_reduced(
    source: str | Path | bytes, reduction: Reduction, name: str = ""
) -> list[tuple[RawSlice, NDArray[np.uint8]]]:
    """Read one file and reduce its slices: the one way from a file's bytes to what a classifier sees.

    `preprocess` and every served model go through here, so that both see the same pixels.

    Returns
    -------
    Each usable slice with its image, uint8 (size, size, number of windows).

    Raises
    ------
    Excluded
        Where no slice is usable.
    """
    return [(raw, reduce(raw, reduction)) for raw in read(source, name, reduction)]


def read_one(source: str | Path | bytes, name: str = "") -> RawSlice:
    """Read a file that holds exactly one slice.

    Raises
    ------
    Excluded
        Where it has none or several.
    """
    slices = read(source, name)
    if len(slices) > 1:
        raise Excluded(f"holds {len(slices)} slices where one is asked for")
    return slices[0]
