"""The seed paper at its own scale, by one command: all solvers, its networks, its tables beside ours.

`python -m benchmarks.paper_scale [STORE]`. Without a store, phantom slices are drawn into one until each type
has 3,145 positive ones, which takes most of an hour; a store that is there is used again. Runs are logged to
the experiment `paper` of the project's tracking store; the run `paper` has the page.
"""

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.phantom_store import build
from hemo import config as configuration
from hemo import console, families, tracking
from hemo.comparison.paper import page, tables
from hemo.config import Experiment
from hemo.labels import LABELS
from hemo.runs.steps import make_trainings, train_all
from hemo.slices.store import SliceStore

EXPERIMENT = Path(__file__).parents[1] / "experiments" / "paper.yaml"

NETWORK_LABELS = ("any", "epidural")
"""Labels of the networks: a training of the convolutional one takes minutes."""

SLOW = ("logreg@sag", "logreg@saga", "logreg@unscaled")
"""Variants that do not converge in a thousand passes, or take needlessly many: how much slower is wanted."""

SLOW_LABELS = ("epidural",)

WANTED_MINUTES = 10
"""All solvers of the linear families on all labels, by two workers."""


def main(words: list[str]) -> int:
    """Train, compare with the paper, and print how long it took; status 1 where it took too long."""
    folder = Path(words[0] if words else "data/paper/store").resolve()
    config = configuration.load(EXPERIMENT, store=str(folder))
    store = build(folder, config.positives, size=192, slices=32, workers=config.workers)
    experiment = tracking.experiment_id(config.name)
    linear = {
        word: params
        for word, params in config.families.items()
        if not families.get(families.variant(word)[0]).neural
    }
    networks = {word: params for word, params in config.families.items() if word not in linear}
    slow = {word: linear.pop(word) for word in SLOW}
    with tracking.root_run(experiment, "paper scale", {"stage": "experiment", "protocol": "paper"}) as root:
        minutes = timed(config, store, linear, LABELS, experiment, root)
        timed(config, store, slow, SLOW_LABELS, experiment, root)
        timed(config, store, networks, NETWORK_LABELS, experiment, root)
        page.print_paper(tables.log_paper(config, experiment, root))
    console.out.print(
        f"{len(linear) * len(LABELS)} trainings of linear families took {minutes:.1f} minutes with "
        f"{config.workers} workers (wanted: under {WANTED_MINUTES})"
    )
    return int(minutes > WANTED_MINUTES)


def timed(
    config: Experiment,
    store: SliceStore,
    chosen: Mapping[str, Mapping[str, Any]],
    labels: tuple[str, ...],
    experiment: str,
    root: str,
) -> float:
    """Train families on labels in runs below `root`; return the minutes it took."""
    start = time.perf_counter()
    trainings = make_trainings(config, store, chosen, labels)
    train_all(trainings, experiment, root, config.workers, console.bar("training"))
    return (time.perf_counter() - start) / 60


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
