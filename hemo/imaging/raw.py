"""What reading gives: one slice with what is known of it, or the reason why there is none."""

import math
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from numpy.typing import NDArray

SYNTHETIC: Final = "synthetic, drawn by a program: what learns from it has not seen a patient"
"""Note of slices whose header says so."""

AIR: int = -1024
"""HU below which nothing is told apart: padding and air outside the scan circle."""


LARGEST_FILE: Final = 512 << 20
"""Bytes of a file, as it lies or inflated, beyond which it is no head CT: a thousand slices in 16 bits."""


class Excluded(Exception):
    """One file or slice that cannot be used; its text is the reason, without any identifier of a patient."""

    def __init__(self, reason: str, slice_id: str = "") -> None:
        super().__init__(reason)
        self.slice_id = slice_id


def check_length(length: int) -> None:
    """Raise `Excluded` for a file of so many bytes that it is no head CT, before it is read."""
    if length > LARGEST_FILE:
        raise Excluded(f"{length >> 20} MB are no head CT: {LARGEST_FILE >> 20} MB at most")


class Origin(NamedTuple):
    """What a header says of the scanner and of who was scanned, as far as results are told apart by it.

    Attributes
    ----------
    manufacturer, model
        The scanner's; free text, which never leaves `preprocess`.
    voltage
        Of the tube in kV; NaN where unknown.
    age
        In years; NaN where unknown.
    sex
        `F`, `M` or `O`; "" where unknown.
    """

    manufacturer: str = ""
    model: str = ""
    voltage: float = math.nan
    age: float = math.nan
    sex: str = ""


@dataclass(slots=True, eq=False)  # not frozen: that costs a fiftieth of the time in which a slice is read
class RawSlice:
    """One axial slice as read, before any reduction.

    Attributes
    ----------
    pixels
        HU as int16 or float32 (height, width) where `hu`; else uint8 gray (height, width), or uint8
        (height, width, channels) for windows that come as separate images (see `channels`).
    hu
        Whether the pixels are Hounsfield units.
    slice_id
        What label tables call it: the file's stem, with `_<number>` behind it where a file holds many.
    patient, study
        Identifiers of the source, "" where unknown. They never leave `preprocess` unpseudonymised.
    position
        Millimetres along the slice's normal, or the slice's number; NaN where unknown.
    spacing
        Millimetres between rows and between columns; None where unknown.
    uid
        The DICOM SOPInstanceUID, "" where there is none.
    number
        Number of the slice in its study or volume (from 1), 0 where unknown.
    channels
        For pixels with a third axis: the window each channel shows.
    offset
        What the pixels still lack to be HU. Not 0 only where they were read for a reduction, which adds it as
        it windows: a pass over the pixels less.
    series
        The DICOM SeriesInstanceUID, or the volume's name; "" where unknown. Never leaves `preprocess` either.
    acquisition
        What tells the acquisitions of one series apart (number, time of a perfusion scan); "" where one.
    normal
        Unit normal of the slice in patient coordinates (LPS), rounded to three decimals; None where unknown.
    time
        Acquisition time in seconds of the day; NaN where unknown.
    thickness
        Slice thickness in millimetres; NaN where unknown.
    kernel
        The reconstruction kernel's name, "" where unknown.
    image_type
        DICOM's ImageType: original or derived, primary or secondary, and what more; empty where unknown.
    description
        The series' description, "" where unknown. It may name people: it never leaves `preprocess`.
    body_part
        BodyPartExamined, "" where unknown.
    origin
        Scanner and patient as its header has them; None where it has no header.
    notes
        What was assumed in reading it, a sentence each (no orientation, which of two conflicting transforms).
    jpeg
        The JPEG file that the pixels are decoded from in full. `reduce` decodes it again at the scale that
        it needs, which is faster for whoever reads with the reduction in hand, and gives the same to all.
    """

    pixels: NDArray[Any]
    hu: bool
    slice_id: str = ""
    patient: str = ""
    study: str = ""
    position: float = math.nan
    spacing: tuple[float, float] | None = None
    uid: str = ""
    number: int = 0
    channels: tuple[str, ...] = ()
    offset: int = 0
    series: str = ""
    acquisition: str = ""
    normal: tuple[float, float, float] | None = None
    time: float = math.nan
    thickness: float = math.nan
    kernel: str = ""
    image_type: tuple[str, ...] = ()
    description: str = ""
    body_part: str = ""
    origin: Origin | None = None
    notes: tuple[str, ...] = ()
    jpeg: bytes = field(default=b"", repr=False)

    @property
    def synthetic(self) -> bool:
        """Whether its header says that a program drew it, as the phantom's do."""
        return SYNTHETIC in self.notes


Part = RawSlice | Excluded
"""What one place in a file gives: a slice, or the reason why there is none."""
