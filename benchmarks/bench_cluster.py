"""What a run costs on N workers: a model fitted on small runs, held against another, asked for a cluster.

    python -m benchmarks.bench_cluster [--out cost.json]

A training takes seconds of its own (intervals, plots, its model) and seconds for each slice and fit (folds
and a refit); `hemo main` takes what its trainings take when they are dealt to the workers, longest first, and
what it does alone. With more workers than trainings folds are dealt, and then what is left of trainings.
Fitted on runs with 1 to 4 workers of this machine, each of one core; more workers than cores count as cores.
On a cluster each task is a process of its own, whose start is measured too.
"""

import heapq
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import click
import numpy as np
from mlflow.tracking import MlflowClient

from hemo.labels import LABELS

FAMILIES = ("boosted", "cnn", "logreg")
EPOCHS = 3

SIZE = 64

ROW_BYTES = 150
"""Of a slice in the index of a store, its pixels aside."""


@dataclass(frozen=True)
class Measured:
    """A run of `hemo main`: what it was of, how long it took, and how long each training did, in seconds.

    `artifacts` are the bytes of all experiments up to this one.
    """

    slices: int
    folds: int
    workers: int
    seconds: float
    trainings: Mapping[str, Sequence[float]]
    artifacts: int


@dataclass(frozen=True)
class Cost:
    """Seconds of a training by itself and per slice and fit, by family; of all else; of a process's start."""

    own: Mapping[str, float]
    per_fit: Mapping[str, float]
    alone: float
    start: float = 0.0

    def work(self, slices: int, folds: int, families: Mapping[str, int]) -> float:
        """Return the seconds of so many trainings of each family, of `folds` fits and a refit, on a core."""
        each = (
            count * (self.own[one] + self.per_fit[one] * slices * (folds + 1))
            for one, count in families.items()
        )
        return sum(each)

    def main(
        self, slices: int, folds: int, families: Mapping[str, int], workers: int, start: float = 0.0
    ) -> float:
        """Return the seconds of `hemo main` for so many trainings of each family."""
        fits = sum(families.values())
        parted = folds if workers > fits else 0
        of_folds, of_trainings = [], []
        for one, count in families.items():
            fit = self.per_fit[one] * slices
            of_folds += count * parted * [start + fit]
            of_trainings += count * [start + self.own[one] + fit * (folds + 1 - parted)]
        return self.alone + makespan(of_folds, workers) + makespan(of_trainings, workers)


def makespan(tasks: Sequence[float], workers: int) -> float:
    """Return when the last of the tasks ends, dealt longest first to whoever is free.

    >>> makespan([3, 2, 2], 2)
    4.0
    """
    free = [0.0] * workers
    for task in sorted(tasks, reverse=True):
        heapq.heapreplace(free, free[0] + task)
    return max(free)


def measure(folder: Path, patients: int, slices: int, folds: int, workers: int, number: int) -> Measured:
    """Run `hemo main` on a phantom."""
    scans, name = folder / f"phantom-{patients}-{slices}", f"cost-{number}"
    program = [sys.executable, "-m", "hemo"]
    environ = {
        **os.environ,
        "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/runs.db",
        "HEMO_CACHE": str(folder / name),
    }
    environ |= {"PYTHONPATH": str(Path(__file__).parents[1])}

    def hemo(*words: object) -> None:
        command = [*program, *map(str, words)]
        subprocess.run(command, cwd=folder, env=environ, check=True, capture_output=True)

    store = folder / f"store-{patients}-{slices}"
    if not store.exists():
        hemo("phantom", "--out", scans, "--patients", patients, "--slices", slices, "--size", 128)
        hemo(
            "preprocess",
            "--images",
            scans,
            "--labels",
            scans / "labels.csv",
            "--store",
            store,
            "--size",
            SIZE,
        )
    file = folder / f"{name}.yaml"
    file.write_text(
        f"name: {name}\nstore: {store}\nfolds: {folds}\nworkers: {workers}\ndraws: 500\nprotocol: cv\n"
        f"sampling: natural\nfamilies: {{boosted: , logreg: , cnn: {{epochs: {EPOCHS}}}}}\n"
    )
    start = time.monotonic()
    program[:0] = ["taskset", "-c", ",".join(map(str, sorted(os.sched_getaffinity(0))[:workers]))]
    hemo("main", "--experiment", file)
    seconds = time.monotonic() - start
    client = MlflowClient(f"sqlite:///{folder}/runs.db")
    experiment = client.get_experiment_by_name(name)
    assert experiment
    runs = client.search_runs([experiment.experiment_id], "tags.stage = 'train'")
    trainings: dict[str, list[float]] = {}
    for run in runs:
        took = (run.info.end_time - run.info.start_time) / 1000
        trainings.setdefault(run.data.tags["family"], []).append(took)
    size = sum(path.stat().st_size for path in (folder / "mlruns").rglob("*") if path.is_file())
    count = json.loads((store / "store.json").read_text())["slices"]
    return Measured(count, folds, workers, seconds, trainings, size)


def artifact_bytes(runs: Sequence[Measured], slices: int) -> float:
    """Return the bytes that a training on so many slices leaves: by a line through those of the runs."""
    made = np.diff([0, *(one.artifacts for one in runs)])
    each = made / [sum(map(len, one.trainings.values())) for one in runs]
    slope, own = np.polyfit([one.slices for one in runs], each, 1)
    return float(own + slope * slices)


def start_of_a_process() -> float:
    """Return the seconds until a process has what it trains with."""
    begun = time.monotonic()
    subprocess.run([sys.executable, "-c", "import tensorflow; from hemo.runs import steps"], check=True)
    return time.monotonic() - begun


def fit(runs: Sequence[Measured], cores: int) -> Cost:
    """Fit the model by least squares on runs whose workers had a core each."""
    own, per_fit = {}, {}
    for family in FAMILIES:
        rows = [
            (one.slices * (one.folds + 1), seconds)
            for one in runs
            if one.workers <= cores
            for seconds in one.trainings[family]
        ]
        x, y = np.array(rows).T
        per_fit[family], own[family] = (float(value) for value in np.polyfit(x, y, 1))
    rest = []
    for one in runs:
        each = [seconds for family in FAMILIES for seconds in one.trainings[family]]
        slower = max(1.0, one.workers / cores)
        dealt = makespan([seconds / slower for seconds in each], min(one.workers, cores))
        rest.append(max(one.seconds - dealt, 0))
    return Cost(own, per_fit, float(np.median(rest)), start_of_a_process())


@click.command()
@click.option("--out", type=click.Path(path_type=Path), help="Write what was measured and fitted (JSON).")
def main(out: Path | None) -> None:
    """Measure, fit, predict another run, and say what 16 and 64 nodes would take."""
    cores = len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory(prefix="hemo-cost-") as scratch:
        folder = Path(scratch)
        plan = ((20, 12, 3, 1), (40, 12, 3, 2), (20, 12, 3, 4), (40, 12, 5, 1))
        runs = [measure(folder, *words, number) for number, words in enumerate(plan)]
        for one in runs:
            print(
                f"{one.slices} slices, {one.folds} folds, {one.workers} workers: {one.seconds:.0f} s",
                flush=True,
            )
        cost = fit(runs, cores)
        other = measure(folder, 60, 16, 4, 2, len(plan))
    trainings = {family: len(seconds) for family, seconds in other.trainings.items()}
    said = cost.main(other.slices, other.folds, trainings, min(other.workers, cores))
    off = said / other.seconds - 1
    words = f"another, of {other.slices} slices in {other.folds} folds"
    print(f"{words}: {said:.0f} s said, {other.seconds:.0f} s measured ({off:+.0%})")
    for family in FAMILIES:
        print(f"{family}: {cost.own[family]:.1f} s and {1000 * cost.per_fit[family]:.2f} ms a slice and fit")
    print(f"all else: {cost.alone:.0f} s; a process begins in {cost.start:.0f} s")
    for slices in (10_000, 100_000, 752_803):
        asked = dict.fromkeys(FAMILIES, len(LABELS))
        size = slices * (SIZE**2 + ROW_BYTES) / 1e9
        fits, hours = sum(asked.values()), cost.work(slices, 5, asked) / 3600
        print(
            f"{slices:,} slices, 5 folds, {fits} trainings: {hours:.1f} node hours, {size:.1f} GB of store, "
            f"{fits * artifact_bytes([*runs, other], slices) / 1e9:.1f} GB of artifacts"
        )
        for nodes in (1, 16, 64):
            hours = cost.main(slices, 5, asked, nodes, cost.start) / 3600
            print(f"    {nodes} nodes: {hours:.2f} h")
    if out:
        out.write_text(
            json.dumps({"runs": [asdict(one) for one in [*runs, other]], "cost": asdict(cost)}, indent=1)
        )


if __name__ == "__main__":
    main()
