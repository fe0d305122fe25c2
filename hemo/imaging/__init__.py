"""One file in, one slice out: HU or gray, oriented, windowed, cropped, reduced. Knows nothing of labels.

Its names are loaded when they are first used: `hemo.imaging.formats`, which help and refusals ask for the
formats' names, then costs nothing.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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

_MODULES = {"read": "reader", "read_one": "reader", "read_parts": "reader", "read_reduced": "reader"} | {
    "Excluded": "raw",
    "RawSlice": "raw",
    "PAPER": "reduction",
    "Reduction": "reduction",
    "check_windows": "reduction",
    "reduce": "reduction",
    "WINDOWS": "windows",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value
