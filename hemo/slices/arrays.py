"""Arrow arrays of Python values and back, without what takes long to import."""

from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray


def array(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    """Return an Arrow array of one of the types of `RECORD`, None being null.

    Made of buffers, since `pa.array` imports pandas, which takes as long as a worker's whole start.
    """
    valid = None if None not in values else _bits(np.array([value is not None for value in values], bool))
    if pa.types.is_list(kind):
        lists = [value or [] for value in values]
        items = array(list(chain.from_iterable(lists)), kind.value_type)
        return pa.Array.from_buffers(kind, len(values), [valid, _ends(lists)], children=[items])
    if pa.types.is_string(kind):
        texts = [(value or "").encode() for value in values]
        buffers = [valid, _ends(texts), pa.py_buffer(b"".join(texts))]
    elif pa.types.is_boolean(kind):
        buffers = [valid, _bits(np.array(values, bool))]
    else:
        numbers = np.array(values if valid is None else [value or 0 for value in values], str(kind))
        buffers = [valid, pa.py_buffer(numbers)]
    return pa.Array.from_buffers(kind, len(values), buffers)


def _bits(values: NDArray[np.bool_]) -> pa.Buffer:
    return pa.py_buffer(np.packbits(values, bitorder="little"))


def _ends(values: Sequence[Sequence[Any]]) -> pa.Buffer:
    """Return where each of some values ends that lie one behind another, after a 0 for the first's start."""
    return pa.py_buffer(np.cumsum([0, *map(len, values)], dtype=np.int32))


def matrix(column: pa.ChunkedArray) -> NDArray[np.int64]:
    """Return lists of one length as an array (n, length); shorter ones are filled up with 0."""
    flat = column.combine_chunks()
    if isinstance(flat, pa.ChunkedArray):
        flat = pa.concat_arrays(flat.chunks) if flat.num_chunks else pa.array([], column.type)
    lengths = np.diff(flat.offsets.to_numpy())
    values = flat.flatten().to_numpy(zero_copy_only=False)
    width = int(lengths.max()) if len(lengths) else 0
    if (lengths == width).all():
        return values.reshape(len(lengths), width)
    result = np.zeros((len(lengths), width), np.int64)
    result[np.arange(width) < lengths[:, None]] = values
    return result
