"""Label tables against the truth of drawn folders: no label may be given to another slice.

`python -m benchmarks.bench_labels [WORLDS]`: 20,000 take an hour on two cores.
"""

import collections
import os
import shutil
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from hemo.console import out
from hemo.display.terminal import table
from tests.slices.test_label_worlds import check

WORLDS = 20_000


def outcome(seed: int) -> str:
    """Return what came of one drawn folder and its table."""
    folder = Path(tempfile.mkdtemp(prefix="hemo-labels-"))
    try:
        return check(folder, seed)
    except AssertionError as fault:
        return f"WRONG: {fault}"
    finally:
        shutil.rmtree(folder)


def main(worlds: int = WORLDS) -> dict[str, int]:
    """Draw folders, read them, and print how many tables were matched, refused and wrong."""
    with ProcessPoolExecutor(os.cpu_count(), get_context("spawn")) as pool:
        found = collections.Counter(pool.map(outcome, range(worlds), chunksize=16))
    rows = [(word, f"{count:,}", f"{count / worlds:.1%}") for word, count in found.most_common()]
    out.print(table(f"Label tables of {worlds:,} drawn folders", ["outcome", "folders", "share"], rows))
    return dict(found)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else WORLDS)
