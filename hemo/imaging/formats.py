"""The file formats that are read: one object each, and everything else said of formats derives from them.

A new format is one more object in `FORMATS`: files with its suffixes are then found, read, and named in help
and in refusals. Its decoder is imported where the first file of it is read, so that help costs nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Final, NamedTuple

from hemo.imaging.signatures import JPEG_START, PNG_START, TIFF_STARTS, is_dicom, is_nifti

if TYPE_CHECKING:
    from hemo.imaging.raw import Part


class Options(NamedTuple):
    """What a reader of a format may be told.

    Attributes
    ----------
    least
        Height and width that are enough of a JPEG (see `hemo.imaging.raster.decode_jpeg`); 0 for all it has.
    reduced
        Whether the slices are for a reduction alone: their pixels may then lack an `offset` to be HU.
    hu_offset
        What is added to the gray of a 16-bit picture that holds HU to give them; None where nobody said.
    """

    least: int = 0
    reduced: bool = False
    hu_offset: int | None = None


@dataclass(frozen=True)
class Format:
    """A file format.

    Attributes
    ----------
    name
        For people.
    suffixes
        With the dot, lower case. They decide which files of a folder are opened, never how one is read.
    recognizes
        Tells from a file's bytes whether it is of this format.
    read
        From a file's bytes, what its slices are called, and options to its slices, with the reason in the
        place of each that is unusable. Raises `Excluded` where the whole file is, and nothing else.
    """

    name: str
    suffixes: tuple[str, ...]
    recognizes: Callable[[bytes], bool]
    read: Callable[[bytes, str, Options], "list[Part]"]


@cache  # an import statement, even of what is there, takes a hundredth of the time that a slice does
def _decoder(module: str, function: str) -> Callable[..., "list[Part]"]:
    return getattr(import_module(f"hemo.imaging.{module}"), function)


def _read_dicom(data: bytes, name: str, options: Options) -> "list[Part]":
    return _decoder("dicom", "read_dicom")(data, name, reduced=options.reduced)


def _read_nifti(data: bytes, name: str, options: Options) -> "list[Part]":
    return _decoder("nifti", "read_nifti")(data, name)


def _read_picture(data: bytes, name: str, options: Options) -> "list[Part]":
    return _decoder("raster", "read_raster")(data, name, options.least, options.hu_offset)


FORMATS: Final[tuple[Format, ...]] = (
    # DICOM comes before TIFF: the preamble of a DICOM file may make it a TIFF as well.
    Format("DICOM", (".dcm", ".dicom", ".ima"), is_dicom, _read_dicom),
    Format("NIfTI", (".nii", ".nii.gz"), is_nifti, _read_nifti),
    Format("JPEG", (".jpg", ".jpeg"), lambda data: data.startswith(JPEG_START), _read_picture),
    Format("PNG", (".png",), lambda data: data.startswith(PNG_START), _read_picture),
    Format("TIFF", (".tif", ".tiff"), lambda data: data.startswith(TIFF_STARTS), _read_picture),
)
"""In the order in which a file is tried, and in which people are told of them."""


def suffixes() -> frozenset[str]:
    """Return the last suffixes of scans' names (`.gz` of `.nii.gz`): what `os.path.splitext` gives."""
    return frozenset(f".{suffix.rsplit('.', 1)[1]}" for one in FORMATS for suffix in one.suffixes)


def format_names(word: str = "or") -> str:
    """Return the formats in words.

    Examples
    --------
    >>> format_names()
    'DICOM, NIfTI, JPEG, PNG or TIFF'
    >>> format_names("nor")
    'DICOM, NIfTI, JPEG, PNG nor TIFF'
    """
    names = [one.name for one in FORMATS]
    return f"{', '.join(names[:-1])} {word} {names[-1]}" if len(names) > 1 else names[0]


def recognize(data: bytes) -> Format | None:
    """Return the format of a file's bytes, None where it is none of them."""
    return next((one for one in FORMATS if one.recognizes(data)), None)


def stem(name: str) -> str:
    """Return a file's name without its suffix; a double one that a format has is one.

    Examples
    --------
    >>> stem("case-7.nii.gz"), stem("1.2.840.dcm"), stem("slice")
    ('case-7', '1.2.840', 'slice')
    """
    lower = name.lower()
    for one in FORMATS:
        for suffix in one.suffixes:
            if suffix.count(".") > 1 and lower.endswith(suffix):
                return name[: -len(suffix)]
    dot = name.rfind(".")
    return name[:dot] if dot > 0 and name[:dot].strip(".") else name
