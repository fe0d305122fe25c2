"""A phantom in CQ500's shape goes from files to a promoted panel that answers, by the README's commands.

`python -m benchmarks.bench_cq500 [PATIENTS] [FOLDER]`: 80 by default. Studies lie in CQ500's folders, and
three readers who err say what each of them shows, in a table with CQ500's columns: no slice is labelled. Each
reader errs about each subtype of a study by chance, independently of the others, at the rates of `WRONG`.
Each command is printed with what it says. Wanted: `logreg` is skipped in a line, `mil` is promoted for a
label or more, and the panel answers for a study; of a slice alone it says why it does not.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd

from hemo.console import out
from tests.helpers.cq500 import as_cq500

PATIENTS = 80
WRONG = (0.02, 0.05, 0.1)
"""How often each of the three readers errs about a subtype of a study."""

EXPERIMENT = """\
name: cq500
folds: 3
draws: 500
reduction: {size: 64}
gate: {min_recall_low: 0.4, min_specificity_low: 0.3}
families:
  logreg: {}
  mil: {}
"""
"""Three folds and small pictures, since this is a demonstration; a gate that so few studies can pass."""


def run(folder: Path, *words: str) -> str:
    """Run a command in a folder and print it with what it says, which is returned.

    Raises
    ------
    SystemExit
        If it fails.
    """
    out.print(f"$ hemo {' '.join(words)}", markup=False)
    done = subprocess.run(
        [sys.executable, "-m", "hemo", *words], cwd=folder, capture_output=True, text=True, check=False
    )
    said = done.stdout + done.stderr
    out.print(said, markup=False, soft_wrap=True)
    if done.returncode:
        raise SystemExit(f"hemo {words[0]} ended with status {done.returncode}")
    return said


def main(patients: int = PATIENTS, where: str = "") -> int:
    """Go the whole way; return 1 if something was not as wanted."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(where or scratch).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        return go(folder, patients)


def go(folder: Path, patients: int) -> int:
    """Go the whole way in a folder."""
    run(folder, "phantom", "--out", "made", "--patients", str(patients), "--size", "128", "--slices", "12")
    (folder / "made" / "labels.csv").rename(folder / "real.csv")
    reads, _ = as_cq500(folder / "made", folder / "real.csv", WRONG)
    (folder / "cq500.yaml").write_text(EXPERIMENT)
    run(folder, "preprocess", "--images", "made", "--labels", reads.name, "--store", "store", "--size", "64")
    said = run(folder, "main", "--experiment", "cq500.yaml", "--store", "store")
    wanted = {
        "logreg is skipped": "skipped: logreg" in said,
        "a label is promoted": "passed every condition" in said,
    }
    study = min(path for path in (folder / "made").iterdir() if path.is_dir())
    some = sorted(str(path.relative_to(folder)) for path in study.rglob("*.dcm"))
    run(folder, "predict", *some, "--out", "predictions.csv")
    run(folder, "predict", *some, "--out", "predictions.html")
    run(folder, "predict", some[len(some) // 2], "--out", "alone.csv")
    whole, alone = (pd.read_csv(folder / name).iloc[0] for name in ("predictions.csv", "alone.csv"))
    wanted["a study is answered"] = bool(whole.filter(like="_probability").notna().any())
    wanted["of a slice alone it is said why not"] = isinstance(alone["unanswered"], str)
    for what, good in wanted.items():
        out.print(f"{'yes' if good else 'NO'}: {what}")
    return int(not all(wanted.values()))


if __name__ == "__main__":
    words = sys.argv[1:]
    sys.exit(main(int(words[0]) if words else PATIENTS, *words[1:2]))
