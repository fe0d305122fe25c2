"""What is kept of each slice beside its image."""

import subprocess
import sys
from typing import Any

import pyarrow as pa
import pytest

from hemo.slices.arrays import array
from tests.helpers.folders import dicom_folder

VALUES: dict[pa.DataType, list[Any]] = {
    pa.string(): ["a", "", "zwölf", None, "b" * 300],
    pa.list_(pa.int64()): [[1, -(2**63)], [], None, [2**63 - 1]],
    pa.bool_(): [True, False, None, True, True, False, None, False, True],
    pa.float64(): [0.5, None, -2.0],
    pa.int64(): [1, 2**62, -3],
    pa.int32(): [-1, 7],
}


@pytest.mark.parametrize("kind", VALUES, ids=str)
def test_arrays_made_of_buffers_equal_arrows_own(kind):
    for values in (
        VALUES[kind],
        [v for v in VALUES[kind] if v is not None],
        [None, None],
        [],
        VALUES[kind] * 9,
    ):
        made = array(values, kind)
        made.validate(full=True)
        assert made.equals(pa.array(values, kind))


def test_writing_a_shard_does_not_wait_for_pandas_to_be_imported(tmp_path):
    dicom_folder(tmp_path / "scans")
    (tmp_path / "shards").mkdir()
    program = f"""
import sys
from pathlib import Path
import hemo.slices.workers
from hemo.imaging.reduction import Reduction
from hemo.slices.shards import ShardTask, write_shard
from hemo.slices.sources import find_sources

place = Path({str(tmp_path)!r})
sources = tuple(find_sources(place / "scans", ("brain",)))
write_shard(ShardTask(0, place / "shards", sources, Reduction(size=16), b"k" * 32))
print((place / "shards" / "00000.npy").exists(), "pandas" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "True False\n"
