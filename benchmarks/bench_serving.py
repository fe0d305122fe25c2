"""The panel against six separately loaded models, and over HTTP.

`python -m benchmarks.bench_serving [FAMILY]` (default: logreg, boosted and cnn). A study has 32 slices of
512x512 as DICOM, and each measurement takes new ones. Ratios are of one run; times depend on the machine.
"""

import base64
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import mlflow
import numpy as np
import pandas as pd

from benchmarks.bench_reading import dicom_bytes, head
from hemo import families, logged_model, panel, tracking
from hemo.console import out, table
from hemo.families import _feature_cache
from hemo.imaging import Reduction
from hemo.labels import LABELS

SLICES = 32
REPEATS = 7
TINY: dict[str, dict[str, Any]] = {"cnn": {"epochs": 1}, "ann": {"epochs": 1, "layers": [64]}}
WANTED = {"logreg": 3.0, "boosted": 3.0}
"""The panel is at least so many times faster than six models for a study.

What it saves is reading and reducing five times over, and features that its members share, as those of the
boosted trees. Models of one process share features too, so that those are compared as six served apart. Six
networks of one's own are six networks: where their forward passes are nearly all the time, there is little to
save.
"""


def make_registry(family: str) -> None:
    """Register a classifier of a family for each label, and build the panel."""
    reduction = Reduction()
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (64, reduction.size, reduction.size, 1), dtype=np.uint8)
    truth = np.arange(64) % 2
    store: Any = SimpleNamespace(reduction=reduction, digest="made up")
    client = tracking.client()
    experiment = tracking.experiment_id("bench")
    for number, label in enumerate(LABELS):
        classifier = families.build(family, TINY.get(family, {}), number)
        classifier.fit(images, truth, validation=(images, truth))
        trained: Any = SimpleNamespace(classifier=classifier, calibrator=None, threshold=0.5)
        with (
            tracking.start_run(experiment, f"{family}/{label}", {"stage": "train"}) as run_id,
            tempfile.TemporaryDirectory() as scratch,
        ):
            info = logged_model.log(Path(scratch), trained, family, label, store)
        name = panel.model_name(label)
        client.create_registered_model(name)
        version = client.create_model_version(name, info.model_uri, run_id, model_id=info.model_id)
        client.set_registered_model_alias(name, "production", version.version)
    panel.update()


def median_seconds(work: Callable[[list[bytes]], object], studies: Sequence[list[bytes]]) -> float:
    """Return the median time for a study, after one to warm up; no feature of one is kept for the next."""
    times = []
    for study in studies:
        _feature_cache._kept.clear()
        start = time.perf_counter()
        work(study)
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])


@contextmanager
def served() -> Iterator[str]:
    """Serve the panel as MLflow does; yield its address."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    words = ["-m", "mlflow", "models", "serve", "-m", panel.URI, "--env-manager", "local", "-p", str(port)]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    process = subprocess.Popen(
        [sys.executable, *words], start_new_session=True,
        env=os.environ | {"MLFLOW_TRACKING_URI": mlflow.get_tracking_uri(), "PATH": path},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        for _ in range(900):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/ping", timeout=1)
                break
            except OSError:
                time.sleep(0.2)
        yield f"http://127.0.0.1:{port}/invocations"
    finally:
        os.killpg(process.pid, 15)
        process.wait()


def post(address: str, files: list[bytes]) -> None:
    """Send files as a client would, base64 included."""
    rows = [{"image": base64.b64encode(data).decode()} for data in files]
    body = json.dumps({"dataframe_records": rows}).encode()
    request = urllib.request.Request(address, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=300) as answer:
        answer.read()


def table_of(study: list[bytes]) -> pd.DataFrame:
    """Return what the panel takes."""
    return pd.DataFrame({"image": study})


def ask_each(models: Sequence[Any], study: list[bytes], *, forget: bool) -> None:
    """Ask one model after the other; `forget` what the last one kept, as models in processes of their own."""
    for model in models:
        if forget:
            _feature_cache._kept.clear()
        model.predict(table_of(study))


def measure(family: str) -> float:
    """Print the figures of a family; return how many times faster the panel is for a study."""
    here = Path.cwd()
    with tempfile.TemporaryDirectory() as scratch:
        os.chdir(scratch)
        mlflow.set_tracking_uri(f"sqlite:///{scratch}/mlflow.db")
        try:
            make_registry(family)
            studies = [
                [dicom_bytes(head(SLICES * study + number), number) for number in range(SLICES)]
                for study in range(REPEATS + 1)
            ]
            whole = mlflow.pyfunc.load_model(panel.URI)
            six = [
                mlflow.pyfunc.load_model(f"models:/{panel.model_name(label)}@production") for label in LABELS
            ]
            together = median_seconds(lambda study: whole.predict(table_of(study)), studies)
            apart = median_seconds(lambda study: ask_each(six, study, forget=True), studies)
            shared = median_seconds(lambda study: ask_each(six, study, forget=False), studies)
            with served() as address:
                one = median_seconds(lambda study: post(address, study[:1]), studies)
                all_slices = median_seconds(lambda study: post(address, study), studies)
        finally:
            os.chdir(here)
    rows = [
        ("panel, study, in process", f"{together * 1000:.0f} ms"),
        ("six models, study, each as in a process of its own", f"{apart * 1000:.0f} ms"),
        ("six models, study, in one process", f"{shared * 1000:.0f} ms"),
        (
            "panel is faster by",
            f"{apart / together:.1f} times" + (f" (wanted: {WANTED[family]:g})" if family in WANTED else ""),
        ),
        ("one slice over HTTP", f"{one * 1000:.0f} ms"),
        (f"study of {SLICES} slices over HTTP", f"{all_slices * 1000:.0f} ms"),
    ]
    out.print(table(f"Serving six of {family}", ("what", "measured"), rows))
    return apart / together


def main(words: list[str]) -> int:
    """Measure; status 1 where the panel is not fast enough."""
    ratios = {family: measure(family) for family in words or ["logreg", "boosted", "cnn"]}
    return int(any(ratio < WANTED.get(family, 0) for family, ratio in ratios.items()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
