"""Does the network wait for its slices? A step of `cnn` from the store beside one from memory.

`python -m benchmarks.bench_input [--turns 7]`. Both sides take turns in one process; ratios of wall time,
since it is waiting that is looked for. The order of slices is the same, and so must the weights be.
"""

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.bench_growth import make_store
from hemo import families
from hemo.console import out
from hemo.families.base import Slices
from hemo.slices.store import SliceStore
from hemo.slices.stored import StoredSlices

STEPS = 40
BATCH = 32


def seconds(images: Slices, truth: Any) -> tuple[float, Any]:
    """Return the seconds of a step of an epoch, and the weights behind it."""
    params = {**families.get("cnn").defaults, "epochs": 1, "batch_size": BATCH}
    network: Any = families.build("cnn", params, 0)
    noted: list[float] = []
    network.fit(images, truth, on_epoch=lambda *_: noted.append(time.perf_counter()))
    start = time.perf_counter()  # what is compiled is compiled by now
    network = families.build("cnn", params, 0)
    network.fit(images, truth, on_epoch=lambda *_: noted.append(time.perf_counter()))
    return (noted[-1] - start) / STEPS, network.network_.get_weights()


def main(words: list[str]) -> int:
    """Measure and print; return 1 where the store takes more than 1.05 times as long."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--turns", type=int, default=7)
    turns = parser.parse_args(words).turns
    with tempfile.TemporaryDirectory(prefix="hemo-input-") as scratch:
        folder = Path(scratch)
        make_store(folder / "store", 8_192, folder, 1)
        store = SliceStore.open(folder / "store")
        rows = np.random.default_rng(0).permutation(len(store))[: STEPS * BATCH]
        truth = store.column("any")[rows]
        sides: dict[str, Slices] = {"memory": store.images(rows), "store": StoredSlices(store, rows)}
        times: dict[str, list[float]] = {name: [] for name in sides}
        weights = {}
        for turn in range(turns):
            for name in sorted(sides, reverse=bool(turn % 2)):
                spent, weights[name] = seconds(sides[name], truth)
                times[name].append(spent)
        start = time.perf_counter()
        for first in range(0, len(rows), BATCH):
            sides["store"][np.arange(first, min(first + BATCH, len(rows)))]
        reading = (time.perf_counter() - start) / STEPS
    ratios = [one / other for one, other in zip(times["store"], times["memory"], strict=True)]
    apart = max(float(np.abs(a - b).max()) for a, b in zip(*weights.values(), strict=True))
    ratio = statistics.median(ratios)
    out.print(
        f"cnn, batches of {BATCH}: a step takes {statistics.median(times['memory']) * 1e3:.0f} ms, "
        f"{ratio:.3f} times that from the store (of {turns} turns {min(ratios):.3f} to {max(ratios):.3f}); "
        f"reading a batch takes {reading * 1e3:.2f} ms; weights differ by {apart:.1e} at most"
    )
    return int(ratio > 1.05)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
