"""A store of RSNA's size: opening it, random balanced batches, and memory that does not grow with it.

`python -m benchmarks.bench_store [SLICES]`: 752,803 slices take 12 GB of disk while it runs.
"""

import json
import shutil
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd
import psutil

from hemo.console import out
from hemo.display.terminal import table
from hemo.imaging.reduction import Reduction
from hemo.labels import LABELS
from hemo.slices.facts import label_counts
from hemo.slices.shards import npy_header, shard_path
from hemo.slices.store import KEYED, SCHEMA, SliceStore
from hemo.slices.writing import replace_text

RSNA = 752_803
"""Slices of the RSNA 2019 training set."""

SHARD = 8192
SIZE = 128
BATCH = 128
PREVALENCE = 0.14
"""Of `any` in the RSNA data."""


def make_store(folder: Path, slices: int) -> None:
    """Write a store of random slices directly, in the layout that `preprocess` writes."""
    rng = np.random.default_rng(0)
    shards = folder / "shards"
    shards.mkdir(parents=True)
    block = rng.integers(0, 256, (SHARD, SIZE, SIZE, 1), np.uint8)
    for number in range(-(-slices // SHARD)):
        count = min(SHARD, slices - number * SHARD)
        with shard_path(shards, number).open("wb") as stream:
            stream.write(npy_header(count, block.shape[1:]))
            block[:, 0, 0, 0] = number
            stream.write(block[:count].data)
    rows = np.arange(slices)
    index = pd.DataFrame(
        {
            "slice_id": [f"ID_{row:09x}" for row in rows],
            "patient": [f"{row // 40:016x}" for row in rows],
            "study": [f"{row // 35:016x}" for row in rows],
            "stack": (rows // 35).astype(np.int32),
            "position": rows % 35 * 5.0,
            "digest": [f"{row:032x}" for row in rows],
            **dict.fromkeys(LABELS, np.int8(0)),
            "shard": (rows // SHARD).astype(np.int32),
            "row": (rows % SHARD).astype(np.int32),
        }
    )
    for label in LABELS:
        index[label] = (rng.random(slices) < PREVALENCE).astype(np.int8)
    describe(folder, index)


def describe(folder: Path, index: pd.DataFrame) -> None:
    """Write what makes shards a store: its index and facts."""
    index.to_parquet(folder / "index.parquet", index=False)
    replace_text(folder / "exclusions.csv", "file,reason\n")
    facts = {
        "schema": SCHEMA, "slice_ids": KEYED, "reduction": Reduction(size=SIZE, crop=False).to_json(),
        "key": "", "slices": len(index), "digest": f"{len(index):032d}",
        "patients": int(index["patient"].nunique()), "studies": int(index["study"].nunique()),
        "patients_known": True, "labels": label_counts(index), "excluded": {}, "unmatched": 0,
    }  # fmt: skip
    replace_text(folder / "store.json", json.dumps(facts))


def resident() -> float:
    """Return this process's resident memory in MB."""
    return psutil.Process().memory_info().rss / 1e6


def read_batches(store: SliceStore, batches: int) -> tuple[float, float]:
    """Return slices read a second of wall and of CPU time, in random batches, half positive for `any`."""
    y = store.column("any")
    positive, negative = np.flatnonzero(y == 1), np.flatnonzero(y == 0)
    rng = np.random.default_rng(1)
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(batches):
        rows = np.r_[rng.choice(positive, BATCH // 2), rng.choice(negative, BATCH // 2)]
        store.images(rng.permutation(rows))
    count = batches * BATCH
    return count / (time.perf_counter() - wall), count / (time.process_time() - cpu)


def warm(folder: Path) -> None:
    """Read every shard once, so that the page cache holds what it has room for."""
    buffer = bytearray(1 << 22)
    for path in sorted(folder.glob("shards/*.npy")):
        with path.open("rb", buffering=0) as stream:
            while stream.readinto(buffer):
                pass


def measure(folder: Path) -> dict[str, float]:
    """Open a store and read from it, in a process of its own for its memory to be its own."""
    start = time.perf_counter()
    store = SliceStore.open(folder)
    store.column("any")
    opened = time.perf_counter() - start
    read_batches(store, 20)
    early = resident()
    warm(folder)
    wall, cpu = read_batches(store, 1000)
    return {"open": opened, "wall": wall, "cpu": cpu, "grown": resident() - early, "resident": resident()}


def main(slices: int = RSNA) -> dict[str, float]:
    """Make a store, measure it beside one of a tenth of its size, print both, and remove them."""
    place = Path(tempfile.mkdtemp(prefix="hemo-bench-"))
    results = {}
    try:
        for count in (slices // 10, slices):
            make_store(place / str(count), count)
            with ProcessPoolExecutor(1, get_context("spawn")) as pool:
                results[count] = pool.submit(measure, place / str(count)).result()
    finally:
        shutil.rmtree(place, ignore_errors=True)
    header = ["slices", "opened in s", "slices/s", "slices/s of CPU time", "resident MB", "grown by MB"]
    forms = {"open": ".2f", "wall": ",.0f", "cpu": ",.0f", "resident": ".0f", "grown": ".1f"}
    rows = [
        (f"{count:,}", *(f"{r[name]:{form}}" for name, form in forms.items())) for count, r in results.items()
    ]
    out.print(table("Random balanced batches of 128 from a store in the page cache", header, rows))
    return results[slices]


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else RSNA)
