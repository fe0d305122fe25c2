"""One file in, one slice out: HU or gray, windowed, cropped, reduced. Knows nothing of labels."""

from hemo.imaging.raw import Excluded, RawSlice
from hemo.imaging.reader import read, read_one, read_parts, read_reduced
from hemo.imaging.reduction import PAPER, Reduction, check_windows, reduce
from hemo.imaging.windows import WINDOWS

__all__ = [
    "PAPER",
    "WINDOWS",
    "Excluded",
    "RawSlice",
    "Reduction",
    "check_windows",
    "read",
    "read_one",
    "read_parts",
    "read_reduced",
    "reduce",
]
