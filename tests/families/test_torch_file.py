"""The reader of legacy PyTorch files shows what a file holds, and never what lies beside it in memory."""

import numpy as np
import pytest

from hemo.errors import HemoError
from hemo.families._torch_file import read_torch_file
from tests.fire.words import torch_file


def test_a_tensor_within_its_storage_is_read(tmp_path):
    (tmp_path / "w.pth").write_bytes(torch_file(4, (2, 3), (3, 1)))
    np.testing.assert_array_equal(read_torch_file(tmp_path / "w.pth")["w"], [[4, 5, 6], [7, 8, 9]])


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
    (tmp_path / "w.pth").write_bytes(torch_file(offset, shape, stride))
    with pytest.raises(HemoError, match=r"w\.pth: not a legacy PyTorch weights file"):
        read_torch_file(tmp_path / "w.pth")


@pytest.mark.parametrize("data", [
    torch_file(0, (1,), (1,), claimed=1 << 40),
    b"\x80\x02K\x01r\xff\xff\xff\x7f." * 4,
    b"\x80\x02" + b"]" * 100_000,
    b"",
])  # fmt: skip
def test_what_claims_room_that_it_does_not_fill_is_refused_before_it_is_made(tmp_path, data):
    (tmp_path / "w.pth").write_bytes(data)
    with pytest.raises(HemoError, match=r"w\.pth: not a legacy PyTorch weights file"):
        read_torch_file(tmp_path / "w.pth")
