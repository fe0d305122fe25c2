"""The long form: `make fire`. It goes on where it was stopped; its table is docs/reliability.md's."""

import argparse
import logging
import sys
import warnings
from pathlib import Path

from tests.fire.hunt import FAULTS, Found, hunt
from tests.fire.targets import TARGETS

HEADER = (
    "| input | tried | read | refused | tracebacks | crashes | hangs | slow | memory | most s | most MB |"
)


def row(name: str, found: Found) -> str:
    """Return a class's line of the table."""
    counts = [found.counts[word] for word in ("read", "refused", *FAULTS[:-1])]
    cells = [name, f"{found.done:,}", *(f"{count:,}" for count in counts)]
    return f"| {' | '.join(cells)} | {found.seconds:.1f} | {found.mb:.0f} |"


def main() -> int:
    """Try all classes and print the table; 1 where there was a finding."""
    parser = argparse.ArgumentParser(prog="python -m tests.fire", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="what all inputs follow from (default: 1)")
    parser.add_argument("--share", type=float, default=1.0, help="part of the numbers (default: 1)")
    parser.add_argument("--only", default="", help="classes whose names begin so")
    parser.add_argument("--notes", type=Path, default=Path("build/fire"), help="where it notes how far it is")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    lines, found_any = [HEADER, "|---" * 11 + "|"], False
    for place, (target, count) in enumerate(TARGETS.items()):
        if not target.name.startswith(given.only):
            continue
        found = hunt(target, int(count * given.share), given.seed, given.notes / f"{place}.json")
        lines.append(row(target.name, found))
        print(lines[-1], file=sys.stderr, flush=True)
        for number, happened in found.findings:
            found_any = True
            print(f"  {target.name}, seed {given.seed}, number {number}: {happened}", file=sys.stderr)
    print("\n".join(lines))
    return int(found_any)


if __name__ == "__main__":
    sys.exit(main())
