"""What a run of mutmut left: how many mutants of each module were killed, and which survived."""

import json
import sys
from collections import Counter
from pathlib import Path

MOST_SURVIVORS = 0.05
STATES = {None: "not run", 0: "survived", 1: "killed", 33: "untested", -24: "timeout", 36: "timeout"}
"""By mutmut's exit codes; what hangs or crashes is noticed as well."""


def main(folder: Path = Path("mutants/hemo")) -> int:
    """Print a row a module and a line a survivor; return 1 where a module has too many."""
    status = 0
    survivors: list[str] = []
    print(f"{'module':40} mutants killed timeout survived")
    for file in sorted(folder.rglob("*.py.meta")):
        codes = json.loads(file.read_text())["exit_code_by_key"]
        if not codes:
            continue
        found = Counter(STATES.get(code, "killed") for code in codes.values())
        left = [name for name, code in codes.items() if code in (0, 33, None)]
        survivors += left
        share = len(left) / len(codes)
        status |= share > MOST_SURVIVORS
        module = file.relative_to(folder.parent).as_posix().removesuffix(".meta")
        row = f"{len(codes):7} {found['killed']:6} {found['timeout']:7} {len(left):8}"
        print(f"{module:40} {row} ({share:.1%})")
    print(*(f"survived: {name}" for name in survivors), sep="\n")
    return int(status)


if __name__ == "__main__":
    sys.exit(main())
