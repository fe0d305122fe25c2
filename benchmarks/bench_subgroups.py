"""Is a scanner whose positives are missed found, and nothing claimed where there is none? On phantoms.

`python -m benchmarks.bench_subgroups [REPEATS]`: 200 take ten minutes. Phantoms of four scanners are read as
a hospital's files are, so that groups come from their headers; ages and sexes are dealt at random. In each
repeat a classifier judges their slices and studies, equally well on all scanners; then it misses the
positives of one.
"""

import sys
import tempfile
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from hemo.console import out, track
from hemo.display.subgroups import SURE
from hemo.display.terminal import table
from hemo.evaluation.predictions import study_table
from hemo.evaluation.subgroups import subgroups
from hemo.imaging import Reduction
from hemo.phantom import files
from hemo.slices.preprocess import preprocess

REPEATS: Final = 200
PATIENTS: Final = 150
BLEED: Final = 0.6
"""Share of patients with hemorrhage."""

AGES: Final = ("18 to 39", "40 to 64", "65 to 79", "80 and more")


def scanned(folder: Path) -> pd.DataFrame:
    """Return the groups of phantoms' patients, as their files' headers say, with ages and sexes."""
    files.write(folder / "phantom", patients=PATIENTS, slices=4, size=64, seed=0, workers=2)
    store = preprocess(folder / "phantom", None, folder / "store", Reduction(size=16)).store
    assert store.groups is not None
    random = np.random.default_rng(0)
    people = {
        "age": random.choice(AGES, len(store.groups)),
        "sex": random.choice(["female", "male"], len(store.groups)),
    }
    return store.groups.assign(**people)


def judged(groups: pd.DataFrame, seed: int, missed: str = "") -> pd.DataFrame:
    """Return predictions of 20 slices a patient; positives that the model `missed` scanned look clear."""
    random = np.random.default_rng(seed)
    patients = len(groups)
    code = np.repeat(np.arange(patients), 20)
    truth = (random.random(patients) < BLEED)[code] & (random.random(len(code)) < 0.3)
    seen = truth & (groups["model"].to_numpy() != missed)[code]
    score = 2.5 * seen + 0.7 * random.normal(size=patients)[code] + 0.7 * random.normal(size=len(code))
    names = groups.index.to_numpy()[code]
    return pd.DataFrame(
        {
            "slice_id": [f"s{row:05}" for row in range(len(code))],
            "patient": names,
            "study": names,
            "part": "test",
            "fold": 0,
            "truth": truth.astype(np.int8),
            "probability": 1 / (1 + np.exp(1.5 - score)),
            "threshold": 0.5,
        }
    )


def main(repeats: int = REPEATS) -> bool:
    """Print how often a planted scanner is found and how often a group is claimed; return whether rightly."""
    with tempfile.TemporaryDirectory() as scratch:
        groups = scanned(Path(scratch))
    counts = groups["model"].value_counts()
    worst = str(counts.index[-1])
    found, claimed, beside = 0, 0, 0
    for seed in track(iter(range(repeats)), "simulations", repeats):
        for missed in ("", worst):
            slices = judged(groups, seed, missed)
            rows = subgroups({"slice": slices, "study": study_table(slices)}, groups, draws=2, seed=seed)
            told = rows[rows["p_corrected"] < SURE]
            if not missed:
                claimed += len(told) > 0
                continue
            found += bool(((told["group"] == worst) & (told["metric"] == "recall")).any())
            beside += bool(told["attribute"].isin(["age", "sex"]).any())
    rows_shown = [
        (f"the scanner found ({counts.iloc[-1]} of {PATIENTS} patients)", f"{found / repeats:.1%}"),
        ("an age or a sex claimed beside it", f"{beside / repeats:.1%}"),
        ("a group claimed where none is worse", f"{claimed / repeats:.1%}"),
    ]
    out.print(
        table(f"Groups judged unlike others, of {repeats} simulations", ["what", "how often"], rows_shown)
    )
    return found / repeats >= 0.9 and claimed / repeats <= 0.05


if __name__ == "__main__":
    sys.exit(0 if main(int(sys.argv[1]) if len(sys.argv) > 1 else REPEATS) else 1)
