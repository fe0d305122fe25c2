"""What each idea adds on real scans: out-of-fold figures with intervals by patient, an idea a row.

    python -m benchmarks.ladder STORE [FILE.csv] [SEED ...]

STORE is a slice store of 256 pixels with one window. The figures of an idea on a label are written as soon as
they are there, and not computed again when the same command goes on. At the end the table of the ladder is
printed, the mean over the seeds that are there.
"""

import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd

from hemo.evaluation import intervals
from hemo.labels import LABELS
from hemo.slices.split import make_split
from hemo.slices.store import SliceStore
from hemo.training import Plan, train

FOLDS = 5
RULE = "sensitivity_at_least:0.85"
POSITIVE_PATIENTS = 5
"""Fewer patients with a label say nothing that a ladder could show."""

ALONE: dict[str, Any] = {"any": 0, "neighbours": 0, "study": 0}
TWO: dict[str, Any] = {"boosted": {}, "transfer": {}}

IDEAS: dict[str, tuple[str, dict[str, Any]]] = {
    "the recipe": ("ensemble", {}),
    "frozen features": ("transfer", {}),
    "radiological features": ("boosted", {}),
    "sequence": ("sequence", {}),
    "vote of two": ("ensemble", {**ALONE, "members": TWO}),
    "vote of three": ("ensemble", ALONE),
    "and neighbours": ("ensemble", {"any": 0, "study": 0}),
    "and study": ("ensemble", {"any": 0}),
    "stacked": ("ensemble", {"how": "stack"}),
}
"""Ideas by name: a family and what of its parameters differs."""

FIGURES = ("auc", "recall_at_specificity_80", "recall", "specificity")


def climb(store: SliceStore, file: Path, seeds: list[int]) -> pd.DataFrame:
    """Train what the file does not have yet; return all of it, a row an idea, label and seed."""
    done = pd.read_csv(file) if file.exists() else pd.DataFrame(columns=["idea", "label", "seed"])
    has = set(zip(done["idea"], done["label"], done["seed"], strict=True))
    index = store.index
    patients = {label: index.loc[index[label] == 1, "patient"].nunique() for label in LABELS}
    for seed in seeds:
        plan = Plan(make_split(index, "cv", seed, folds=FOLDS), "natural", RULE, 1, seed)
        for idea, (family, params) in IDEAS.items():
            for label in LABELS:
                if (idea, label, seed) in has or patients[label] < POSITIVE_PATIENTS:
                    continue
                start = time.perf_counter()
                table = train(store, plan, family, label, params, refit=False).predictions
                found = intervals.bootstrap(table, draws=1000, seed=seed, metrics=FIGURES).set_index("metric")
                row: dict[str, object] = {
                    "idea": idea,
                    "label": label,
                    "seed": seed,
                    "seconds": time.perf_counter() - start,
                }
                for name in FIGURES:
                    for suffix, column in (("", "value"), ("_low", "low"), ("_high", "high")):
                        row[name + suffix] = found.loc[name, column]
                pd.DataFrame([row]).to_csv(file, mode="a", header=not file.exists(), index=False)
    return pd.read_csv(file)


def table(rows: pd.DataFrame) -> str:
    """Return the ladder as a Markdown table: AUC with interval by label, their mean, recall of `any`."""
    labels = [label for label in LABELS if label in set(rows["label"])]
    lines = []
    for idea in IDEAS:
        here = rows[rows["idea"] == idea]
        if set(here["label"]) != set(labels):
            continue
        mean = here.groupby("label").mean(numeric_only=True).T
        cells = ["{auc:.3f} ({auc_low:.2f}-{auc_high:.2f})".format_map(mean[one].to_dict()) for one in labels]
        of_any = mean["any"].to_dict()
        recall = "{recall_at_specificity_80:.2f}".format_map(of_any)
        point = "{recall:.2f} at {specificity:.2f}".format_map(of_any)
        seeds = str(here.groupby("label").size().min())
        lines.append((idea, *cells, f"{mean.loc['auc'].mean():.3f}", recall, point, seeds))
    heads = ("idea", *labels, "mean", "any: recall at specificity 0.80", "any: operating point", "seeds")
    return "\n".join(f"| {' | '.join(line)} |" for line in (heads, ["---"] * len(heads), *lines))


def main(words: list[str]) -> None:
    """Climb the ladder on a store and print it."""
    file = Path(words[1]) if len(words) > 1 else Path("ladder.csv")
    seeds = [int(word) for word in words[2:]] or [0, 1, 2]
    print(table(climb(SliceStore.open(words[0]), file, seeds)))


if __name__ == "__main__":
    main(sys.argv[1:])
