"""`hemo compare` over 36 runs of 2,000 test slices, with 2,000 bootstrap draws: at most 15 seconds.

`python -m benchmarks.bench_compare`. The runs are made up (prediction tables of classifiers of different
skill on slices of 100 patients): training is not what is timed.
"""

import os
import sys
import tempfile
import time
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd

from hemo import config, tracking
from hemo.comparison import page
from hemo.console import out
from hemo.display.terminal import table
from hemo.evaluation import intervals, predictions
from hemo.labels import LABELS

FAMILIES = ("logreg", "linear_svc", "sgd", "ann", "cnn", "boosted")
SLICES, PATIENTS, DRAWS = 2000, 100, 2000
WANTED_SECONDS = 15.0


def predicted(number: int, skill: float) -> pd.DataFrame:
    """Return out-of-fold predictions of one family (`skill`) on one label (`number`)."""
    rng = np.random.default_rng([number, int(100 * skill)])
    patient = np.arange(SLICES) * PATIENTS // SLICES
    truth = (np.random.default_rng(number).random(SLICES) < 0.3) & (patient % 3 == number % 3)
    odds = skill * (truth - 0.5) + rng.normal(size=PATIENTS)[patient] / 2 + rng.normal(size=SLICES)
    return predictions.validate(
        pd.DataFrame(
            {
                "slice_id": [f"s{row:04d}" for row in range(SLICES)],
                "patient": [f"p{one:03d}" for one in patient],
                "study": [f"t{one:03d}" for one in patient],
                "part": "test",
                "fold": (patient % 5).astype(np.int16),
                "truth": truth.astype(np.int8),
                "probability": 1 / (1 + np.exp(-odds)),
                "threshold": 0.5,
            }
        )
    )


def make_runs(experiment: str) -> None:
    """Log a training run of each family on each label: figures and prediction table."""
    for number, label in enumerate(LABELS):
        for place, family in enumerate(FAMILIES):
            rows = predicted(number, 1 + place / 4)
            tags = {
                "stage": "train", "family": family, "label": label, "protocol": "cv", "seed": "0",
                "data_digest": "made up", "split_digest": "made up", "git_commit": "unknown",
            }  # fmt: skip
            with (
                tracking.start_run(experiment, f"{family}/{label}", tags),
                tempfile.TemporaryDirectory() as scratch,
            ):
                found = intervals.bootstrap(rows, draws=100)
                ends = (("", "value"), ("_low", "low"), ("_high", "high"))
                finals = {
                    f"test/{row['metric']}{suffix}": row[column]
                    for row in found.to_dict("records")
                    for suffix, column in ends
                    if np.isfinite(row[column])
                }
                mlflow.log_metrics({**finals, "threshold": 0.5, "time/fit_s": 1.0})
                (Path(scratch) / "predictions").mkdir()
                predictions.write(rows, Path(scratch) / tracking.PREDICTIONS)
                mlflow.log_artifacts(scratch)


def main() -> int:
    """Measure; status 1 where it takes too long."""
    here = Path.cwd()
    with tempfile.TemporaryDirectory() as scratch:
        os.chdir(scratch)
        mlflow.set_tracking_uri(f"sqlite:///{scratch}/mlflow.db")
        try:
            experiment = tracking.experiment_id("bench")
            make_runs(experiment)
            start, work = time.perf_counter(), time.process_time()
            page.log_comparison(config.load(None, name="bench", draws=DRAWS), experiment)
            seconds, work = time.perf_counter() - start, time.process_time() - work
        finally:
            os.chdir(here)
    rows = [
        (f"{len(FAMILIES) * len(LABELS)} runs, {SLICES} slices, {DRAWS} draws", f"{seconds:.1f} s"),
        ("of which the processor worked", f"{work:.1f} s"),
        ("wanted: at most", f"{WANTED_SECONDS:g} s"),
    ]
    out.print(table("hemo compare", ("what", "measured"), rows))
    return int(seconds > WANTED_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
