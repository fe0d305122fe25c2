"""DICOM variations over the header elements that decide on HU, sides, order and what is a head CT at all."""

import io
import math
from typing import Any, Final

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence as Items
from pydicom.uid import UID, CTImageStorage

from hemo.imaging.windows import apply_window
from tests.helpers.variations.dicom_numbers import numbers
from tests.helpers.variations.kinds import Draw, Variation, head

SYNTAXES: Final = {
    "implicit": "1.2.840.10008.1.2",
    "explicit": "1.2.840.10008.1.2.1",
    "big": "1.2.840.10008.1.2.2",
    "deflated": "1.2.840.10008.1.2.1.99",
    "rle": "1.2.840.10008.1.2.5",
    "j2k": "1.2.840.10008.1.2.4.90",
    "jpegls": "1.2.840.10008.1.2.4.80",
    "lossless": "1.2.840.10008.1.2.4.70",
}
PLAIN: Final = ["implicit", "explicit", "explicit", "explicit", "big", "deflated"]

TURNS: Final = [(t, r, c) for t in (False, True) for r in (False, True) for c in (False, True)]
"""Whether rows and columns are exchanged, whether rows run upwards, whether columns run to the right."""

KINDS: Final[list[tuple[dict[str, Any], str]]] = [
    ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"}, "^secondary capture"),
    ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7.3", "ConversionType": "WSD"}, "^secondary capture"),
    ({"ConversionType": "WSD"}, "^secondary capture"),
    ({"ImageType": ["DERIVED", "SECONDARY", "SCREEN SAVE"]}, "^secondary capture"),
    ({"SeriesDescription": "Dose Report", "ImageType": ["DERIVED", "SECONDARY"]}, "^secondary capture"),
    ({"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, "^localizer"),
    ({"ImageType": ["DERIVED", "SECONDARY", "REF_SURVIEW"]}, "^localizer"),
    ({"SeriesDescription": "Topogram 0.6 T20s"}, "^localizer"),
    ({"SeriesDescription": "SCOUT"}, "^localizer"),
    ({"ImageType": ["DERIVED", "SECONDARY", "AXIAL", "MIP"]}, "^intensity projection"),
    ({"ImageType": ["DERIVED", "SECONDARY", "MPR", "MIN_IP"]}, "^intensity projection"),
    ({"SeriesDescription": "AX MIP 10/3", "ImageType": ["DERIVED", "SECONDARY"]}, "^intensity projection"),
    ({"SeriesDescription": "VRT Range"}, "^rendering"),
    ({"PhotometricInterpretation": "PALETTE COLOR"}, "^color image"),
    ({"Modality": "MR"}, "^modality MR"),
    ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.4"}, "^MR Image Storage"),
    ({"RescaleType": "Z_EFF"}, "^its numbers are Z_EFF"),
]
"""Elements of what is no head-CT slice, and the reason there is."""

HARMLESS: Final[list[dict[str, Any]]] = [
    {"SeriesDescription": "Schädel nativ 5.0", "SpecificCharacterSet": "ISO_IR 100"},
    {"SeriesDescription": "AX 0.6 FOR MIP"},
    {"SeriesDescription": "Axial head, cor/sag to follow"},
    {"ImageType": ["DERIVED", "SECONDARY", "AXIAL", "MPR"]},
    {"ImageType": None},
    {"SOPClassUID": None},
    {"Modality": "OT"},
    {"PhotometricInterpretation": "MONOCHROME1"},
    {"RescaleType": "HU"},
    {"PatientPosition": "FFP"},
    {"PatientPosition": "HFDL"},
    {"PatientID": "Jürgen", "SpecificCharacterSet": "ISO_IR 192"},
    {"GantryDetectorTilt": "17.5"},
    {"BodyPartExamined": "HEAD"},
    {"WindowCenter": ["40", "600"], "WindowWidth": ["80", "2800"]},
]
"""Elements that change nothing."""


def dicom(draw: Draw) -> Variation:
    """Return a DICOM file; most are good, with one to three things about them that are not usual."""
    if draw.number(0, 11) == 0:
        return draw.choice([_gray, _frames])(draw)
    rows, columns = draw.choice([(64, 64), (80, 72), (97, 65), (128, 128)])
    hu = head(draw, rows, columns)
    variation = Variation(b"", [], [hu])
    elements: dict[str, Any] = {}
    syntax = draw.choice([*PLAIN, *PLAIN, "rle", "j2k", "jpegls", "lossless"])
    stored = numbers(draw, hu, elements, variation, syntax)
    stored = _turned(draw, stored, elements, variation)
    _kind(draw, elements, variation)
    variation.data = _written(draw, stored, syntax, elements, variation)
    return variation


def _gray(draw: Draw) -> Variation:
    """Return a picture of 8 bits under a window, as old software exports them."""
    gray = apply_window(head(draw, 80, 72), 40, 80)
    variation = Variation(b"", ["8 bits"], [gray], gray=True)
    inverted = draw.choice([False, True])
    elements: dict[str, Any] = {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7, "PixelRepresentation": 0}
    elements["PhotometricInterpretation"] = "MONOCHROME1" if inverted else "MONOCHROME2"
    stored = _turned(draw, 255 - gray if inverted else gray, elements, variation)
    variation.honest &= not inverted
    syntax = draw.choice(["implicit", "explicit", "big", "rle"])
    variation.data = _written(draw, stored, syntax, elements, variation)
    return variation


def _frames(draw: Draw) -> Variation:
    """Return an enhanced CT: frames in any order, each with its own place."""
    count = draw.number(2, 4)
    slices = [head(draw, 72, 64) for _ in range(count)]
    heights = [float(draw.number(-100, 100)) for _ in range(count)]
    upwards = draw.choice([False, True])
    variation = Variation(b"", [f"{count} frames"], list(slices), heights, honest=False)
    each = []
    for height in heights:
        item, place, plane, scale = Dataset(), Dataset(), Dataset(), Dataset()
        place.ImagePositionPatient = [0, 71 if upwards else 0, height]
        plane.ImageOrientationPatient = [1, 0, 0, 0, -1 if upwards else 1, 0]
        scale.RescaleIntercept, scale.RescaleSlope = -1024, 1
        item.PlanePositionSequence, item.PlaneOrientationSequence = Items([place]), Items([plane])
        item.PixelValueTransformationSequence = Items([scale])
        each.append(item)
    stored = np.stack([one[::-1] if upwards else one for one in slices]) + 1024
    elements = {
        "SOPClassUID": "1.2.840.10008.5.1.4.1.1.2.1",
        "BitsStored": 16,
        "HighBit": 15,
        "PixelRepresentation": 1,
        "NumberOfFrames": count,
        "PerFrameFunctionalGroupsSequence": Items(each),
    }
    syntax = draw.choice(["implicit", "explicit", "big", "j2k"])
    variation.data = _written(draw, stored.astype(np.int16), syntax, elements, variation)
    return variation


def _turned(draw: Draw, stored: NDArray[Any], elements: dict[str, Any], variation: Variation) -> NDArray[Any]:
    """Return pixels as a scanner of another orientation stores them, with place and orientation."""
    transposed, upwards, to_right = draw.choice(TURNS)
    height = float(draw.number(-200, 200))
    tilt = math.radians(draw.choice([0, 0, 0, 18, -25, 30]))
    spacing = draw.choice([0.5, 1.0])
    rows, columns = stored.shape
    across, down = np.array([1.0, 0, 0]), np.array([0, math.cos(tilt), math.sin(tilt)])
    normal = np.cross(across, down)
    corner = normal * height - across * spacing * columns / 2 - down * spacing * rows / 2
    row, column = (rows - 1 if upwards else 0), (columns - 1 if to_right else 0)
    origin = corner + across * spacing * column + down * spacing * row
    axes = [-across if to_right else across, -down if upwards else down]
    if upwards:
        stored = stored[::-1]
    if to_right:
        stored = stored[:, ::-1]
    if transposed:
        stored, axes = stored.T, axes[::-1]
    elements["PixelSpacing"] = [str(spacing)] * 2
    variation.positions = [height]
    known = draw.choice(
        ["said", "said", "said", "said", "said", "no", "zeros", "coronal", "sagittal", "oblique"]
    )
    plane = {
        "coronal": (1, 0, 0, 0, 0, -1),
        "sagittal": (0, 1, 0, 0, 0, -1),
        "oblique": (1, 0, 0, 0, 0.7071, 0.7071),
    }
    if known == "said":
        elements["ImagePositionPatient"] = [f"{part:.6f}" for part in origin]
        elements["ImageOrientationPatient"] = [f"{part:.9f}" for part in np.concatenate(axes)]
        variation.words.append(
            f"turned {transposed:d}{upwards:d}{to_right:d}, {math.degrees(tilt):.0f} degrees"
        )
    elif known in plane:
        elements["ImagePositionPatient"] = ["0", "0", "0"]
        elements["ImageOrientationPatient"] = [str(part) for part in plane[known]]
        variation.exclude("^a coronal slice|^a sagittal slice|^an oblique slice")
        variation.words.append(known)
    else:  # it stays as it is
        if known == "zeros":
            elements["ImageOrientationPatient"] = ["0"] * 6
        elements["SliceLocation"] = str(height)
        turned = [one[:: -1 if upwards else 1, :: -1 if to_right else 1] for one in variation.slices]
        variation.slices = [one.T if transposed else one for one in turned]
        variation.words.append(f"orientation: {known}")
        variation.honest &= known == "no"
    return np.ascontiguousarray(stored)


def _kind(draw: Draw, elements: dict[str, Any], variation: Variation) -> None:
    """Make it another kind of image, or say things that change nothing."""
    if draw.number(0, 5) == 0:
        words, reason = draw.choice(KINDS)
        elements |= words
        variation.exclude(reason)
        variation.words.append(str(words))
    elif draw.number(0, 1):
        words = draw.choice(HARMLESS)
        elements |= words
        # SimpleITK turns the numbers of MONOCHROME1 round, and knows no sides without a SOP class.
        variation.honest &= not {"PhotometricInterpretation", "SOPClassUID"} & words.keys()
        variation.words.append(str(words))


def _written(
    draw: Draw, stored: NDArray[Any], syntax: str, elements: dict[str, Any], variation: Variation
) -> bytes:
    """Return the file."""
    data = Dataset()
    data.SOPClassUID, data.SOPInstanceUID = CTImageStorage, "1.2.826.0.1.3680043.8.498.1"
    data.ImageType, data.Modality, data.PatientID = ["ORIGINAL", "PRIMARY", "AXIAL"], "CT", "P1"
    data.StudyInstanceUID, data.SeriesInstanceUID = (
        "1.2.826.0.1.3680043.8.498.2",
        "1.2.826.0.1.3680043.8.498.3",
    )
    data.InstanceNumber = 4
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.Rows, data.Columns, data.BitsAllocated = *stored.shape[-2:], 16
    bit = elements.pop("overlay", None)
    for keyword, value in elements.items():
        if value is None:
            delattr(data, keyword)
        else:
            setattr(data, keyword, value)
    if bit is not None:
        for element, kind, value in (
            (0x10, "US", 64),
            (0x11, "US", 64),
            (0x100, "US", 16),
            (0x102, "US", bit),
        ):
            data.add_new((0x6000, element), kind, value)
    if draw.number(0, 3) == 0:
        item = Dataset()
        item.CodeValue, item.CodeMeaning = "x", "y"
        data.ReferencedImageSequence = Items([item])
        data.add_new((0x0009, 0x0010), "LO", "VENDOR")
        data.add_new((0x0009, 0x1001), "UN", b"\1\2\3\4")
    variation.words.insert(0, syntax)
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = UID(SYNTAXES[syntax])
    data.file_meta.MediaStorageSOPClassUID = data.get("SOPClassUID", CTImageStorage)
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
    _fill(data, stored, syntax)
    if draw.number(0, 30) == 0 and syntax in ("implicit", "explicit", "big"):
        data.PixelData = data.PixelData[: len(data.PixelData) // 2]
        variation.exclude("^short pixel data")
        variation.words.append("cut off")
    stream = io.BytesIO()
    data.save_as(stream, enforce_file_format=True)
    content = stream.getvalue()
    if syntax in ("implicit", "explicit", "big") and draw.number(0, 4) == 0:
        return _bare(draw, content, variation)
    return content


def _fill(data: Dataset, stored: NDArray[Any], syntax: str) -> None:
    if syntax == "lossless":
        import imagecodecs

        data.PixelData = encapsulate(
            [bytes(imagecodecs.ljpeg_encode(stored.view(np.uint16), bitspersample=16))]
        )
        data["PixelData"].VR = "OB"
        data["PixelData"].is_undefined_length = True
        return
    data.PixelData = stored.astype(stored.dtype.newbyteorder(">" if syntax == "big" else "<")).tobytes()
    data["PixelData"].VR = "OB" if stored.itemsize == 1 else "OW"
    if syntax in ("rle", "j2k", "jpegls"):
        data.file_meta.TransferSyntaxUID = UID(SYNTAXES["explicit"])
        wanted, data.PhotometricInterpretation = data.PhotometricInterpretation, "MONOCHROME2"
        data.compress(SYNTAXES[syntax], generate_instance_uid=False)
        data.PhotometricInterpretation = wanted


def _bare(draw: Draw, content: bytes, variation: Variation) -> bytes:
    """Return a file without its meta information, or without its first elements too."""
    how = draw.choice(["no preamble", "no meta", "later start"])
    variation.words.append(how)
    if how == "no preamble":
        return content[132:]
    dataset = pydicom.dcmread(io.BytesIO(content))
    start = 132 + 12 + int(dataset.file_meta.FileMetaInformationGroupLength)
    body = content[start:]
    if how == "later start" and "SOPClassUID" in dataset and "ImageType" in dataset and body[:1] != b"\0":
        place = body.index(b"\x08\x00\x60\x00")
        if dataset.Modality == "CT" and "SpecificCharacterSet" not in dataset and not variation.must:
            variation.honest = False
            return body[place:]
    return body
