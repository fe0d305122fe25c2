"""The process that decodes for `hemo.imaging.decoding`: reads files from its input, writes arrays."""

import contextlib
import io
import json
import os
import sys
import warnings
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hemo.imaging.faults import reason
from hemo.imaging.raw import Excluded

MEMORY: Final = 6 << 30
"""Bytes of address space, of which libraries take one: what claims more than it holds ends here."""


def serve() -> None:
    """Decode files until the input ends: `KIND SIZE` and a line's end, then the file; answers follow each."""
    with contextlib.suppress(ImportError, ValueError, OSError):  # where the system has such a bound
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    warnings.simplefilter("ignore")
    source = sys.stdin.buffer
    target = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # libraries that print do not print into the answers
    while line := source.readline():
        kind, size = line.split()
        data = source.read(int(size))
        if len(data) < int(size):
            return
        arrays: list[NDArray[Any]] = []
        try:
            arrays = DECODERS[kind.decode()](data)
            parts = [{"dtype": one.dtype.str, "shape": one.shape, "bytes": one.nbytes} for one in arrays]
            answer: dict[str, Any] = {"arrays": parts}
        except Excluded as excluded:
            answer = {"reason": str(excluded)}
        except MemoryError:
            answer = {"reason": "takes too much memory to decode"}
        except Exception as error:  # decoders raise whatever they like; one bad file stops nothing
            answer = {"reason": reason(error)}
        head = json.dumps(answer).encode()
        target.write(len(head).to_bytes(4, "big") + head)
        if "arrays" in answer:
            for one in arrays:
                target.write(np.ascontiguousarray(one).data.cast("B"))
        target.flush()


def decode_dicom(data: bytes) -> list[NDArray[Any]]:
    """Return the stored numbers of a DICOM file, of all its frames."""
    import pydicom
    from pydicom.pixels import pixel_array

    return [pixel_array(pydicom.dcmread(io.BytesIO(data), force=True))]


def decode_tiff(data: bytes) -> list[NDArray[Any]]:
    """Return the pages of a TIFF as a viewer shows them."""
    from hemo.imaging.tiff import pages

    return pages(data)


def decode_png(data: bytes) -> list[NDArray[Any]]:
    """Return the pixels of a PNG as stored."""
    import imagecodecs

    return [imagecodecs.png_decode(data)]


DECODERS: Final = {"dicom": decode_dicom, "tiff": decode_tiff, "png": decode_png}
