"""The reader of weights shows what a file holds, never what lies beside it in memory, and runs nothing."""

import zipfile

import numpy as np
import pytest
import safetensors.numpy

from hemo.errors import HemoError
from hemo.families._weight_files import read_weights
from tests.fire.words import torch_archive, torch_file


def test_a_tensor_within_its_storage_is_read(tmp_path):
    for write in (torch_file, torch_archive):
        (tmp_path / "w.pth").write_bytes(write(4, (2, 3), (3, 1)))
        np.testing.assert_array_equal(read_weights(tmp_path / "w.pth")["w"], [[4, 5, 6], [7, 8, 9]])


@pytest.mark.parametrize(
    ("offset", "shape", "stride"),
    [
        (20, (2, 3), (3, 1)),
        (1 << 40, (1,), (1,)),
        (-8, (3,), (1,)),
        (0, (3,), (1 << 62,)),
        (0, (3,), (-1,)),
        (0, (1 << 20, 1 << 20), (0, 0)),
        (0, (3, 3), (1,)),
        (0, (-1,), (1,)),
    ],
)
def test_a_tensor_that_reaches_beyond_its_storage_is_refused(tmp_path, offset, shape, stride):
    for write in (torch_file, torch_archive):
        (tmp_path / "w.pth").write_bytes(write(offset, shape, stride))
        with pytest.raises(HemoError, match=r"w\.pth: not a file of weights"):
            read_weights(tmp_path / "w.pth")


@pytest.mark.parametrize("data", [
    torch_file(0, (1,), (1,), claimed=1 << 40),
    torch_archive(0, (1,), (1,), compression=zipfile.ZIP_DEFLATED),
    torch_archive(0, (24,), (1,), floats=12),
    b"\x80\x02K\x01r\xff\xff\xff\x7f." * 4,
    b"\x80\x02" + b"]" * 100_000,
    b"",
])  # fmt: skip
def test_what_claims_room_that_it_does_not_fill_is_refused_before_it_is_made(tmp_path, data):
    (tmp_path / "w.pth").write_bytes(data)
    with pytest.raises(HemoError, match=r"w\.pth: not a file of weights"):
        read_weights(tmp_path / "w.pth")


def test_safetensors_are_read_as_their_own_library_wrote_them(tmp_path):
    arrays: dict[str, np.ndarray] = {
        "a": np.arange(6, dtype=np.float32).reshape(2, 3),
        "b": np.array([7], np.int64),
    }
    file = tmp_path / "w.safetensors"
    safetensors.numpy.save_file(arrays, file)
    found = read_weights(file)
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)
    file.write_bytes(file.read_bytes()[:-4])
    with pytest.raises(HemoError, match=r"w\.safetensors: not a file of weights"):
        read_weights(file)
