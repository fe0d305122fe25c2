"""Read the arrays of a legacy PyTorch weights file without PyTorch, and without running its pickle's code.

The format (`torch.save` before 1.6): three small pickles, the pickled dictionary whose tensors name their
storages, the pickled list of storages' keys, and each storage's number of elements and raw bytes, in that
order.
"""

import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from hemo.errors import HemoError

MAGIC = 0x1950A86A20F9469CFC6C
"""`torch.serialization.MAGIC_NUMBER`."""

DTYPES = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}


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
        strides = tuple(step * self.storage.dtype.itemsize for step in self.stride)
        return np.lib.stride_tricks.as_strided(self.storage.data[self.offset :], self.shape, strides).copy()


class _Reader(pickle.Unpickler):
    """An unpickler that knows a dictionary, tensors and their storages, and nothing else."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file)
        self.storages: dict[str, _Storage] = {}

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


def read_torch_file(path: Path) -> dict[str, NDArray[Any]]:
    """Return the arrays of a legacy state dictionary by name.

    Raises
    ------
    HemoError
        If the file is no such dictionary, is cut short, or names anything but tensors.
    """
    try:
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
                storage.data = np.frombuffer(file.read(size * storage.dtype.itemsize), storage.dtype, size)
            return {name: tensor.array() for name, tensor in tensors.items() if isinstance(tensor, _Tensor)}
    except (pickle.UnpicklingError, EOFError, ValueError, KeyError, TypeError, AttributeError) as fault:
        raise HemoError(
            f"{path}: not a legacy PyTorch weights file ({fault}): give the published one"
        ) from None
