"""Time and memory of each step and of each family from a thousand slices to RSNA's 752,803.

`python -m benchmarks.bench_growth [--counts 1000,10000,...] [--families logreg,cnn,...] [--steps 300]`. Each
figure is of a process of its own, which holds to the memory that experiments promise (4 GB). Stores are links
to shards of drawn slices: up to 100,000 slices differ (8,192 with `--distinct 1`), larger stores repeat them.
Networks are trained for some hundred steps, and predict a part, whatever the store's size: an epoch of RSNA
takes hours on two cores.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.bench_store import RSNA, SHARD, SIZE, describe
from hemo import console, families, memory
from hemo.comparison.leaderboard import CHOOSE_BY
from hemo.config import Experiment
from hemo.console import out
from hemo.display.terminal import table
from hemo.evaluation import paired, predictions
from hemo.evaluation.summary import summarize
from hemo.families._radiology import cached_radiological_features
from hemo.labels import LABELS
from hemo.runs.planning import make_plan
from hemo.slices import duplicates
from hemo.slices.sample import balanced
from hemo.slices.shards import npy_header, shard_path
from hemo.slices.split import make_split
from hemo.slices.store import SliceStore
from hemo.slices.stored import StoredSlices
from hemo.tracking import views
from hemo.training import Plan, Training
from hemo.training.rounds import everything, learning_set

COUNTS: Final = (1_000, 10_000, 100_000, RSNA)
STUDY: Final = 32
"""Slices of a study."""

DISTINCT: Final = 13
"""Shards of different slices."""

PREDICTED: Final = 20_000
"""Slices that a network predicts at most."""

PREVALENCE: Final = 0.14

FAST: Final[Mapping[str, Mapping[str, Any]]] = {
    "ensemble": {"members": {"boosted": {}, "sequence": {}}},
    "end_to_end": {"weights": "none", "size": 96, "epochs": 1},
    "finetune": {"weights": "none", "size": 96, "epochs": 1, "copies": 1},
    "multilabel": {"trunk": "cnn", "epochs": 1, "filters": (32, 64, 128)},
    "transfer": {"weights": "none", "size": 96},
    "lesions": {"trees": 20},
    "mil": {"epochs": 5},
    "ann": {"epochs": 1},
    "cnn": {"epochs": 1},
}
"""Parameters that keep the work of one slice small: it is the growth that is measured."""


def drawn(rng: np.random.Generator, truth: NDArray[np.int8]) -> NDArray[np.uint8]:
    """Return heads with noise, and a bright spot in those of class 1, uint8 (n, SIZE, SIZE)."""
    y, x = np.mgrid[-1 : 1 : SIZE * 1j, -1 : 1 : SIZE * 1j]
    radius = np.hypot(y / 0.85, x / 0.7)
    head = np.where(radius < 0.88, 90.0, 0.0) + np.where((radius >= 0.88) & (radius < 1), 250.0, 0.0)
    images = np.empty((len(truth), SIZE, SIZE), np.uint8)
    for row, positive in enumerate(truth):
        noise = rng.normal(0, 12, (SIZE, SIZE)).astype(np.float32)
        slice_ = head + np.where(head > 0, noise, 0)
        if positive:
            top, left = rng.integers(45, 75, 2)
            slice_[top : top + 14, left : left + 14] += 45
        images[row] = slice_.clip(0, 255)
    return images


def make_store(folder: Path, count: int, blocks: Path, distinct: int) -> None:
    """Write a store whose shards are links to those that are drawn, so many of them."""
    (folder / "shards").mkdir(parents=True)
    rows = np.arange(count)
    truth = np.empty(count, np.int8)
    for number in range(-(-count // SHARD)):
        block = make_block(blocks, number % distinct)
        shard_path(folder / "shards", number).hardlink_to(block)
        here = rows[number * SHARD : (number + 1) * SHARD]
        truth[here] = np.load(block.with_suffix(".truth.npy"))[: len(here)]
    index = pd.DataFrame(
        {
            "slice_id": [f"{row:07d}-{row:08x}" for row in rows],
            "patient": [f"{row // STUDY:016x}" for row in rows],
            "study": [f"{row // STUDY:016x}" for row in rows],
            "stack": (rows // STUDY).astype(np.int32),
            "position": rows % STUDY * 5.0,
            "digest": [f"{row:032x}" for row in rows],
        }
    )
    index[list(LABELS)] = np.repeat(truth[:, None], len(LABELS), axis=1)
    index["shard"], index["row"] = (rows // SHARD).astype(np.int32), (rows % SHARD).astype(np.int32)
    describe(folder, index)


def make_block(folder: Path, number: int) -> Path:
    """Draw the slices of a shard, where that is not done."""
    path = folder / f"block-{number}"
    if path.exists():
        return path
    rng = np.random.default_rng(number)
    truth = (rng.random(SHARD) < PREVALENCE).astype(np.int8)
    path.write_bytes(npy_header(SHARD, (SIZE, SIZE, 1)) + drawn(rng, truth).tobytes())
    np.save(path.with_suffix(".truth.npy"), truth)
    return path


def make_scans(folder: Path, store: SliceStore) -> None:
    """Write the slices of a store as PNG files, a folder a patient, and their label table."""
    import cv2

    index = store.index
    names = [f"{patient}/{row:07d}.png" for row, patient in enumerate(index["patient"])]
    for start in range(0, len(store), 2048):
        rows = np.arange(start, min(start + 2048, len(store)))
        for row, image in zip(rows, store.images(rows)[..., 0], strict=True):
            path = folder / "scans" / names[row]
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), image, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    table = pd.DataFrame({"filename": names, "patient": index["patient"], "any": index["any"]})
    table.to_csv(folder / "labels.csv", index=False)


def read_scans(store: SliceStore) -> object:
    """Make a store of the slices' files."""
    from hemo.slices.preprocess import preprocess

    folder = store.folder.with_name(f"{store.folder.name} as files")
    with tempfile.TemporaryDirectory(dir=folder) as made:
        return preprocess(folder / "scans", folder / "labels.csv", Path(made) / "store")


def compared(store: SliceStore) -> object:
    """Compare three prediction tables, as a comparison does each label's families."""
    table = predictions.sort(prediction_table(store))
    rng = np.random.default_rng(1)
    mixed = [0.9 * table["probability"] + 0.1 * rng.random(len(table)) for _ in range(3)]
    tables = {f"family {n}": table.assign(probability=each) for n, each in enumerate(mixed)}
    return paired.compare(tables, 2000, 0, CHOOSE_BY)


def plan_of(store: SliceStore) -> Plan:
    """Return a plan of natural prevalence: everything is learned from."""
    return make_plan(Experiment.model_validate({"sampling": "natural"}), store)


def limit_steps(steps: int) -> None:
    """Let an epoch of a network be no more than so many steps: what it is drawn of stays whole."""
    from hemo.families import _compiled, _neural, _pixel_network, end_to_end

    def limited(whole: Callable[..., Any]) -> Callable[..., Any]:
        def some(*given: Any, **named: Any) -> Any:
            batches = whole(*given, **named)
            count = min(len(batches), steps)
            type(batches).__len__ = lambda self: count
            return batches

        return some

    learned, judged = limited(_compiled.shuffled), limited(_compiled.in_order)
    _neural.shuffled = _pixel_network.shuffled = end_to_end.shuffled = learned
    _neural.in_order = judged


def family_work(store: SliceStore, word: str, steps: int) -> dict[str, float]:
    """Fit and predict as a training does; return seconds of processor of each, and slices learned from."""
    limit_steps(steps)
    training = Training(store, plan_of(store), word, "any", FAST.get(word, {}))
    learned = learning_set(training, everything(store, training.plan), decides=False)
    start = time.process_time()
    truth: Any = learned.y
    if families.get(word).together:
        truth = np.repeat(learned.y[:, None], 1, axis=1)
    params = {**families.get(word).defaults, **training.params}
    classifier: Any = families.build(word, params, 0)
    held = learned.validation
    if held is not None and families.get(word).together:
        held = held[0], held[1][:, None]
    classifier.fit(learned.x, truth, validation=held, **learned.context)
    fitted = time.process_time()
    some = min(len(store), PREDICTED if families.get(word).tensorflow else len(store))
    rows = np.arange(some)
    from hemo.slices import stored

    one = classifier.for_label(0) if families.get(word).together else classifier
    families.scores(one, word, stored.slices(store, rows), store.stack[rows])
    done = time.process_time()
    return {"fit": fitted - start, "predict": done - fitted, "learned": len(learned.x), "predicted": some}


def prediction_table(store: SliceStore) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    truth = store.column("any")
    return store.index[["slice_id", "patient", "study"]].assign(
        part="test", fold=np.int16(0), repeat=np.int16(0), truth=truth,
        probability=(truth * 0.2 + rng.random(len(truth)) * 0.8), threshold=0.5,
    )  # fmt: skip


PREPROCESS: Final = "preprocess"

STEPS: Final[Mapping[str, Callable[[SliceStore], object]]] = {
    "open and read the index": lambda store: store.index,
    "split": lambda store: make_split(store.index, plan_of(store).protocol, 0, folds=5),
    "sample": lambda store: balanced(
        np.arange(len(store)), store.column("any"), store.column("any"), np.random.default_rng(0)
    ),
    "read all slices": lambda store: sum(
        len(store.images(np.arange(start, min(start + 2048, len(store)))))
        for start in range(0, len(store), 2048)
    ),
    "features": lambda store: cached_radiological_features(StoredSlices(store, np.arange(len(store)))),
    "intervals": lambda store: summarize(prediction_table(store), 2000, 0).metrics,
    "compare": compared,
    "near-duplicates": duplicates.find,
    PREPROCESS: read_scans,
}
"""Steps that are measured beside the families."""

LARGEST: Final = dict.fromkeys((PREPROCESS, "features", "near-duplicates"), 100_000)
"""What looks at slices one by one is not tried on more: there the stores repeat theirs."""


def step_work(store: SliceStore, name: str) -> dict[str, float]:
    """Do a step; return its seconds of processor."""
    start = time.process_time()
    STEPS[name](store)
    return {"step": time.process_time() - start}


def measured(folder: Path, name: str, steps: int) -> dict[str, float]:
    """Return what a step or a family takes, in this process."""
    store = SliceStore.open(folder)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = step_work(store, name) if name in STEPS else family_work(store, name, steps)
    found["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    return {**found, "before_mb": before * 1024 / 1e6, "slices": len(store)}


def exponent(counts: list[float], seconds: list[float]) -> float:
    """Return the power of the count with which time grows, by the largest three."""
    used = [(c, s) for c, s in zip(counts, seconds, strict=True) if s > 0][-3:]
    if len(used) < 2:
        return float("nan")
    x, y = np.log(np.array(used)).T
    return float(np.polyfit(x, y, 1)[0])


def main(words: list[str]) -> int:
    """Measure, print and, with --out, write the figures; return 1 where the promise was broken."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--counts", default=",".join(map(str, COUNTS)))
    parser.add_argument("--families", default="")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--distinct", type=int, default=DISTINCT, help="shards whose slices differ")
    parser.add_argument("--out", default="", help="a file for the figures, JSON; a picture beside it")
    parser.add_argument("--one", nargs=2, metavar=("STORE", "NAME"))
    given = parser.parse_args(words)
    if given.one:
        found = measured(Path(given.one[0]), given.one[1], given.steps)
        print(json.dumps(found))
        return 0
    counts = [int(word) for word in given.counts.split(",")]
    names = [*STEPS, *families.built_in()] if not given.families else given.families.split(",")
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="hemo-growth-") as scratch:
        folder = Path(scratch)
        for count in counts:
            make_store(folder / str(count), count, folder, given.distinct)
        for name in names:
            for count in (c for c in counts if c <= LARGEST.get(name, c)):
                if name == PREPROCESS:
                    make_scans(folder / f"{count} as files", SliceStore.open(folder / str(count)))
                command = [sys.executable, "-m", "benchmarks.bench_growth", "--steps", str(given.steps)]
                # Nothing is taken from what another measurement has computed.
                own = {**os.environ, "HEMO_CACHE": str(folder / f"cache {name} {count}")}
                done = subprocess.run(
                    [*command, "--one", str(folder / str(count)), name],
                    capture_output=True,
                    env=own,
                    text=True,
                    check=False,
                )
                if done.returncode:
                    console.err.print(f"{name}, {count:,} slices: {done.stderr.strip().splitlines()[-1]}")
                    continue
                found = json.loads(done.stdout.strip().splitlines()[-1])
                rows.append({"name": name, **found})
                console.err.print(f"{name}, {count:,} slices: {found}")
                if given.out:
                    Path(given.out).write_text(json.dumps(rows, indent=1))
    if given.out and any("fit" in row for row in rows):
        picture(rows, Path(given.out).with_suffix(".png"))
    return report(rows)


def picture(rows: list[dict[str, Any]], path: Path) -> None:
    """Draw the most memory of each family's process over the number of slices."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.subplots()
    found = pd.DataFrame(rows).dropna(subset=["fit"])
    for word, each in found.sort_values("slices").groupby("name", sort=False):
        title, color = families.title(str(word)), views.color(str(word))
        axes.plot(each["slices"], each["peak_mb"] / 1e3, "o-", color=color, label=title)
    promised = memory.parse(memory.words()) / 1e9
    axes.axhline(promised, color="black", linestyle="--")
    axes.annotate(f"promised: {memory.words()}", (min(found["slices"]), promised + 0.08))
    axes.set(xscale="log", ylim=(0, 1.15 * promised), xlabel="slices", ylabel="most memory of a process, GB")
    figure.legend(loc="outside right center", fontsize="small", frameon=False)
    figure.savefig(path, dpi=110)


def report(rows: list[dict[str, Any]]) -> int:
    """Print a line for each step and family; return 1 where more memory was taken than promised."""
    found = pd.DataFrame(rows)
    lines = []
    for name, each in found.groupby("name", sort=False):
        for part in ("step", "fit", "predict"):
            if part not in each or each[part].isna().all():
                continue
            of = each["predicted"] if part == "predict" else each["slices"]
            times = [f"{value:.1f}" for value in each[part]]
            power = exponent(of.tolist(), each[part].tolist())
            figures = [[f"{c:,.0f}" for c in each["slices"]], times, [f"{mb:,.0f}" for mb in each["peak_mb"]]]
            counts, seconds, peaks = (" / ".join(words) for words in figures)
            title = name if part == "step" else f"{name}, {part}"
            lines.append((title, counts, seconds, f"{power:.2f}", peaks))
    header = ["", "slices", "seconds of processor", "exponent", "peak MB"]
    out.print(table("Growth", header, lines))
    worst = float(found["peak_mb"].max())
    out.print(f"At most {worst:,.0f} MB; promised are {memory.words()}")
    return int(worst > memory.parse(memory.words()) / 1e6)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
