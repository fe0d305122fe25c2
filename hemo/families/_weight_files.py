"""Read the arrays of a file of weights without PyTorch, and without running its pickle's code.

Three formats. safetensors. `torch.save` since 1.6: a zip archive with the pickled dictionary, whose tensors
name their storages (`data.pkl`), and each storage's raw bytes (`data/<key>`). And before: three small
pickles, the pickled dictionary, the pickled list of storages' keys, and each storage's number of elements and
raw bytes, in that order.
"""

import math
import pickle
import pickletools
import zipfile
from collections import OrderedDict
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from hemo.errors import HemoError

MAGIC = 0x1950A86A20F9469CFC6C
"""`torch.serialization.MAGIC_NUMBER`."""

MOST_PLACES = 1 << 20
"""Things that a pickle of a network's weights may keep to name them again."""

MOST = 200
"""Letters of a reason."""

DTYPES = {
    "FloatStorage": np.dtype("<f4"),
    "DoubleStorage": np.dtype("<f8"),
    "HalfStorage": np.dtype("<f2"),
    "LongStorage": np.dtype("<i8"),
    "IntStorage": np.dtype("<i4"),
    "ByteStorage": np.dtype("u1"),
    "BoolStorage": np.dtype("?"),
}
"""Kinds of storage; of bfloat16, which NumPy does not know, nothing is read."""


class _Storage:
    """A storage that a tensor names; its data follow later in the file."""

    def __init__(self, dtype: np.dtype) -> None:
        self.dtype = dtype
        self.data: NDArray[Any] = np.empty(0, dtype)


class _Tensor:
    """A view of a storage; the arguments after the stride are of no use here."""

    def __init__(self, storage: _Storage, offset: int, shape: tuple, stride: tuple, *_: Any) -> None:
        self.storage, self.offset, self.shape, self.stride = storage, offset, shape, stride

    def array(self) -> NDArray[Any]:
        """Return what it shows of its storage; ValueError where that reaches beyond it."""
        lengths, steps = tuple(self.shape), tuple(self.stride)
        if not all(isinstance(one, int) and one >= 0 for one in (self.offset, *lengths, *steps)):
            raise ValueError("an offset, length or stride of a tensor is none")
        last = self.offset + sum((length - 1) * step for length, step in zip(lengths, steps, strict=True))
        if math.prod(lengths) > self.storage.data.size or (
            0 not in lengths and last >= self.storage.data.size
        ):
            raise ValueError("a tensor reaches beyond its storage")
        strides = tuple(step * self.storage.dtype.itemsize for step in self.stride)
        return np.lib.stride_tricks.as_strided(self.storage.data[self.offset :], self.shape, strides).copy()


class _Reader(pickle.Unpickler):
    """An unpickler that knows a dictionary, tensors and their storages, and nothing else."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file)
        self.file = file
        self.storages: dict[str, _Storage] = {}

    def load(self) -> Any:
        """Return what is pickled; ValueError for a place beyond all sense, for which room would be made."""
        start = self.file.tell()
        for code, place, _ in pickletools.genops(self.file):
            if code.name in ("PUT", "LONG_BINPUT") and int(place or 0) > MOST_PLACES:
                raise ValueError("it keeps too many things")
        self.file.seek(start)
        return super().load()

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _Tensor
        if module == "torch" and name in DTYPES:
            return DTYPES[name]
        raise pickle.UnpicklingError(f"it names {module}.{name}")

    def persistent_load(self, pid: Any) -> _Storage:
        _, dtype, key, *_ = pid
        return self.storages.setdefault(key, _Storage(dtype))


def read_weights(path: Path) -> dict[str, NDArray[Any]]:
    """Return the arrays of a state dictionary by name.

    Raises
    ------
    HemoError
        If the file is no such dictionary, is cut short, or names anything but tensors.
    """
    try:
        if path.suffix == ".safetensors":
            from safetensors.numpy import load

            return dict(load(path.read_bytes()))
        tensors = _of_archive(path) if zipfile.is_zipfile(path) else _of_legacy(path)
        return {name: tensor.array() for name, tensor in tensors.items() if isinstance(tensor, _Tensor)}
    except Exception as fault:  # an unpickler raises whatever it likes
        reason = " ".join(str(fault).split())[:MOST] or type(fault).__name__
        raise HemoError(
            f"{path}: not a file of weights as PyTorch or safetensors write it ({reason}): give the "
            "published one"
        ) from None


def _of_legacy(path: Path) -> dict[str, Any]:
    """Return what a file of before 1.6 holds, with the storages' data."""
    with path.open("rb") as file:
        if _Reader(file).load() != MAGIC:
            raise pickle.UnpicklingError("it does not start as one")
        _Reader(file).load()
        _Reader(file).load()
        reader = _Reader(file)
        tensors = reader.load()
        for key in _Reader(file).load():
            storage = reader.storages[key]
            size = int.from_bytes(file.read(8), "little")
            if size * storage.dtype.itemsize > path.stat().st_size:
                raise ValueError("a storage is larger than the file")
            storage.data = np.frombuffer(file.read(size * storage.dtype.itemsize), storage.dtype, size)
    return dict(tensors)


def _of_archive(path: Path) -> dict[str, Any]:
    """Return what a file of 1.6 and later holds, with the storages' data."""
    with zipfile.ZipFile(path) as archive:
        # What is compressed could grow beyond all sense, and PyTorch compresses nothing.
        parts = archive.infolist()
        if any(one.compress_type != zipfile.ZIP_STORED for one in parts):
            raise ValueError("its parts are compressed")
        if sum(one.file_size for one in parts) > path.stat().st_size:
            raise ValueError("its parts are larger than the file")
        (named,) = (name for name in archive.namelist() if name.endswith("/data.pkl"))
        root = named.removesuffix("data.pkl")
        if f"{root}byteorder" in archive.namelist() and archive.read(f"{root}byteorder") != b"little":
            raise ValueError("its numbers are big-endian")
        reader = _Reader(BytesIO(archive.read(named)))
        tensors = reader.load()
        for key, storage in reader.storages.items():
            storage.data = np.frombuffer(archive.read(f"{root}data/{key}"), storage.dtype)
    return dict(tensors)
