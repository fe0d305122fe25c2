"""DICOM files to slices in HU."""

import math
import re
from datetime import date
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hemo.imaging.dicom_header import Values, floats, number, only, refuse_by_plane, seconds, text, whole
from hemo.imaging.dicom_native import ORIGIN
from hemo.imaging.dicom_pixels import GROUPS, stored_pixels
from hemo.imaging.faults import reason
from hemo.imaging.hu import Scale, check_hu, reaches_air, refuse_without_air, scaled
from hemo.imaging.orientation import Orientation, orientation_of, unit
from hemo.imaging.plausible import check_gray, check_spacing
from hemo.imaging.raw import SYNTHETIC, Excluded, Origin, Part, RawSlice

UNORIENTED: Final = "no orientation in its header: sides as they lie in the file"
UNUSABLE: Final = "its orientation is none: sides as they lie in the file"
UNSAID: Final = {
    "BitsAllocated": "no BitsAllocated in its header: 16 bits a pixel",
    "PixelRepresentation": "no PixelRepresentation in its header: a sign is told from its numbers",
}
"""What a header has to say of its numbers, and what is noted where it does not."""

UNPLACED: Final = "no position in its header: apart from slices that have one, in the order of its numbers"


def _group_value(groups: list[Any], sequence: str, name: str) -> Any:
    """Return a value from the functional groups of a multi-frame image, None where it has none."""
    for group in groups:
        items = group.get(sequence)
        if items and items[0].get(name) is not None:
            return items[0].get(name)
    return None


def _numbers(groups: list[Any], values: Values, sequence: str, name: str) -> tuple[float, ...]:
    found = _group_value(groups, sequence, name) if groups else None
    return floats(values.get(name) if found is None else found)


def _place(
    groups: list[Any], values: Values
) -> tuple[Orientation | None, float, tuple[float, float] | None, tuple[str, ...]]:
    """Return how a slice is turned, its position towards the head, its spacing once turned, and notes."""
    origin = _numbers(groups, values, "PlanePositionSequence", "ImagePositionPatient")
    axes = _numbers(groups, values, "PlaneOrientationSequence", "ImageOrientationPatient")
    orientation = orientation_of(axes)
    notes: tuple[str, ...] = ()
    if orientation is None:
        refuse_by_plane(values)
        notes = (UNUSABLE if axes or text(values, "ImageOrientationPatient") else UNORIENTED,)
    if len(origin) != 3 or not all(map(math.isfinite, origin)):
        position = number(values, "SliceLocation")
        notes += (UNPLACED,)
    else:
        position = orientation.along(origin) if orientation else origin[2]
    measures = _numbers(groups, values, "PixelMeasuresSequence", "PixelSpacing")
    spacing = None
    if len(measures) == 2 and min(measures) > 0:
        down, across = measures[::-1] if orientation and orientation.transposed else measures
        spacing = (down, across)
        check_spacing(spacing)
    return orientation, position, spacing, notes


def _acquisition(values: Values, groups: list[Any]) -> str:
    """Return what tells acquisitions of a series apart: their number, and the time of a perfusion scan.

    Frames of a multi-frame image say so of themselves, and of which stack they are.
    """
    parts = [text(values, "AcquisitionNumber"), text(values, "TemporalPositionIdentifier")]
    if groups:
        names = ("FrameAcquisitionNumber", "TemporalPositionIndex", "StackID")
        own = [_group_value(groups, "FrameContentSequence", name) for name in names]
        parts = [part if said is None else str(said) for part, said in zip([*parts, ""], own, strict=True)]
    return "/".join(parts).rstrip("/")


def _thickness(values: Values, groups: list[Any]) -> float:
    found = _group_value(groups, "PixelMeasuresSequence", "SliceThickness") if groups else None
    return number(values, "SliceThickness") if found is None else only(found)


@lru_cache(maxsize=256)  # the slices of a series say the same
def _origin(
    studied: str, manufacturer: str, model: str, born: str, sex: str, age: str, voltage: str
) -> Origin:
    return Origin(
        manufacturer,
        model,
        only(voltage),
        _age(age, born, studied),
        sex.upper() if sex.upper() in ("F", "M", "O") else "",
    )


UNITS_OF_AGE: Final = {"D": 365.25, "W": 365.25 / 7, "M": 12.0, "Y": 1.0}
"""How many of them a year has, by the letters of DICOM's AS (PS3.5, 6.2)."""

OLDEST: Final = 120
"""Years; who is said to be older was born at a date that somebody made up."""


def _age(age: str, born: str, studied: str) -> float:
    """Return an age in years, from what is said of it or from dates of birth and study; NaN if unknown."""
    years = math.nan
    if said := re.fullmatch(r"(\d{1,3})([DWMY])", age.upper()):
        years = int(said[1]) / UNITS_OF_AGE[said[2]]
    elif not age:
        try:
            first, last = (date.fromisoformat(f"{d[:4]}-{d[4:6]}-{d[6:8]}") for d in (born, studied))
            years = (last - first).days / 365.25
        except ValueError:
            pass
    return years if 0 <= years <= OLDEST else math.nan


def _padding(values: Values, signed: bool) -> tuple[float, float] | None:
    """Return the lowest and highest stored number that stands for no measurement."""
    if values.get("PixelPaddingValue") is None:
        return None
    ends = [number(values, name) for name in ("PixelPaddingValue", "PixelPaddingRangeLimit")]
    ends = [end - 65_536 if signed and end > 32_767 else end for end in ends]  # written as unsigned
    low, high = ends[0], ends[0] if math.isnan(ends[1]) else ends[1]
    return None if math.isnan(low) else (min(low, high), max(low, high))


def _pixels(
    frame: NDArray[Any], values: Values, groups: list[Any], reduced: bool
) -> tuple[NDArray[Any], bool, int]:
    """Return a frame, whether it is in HU (else gray, of 8 bits), and the offset it lacks to be so."""
    sequence = "PixelValueTransformationSequence"
    slope, intercept = number(values, "RescaleSlope"), number(values, "RescaleIntercept")
    if groups:
        given = [_group_value(groups, sequence, name) for name in ("RescaleSlope", "RescaleIntercept")]
        slope, intercept = (
            own if value is None else only(value)
            for own, value in zip((slope, intercept), given, strict=True)
        )
    bits = int(values.get("BitsStored") or 16)
    signed = values.get("PixelRepresentation") == 1
    padding = _padding(values, signed)
    if not (math.isfinite(slope) and math.isfinite(intercept)) or slope == 0:
        if bits <= 8:
            gray: NDArray[np.uint8] = np.left_shift(frame.astype(np.uint8), 8 - bits, dtype=np.uint8)
            check_gray(gray)
            inverted = text(values, "PhotometricInterpretation").upper() == "MONOCHROME1"
            return (255 - gray if inverted else gray), False, 0
        # Signed numbers that reach air are HU already, unless half a scale says otherwise.
        whole = (math.isnan(slope) or slope == 1) and (math.isnan(intercept) or intercept == 0)
        if not (signed and whole and reaches_air(frame, padding)):
            if slope == 0:
                raise Excluded("RescaleSlope is 0, which makes all its numbers one")
            raise Excluded("no rescale tags, so the scale of its numbers is unknown")
        slope, intercept = 1.0, 0.0
    scale = Scale(slope, intercept, padding, unsigned12=bits == 12 and not signed)
    refuse_without_air(frame, scale)
    pixels, offset = scaled(frame, scale, reduced)
    check_hu(pixels, offset)
    return pixels, True, offset


def read_dicom(data: bytes, name: str = "", *, reduced: bool = False) -> list[Part]:
    """Read the slices of one DICOM file, in HU.

    HU do not depend on MONOCHROME1, which only says how to show them; gray pictures are inverted. Slices are
    turned by ImageOrientationPatient (see `hemo.imaging.orientation`); those without one stay as they are,
    and say so in their notes.

    Parameters
    ----------
    data
        The file's bytes.
    name
        What the slices are called; the SOPInstanceUID where empty.
    reduced
        Whether the slices are for a reduction alone: their pixels may then lack an `offset` to be HU.

    Returns
    -------
    list of RawSlice or Excluded
        One slice, or one for each frame of a multi-frame image; in the place of one that is unusable, the
        reason. Pictures of 8 bits without rescale tags come as gray (`hu` false).

    Raises
    ------
    Excluded
        Where the whole file is no CT slice, or cannot be decoded, with the reason.
    """
    try:
        values, stored = stored_pixels(data)
        return _slices(values, stored, name, reduced)
    except Excluded:
        raise
    except Exception as error:  # decoders raise whatever they like; one bad file stops nothing
        raise Excluded(reason(error)) from error


@lru_cache(maxsize=256)  # the slices of a series say the same
def _image_type(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split("\\"))


def _slices(values: Values, stored: NDArray[Any], name: str, reduced: bool) -> list[Part]:
    uid = text(values, "SOPInstanceUID")
    name = name or uid
    frames = stored[np.newaxis] if stored.ndim == 2 else stored
    each, shared = [list(values.get(sequence) or ()) for sequence in GROUPS]
    many = len(frames) > 1
    image_type = _image_type(text(values, "ImageType"))
    origin = _origin(*(text(values, name) for name in ORIGIN.values()))
    unsaid = tuple(note for name, note in UNSAID.items() if values.get(name) is None)
    parts: list[Part] = []
    for index, frame in enumerate(frames):
        groups = ([each[index]] if index < len(each) else []) + shared
        place = index + 1 if many else whole(values, "InstanceNumber")
        slice_id = f"{name}_{place}" if many else name
        try:
            orientation, position, spacing, notes = _place(groups, values)
            pixels, hu, offset = _pixels(frame, values, groups, reduced)
        except Excluded as excluded:
            parts.append(Excluded(str(excluded), slice_id))
            continue
        if math.isnan(position) or (many and not each):
            position = float(place) if place else math.nan  # the order is all there is
        parts.append(
            RawSlice(
                pixels=orientation.apply(pixels) if orientation else pixels,
                hu=hu,
                slice_id=slice_id,
                position=position,
                spacing=spacing,
                number=place,
                offset=offset,
                normal=unit(orientation.normal) if orientation and UNPLACED not in notes else None,
                notes=(*notes, *unsaid, SYNTHETIC) if "SYNTHETIC" in image_type else (*notes, *unsaid),
                patient=text(values, "PatientID"),
                study=text(values, "StudyInstanceUID"),
                uid=uid,
                series=text(values, "SeriesInstanceUID"),
                acquisition=_acquisition(values, groups),
                time=seconds(values),
                thickness=_thickness(values, groups),
                kernel=text(values, "ConvolutionKernel"),
                image_type=image_type,
                description=text(values, "SeriesDescription"),
                body_part=text(values, "BodyPartExamined"),
                origin=origin,
            )
        )
    return parts


HEAD: Final = 1 << 17
"""Bytes in which a file names its study, if it does; inflated, they are 100 MB at most."""


def study_of(source: bytes | Path) -> str:
    """Return the StudyInstanceUID of a file of which nothing else may be readable; "" where it names none."""
    import pydicom

    try:
        if isinstance(source, Path):
            if not source.is_file():
                return ""
            with source.open("rb") as stream:
                source = stream.read(HEAD)
        header = pydicom.dcmread(
            BytesIO(source[:HEAD]), stop_before_pixels=True, specific_tags=["StudyInstanceUID"], force=True
        )
        return str(header.get("StudyInstanceUID") or "").strip()
    except Exception:  # parsers raise whatever they like
        return ""
