"""Kill a build of a store of phantom slices at ten random moments, go on each time, and compare.

`python -m benchmarks.bench_kill [SLICES]`: making the phantom takes most of the time.
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from hemo.console import out
from hemo.phantom import write
from hemo.slices.store import SliceStore

KILLS = 10
STUDY = 25
"""Slices of a phantom study."""


def command(place: Path, store: str) -> list[str]:
    """Return the command that builds a store with two workers."""
    words = ["--images", place / "images", "--store", place / store, "--workers", 2, "--key", place / "key"]
    return [sys.executable, "-m", "hemo", "preprocess", *(str(word) for word in words)]


def shards(store: Path) -> dict[str, tuple[int, int]]:
    """Return the finished shards with inode and time of change: a shard written anew has others."""
    found = (path.stat() for path in sorted(store.glob("shards/*.npy")))
    names = (path.name for path in sorted(store.glob("shards/*.npy")))
    return {name: (facts.st_ino, facts.st_mtime_ns) for name, facts in zip(names, found, strict=True)}


def main(slices: int = 5_000) -> None:
    """Build once undisturbed for the time it takes, then with kills spread over that time."""
    place = Path(tempfile.mkdtemp(prefix="hemo-bench-"))
    try:
        write(place / "images", patients=slices // STUDY, slices=STUDY, size=128, seed=0, workers=2)
        start = time.perf_counter()
        subprocess.run(command(place, "whole"), check=True, capture_output=True)
        seconds = time.perf_counter() - start
        draw, again = random.Random(0), 0
        for _ in range(KILLS):
            before = shards(place / "cut")
            process = subprocess.Popen(
                command(place, "cut"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            time.sleep(draw.uniform(0.3, 1) * seconds / 3)
            process.send_signal(signal.SIGKILL)
            process.wait()
            after = shards(place / "cut")
            again += sum(after.get(name) != facts for name, facts in before.items())
        subprocess.run(command(place, "cut"), check=True, capture_output=True)
        whole, cut = SliceStore.open(place / "whole"), SliceStore.open(place / "cut")
        stray = [name for _, _, names in os.walk(cut.folder) for name in names if name.endswith(".tmp")]
        same = "equal" if whole.digest == cut.digest else "DIFFERENT"
        out.print(
            f"{KILLS} kills over {slices:,} slices: digest {same}, "
            f"{again} finished shards written again, {len(stray)} stray files"
        )
    finally:
        shutil.rmtree(place)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5_000)
