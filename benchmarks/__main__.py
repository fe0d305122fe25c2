"""All benchmarks, one after the other: `python -m benchmarks [NAME ...]`, where NAME is reading, store, ...

Each is a process of its own and prints ratios within one run. The long ones, `memory` of reading and
`paper_scale`, are started by name.
"""

import subprocess
import sys
from pathlib import Path

from hemo.console import err

FOLDER = Path(__file__).parent


def main(words: list[str]) -> int:
    """Run the named benchmarks, or all; return 1 where one of them failed."""
    known = sorted(path.stem.removeprefix("bench_") for path in FOLDER.glob("bench_*.py"))
    unknown = [word for word in words if word not in known]
    if unknown:
        err.print(f"no benchmark '{unknown[0]}': choose of {', '.join(known)}")
        return 2
    failed = []
    for name in words or known:
        err.print(f"[bold]{name}[/bold]")
        if subprocess.run([sys.executable, "-m", f"benchmarks.bench_{name}"], check=False).returncode:
            failed.append(name)
    if failed:
        err.print(f"not as wanted: {', '.join(failed)}")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
