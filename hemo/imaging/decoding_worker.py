"""The process that decodes for `hemo.imaging.decoding`: reads files from its input, writes arrays."""

import contextlib
import io
import json
import os
import sys
import warnings
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hemo.imaging.codestream import claimed_size
from hemo.imaging.faults import reason
from hemo.imaging.raw import Excluded

MEMORY: Final = 900 << 20
"""Bytes that a file may take beyond what the libraries do: what claims more than it holds ends here."""

SECONDS: Final = 10
"""Seconds of processor time of a file, whatever else the machine does: the largest takes half of them."""


def serve() -> None:
    """Decode files until the input ends: `KIND SIZE` and a line's end, then the file; answers follow each."""
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
        _bound(len(data))
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


def _bound(size: int) -> None:
    """Bound memory and processor time from here on, where the system has such bounds; a file took `size`."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        used = resource.getrusage(resource.RUSAGE_SELF)
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        most = pages * resource.getpagesize() - size + MEMORY
        seconds = int(used.ru_utime + used.ru_stime) + SECONDS + 1
        for kind, bound in (
            (resource.RLIMIT_AS, most),
            (resource.RLIMIT_CPU, seconds),
            (resource.RLIMIT_CORE, 0),
        ):
            hard = resource.getrlimit(kind)[1]
            resource.setrlimit(kind, (bound if hard == resource.RLIM_INFINITY else min(bound, hard), hard))


def decode_dicom(data: bytes) -> list[NDArray[Any]]:
    """Return the stored numbers of a DICOM file, of all its frames.

    Raises
    ------
    Excluded
        Where a compressed frame claims another size than the header: its decoder would believe it.
    """
    import pydicom
    from pydicom.encaps import generate_frames
    from pydicom.pixels import pixel_array

    dataset = pydicom.dcmread(io.BytesIO(data), force=True)
    said = (int(dataset.Rows), int(dataset.Columns))
    for frame in generate_frames(dataset.PixelData, number_of_frames=int(dataset.get("NumberOfFrames") or 1)):
        claimed = claimed_size(frame)
        if claimed not in (None, said):
            sizes = [f"{height}x{width}" for height, width in (claimed or said, said)]
            raise Excluded(f"its compressed data claim {sizes[0]} pixels where its header says {sizes[1]}")
    return [pixel_array(dataset)]


def decode_tiff(data: bytes) -> list[NDArray[Any]]:
    """Return the pages of a TIFF as a viewer shows them."""
    from hemo.imaging.tiff import pages

    return pages(data)


def decode_png(data: bytes) -> list[NDArray[Any]]:
    """Return the pixels of a PNG as stored."""
    import imagecodecs

    return [imagecodecs.png_decode(data)]


def weigh_parquet(data: bytes) -> list[NDArray[Any]]:
    """Return how many bytes a table in Parquet holds, counted where each value is still written once."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    names = pq.read_schema(pa.BufferReader(data)).names
    table = pq.read_table(pa.BufferReader(data), read_dictionary=names, use_threads=False)
    total = 0
    for column in table.columns:
        for chunk in column.chunks:
            if pa.types.is_dictionary(chunk.type):
                lengths = pc.binary_length(chunk.dictionary).take(chunk.indices)
                total += pc.sum(lengths).as_py() or 0
            else:
                total += chunk.nbytes
    return [np.array(total)]


DECODERS: Final = {"dicom": decode_dicom, "tiff": decode_tiff, "png": decode_png, "parquet": weigh_parquet}
