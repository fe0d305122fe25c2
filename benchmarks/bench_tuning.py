"""Tuning by `hemo tune` beside a plain script: trials a minute, time to the plain script's best, tracking.

    python -m benchmarks.bench_tuning [STORE] [FAMILY:TRIALS ...]

Both run as processes of their own, one after the other, each from its first import to its last trial. Without
a store, phantom slices are drawn straight into one. Trials are all that ended: completed and pruned. The
ratio of processor time a trial is less disturbed than that of trials a minute by what else the machine does.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import optuna
from optuna.trial import FrozenTrial, TrialState

from hemo.console import out
from hemo.display.terminal import table
from hemo.tuning import storage as storages

WORKERS = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1


def plain(place: Path, store: Path, family: str, trials: int) -> tuple["Spent", list[tuple[float, float]]]:
    """Run the plain script; return what it took, and seconds and value of each trial."""
    lines = place / "plain.jsonl"
    words = ["-m", "benchmarks.plain_tuning", store, family, "any", trials, lines]
    seconds = _run(place, words)
    return seconds, [tuple(json.loads(line)) for line in lines.read_text().splitlines()]


def tuned(
    place: Path, store: Path, family: str, trials: int
) -> tuple["Spent", optuna.Study, dict[str, float]]:
    """Run `hemo tune` until as many trials have ended; return what it took, study, tracking a trial."""
    words = ["-m", "benchmarks.bench_tuning", "--study", store, family, trials]
    began = time.time()
    seconds = _run(place, words)
    storage = storages.open_storage(f"sqlite:///{place / 'optuna.db'}")
    study = optuna.load_study(study_name=f"bench/{family}/any", storage=storage)
    facts = json.loads((place / "tracking.json").read_text())
    study.set_user_attr("began", began)
    return seconds, study, facts


class Spent(NamedTuple):
    """Seconds by the clock, and of processors."""

    wall: float
    processor: float


def _run(place: Path, words: list[object]) -> Spent:
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    root = str(Path(__file__).parents[1])
    subprocess.run(
        [sys.executable, *(str(word) for word in words)],
        cwd=place,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join((root, os.environ.get("PYTHONPATH", "")))},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Spent(time.perf_counter() - start, processor)


def run_study(folder: str, family: str, trials: int) -> None:
    """Tune until `trials` trials have ended, as `hemo tune` does, without the refit of the best."""
    import mlflow

    from hemo import tracking
    from hemo.config import Experiment
    from hemo.config.tuning import Tuning
    from hemo.runs import recording
    from hemo.slices.store import SliceStore
    from hemo.tuning import processes, search
    from hemo.tuning.mirror import Mirror

    config = Experiment(name="bench", store=folder, workers=WORKERS)
    experiment = tracking.experiment_id("bench")
    store = SliceStore.open(folder)
    url = storages.default_url(mlflow.get_tracking_uri())
    tuning = Tuning.model_validate({"budget": {"trials": trials}})
    spec = search.make_spec(config, tuning, store, url, family, "any")
    study = search.begin(spec, storages.open_storage(url))
    tags = recording.run_tags(spec.training)
    tags |= {"study": spec.study, "study_id": study.user_attrs["id"]}
    with tracking.start_run(experiment, "study", {**tags, "stage": "study"}) as run_id:
        mirror = Mirror(experiment, run_id, tags)
        for ended, _ in enumerate(processes.run(spec, study, mirror), 1):
            if ended >= trials:
                break
    took = {"wall": mirror.seconds, "processor": mirror.processor_seconds}
    ms = {name: 1000 * seconds / mirror.written for name, seconds in took.items()}
    Path("tracking.json").write_text(json.dumps(ms))


class Ended(NamedTuple):
    """Value of a trial (of a pruned one, its last), seconds that it took, and time at which it ended."""

    value: float
    seconds: float
    end: float


def _ended(trial: FrozenTrial) -> Ended:
    assert trial.value is not None
    assert trial.duration is not None
    assert trial.datetime_complete is not None
    return Ended(trial.value, trial.duration.total_seconds(), trial.datetime_complete.timestamp())


def compare(place: Path, store: Path, family: str, trials: int) -> tuple[str, ...]:
    """Run both and return a row of figures."""
    place.mkdir()
    spent_plain, lines = plain(place, store, family, trials)
    spent, study, tracking = tuned(place, store, family, trials)
    complete = [_ended(trial) for trial in study.get_trials(states=(TrialState.COMPLETE,))]
    pruned = [_ended(trial) for trial in study.get_trials(states=(TrialState.PRUNED,))]
    best, plain_best = max(one.value for one in complete), max(value for _, value in lines)
    when = min(moment for moment, value in lines if value == plain_best)
    reached = min((one.end for one in complete if one.value >= plain_best - 0.005), default=float("nan"))
    ended = len(complete) + len(pruned)
    mean = sum(one.seconds for one in (*complete, *pruned)) / ended
    return (
        f"{family}, {trials} trials",
        f"{60 * len(lines) / spent_plain.wall:.1f}",
        f"{60 * ended / spent.wall:.1f}",
        f"{ended / spent.wall * spent_plain.wall / len(lines):.1f}",
        f"{ended / spent.processor * spent_plain.processor / len(lines):.1f}",
        f"{60 * len(complete) / spent.wall:.1f}",
        f"{plain_best:.4f}",
        f"{best:.4f}",
        f"{(reached - study.user_attrs['began']) / when:.2f}",
        f"{tracking['processor']:.0f} ms ({tracking['wall']:.0f} with waiting) of {1000 * mean:.0f}",
    )


def main(words: list[str]) -> None:
    """Compare both for each family and print a table."""
    with tempfile.TemporaryDirectory(prefix="hemo-bench-") as scratch:
        place = Path(scratch)
        given = [word for word in words if ":" not in word]
        store = Path(given[0]).resolve() if given else make_store(place / "store")
        pairs = [word.split(":") for word in words if ":" in word] or [["logreg", "60"], ["cnn", "12"]]
        rows = [compare(place / family, store, family, int(trials)) for family, trials in pairs]
    header = (
        "study", "plain /min", "hemo /min", "ratio", "processor ratio", "complete /min",
        "plain best", "hemo best",
        "time to plain's best, ratio", "tracking a trial",
    )  # fmt: skip
    out.print(table(f"Tuning, {WORKERS} workers", header, rows))


def make_store(folder: Path) -> Path:
    """Draw phantom slices straight into a store."""
    from benchmarks.phantom_store import build

    return build(folder, 60, size=128, slices=16, workers=WORKERS).folder


if __name__ == "__main__":
    if sys.argv[1:2] == ["--study"]:
        run_study(sys.argv[2], sys.argv[3], int(sys.argv[4]))
    else:
        main(sys.argv[1:])
