"""What a DICOM header says, and which headers are no head-CT slice's."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from hemo.imaging.raw import Excluded

SMALLEST: Final = 64
LARGEST: Final = 4096
"""Rows or columns outside these are no CT slice."""

LARGEST_DECODED: Final = 400 << 20
"""Bytes that a file's numbers may take once decoded: 800 slices. More is a decompression bomb."""

LARGEST_INFLATED: Final = 256 << 20
"""Bytes that a deflated file may take, of which parsing it takes copies."""

CT_CLASSES: Final = frozenset(
    f"1.2.840.10008.5.1.4.1.1.{end}"
    for end in ("2", "2.1", "2.2")  # CT Image, Enhanced CT Image, Legacy Converted Enhanced CT Image
)
SECONDARY_CAPTURE: Final = "1.2.840.10008.5.1.4.1.1.7"
"""SOP classes (DICOM PS3.4 B.5); the secondary captures of several frames begin like this one."""

CAPTURED: Final = frozenset({"DV", "DI", "DF", "WSD", "SD", "SI", "DRW"})
"""Values of ConversionType (PS3.3 C.8.6.1) that say a picture was taken of something."""

SCOUTS: Final = frozenset(["LOCALIZER", "SCOUT", "SURVIEW", "TOPOGRAM", "TOPO", "SCANOGRAM", "SCANOSCOPE"])
CAPTURES: Final = frozenset({"SCREEN", "SCREENSAVE", "CAPTURE", "DOSE", "DOSEREPORT", "PROT"})
PROJECTIONS: Final = frozenset(["MIP", "MIPS", "MINIP", "MAXIP", "MAX_IP", "MIN_IP", "PROJECTION"])
RENDERINGS: Final = frozenset(
    ["VRT", "SSD", "VOLREN", "VOLUME_RENDER", "SURFACE_RENDER", "RENDERING", "RENDERED"]
)
MAPS: Final = frozenset(["CBF", "CBV", "MTT", "TTP", "TMAX", "RCBF", "RCBV"])
PLANES: Final = {"CORONAL": "coronal", "SAGITTAL": "sagittal"}
"""Words in ImageType, as vendors write them."""

DESCRIBED: Final = (
    (r"scouts?|topo(gram)?|surview|locali[sz]ers?|scanogram", "localizer image"),
    (r"dose (report|info|summary)|screen ?(save|shot)s?|patient protocol", "secondary capture"),
    (
        r"(?<!for )(?<!source )(mips?|m(in|ax)[ -]?ips?|(maximum|minimum) intensity)",
        "intensity projection",
    ),
    (r"vrt|volume rendering|3d rendering", "rendering"),
    (
        r"r?cb[fv]|mtt|ttp|tmax|time to (peak|maximum)|mean transit time|cerebral blood (flow|volume)"
        r"|iodine map",
        "perfusion map",
    ),
)
"""Words in SeriesDescription, and what an image is by them."""

PLANE_WORDS: Final = ((r"cor(onal)?s?", "coronal"), (r"sag(ittal)?s?", "sagittal"))
"""Words for planes there: they count only where the image's own orientation is unknown."""

AXIAL: Final = r"ax(ial)?|tra(ns(verse)?)?"
"""Words for an axial series, whatever else its description names."""

IN_HU: Final = frozenset({"", "HU", "US", "UNSPECIFIED"})
"""Values of RescaleType under which numbers may be HU; others name another quantity."""

UNITS: Final = frozenset({"OD", "MGML", "PCT", "Z_EFF", "ED", "EDW", "HU_MOD", "US"})
MODALITIES: Final = frozenset(
    {
        *(
            "AR",
            "AU",
            "BI",
            "BMD",
            "CR",
            "DG",
            "DMS",
            "DOC",
            "DX",
            "ECG",
            "EPS",
            "ES",
            "FID",
            "GM",
            "HC",
            "HD",
        ),
        *(
            "IO",
            "IOL",
            "IVOCT",
            "IVUS",
            "KO",
            "LS",
            "M3D",
            "MG",
            "MR",
            "NM",
            "OAM",
            "OCT",
            "OP",
            "OPM",
            "OPT",
        ),
        *("OPV", "OSS", "PLAN", "POS", "PR", "PT", "PX", "REG", "RF", "RG", "RTDOSE", "RTIMAGE", "RTPLAN"),
        *(
            "RTRECORD",
            "RTSTRUCT",
            "RWV",
            "SEG",
            "SM",
            "SMR",
            "SR",
            "STAIN",
            "TG",
            "US",
            "VA",
            "VF",
            "XA",
            "XC",
        ),
    }
)
"""Defined terms of RescaleType and Modality (PS3.3 C.11.1.1.2, C.7.3.1.1.1): no other text of a header is
repeated in a reason, since reasons leave the store and anything may be written into a field."""

TIME: Final = re.compile(r"(\d\d):?(\d\d):?(\d\d(?:\.\d*)?)")
"""DICOM's TM, and as old files write it."""

Values = Mapping[str, Any]
"""Elements of a header by keyword: texts, numbers, or lists of them."""


def floats(value: Any) -> tuple[float, ...]:
    """Return the numbers of an element, none where it is absent or one of them is no finite number."""
    if value is None:
        return ()
    if isinstance(value, str):
        return _floats_of(str(value))
    return _finite(value if hasattr(value, "__iter__") else (value,))


@lru_cache(maxsize=256)  # the slices of a series say the same but for their positions
def _floats_of(text: str) -> tuple[float, ...]:
    return _finite(text.split("\\"))


def _finite(values: Iterable[Any]) -> tuple[float, ...]:
    try:
        found = tuple(map(float, values))
    except (TypeError, ValueError, OverflowError):
        return ()
    return found if all(map(math.isfinite, found)) else ()


def only(value: Any) -> float:
    """Return the one number of an element's value, NaN where it has none or several."""
    numbers = floats(value)
    return numbers[0] if len(numbers) == 1 else math.nan


def number(values: Values, name: str) -> float:
    """Return the one number of an element, NaN where it has none or several."""
    return only(values.get(name))


def whole(values: Values, name: str) -> int:
    """Return the one number of an element of kind IS (PS3.5, 6.2), 0 where it has none that it may have."""
    found = number(values, name)
    return int(found) if abs(found) < 1 << 31 else 0  # not of NaN either


def text(values: Values, name: str) -> str:
    """Return an element as text, several values joined as they lie in the file."""
    value = values.get(name)
    if value is None:
        return ""
    if type(value) is str:  # as most are: to ask what else it may be takes longer than the rest
        return value.strip()
    if isinstance(value, Sequence) and not isinstance(value, str):
        value = "\\".join(str(part) for part in value)
    return str(value).strip()


def seconds(values: Values) -> float:
    """Return the acquisition time in seconds of the day, NaN where unknown."""
    time = (
        text(values, "AcquisitionTime") or text(values, "AcquisitionDateTime")[8:].split("+")[0].split("-")[0]
    )
    match = TIME.fullmatch(time)
    return int(match[1]) * 3600 + int(match[2]) * 60 + float(match[3]) if match else math.nan


def refuse_by_header(values: Values) -> None:
    """Raise Excluded where a header is not of a CT image that may be a slice."""
    if reason := _reason(
        *(text(values, name) for name in ("Modality", "SOPClassUID", "ConversionType", "ImageType")),
        text(values, "SeriesDescription"),
        text(values, "PhotometricInterpretation").upper(),
        text(values, "RescaleType"),
    ):
        raise Excluded(reason)
    if int(values.get("SamplesPerPixel") or 1) != 1:
        raise Excluded("color image")
    rows, columns = int(values.get("Rows") or 0), int(values.get("Columns") or 0)
    if not (SMALLEST <= rows <= LARGEST and SMALLEST <= columns <= LARGEST):
        raise Excluded(f"{rows}x{columns} pixels is no CT slice")
    frames = int(values.get("NumberOfFrames") or 1)
    if not 1 <= frames <= LARGEST_DECODED // (rows * columns * 2):
        raise Excluded(f"{frames} frames of {rows}x{columns} pixels are too many for a head")


@lru_cache(maxsize=256)  # the slices of a series say the same
def _reason(
    modality: str, sop_class: str, conversion: str, image_type: str, description: str, colors: str, unit: str
) -> str:
    """Return why an image with these elements is no head-CT slice, "" where it may be one."""
    if modality not in ("CT", "OT", ""):
        return f"modality {modality}, not CT" if modality in MODALITIES else "not of modality CT"
    words = frozenset(re.split(r"[^A-Z0-9_]+", image_type.upper()))
    words |= frozenset(part for word in words for part in word.split("_"))
    if words & SCOUTS:
        return "localizer image"
    if (
        sop_class == SECONDARY_CAPTURE
        or sop_class.startswith(f"{SECONDARY_CAPTURE}.")
        or conversion in CAPTURED
    ):
        return "secondary capture" if not colors.startswith(("RGB", "YBR", "PALETTE")) else "color image"
    if sop_class.startswith("1.2.840.10008.") and sop_class not in CT_CLASSES:
        from pydicom.uid import UID

        return f"{UID(sop_class).name}, not a CT image"
    if not colors.startswith("MONOCHROME") and colors:
        return "color image"
    if unit.upper() not in IN_HU:
        return f"its numbers are {unit if unit in UNITS else 'something else'}, not HU"
    for known, what in (
        (CAPTURES, "secondary capture"),
        (PROJECTIONS, "intensity projection"),
        (RENDERINGS, "rendering"),
        (MAPS, "perfusion map"),
    ):
        if words & known:
            return what
    for word in sorted(words & PLANES.keys()):
        return f"a {PLANES[word]} slice, not an axial one"
    return next((what for pattern, what in DESCRIBED if _says(description, pattern)), "")


def refuse_by_plane(values: Values) -> None:
    """Raise Excluded where an image of unknown orientation is described as of another plane."""
    description = text(values, "SeriesDescription")
    for pattern, plane in PLANE_WORDS:
        if _says(description, pattern) and not _says(description, AXIAL):
            raise Excluded(f"a {plane} slice by its description, not an axial one")


@lru_cache(maxsize=256)
def _says(description: str, pattern: str) -> bool:
    """Tell whether a description has a word; `_` and digits do not belong to words."""
    return bool(re.search(rf"(?<![a-z])(?:{pattern})(?![a-z])", description.lower().replace("_", " ")))
