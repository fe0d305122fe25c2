"""Files as hospitals write them, by the thousand: each is read right, or excluded with a true reason.

`python -m benchmarks.bench_variations [--count 20000] [--seed 0] [--workers 2]`. The files are made from
seeds by `tests.helpers.variations`; SimpleITK, nibabel and Pillow confirm what is right where they can.
"""

import argparse
import re
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context

from hemo.console import out
from hemo.display.terminal import table
from tests.helpers.variations import variation
from tests.helpers.variations.judge import judge
from tests.helpers.variations.oracles import disagrees

PIECE = 250
"""Variations that a process makes at a time."""

SHOWN = 20


def fates(seeds: Iterable[int]) -> list[tuple[int, str, str, str, str]]:
    """Return of each seed's variation the kind, what hemo made of it, why, and what it was."""
    rows = []
    for seed in seeds:
        kind, one = variation(seed)
        fate, reason = judge(one)
        if fate != "wrong" and (word := disagrees(kind, one)):
            fate, reason = "wrong", f"another reader disagrees: {word}"
        rows.append((seed, kind, fate, reason, ", ".join(one.words)))
    return rows


def general(reason: str) -> str:
    """Return a reason without its numbers."""
    return re.sub(r"-?\d+(\.\d+)?(e[+-]?\d+)?", "N", re.sub(r" \(.*\)", "", reason))


def main() -> None:
    """Try variations and print what became of them; exit with status 1 where one is wrong."""
    parser = argparse.ArgumentParser()
    for word, default in (("--count", 20_000), ("--seed", 0), ("--workers", 2)):
        parser.add_argument(word, type=int, default=default)
    words = parser.parse_args()
    first = words.seed * 1_000_000
    pieces = [
        range(start, min(start + PIECE, first + words.count))
        for start in range(first, first + words.count, PIECE)
    ]
    with ProcessPoolExecutor(words.workers, get_context("spawn")) as pool:
        try:
            rows = [row for piece in pool.map(fates, pieces) for row in piece]
        except BrokenProcessPool:
            raise SystemExit("a file ended the process that read it") from None
    wrong = [row for row in rows if row[2] == "wrong"]
    for seed, kind, _, reason, what in wrong[:SHOWN]:
        out.print(f"seed {seed}: {kind}: {what}: {reason}", markup=False)
    reasons = Counter((row[1], general(row[3])) for row in rows if row[2] == "excluded")
    counts = Counter(row[1] for row in rows)
    shown = [
        (kind, reason, f"{count:,}", f"{count / counts[kind]:.1%}")
        for (kind, reason), count in sorted(reasons.items(), key=lambda item: (item[0][0], -item[1]))
    ]
    out.print(table("Excluded", ["file", "reason", "files", "of its kind"], shown))
    fate = Counter(row[2] for row in rows)
    out.print(
        f"{len(rows):,} variations from seed {words.seed}: {fate['read']:,} read right, "
        f"{fate['excluded']:,} excluded with a true reason, {fate['wrong']} wrong"
    )
    if wrong:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
