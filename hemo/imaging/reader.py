"""One file, whatever its format, to slices."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hemo.imaging.formats import Options, format_names, recognize, stem
from hemo.imaging.raw import Excluded, Part, RawSlice, check_length
from hemo.imaging.reduction import Reduction, reduce
from hemo.whole import NO_FILE


def read_parts(
    source: str | Path | bytes,
    name: str = "",
    reduction: Reduction | None = None,
    hu_offset: int | None = None,
) -> list[Part]:
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
    hu_offset
        Without a reduction, which has its own: what is added to the gray of 16-bit pictures that hold HU.

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
        if path.exists() and not path.is_file():
            raise Excluded("a folder" if path.is_dir() else NO_FILE)
        try:
            check_length(path.stat().st_size)
            data = path.read_bytes()
        except OSError as error:
            raise Excluded(f"cannot be opened ({error.strerror})") from error
    found = recognize(data)
    if found is None:
        raise Excluded("empty file" if not data else f"neither {format_names('nor')}")
    if reduction is not None:
        return found.read(data, name, Options(reduction.least, reduced=True, hu_offset=reduction.hu_offset))
    return found.read(data, name, Options(hu_offset=hu_offset))


def read(
    source: str | Path | bytes,
    name: str = "",
    reduction: Reduction | None = None,
    hu_offset: int | None = None,
) -> list[RawSlice]:
    """Read one file's usable slices (see `read_parts`).

    Raises
    ------
    Excluded
        Where it has none, with the reason of the first.
    """
    parts = read_parts(source, name, reduction, hu_offset)
    slices = [part for part in parts if isinstance(part, RawSlice)]
    if not slices:
        raise next((part for part in parts if isinstance(part, Excluded)), Excluded("no slices"))
    return slices


def read_reduced(
    source: str | Path | bytes, reduction: Reduction, name: str = ""
) -> list[tuple[RawSlice, NDArray[np.uint8]]]:
    """Read one file and reduce its slices.

    `preprocess` and served models call the same two functions, `read_parts` and `reduce`, one after the
    other, and so see the same pixels.

    Returns
    -------
    list of tuple
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
