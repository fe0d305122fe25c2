"""What a team's machines need, tried: tracking store, database, shared folder, weights, workers."""

import fcntl
import os
import platform
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import mlflow

from hemo import cluster, console, families, tracking
from hemo.config import Experiment
from hemo.errors import HemoError
from hemo.tracking import faults, reachable
from hemo.tracking.alone import database

FREE: Final = 20 * 10**9
"""Bytes that a shared folder should have left: a store of 752,803 slices of 128 px takes 12 GB."""

SHORT: Final = 5.0
"""Seconds for which a database is waited for: who asks wants to know."""

PATIENCE: Final = 30.0
"""Seconds for which a file that a worker wrote is looked for here."""


@dataclass(frozen=True)
class Finding:
    """What a check found.

    Attributes
    ----------
    what
        Was looked at.
    well
        Whether it is as it has to be.
    said
        What was found, or what is wrong and how to mend it.
    """

    what: str
    well: bool
    said: str


@dataclass(frozen=True)
class Seen:
    """A machine as its worker sees it: name, versions, and what it could not reach, with the reason."""

    host: str
    versions: dict[str, str]
    faults: dict[str, str]


Check = Callable[[], str]


def examine(config: Experiment, storage: str) -> Iterator[Finding]:
    """Try all that the commands of an experiment need here, and on its cluster; yield each as it is found.

    Parameters
    ----------
    config
        Its store's folder is what machines share; its cluster is asked where it names one.
    storage
        URL of Optuna's database.
    """
    folder = config.store_folder.absolute().parent
    yield _tried("tracking store", _tracking)
    yield _tried("Optuna's database", lambda: _database(storage))
    yield _tried("shared folder", lambda: _folder(folder))
    yield _tried("weights", lambda: _weights(_backbones(config)))
    if config.place:
        yield from dict.fromkeys(_workers(config, storage, folder))  # what all workers say, once


def _tried(what: str, check: Check) -> Finding:
    console.step(what)
    try:
        return Finding(what, True, check())
    except HemoError as fault:
        return Finding(what, False, str(fault))
    except Exception as fault:  # what a library raises is a finding, too
        return Finding(what, False, f"{type(fault).__name__}: {' '.join(str(fault).split())[:300]}")


def _tracking() -> str:
    reachable.check()
    if (file := database()) and not file.exists():
        return f"{file}: not there yet, `hemo main` makes it; a cluster needs a server"
    start = time.perf_counter()
    with faults.answered():
        tracking.client().search_experiments(max_results=1)
    words = f"{tracking.shown_uri()} answers in {time.perf_counter() - start:.2f} s"
    return words if reachable.is_shared() else f"{words}; a file of this machine: a cluster needs a server"


def _database(url: str) -> str:
    from hemo.tuning import storage as storages
    from hemo.tuning.lock import turn

    if url.startswith("sqlite:///") and not Path(url.removeprefix("sqlite:///")).exists():
        return f"{url}: not there yet, `hemo tune` makes it; a cluster needs PostgreSQL"
    start = time.perf_counter()
    storages.open_storage(url, SHORT)
    with turn(url, "doctor"):
        took = time.perf_counter() - start
    words = f"{faults.shown(url)} answers in {took:.2f} s"
    return (
        words
        if url.startswith("postgresql")
        else f"{words}; a file of this machine: a cluster needs PostgreSQL"
    )


def _folder(folder: Path) -> str:
    """Try what stores rely on: a rename that replaces, a lock that another process sees, room."""
    made = next(one for one in (folder, *folder.parents) if one.is_dir())
    if not os.access(made, os.W_OK):
        raise HemoError(f"{made}: may not be written to: give another folder, or permission")
    with tempfile.TemporaryDirectory(dir=made, prefix=".hemo-doctor-") as scratch:
        old, new = Path(scratch, "old"), Path(scratch, "new")
        old.write_text("old")
        new.write_text("new")
        os.replace(new, old)
        if old.read_text() != "new" or new.exists():
            raise HemoError(f"{made}: a rename does not take another file's place: use another file system")
        with old.open("r+") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            other = "import fcntl, sys; fcntl.flock(open(sys.argv[1], 'r+'), fcntl.LOCK_EX | fcntl.LOCK_NB)"
            done = subprocess.run([sys.executable, "-c", other, str(old)], capture_output=True, check=False)
            if done.returncode == 0:
                raise HemoError(
                    f"{made}: two processes hold one lock: mount it with locks (NFS: without nolock)"
                )
    free = shutil.disk_usage(made).free
    if free < FREE:
        raise HemoError(
            f"{made}: {free / 1e9:.1f} GB are free: stores and models need {FREE / 1e9:.0f} and more"
        )
    return f"{made}: renames, locks, {free / 1e9:.0f} GB free"


def _backbones(config: Experiment) -> frozenset[str]:
    """Return the backbones whose published weights the experiment's families begin with; always lite0."""
    said = [{**families.get(word).defaults, **params} for word, params in config.families.items()]
    return frozenset(
        {"lite0", *(one.get("backbone", "lite0") for one in said if one.get("weights") == "imagenet")}
    )


def _weights(backbones: Collection[str]) -> str:
    return ", ".join(families.weights_file(name).name for name in sorted(backbones))


@dataclass(frozen=True)
class _Asked:
    """What a worker looks at: databases, weights, the folder, and the name of a file that it writes there."""

    storage: str
    folder: Path
    backbones: frozenset[str]
    name: str


def look_around(asked: _Asked) -> Seen:
    """Say how a worker sees its machine: what it runs, and whether it reaches what it needs."""

    def leave() -> str:
        try:
            (asked.folder / asked.name).write_text(socket.gethostname())
        except OSError as fault:
            raise HemoError(
                f"{asked.folder}: this worker cannot write there ({fault.strerror}): mount it there, too"
            ) from None
        return ""

    checks: dict[str, Check] = {
        "tracking store": _tracking,
        "Optuna's database": lambda: _database(asked.storage),
        "shared folder": leave,
        "weights": lambda: _weights(asked.backbones),
    }
    found = [_tried(what, check) for what, check in checks.items()]
    versions = {
        "python": platform.python_version(),
        "hemo's code": tracking.git_commit(),
        **tracking.versions(),
    }
    return Seen(socket.gethostname(), versions, {one.what: one.said for one in found if not one.well})


def _workers(config: Experiment, storage: str, folder: Path) -> Iterator[Finding]:
    folder.mkdir(parents=True, exist_ok=True)
    names = [f".hemo-doctor-{os.getpid()}-{number}" for number in range(config.workers + 1)]
    here, *asked = (_Asked(storage, folder, _backbones(config), name) for name in names)
    mine = look_around(here)
    place = f"workers of {config.cluster}"
    hosts = set()
    console.step(place)
    try:
        for one, seen in cluster.run_all(config.place, look_around, asked, config.workers, any_code=True):
            if isinstance(seen, Exception):
                yield Finding(place, False, str(seen))
                continue
            hosts.add(seen.host)
            yield from _compared(mine, seen)
            if "shared folder" not in seen.faults and not _appears(folder / one.name):
                yield Finding(
                    f"{seen.host}: shared folder", False, f"{folder}: what it writes there is not seen here"
                )
        if hosts:
            yield Finding(place, True, f"{len(asked)} tasks done, on {', '.join(sorted(hosts))}")
    except HemoError as fault:
        yield Finding(place, False, str(fault))
    finally:
        for name in names:
            with suppress(OSError):
                (folder / name).unlink()


def _compared(here: Seen, seen: Seen) -> Iterator[Finding]:
    for what, said in seen.faults.items():
        yield Finding(f"{seen.host}: {what}", False, said)
    other = {
        name: (version, seen.versions.get(name, "none"))
        for name, version in here.versions.items()
        if seen.versions.get(name) != version
    }
    if other:
        words = ", ".join(f"{name} {theirs}, here {ours}" for name, (ours, theirs) in other.items())
        yield Finding(
            f"{seen.host}: versions", False, f"{words}: let all use one environment and one checkout"
        )


def _appears(file: Path) -> bool:
    """Return whether a file comes to sight: shared file systems show it after a while."""
    end = time.monotonic() + PATIENCE
    while not file.exists():
        if time.monotonic() > end:
            return False
        time.sleep(0.5)
    return True


def default_storage(config: Experiment) -> str:
    """Return the URL of Optuna's database for an experiment."""
    from hemo.tuning.storage import default_url

    return config.tuning.storage or default_url(mlflow.get_tracking_uri())
