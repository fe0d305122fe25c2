"""What each idea adds on real scans: out-of-fold figures with intervals by patient, an idea a row.

    python -m benchmarks.ladder STORE [FILE.csv] [SEED ...] [--bone STORE] [--phantom STORE] [--only WORD]

STORE is a slice store of 256 pixels with one window; that of `--bone` has the same slices in brain and bone
window (made with the same key), that of `--phantom` has 256 pixels and one window. An idea whose store, or
whose package, is not there is left out. The figures of an idea on a label are written as soon as they are
there, and not computed again when the same command goes on. At the end the table of the ladder is printed,
the mean over the seeds that are there.
"""

import sys
import time
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, cast

import cv2
import numpy as np
import pandas as pd

from benchmarks import ladder_features
from benchmarks.ladder_features import Features
from benchmarks.ladder_models import out_of_fold
from hemo import families
from hemo.console import err
from hemo.errors import HemoError
from hemo.evaluation import intervals
from hemo.evaluation.operating_point import OperatingPointRule
from hemo.evaluation.protocols import Protocol
from hemo.labels import LABELS
from hemo.slices.context import label_table
from hemo.slices.split import make_split
from hemo.slices.store import SliceStore
from hemo.training import Plan, Training, train, train_together

FOLDS = 5
RULE = OperatingPointRule("sensitivity_at_least", 0.85)
POSITIVE_PATIENTS = 5
"""Fewer patients with a label say nothing that a ladder could show."""

ALONE: dict[str, Any] = {"any": 0, "neighbours": 0, "study": 0}
TWO: dict[str, Any] = {"boosted": {}, "transfer": {}}
THREE: dict[str, Any] = {"boosted": {}, "sequence": {}, "transfer": {}}
BOTH_WAYS: dict[str, Any] = {**THREE, "transfer": {"mirrored": True}}
"""The recipe's members but for the markers; in `THREE` the frozen network sees slices one way round only."""

CNN: dict[str, Any] = {
    "filters": (16, 32, 64, 64), "pooling": "average", "batch_norm": True, "optimizer": "adam",
    "class_weight": "balanced", "epochs": 6,
}  # fmt: skip
"""A network that a small store can train: 60,000 weights, at 64 pixels."""

TUNED: dict[str, Any] = {"size": 128, "epochs": 4, "copies": 1}
"""Fine-tuning made cheap enough to be measured fold by fold."""

IDEAS: dict[str, tuple[str, dict[str, Any]]] = {
    "the recipe": ("ensemble", {}),
    "without marked blood": ("ensemble", {"members": BOTH_WAYS}),
    "without marked blood, one way round": ("ensemble", {"members": THREE}),
    "marked blood": ("lesions", {}),
    "frozen features": ("transfer", {}),
    "radiological features": ("boosted", {}),
    "sequence": ("sequence", {}),
    "vote of two": ("ensemble", {**ALONE, "members": TWO}),
    "vote of three": ("ensemble", {**ALONE, "members": THREE}),
    "and neighbours": ("ensemble", {"any": 0, "study": 0, "members": THREE}),
    "and study": ("ensemble", {"any": 0, "members": THREE}),
    "frozen features, dense head": ("transfer", {"hidden": 32}),
    "fine-tuned": ("finetune", {**TUNED, "augmentation": 0.0}),
    "fine-tuned, augmented": ("finetune", TUNED),
    "fine-tuned, pretrained on the phantom": ("finetune", {**TUNED, "weights": "phantom"}),
    "frozen features, pretrained on the phantom": ("transfer", {"weights": "phantom"}),
    "one network for all labels": ("multilabel", {**TUNED, "augmentation": 0.0}),
    "one network for all labels, augmented": ("multilabel", TUNED),
    "convolutional network": ("cnn", CNN),
    "convolutional network, augmented": ("cnn", {**CNN, "augmentation": 0.5}),
    "convolutional network, pretrained on the phantom": ("cnn", {**CNN, "pretrained": "phantom"}),
    "stacked": ("ensemble", {"how": "stack", "members": THREE}),
}
"""Ideas by name: a family and what of its parameters differs."""

COSTLY = ("cnn", "finetune")
"""Families that train a network for each label: measured on `any` alone."""

FIGURES = ("auc", "recall_at_specificity_80", "recall", "specificity")


class Ladder:
    """The stores that ideas are measured on.

    Parameters
    ----------
    store
        Slices of 256 pixels.
    bone, phantom
        Folders of the other stores, where there are any.
    """

    def __init__(self, store: SliceStore, bone: Path | None = None, phantom: Path | None = None) -> None:
        self.store, self.phantom = store, phantom
        self.features = cache(lambda: Features(store, bone))
        self.small = cache(lambda: cast(SliceStore, Small(store)))
        self.pretrained = cache(self._pretrained)
        self._together: dict[tuple[str, int], Mapping[str, Any]] = {}

    def predictions(self, idea: str, plan: Plan, label: str) -> pd.DataFrame:
        """Return the out-of-fold prediction table of an idea for a label."""
        if idea in ladder_features.IDEAS:
            name, fit, sampling = ladder_features.IDEAS[idea]
            return out_of_fold(self.store, plan, label, self.features()(name), fit, sampling)
        family, params = IDEAS[idea]
        if families.get(family).together:
            key = (idea, plan.seed)
            if key not in self._together:
                self._together[key] = train_together(Training(self.store, plan, family, "any", params))
            result = self._together[key][label]
            if isinstance(result, HemoError):
                raise result
            return result.predictions
        if "pretrained" in params:
            params = {**params, "pretrained": self.pretrained(label)}
        if params.get("weights") == "phantom":
            params = {**params, "weights": self.pretrained("backbone")}
        store = self.small() if family == "cnn" else self.store
        return train(Training(store, plan, family, label, params), refit=False).predictions

    def _pretrained(self, what: str) -> str:
        """Return the folder of what was trained on the phantom: a `cnn` for a label, or a `backbone`."""
        if self.phantom is None:
            raise FileNotFoundError("no store of the phantom was given")
        store = SliceStore.open(self.phantom)
        plan = Plan(make_split(store.index, Protocol.HOLDOUT, 0), "natural", RULE, 1, 0)
        folder = Path(mkdtemp()) / what
        if what == "backbone":
            truth = label_table(store.index, np.arange(len(store)))
            network = families.build("multilabel", TUNED)
            families.save(network.fit(store.images(), truth), "multilabel", folder)
        else:
            small = cast(SliceStore, Small(store))
            families.save(train(Training(small, plan, "cnn", what, CNN)).classifier, "cnn", folder)
        return str(folder)


class Small:
    """A store's slices at 64 pixels, for networks that are trained on pixels."""

    def __init__(self, store: SliceStore) -> None:
        self.index, self.stack = store.index, store.stack
        images = store.images()[..., 0]
        self._images = np.stack([cv2.resize(one, (64, 64), interpolation=cv2.INTER_AREA) for one in images])

    def __len__(self) -> int:
        return len(self.index)

    def images(self, rows: Any) -> Any:
        """Return slices, uint8 (n, 64, 64, 1)."""
        return self._images[rows][..., None]


def climb(ladder: Ladder, file: Path, seeds: list[int], only: str = "") -> pd.DataFrame:
    """Train what the file does not have yet; return all of it, a row an idea, label and seed."""
    index = ladder.store.index
    for seed in seeds:
        plan = Plan(make_split(index, Protocol.CV, seed, folds=FOLDS), "natural", RULE, 1, seed)
        for idea, label in _missing(index, file, seed, only):
            start = time.perf_counter()
            try:
                table = ladder.predictions(idea, plan, label)
            except FileNotFoundError as reason:
                err.print(f"{idea}: {reason}: left out")
                continue
            found = intervals.bootstrap(table, draws=1000, seed=seed, metrics=FIGURES).set_index("metric")
            seconds = time.perf_counter() - start
            row: dict[str, object] = {"idea": idea, "label": label, "seed": seed, "seconds": seconds}
            for name in FIGURES:
                for suffix, column in (("", "value"), ("_low", "low"), ("_high", "high")):
                    row[name + suffix] = found.loc[name, column]
            pd.DataFrame([row]).to_csv(file, mode="a", header=not file.exists(), index=False)
    return pd.read_csv(file)


def _missing(index: pd.DataFrame, file: Path, seed: int, only: str) -> Iterator[tuple[str, str]]:
    """Yield idea and label of what the file does not have."""
    done = pd.read_csv(file) if file.exists() else pd.DataFrame(columns=["idea", "label", "seed"])
    has = set(zip(done["idea"], done["label"], done["seed"], strict=True))
    labels = [x for x in LABELS if index.loc[index[x] == 1, "patient"].nunique() >= POSITIVE_PATIENTS]
    for idea in (*IDEAS, *ladder_features.IDEAS):
        few = idea in IDEAS and IDEAS[idea][0] in COSTLY
        for label in labels[:1] if few else labels:
            if only in idea and (idea, label, seed) not in has:
                yield idea, label


def table(rows: pd.DataFrame) -> str:
    """Return the ladder as a Markdown table: AUC with interval by label, their mean, recall of `any`."""
    labels = [label for label in LABELS if label in set(rows["label"])]
    lines = []
    for idea in (*IDEAS, *ladder_features.IDEAS):
        here = rows[rows["idea"] == idea]
        if "any" not in set(here["label"]):
            continue
        mean = here.groupby("label").mean(numeric_only=True)
        cells = [
            "{auc:.3f} ({auc_low:.2f}-{auc_high:.2f})".format_map(mean.loc[one].to_dict())
            if one in mean.index
            else ""
            for one in labels
        ]
        all_labels = f"{mean['auc'].mean():.3f}" if len(mean) == len(labels) else ""
        recall = "{recall_at_specificity_80:.2f}".format_map(mean.loc["any"].to_dict())
        point = "{recall:.2f} at {specificity:.2f}".format_map(mean.loc["any"].to_dict())
        seeds = str(here.groupby("label").size().min())
        lines.append((idea, *cells, all_labels, recall, point, seeds))
    heads = ("idea", *labels, "mean", "any: recall at specificity 0.80", "any: operating point", "seeds")
    return "\n".join(f"| {' | '.join(line)} |" for line in (heads, ["---"] * len(heads), *lines))


def main(words: list[str]) -> None:
    """Climb the ladder on a store and print it."""
    named: dict[str, str] = {}
    while any(word.startswith("--") for word in words):
        at = next(place for place, word in enumerate(words) if word.startswith("--"))
        named[words[at]] = words[at + 1]
        words = words[:at] + words[at + 2 :]
    file = Path(words[1]) if len(words) > 1 else Path("ladder.csv")
    seeds = [int(word) for word in words[2:]] or [0, 1, 2]
    others = [Path(named[word]) if word in named else None for word in ("--bone", "--phantom")]
    ladder = Ladder(SliceStore.open(words[0]), *others)
    print(table(climb(ladder, file, seeds, named.get("--only", ""))))


if __name__ == "__main__":
    main(sys.argv[1:])
