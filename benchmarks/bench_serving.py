"""The panel against six separately loaded models, and over HTTP.

`python -m benchmarks.bench_serving [FAMILY]` (default: the quickstart's ensemble, boosted, logreg, cnn, and
multilabel with the same network). A study has 32 slices of 512x512 as DICOM, from bytes to probabilities;
each measurement takes a new one. The panel and each of the six are loaded in processes of their own, kept
warm, and asked one after the other, study by study in turn, so that a busy machine slows all; the ratio is
the median over studies. Time is taken inside a process: sending 16 MB of bytes to each of six is not held
against them.
"""

import base64
import io
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import mlflow
import numpy as np
import pandas as pd

from benchmarks.bench_reading import dicom_bytes, head
from hemo import families, tracking
from hemo.console import out
from hemo.display.terminal import table
from hemo.evaluation.operating_point import OperatingPointRule
from hemo.imaging import Reduction
from hemo.labels import LABELS
from hemo.registry import names, panel
from hemo.runs import logged_model
from hemo.training import Plan, Training

SLICES = 32
STUDIES = 9
"""Measured, after one to warm up."""

PARAMS: dict[str, dict[str, Any]] = {
    "ensemble": {"members": {"boosted": {}, "sequence": {}}, "any": 0, "study": 0.15},
    "cnn": {"epochs": 1},
    "multilabel": {"trunk": "cnn", "epochs": 1},
    "ann": {"epochs": 1, "layers": [64]},
}
"""The ensemble is the quickstart's, which is in production there; networks are made but hardly trained."""

WINDOWS = {"ensemble": ("brain", "subdural")}
WANTED = {"ensemble": 3.0, "boosted": 3.0, "logreg": 3.0, "multilabel": 3.0}
"""The panel is at least so many times faster than six models for a study.

It saves reading and reducing five times over, and what its members share: features of the boosted trees,
the trunk of labels that were learnt together. Six networks of one's own are six networks: their forward
passes are nearly all the time, and there is little to save.
"""

Study = list[bytes]


@dataclass(frozen=True)
class Times:
    """Seconds for each study, measured in turn: the panel, six processes, one process with six models."""

    whole: list[float]
    apart: list[float]
    beside: list[float]
    http_slice: list[float]
    http_study: list[float]
    http_parquet: list[float]


def make_registry(family: str) -> None:
    """Register a classifier of a family for each label, and build the panel."""
    reduction = Reduction(windows=WINDOWS.get(family, ("brain",)))
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (64, reduction.size, reduction.size, reduction.channels), dtype=np.uint8)
    truth = np.arange(64) % 2
    store: Any = SimpleNamespace(reduction=reduction, digest="made up")
    client = tracking.client()
    experiment = tracking.experiment_id("bench")
    params = PARAMS.get(family, {})
    plan = Plan(None, "natural", OperatingPointRule("fixed", 0.5), 0, 0)
    together: Any = families.build(family, params, 0) if families.get(family).together else None
    if together:
        truths = np.tile(truth[:, None], (1, len(LABELS)))
        together.fit(images, truths, validation=(images, truths))
    for number, label in enumerate(LABELS):
        if together:
            classifier = together.for_label(number)
        else:
            classifier = families.build(family, params, number)
            classifier.fit(images, truth, validation=(images, truth))
        trained: Any = SimpleNamespace(classifier=classifier, calibrator=None, threshold=0.5)
        with (
            tracking.start_run(experiment, f"{family}/{label}", {"stage": "train"}) as run_id,
            tempfile.TemporaryDirectory() as scratch,
        ):
            info = logged_model.log(Path(scratch), trained, Training(store, plan, family, label, params))
        name = names.model_name(label)
        client.create_registered_model(name)
        version = client.create_model_version(name, info.model_uri, run_id, model_id=info.model_id)
        client.set_registered_model_alias(name, "production", version.version)
    panel.update()


def answer(pipe: Connection, uris: Sequence[str]) -> None:
    """Load models, then answer each study with the seconds that all of them took for it."""
    models = [mlflow.pyfunc.load_model(uri) for uri in uris]
    pipe.send("ready")
    while study := pipe.recv():
        start = time.perf_counter()
        for model in models:
            model.predict(pd.DataFrame({"image": study}))
        pipe.send(time.perf_counter() - start)


@contextmanager
def process_of(*uris: str) -> Iterator[Connection]:
    """Start a process that has loaded these models and nothing else."""
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=answer, args=(theirs, uris), daemon=True)
    process.start()
    theirs.close()
    ours.recv()
    try:
        yield ours
    finally:
        ours.send([])
        process.join()


def made_study(number: int) -> Study:
    """Return the files of a study that is like no other."""
    return [dicom_bytes(head(SLICES * number + one), one) for one in range(SLICES)]


def ask(pipe: Connection, study: Study) -> float:
    """Return the seconds that a process took for a study."""
    pipe.send(study)
    return float(pipe.recv())


@contextmanager
def served() -> Iterator[str]:
    """Serve the panel as MLflow does; yield its address."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    words = [
        "-m",
        "mlflow",
        "models",
        "serve",
        "-m",
        names.PANEL_URI,
        "--env-manager",
        "local",
        "-p",
        str(port),
    ]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    process = subprocess.Popen(
        [sys.executable, *words], start_new_session=True, env=os.environ | {"PATH": path},
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


def as_json(files: Study) -> bytes:
    """Return the body of a request as most clients write it."""
    rows = [{"image": base64.b64encode(data).decode()} for data in files]
    return json.dumps({"dataframe_records": rows}).encode()


def as_parquet(files: Study) -> bytes:
    """Return the body of a request without base64."""
    stream = io.BytesIO()
    pd.DataFrame({"image": files}).to_parquet(stream, index=False)
    return stream.getvalue()


KINDS = {"application/json": as_json, "application/vnd.apache.parquet": as_parquet}


def post(address: str, files: Study, kind: str = "application/json") -> float:
    """Send files as a client would, its own work included; return the seconds until the answer is there."""
    start = time.perf_counter()
    request = urllib.request.Request(address, KINDS[kind](files), {"Content-Type": kind})
    with urllib.request.urlopen(request, timeout=300) as found:
        found.read()
    return time.perf_counter() - start


def measure() -> Times:
    """Ask for each study all of them in turn; the first only warms up."""
    six = [f"models:/{names.model_name(label)}@production" for label in LABELS]
    times = Times([], [], [], [], [], [])
    with ExitStack() as stack:
        whole = stack.enter_context(process_of(names.PANEL_URI))
        apart = [stack.enter_context(process_of(uri)) for uri in six]
        beside = stack.enter_context(process_of(*six))
        address = stack.enter_context(served())
        for number in range(STUDIES + 1):
            # The server keeps features of slices: each study is sent once.
            study, sent, parquet = (made_study(3 * number + one) for one in range(3))
            times.whole.append(ask(whole, study))
            times.apart.append(sum(ask(model, study) for model in apart))
            times.beside.append(ask(beside, study))
            times.http_slice.append(post(address, study[:1]))
            times.http_study.append(post(address, sent))
            times.http_parquet.append(post(address, parquet, "application/vnd.apache.parquet"))
    return times


def report(family: str, times: Times) -> float:
    """Print the figures of a family; return how many times faster the panel is for a study."""

    def milliseconds(seconds: list[float]) -> str:
        found = sorted(seconds[1:])
        return f"{statistics.median(found) * 1000:.0f} ms ({found[0] * 1000:.0f} to {found[-1] * 1000:.0f})"

    def ratio(others: list[float]) -> float:
        pairs = zip(others[1:], times.whole[1:], strict=True)
        return statistics.median(other / whole for other, whole in pairs)

    faster = ratio(times.apart)
    wanted = f", wanted: {WANTED[family]:g}" if family in WANTED else ""
    rows = [
        ("panel, study", milliseconds(times.whole)),
        ("six models in six processes, study", milliseconds(times.apart)),
        ("panel is faster by", f"{faster:.1f} times{wanted}"),
        ("six models in one process, study", milliseconds(times.beside)),
        ("panel is faster by", f"{ratio(times.beside):.1f} times"),
        ("panel over HTTP, one slice", milliseconds(times.http_slice)),
        (f"panel over HTTP, study of {SLICES} slices", milliseconds(times.http_study)),
        ("the same as Parquet", milliseconds(times.http_parquet)),
    ]
    out.print(table(f"Serving six of {family}", ("what", "median (least to most)"), rows))
    return faster


def run(family: str) -> float:
    """Make a registry in a folder of its own, and measure there."""
    here, before = Path.cwd(), os.environ.get("MLFLOW_TRACKING_URI")
    with tempfile.TemporaryDirectory() as scratch:
        os.chdir(scratch)
        os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{scratch}/mlflow.db"  # the processes' too
        mlflow.set_tracking_uri(os.environ["MLFLOW_TRACKING_URI"])
        try:
            make_registry(family)
            times = measure()
        finally:
            os.chdir(here)
            os.environ.pop("MLFLOW_TRACKING_URI")
            if before:
                os.environ["MLFLOW_TRACKING_URI"] = before
    return report(family, times)


def main(words: list[str]) -> int:
    """Measure; status 1 where the panel is not fast enough."""
    ratios = {
        family: run(family) for family in words or ["ensemble", "boosted", "logreg", "cnn", "multilabel"]
    }
    return int(any(ratio < WANTED.get(family, 0) for family, ratio in ratios.items()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
