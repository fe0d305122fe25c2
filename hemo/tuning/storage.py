"""Studies in SQLite or PostgreSQL: opening them, their budgets, and trials whose worker died.

Measured with Optuna 5.0: a trial costs 13 to 20 commits. In SQLite's default mode each waits for the disk;
with a write-ahead log a commit does not, which is four times faster and loses nothing when a process is
killed.
"""

import copy
import datetime
import os
import re
import time
import uuid
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Final, Literal, TypeVar

import optuna
from optuna.storages import RDBStorage, RetryHeartbeatStaleTrialCallback
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from hemo import liveness
from hemo.errors import HemoError
from hemo.tuning.lock import turn
from hemo.tuning.trial import CREW, FAULT, RESULT, WORKER, Result

Answer = TypeVar("Answer")

optuna.logging.set_verbosity(optuna.logging.ERROR)
warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
warnings.filterwarnings("ignore", message=".*[Hh]eartbeat.*", category=UserWarning)

HEARTBEAT = 15
"""Seconds between signs of life of a trial."""

GRACE = 600
"""Seconds without one after which a trial on another machine counts as lost.

Of this machine's trials `recover` knows it at once, by their processes. On a machine that others keep busy,
signs of life came minutes late, and trials counted as lost that were well.
"""

SETTLED = 5
"""Seconds after which a running trial has named its worker, unless it was lost before."""

RETRIES = 1
"""How often a lost trial is run again."""

PATIENCE = 120
"""Seconds for which a database that does not answer is waited for."""


POSTGRESQL = "postgresql+psycopg://USER@HOST/DATABASE"


VARIABLE = "HEMO_STORAGE"
"""Environment variable that names the database: an address with a password is not for a command line."""


def default_url(tracking_uri: str) -> str:
    """Return the URL in the environment; else of `optuna.db` beside MLflow's SQLite database, or here."""
    if named := os.environ.get(VARIABLE):
        return named
    folder = Path()
    if tracking_uri.startswith("sqlite:///"):
        folder = Path(tracking_uri.removeprefix("sqlite:///")).parent
    return f"sqlite:///{folder.resolve() / 'optuna.db'}"


def _faults() -> ModuleType:
    """Import what names faults once there is one: with it comes MLflow, two seconds in each worker."""
    from hemo.tracking import faults

    return faults


REFUSED: Final = r"authentication failed|no password supplied|no pg_hba.conf entry|does not exist"
"""What a server says at once that will say the same in two minutes."""


def open_storage(url: str, patience: float = PATIENCE) -> RDBStorage:
    """Open Optuna's database, made where it is SQLite and not there yet.

    Raises
    ------
    HemoError
        If the URL is no database's, its driver is missing, the server refuses, or it does not answer for
        `patience` seconds.
    """
    from sqlalchemy import event
    from sqlalchemy.exc import ArgumentError, DatabaseError, NoSuchModuleError, OperationalError

    sqlite = url.startswith("sqlite:")
    options: dict[str, Any] = {"connect_args": {"timeout": PATIENCE}} if sqlite else {"pool_pre_ping": True}
    end = time.monotonic() + patience
    while True:
        try:
            with turn(url):
                storage = RDBStorage(
                    url,
                    engine_kwargs=options,
                    heartbeat_interval=HEARTBEAT,
                    grace_period=GRACE,
                    heartbeat_stale_trial_callback=run_again,
                )
            break
        except (ArgumentError, NoSuchModuleError):
            raise HemoError(
                f"{_faults().shown(url)}: no database URL: give sqlite:///FILE or {POSTGRESQL}"
            ) from None
        except ImportError:
            raise HemoError(
                f"{_faults().shown(url)}: its driver is not installed: `pip install 'psycopg[binary]'`, and "
                f"write {POSTGRESQL}"
            ) from None
        except (DatabaseError, optuna.exceptions.StorageInternalError) as fault:
            refused = sqlite or not isinstance(fault, OperationalError) or re.search(REFUSED, str(fault))
            if refused or time.monotonic() > end:
                raise _faults().said(fault, url) or fault from None
            time.sleep(1)
    if sqlite:
        event.listen(storage.engine, "connect", _write_ahead)
        storage.engine.dispose()  # connections made before did not hear of it
    return storage


def _write_ahead(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.close()


def patiently(action: Callable[[], Answer]) -> Answer:
    """Return what an action on the database gives, tried again for `PATIENCE` while that does not answer.

    Raises
    ------
    HemoError
        If it stays away.
    StorageInternalError
        If it answers that waiting is of no use: it is damaged, or its disk is full.
    """
    from sqlalchemy.exc import SQLAlchemyError

    end = time.monotonic() + PATIENCE
    while True:
        try:
            return action()
        except (optuna.exceptions.StorageInternalError, SQLAlchemyError) as fault:
            if _faults().lasts(fault):
                raise
            if time.monotonic() > end:
                reason = " ".join(str(fault.__cause__ or fault).split())
                raise HemoError(f"Optuna's database does not answer: {reason}") from None
            time.sleep(1)


def snapshot(study: Study) -> Study:
    """Return a copy of a study in memory, with the same numbers of trials."""
    copy = optuna.create_study(study_name=study.study_name, directions=study.directions)
    copy.add_trials(study.get_trials(deepcopy=False))
    copy.set_metric_names(study.metric_names or [])
    return copy


def open_study(
    storage: RDBStorage,
    name: str,
    directions: Sequence[Literal["minimize", "maximize"]],
    facts: Mapping[str, str],
    *,
    sampler: optuna.samplers.BaseSampler | None = None,
    pruner: optuna.pruners.BasePruner | None = None,
) -> Study:
    """Open a study, or make it.

    Parameters
    ----------
    facts
        What its values depend on, such as the data's digest: a study goes on only under the same.

    Raises
    ------
    HemoError
        If the study is there, but of other facts.
    """
    study = optuna.create_study(
        storage=storage, study_name=name, directions=list(directions), load_if_exists=True,
        sampler=sampler, pruner=pruner,
    )  # fmt: skip
    known = study.user_attrs.get("facts")
    if known is None:
        study.set_user_attr("id", uuid.uuid4().hex)
        study.set_user_attr("facts", dict(facts))
        study.set_metric_names(facts["objective"].split(","))
    elif known != dict(facts):
        differing = [word for word in facts if known.get(word) != facts[word]]
        raise HemoError(
            f"study {name}: it was made with another {', '.join(differing)}: "
            "give the experiment another name, or another --storage"
        )
    return study


def load_study(storage: RDBStorage, name: str) -> Study:
    """Open a study that exists; raise HemoError with the known names otherwise."""
    try:
        return optuna.load_study(study_name=name, storage=storage)
    except KeyError:
        known = ", ".join(sorted(optuna.get_all_study_names(storage))) or "none"
        raise HemoError(f"no study '{name}' (known: {known}): `hemo tune` makes them") from None


def counted(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """Return the trials that count towards a budget: with a value, and of parameters not run before."""
    return [
        trial
        for trial in trials
        if trial.state == TrialState.COMPLETE and (r := Result.of(trial)) is not None and r.same_as is None
    ]


def spent_seconds(trials: Sequence[FrozenTrial]) -> float:
    """Return the time in which at least one trial ran."""
    spans = sorted(
        (t.datetime_start, t.datetime_complete) for t in trials if t.datetime_start and t.datetime_complete
    )
    total, reached = 0.0, None
    for start, end in spans:
        begin = start if reached is None or start > reached else reached
        if end > begin:
            total += (end - begin).total_seconds()
            reached = end
    return total


def check_shared(url: str) -> None:
    """Raise HemoError if Optuna's database is a file of one machine, which a cluster cannot share."""
    if not url.startswith("postgresql"):
        raise HemoError(
            f"Optuna's database {_faults().shown(url)}: workers of a cluster cannot share it: give --storage "
            f"{POSTGRESQL}, or set {VARIABLE} to it (docs/cluster.md)"
        )


def give_up(study: Study, crew: str) -> int:
    """End the running trials of a crew's member whose process is known to be gone; return how many.

    Parameters
    ----------
    study
        Where to look.
    crew
        What the member was called.
    """
    lost = [
        trial
        for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        if trial.user_attrs.get(CREW) == crew
    ]
    for trial in lost:
        study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)
    return len(lost)


def recover(study: Study, settled: float = SETTLED) -> int:
    """End running trials whose worker is gone as FAIL, and queue lost ones again; return how many were lost.

    Optuna's heartbeat alone leaves two gaps: a trial whose worker died before its first sign of life stays
    RUNNING for ever, and one whose rescuer died between failing it and queueing it is never run again.

    Parameters
    ----------
    study : Study
        Where to look.
    settled : float
        Seconds after which a trial that names no worker counts as lost; one that names a dead one does at
        once.
    """
    optuna.storages.fail_stale_trials(study)
    lost = 0
    now = datetime.datetime.now()
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        age = (now - trial.datetime_start).total_seconds() if trial.datetime_start else settled
        worker = trial.user_attrs.get(WORKER)
        if age >= settled if worker is None else liveness.is_alive(worker) is False:
            study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)
            lost += 1
    trials = study.get_trials(deepcopy=False)
    queued = {number for t in trials for number in RetryHeartbeatStaleTrialCallback.retry_history(t)}
    for trial in trials:
        if trial.state == TrialState.FAIL and FAULT not in trial.user_attrs and trial.number not in queued:
            run_again(study, trial)
    return lost


def run_again(study: Study, trial: FrozenTrial) -> None:
    """Queue a lost trial again, unless it was its second run.

    The second run starts without what the first left: the name of its dead worker above all, for which it
    would count as lost itself before it has named its own.
    """
    first = copy.deepcopy(trial)  # Optuna appends to its history
    first.user_attrs = {
        name: value for name, value in first.user_attrs.items() if name not in (WORKER, CREW, RESULT)
    }
    RetryHeartbeatStaleTrialCallback(max_retry=RETRIES)(study, first)
