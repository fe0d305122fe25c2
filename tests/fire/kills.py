"""`hemo main` killed at random moments, and the same command again until it is done.

Each kill follows from the seed and the number of its chain: a new folder in which the command is started,
killed, started again, and so on, until it ends by itself. What is there then is compared with what a run gave
that nobody killed. `make kills` is the short form, of 30.
"""

import argparse
import atexit
import hashlib
import importlib
import io
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, Self

import numpy as np
import pandas as pd

from hemo.executors import THREAD_WORDS

MARK: Final = "HEMO_KILLS"
"""In the environment of what is started here, with a word of its own: so its processes are known."""

# Read by what is imported below: as many threads in every process, so that all compute the same; and no
# commit, since code that was changed behind its own would be known by nothing, and nothing be taken.
os.environ.update({**dict.fromkeys(THREAD_WORDS, "1"), "GIT_DIR": os.devnull, MARK: str(os.getpid())})

HANG: Final = 120
"""Seconds after which a signalled process counts as one that hangs."""

MOST: Final = 6
"""Kills of a chain: it is left alone then."""

KINDS: Final = {"SIGKILL": signal.SIGKILL, "SIGTERM": signal.SIGTERM, "Ctrl-C": signal.SIGINT}
STATUS: Final = {"SIGKILL": (-9,), "SIGTERM": (143,), "Ctrl-C": (130,)}

NAMES: Final = ("slice_id", "patient", "study")

BAD: Final = ("other predictions", "trained twice", "false state", "left over", "traceback", "hang", "failed")

LABELS: Final = ("any", "subdural")
"""One of six with each network: another would cost as much, and tell nothing more.

Of `any` there are slices enough to stop early on; `subdural` is promoted.
"""

EXPERIMENT: Final = """\
name: kills
folds: 2
workers: {workers}
draws: 100
phantom: {{patients: 14, slices: 4, size: 64}}
reduction: {{size: 32}}
gate: {{min_positive_patients: 1, min_recall_low: 0, min_specificity_low: 0, min_auc_low: 0}}
families:
  logreg: {{}}
  {network}
"""

NETWORKS: Final = (
    "cnn: {filters: [4, 8], epochs: 6, patience: 2, optimizer: adam, dropout: 0.2, learning_rate: 0.01}",
    "mil: {epochs: 12}",
)
"""One that learns each label by itself, and one that learns all at once."""


@dataclass(frozen=True)
class Variant:
    """What a chain's command is of: the network, how many workers, whether data and database are there."""

    network: int
    workers: int
    from_nothing: bool

    @classmethod
    def of(cls, number: int) -> Self:
        """Return that of a chain by its number."""
        return cls(network=number % 3 == 2, workers=1 + (number % 8 == 7), from_nothing=number % 4 == 0)


@dataclass(frozen=True)
class Ended:
    """How a start ended: exit status (below 0: by a signal), what it said, how long it took.

    `killed` is the kind of kill; empty where it ended before that came.
    """

    status: int
    said: str
    seconds: float
    killed: str = ""


@dataclass(frozen=True)
class Result:
    """What a folder holds when the command is done."""

    predictions: dict[str, str]
    files: list[str]


def start(folder: Path, label: str, kind: str = "", after: float = np.inf) -> Ended:
    """Do the command in a folder, in a process group of its own, and kill it after some seconds."""
    told = folder / "told.txt"
    begin = time.monotonic()
    told.unlink(missing_ok=True)
    child = os.fork()
    if not child:
        _main(folder, told, label)
    try:
        status, killed = _killed(child, kind, lambda: told.exists() and time.monotonic() - begin > after)
    except BaseException:
        os.killpg(child, signal.SIGKILL)
        raise
    return Ended(status, told.read_text(errors="replace"), time.monotonic() - begin, killed)


def _killed(child: int, kind: str, now: Callable[[], bool]) -> tuple[int, str]:
    """Kill a process when it is time; return its status when it has ended, and the kind if it was killed."""
    killed, since = "", 0.0
    while True:
        time.sleep(0.005)
        waited, code = os.waitpid(child, os.WNOHANG)
        if waited:
            return os.waitstatus_to_exitcode(code), killed
        if not killed and now():
            killed, since = kind, time.monotonic()
            send = os.kill if kind == "SIGTERM" else os.killpg
            send(child, KINDS[kind])
        elif killed and time.monotonic() - since > HANG:
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return -signal.SIGALRM, killed


def _main(folder: Path, told: Path, label: str) -> None:
    """Be `hemo main`, in a process that has imported what it needs, and never come back."""
    status = 1
    try:
        atexit._clear()  # what is the parent's to do
        os.setpgid(0, 0)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.chdir(folder)
        tempfile.tempdir = os.environ["TMPDIR"] = str(folder / "scratch")
        os.environ["HEMO_CACHE"] = str(folder / "cache")
        descriptor = os.open(told, os.O_WRONLY | os.O_CREAT)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
        from hemo.cli import main

        leave_out(label)
        main(["main", "--experiment", "kills.yaml"], prog_name="hemo")
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 0
    except BaseException:
        traceback.print_exc()
    finally:
        with suppress(BaseException):
            atexit._run_exitfuncs()
            (folder / "modules.txt").write_text("\n".join(sys.modules))
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


def leave_out(label: str) -> None:
    """Let this process train one label and draw nothing: it takes most of the time, and tells no more."""
    from matplotlib.figure import Figure
    from PIL import Image

    from hemo import pipeline
    from hemo.display import run_plots, style
    from hemo.runs import recording, steps

    pipeline.make_trainings = partial(steps.make_trainings, labels=(label,))
    dot = io.BytesIO()
    Image.new("RGB", (1, 1)).save(dot, "PNG")
    style.png = lambda figure: dot.getvalue()
    run_plots.draw_all = lambda *_: {}
    recording._gallery = lambda *_: Figure()


def import_all() -> None:
    """Import the slowest of what the command needs, so that each start is spared it."""
    import keras  # noqa: F401
    import mlflow.tensorflow  # noqa: F401
    import sklearn.linear_model  # noqa: F401

    import hemo.pipeline
    import hemo.registry.promotion  # noqa: F401
    from hemo import families

    families.families()


def begin(folder: Path, variant: Variant, given: Path) -> None:
    """Make the folder in which a chain begins, with what is `given` to those that are not from nothing."""
    shutil.rmtree(folder, ignore_errors=True)
    if variant.from_nothing:
        folder.mkdir()
    else:
        shutil.copytree(given, folder)
    (folder / "scratch").mkdir()
    words = EXPERIMENT.format(workers=variant.workers, network=NETWORKS[variant.network])
    (folder / "kills.yaml").write_text(words)


def undisturbed(root: Path) -> tuple[list[Result], list[float]]:
    """Return what the command gives with each network where nobody kills it, and its seconds.

    `root` / `given` is then the data and an empty database.
    """
    given, found, seconds = root / "given", [], []
    for network in range(len(NETWORKS)):
        folder = root / f"whole{network}"
        begin(folder, Variant(network, 1, from_nothing=network == 0), given)
        whole = start(folder, LABELS[network])
        assert whole.status == 0, whole.said
        found.append(result(folder))
        seconds.append(whole.seconds)
        for name in (folder / "modules.txt").read_text().splitlines():
            with suppress(Exception):
                importlib.import_module(name)
        if network == 0:
            shutil.copytree(folder / "data" / "kills" / "phantom", given / "data" / "kills" / "phantom")
            make = "import sys, mlflow; mlflow.set_tracking_uri(sys.argv[1]); mlflow.search_experiments()"
            store = f"sqlite:///{given}/mlflow.db"
            subprocess.run([sys.executable, "-c", make, store], cwd=given, check=True, capture_output=True)
        print(f"undisturbed: {len(found[-1].predictions)} trainings, {whole.seconds:.1f} s", flush=True)
    return found, seconds


def result(folder: Path) -> Result:
    """Return what a finished command left: digests of predictions by training, and names of files."""
    found = {}
    for name, run in runs(folder, "FINISHED", "train"):
        files = [*sorted(run.glob("predictions/*.parquet")), *run.glob("epochs/*.csv")]
        found[name] = hashlib.sha256("".join(map(_told, files)).encode()).hexdigest()[:16]
    below = (path.relative_to(folder / "data") for path in (folder / "data").rglob("*") if path.is_file())
    return Result(found, sorted(map(str, below)))


def _told(file: Path) -> str:
    """Return what a table says, whatever slices and patients are called in it: stores have own keys."""
    table = pd.read_parquet(file) if file.suffix == ".parquet" else pd.read_csv(file)
    names = {name: pd.factorize(table[name])[0] for name in NAMES if name in table}
    return table.assign(**names).to_csv(index=False)


def runs(folder: Path, status: str, stage: str = "%") -> list[tuple[str, Path]]:
    """Return name and artifacts of each run of a status (the store is only read)."""
    query = (
        "SELECT r.name, r.artifact_uri FROM runs r "
        "JOIN tags t ON t.run_uuid = r.run_uuid AND t.key = 'stage' "
        "WHERE r.status = ? AND t.value LIKE ? ORDER BY r.name"
    )
    with closing(sqlite3.connect(f"file:{folder}/mlflow.db?mode=ro", uri=True)) as store:
        return [
            (name, Path(uri.removeprefix("file://"))) for name, uri in store.execute(query, (status, stage))
        ]


def processes(folder: Path) -> list[str]:
    """Return processes that were started in a folder and are still there."""
    import psutil

    found = []
    for one in psutil.process_iter():
        with suppress(psutil.Error):
            if one.pid != os.getpid() and one.environ().get(MARK) == os.environ[MARK]:
                found.append(f"{one.pid} {' '.join(one.cmdline())[:80]}")
    return found


def gone(folder: Path) -> list[str]:
    """Return processes that are still there ten seconds later: workers end behind their parent."""
    for _ in range(100):
        if not processes(folder):
            return []
        time.sleep(0.1)
    return processes(folder)


def running(folder: Path) -> dict[Path, str]:
    """Return the runs that count as running, by their artifacts' folder; none before there are tables."""
    with suppress(sqlite3.OperationalError):
        if (folder / "mlflow.db").exists():
            return {artifacts: name for name, artifacts in runs(folder, "RUNNING")}
    return {}


def fault_behind(folder: Path, ended: Ended, before: Mapping[Path, str]) -> tuple[str, str]:
    """Return in a word and in words what is wrong behind one start; empty where nothing is.

    `before`: what ran by the database before it.
    """
    if ended.status == -signal.SIGALRM:
        return "hang", ended.said
    if "Traceback" in ended.said:
        return "traceback", ended.said
    if left := gone(folder):
        return "left over", "; ".join(left)
    early = ended.status == -signal.SIGTERM and not ended.said  # before it listens, as any program ends
    if ended.killed and not early and ended.status not in (0, *STATUS[ended.killed]):
        return "failed", f"status {ended.status}: {ended.said}"
    if not ended.killed and ended.status:
        return "failed", f"status {ended.status}: {ended.said}"
    if ended.killed != "SIGKILL":
        begun = running(folder)
        if names := [
            name for artifacts, name in begun.items() if artifacts not in before or not ended.killed
        ]:
            words = f"RUNNING behind {ended.killed or 'the end'}: {', '.join(names)}"
            return "false state", f"{words}; status {ended.status}: {ended.said}"
    return "", ""


def fault_at_end(folder: Path, wanted: Result) -> tuple[str, str]:
    """Return in a word and in words what is wrong in a folder when the command is done."""
    finished = Counter(name for name, _ in runs(folder, "FINISHED", "train"))
    if twice := [name for name, count in finished.items() if count > 1]:
        return "trained twice", ", ".join(twice)
    if false := [name for status in ("RUNNING", "FAILED") for name, _ in runs(folder, status)]:
        return "false state", ", ".join(false)
    found = result(folder)
    names = wanted.predictions.keys() | found.predictions.keys()
    if other := [name for name in names if wanted.predictions.get(name) != found.predictions.get(name)]:
        return "other predictions", ", ".join(sorted(other))
    if odd := {*found.files} ^ {*wanted.files}:
        return "left over", ", ".join(sorted(odd))
    scratch = folder / "scratch"
    left = [path for path in folder.rglob("*.tmp*") if scratch not in path.parents]
    left += scratch.iterdir()  # what a SIGKILL left there the next start has removed
    if left:
        return "left over", ", ".join(map(str, left))
    return "", ""


def chain(
    number: int, seed: int, root: Path, wanted: Result, seconds: float, most: int
) -> Iterator[tuple[str, str, str]]:
    """Kill a chain's starts until it is done; give the kind of each kill, and what is wrong then."""
    rng = np.random.default_rng([seed, number])
    folder = root / f"chain{number}"
    variant = Variant.of(number)
    begin(folder, variant, root / "given")
    kinds: Counter[str] = Counter()
    while True:
        kind, after = str(rng.choice(list(KINDS))), float(rng.uniform(0, 0.6 * seconds))
        before = running(folder)  # by a SIGKILL: a start that is stopped at once has not closed them yet
        ended = start(
            folder, LABELS[variant.network], kind, after if kinds.total() < min(most, MOST) else np.inf
        )
        word, words = fault_behind(folder, ended, before)
        if ended.killed:
            kinds[ended.killed] += 1
            print(f"chain {number}: {kind} after {after:.1f} s: {word or 'ended'}", flush=True)
        if ended.killed or word:
            yield ended.killed, word, words
        if word:
            return
        if not ended.status:
            break
    word, words = fault_at_end(folder, wanted)
    print(f"chain {number}: done behind {kinds.total()} kills: {word or 'as undisturbed'}", flush=True)
    if word:
        yield "", word, words


def kill(count: int, seed: int, first: int, root: Path) -> tuple[dict[str, Counter[str]], list[str]]:
    """Return what came of each kind of kill in words, and all that was bad, which is kept to look at."""
    wanted, seconds = undisturbed(root)
    counts: dict[str, Counter[str]] = {kind: Counter() for kind in KINDS}
    bad, number = [], first
    while sum(found.total() for found in counts.values()) < count:
        network = Variant.of(number).network
        left = count - sum(found.total() for found in counts.values())
        for kind, word, words in chain(number, seed, root, wanted[network], seconds[network], left):
            if kind:
                counts[kind][word or "ended"] += 1
            if word:
                bad.append(word)
                kept = Path("build/kills") / f"{seed}-{number}"
                shutil.rmtree(kept, ignore_errors=True)
                shutil.copytree(root / f"chain{number}", kept)
                print(f"seed {seed}, chain {number}: {word}: {words[-3000:]}", file=sys.stderr, flush=True)
        shutil.rmtree(root / f"chain{number}", ignore_errors=True)
        number += 1
    print(f"{number - first} chains, {first} to {number - 1}")
    return counts, bad


def main() -> int:
    """Kill, and print the table; 1 where something came to a bad end."""
    parser = argparse.ArgumentParser(prog="python -m tests.fire.kills", description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="what all kills follow from (default: 0)")
    parser.add_argument("--count", type=int, default=200, help="how many (default: 200)")
    parser.add_argument("--first", type=int, default=0, help="number of the first chain (default: 0)")
    given = parser.parse_args()
    begun = time.monotonic()
    import_all()
    with tempfile.TemporaryDirectory() as scratch:
        counts, bad = kill(given.count, given.seed, given.first, Path(scratch).resolve())
    print(f"| kill | tried | ended as it should | {' | '.join(BAD)} |")
    for kind, found in counts.items():
        cells = [found.total(), found["ended"], *(found[word] for word in BAD)]
        print(f"| {kind} | {' | '.join(map(str, cells))} |")
    print(f"bad: {json.dumps(Counter(bad))}; {time.monotonic() - begun:.0f} s")
    return int(bool(bad))


if __name__ == "__main__":
    sys.exit(main())
