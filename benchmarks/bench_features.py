"""Features of a frozen backbone: against its bare forward pass, and that no slice is computed twice.

`python -m benchmarks.bench_features [BACKBONE] [SLICES]`. Weights are drawn at random where there are none.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

SIZE = 192
LEAST_RATIO = 0.7
ROUNDS = 3

RESUMED = """
import sys
from benchmarks.bench_features import counted, fit, slices
with counted() as seen:
    fit(slices(int(sys.argv[2])), sys.argv[1])
print(sum(seen))
"""
"""What another process does that goes on with the same slices."""


def slices(count: int) -> np.ndarray:
    """Return slices of 128 pixels, the same in every process."""
    return np.random.default_rng(0).integers(0, 256, (count, 128, 128, 1), dtype=np.uint8)


@contextmanager
def counted() -> Iterator[list[int]]:
    """Give the list that the numbers of slices passed through a backbone go to."""
    from hemo.families._backbones import Backbone

    seen: list[int] = []
    run = Backbone.maps

    def maps(self: Backbone, images: np.ndarray, size: int) -> object:
        seen.append(len(images))
        return run(self, images, size)

    Backbone.maps = maps  # type: ignore[method-assign]
    try:
        yield seen
    finally:
        Backbone.maps = run  # type: ignore[method-assign]


def fit(images: np.ndarray, name: str, **params: object) -> None:
    """Fit a head on slices with every other one positive."""
    from hemo import families

    words = {"backbone": name, "size": SIZE, "max_iter": 20, **params}
    families.build("transfer", words).fit(images, np.arange(len(images)) % 2)


def throughput(name: str, count: int) -> float:
    """Print slices a second of both; return their ratio, the median of alternating rounds."""
    import tensorflow as tf

    from hemo.families._backbones import as_asked, backbone
    from hemo.families._embedding import BATCH, embed

    part = backbone(name, "none", 0)
    images = slices(count)
    ready = [as_asked(images[start : start + BATCH], SIZE) for start in range(0, count, BATCH)]
    bare = tf.function(lambda x: part.network(x, training=False))
    bare(ready[0])
    embed(part, images[:BATCH] + 1, SIZE)
    rates: list[tuple[float, float]] = []
    for number in range(ROUNDS):
        start = time.perf_counter()
        for batch in ready:
            bare(batch)
        middle = time.perf_counter()
        embed(part, images ^ np.uint8(number + 2), SIZE)  # slices that were not seen before
        end = time.perf_counter()
        rates.append((count / (middle - start), count / (end - middle)))
    ratio = float(np.median([ours / theirs for theirs, ours in rates]))
    theirs, ours = np.median(rates, axis=0)
    print(f"{name} at {SIZE} px: bare loop {theirs:.0f}, features {ours:.0f} slices/s, ratio {ratio:.2f}")
    return ratio


def main(name: str = "lite0", count: int = 256) -> int:
    """Run the benchmark; return 1 if a figure is not as wanted."""
    ratio = throughput(name, count)
    if name != "lite0":  # without published weights, none are kept on disk
        return int(ratio < LEAST_RATIO)
    images = slices(count)
    with tempfile.TemporaryDirectory() as cache:
        os.environ["HEMO_CACHE"] = cache
        computed = {}
        for what, chosen, params in (
            ("the first label", images[: count // 2], {}),
            ("another label, half of whose slices are new", images[count // 4 : 3 * count // 4], {}),
            ("a trial with another head", images[: count // 2], {"C": 0.1, "hidden": 8}),
        ):
            with counted() as seen:
                fit(chosen, name, **params)
            computed[what] = sum(seen)
        command = [sys.executable, "-c", RESUMED, name, str(count // 2)]
        resumed = subprocess.run(command, capture_output=True, text=True, check=True)
        computed["a resumed run, in another process"] = int(resumed.stdout.split()[-1])
    for what, number in computed.items():
        print(f"{what}: {number} slices computed")
    wanted = [count // 2, count // 4, 0, 0]
    return int(ratio < LEAST_RATIO or list(computed.values()) != wanted)


if __name__ == "__main__":
    words = dict(zip(("name", "count"), sys.argv[1:], strict=False))
    sys.exit(main(words.get("name", "lite0"), int(words.get("count", 256))))
