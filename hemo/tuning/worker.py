"""A process that runs trials of one study until the study's budget is used up."""

import multiprocessing
import multiprocessing.connection
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress

import numpy as np
import optuna
from optuna.study import Study
from optuna.trial import TrialState

from hemo import liveness
from hemo.config.tuning import Budget
from hemo.errors import HemoError
from hemo.tuning import storage as storages
from hemo.tuning.folds import make_folds
from hemo.tuning.lock import Turn, turn
from hemo.tuning.pruning import FoldAndEpochPruner
from hemo.tuning.spec import StudySpec
from hemo.tuning.trial import CREW, FAULT, WORKER, Result, run_trial

STARTUP_TRIALS = 10
"""Trials drawn at random before the sampler learns from them: Optuna's default."""

MOST_REPEATS = 30
"""So many repeated parameter sets in a row say that the settings are exhausted."""

MOST_FAULTS = 10
"""So many failures in a row, and none before that ended well, say that the study cannot work."""

WAIT = 0.2
"""Seconds between looks at whether trials of other workers fill the budget, of eight workers or fewer: with
more, each looks more seldom, so that the database is asked as often."""

DRIVER = "driver"
"""User attribute of a study: when its parent was last seen, in seconds since 1970; 0 when it has left."""

BEAT = 30
"""Seconds after which a parent shows again that it is there."""

SILENCE = 600
"""Seconds without a sign of the parent after which a cluster's workers begin no further trial."""


def work(spec: StudySpec, number: int) -> None:
    """Run trials until the budget is used up: what a worker process does.

    Parameters
    ----------
    spec : StudySpec
        The study.
    number : int
        Of the worker, from 0; sets its sampler's seed apart.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears Ctrl-C and ends its workers
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        with suppress(HemoError):  # the parent comes upon it too, and says it
            run_trials(spec, number)
    except Exception as fault:  # sorted just below: of a neighbour, or of this program
        from hemo.tracking import faults  # with MLflow, two seconds, which no other worker needs

        if faults.lasts(fault):  # the parent comes upon that too
            sys.exit(1)
        raise


def _end_with_parent() -> None:
    """End this process when its parent is gone, even killed: its trials would be mirrored by nobody."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)


def work_elsewhere(spec: StudySpec, number: int, crew: str) -> None:
    """Run trials until the budget is used up, as a cluster's worker that is called `crew`.

    One that a job of Slurm's goes on with, after its node failed, ends what it had begun there.
    """
    storages.give_up(storages.load_study(storages.open_storage(spec.url), spec.study), crew)
    run_trials(spec, number, crew)


def run_trials(spec: StudySpec, number: int, crew: str = "") -> None:
    """Run trials in this process until the budget is used up, or the parent of a `crew` is gone.

    Raises
    ------
    HemoError
        If a fold cannot be learned from, or no trial can end well.
    """
    folds = make_folds(spec.training)

    def run(trial: optuna.Trial, deadline: float) -> float | tuple[float, ...]:
        return run_trial(trial, spec, folds, deadline)

    take_trials(load(spec, number), turn(spec.url, spec.study), spec.budget, run, spec.workers, crew)


def take_trials(
    study: Study,
    one_at_a_time: Turn,
    budget: Budget,
    run: Callable[[optuna.Trial, float], float | tuple[float, ...]],
    workers: int = 1,
    crew: str = "",
) -> None:
    """Run trials of a study beside other workers, until its budget is used up: never one too many.

    Parameters
    ----------
    study
        With this worker's sampler.
    one_at_a_time
        The lock of all workers of the study.
    budget
        When it ends.
    run
        Does a trial, which it is given with the time at which the budget ends, in seconds since 1970.
    workers
        Their number.
    crew
        What the worker is called, where a parent asks a cluster about it; "" for one of the parent's machine.
    """
    me = liveness.this_process()
    while True:
        if crew and time.time() - study.user_attrs.get(DRIVER, 0) > SILENCE:
            return
        # A look beforehand, so that nobody waits for a turn to learn that there is nothing to do.
        trials = study.get_trials(deepcopy=False)
        if finished(trials, budget):
            return
        if not has_room(trials, budget):
            time.sleep(WAIT * max(1, workers / 8))
            continue
        with one_at_a_time as lock:
            trials = study.get_trials(deepcopy=False)
            if has_room(trials, budget) and not finished(trials, budget):
                deadline = time.time() + (budget.seconds or np.inf) - storages.spent_seconds(trials)

                begun: list[optuna.Trial] = []

                def objective(
                    trial: optuna.Trial,
                    lock: Turn = lock,
                    deadline: float = deadline,
                    begun: list[optuna.Trial] = begun,
                ) -> float | tuple[float, ...]:
                    lock.release()
                    begun.append(trial)
                    trial.set_user_attr(WORKER, me)
                    if crew:
                        trial.set_user_attr(CREW, crew)
                    return run(trial, deadline)

                try:
                    study.optimize(objective, n_trials=1, catch=(Exception,))
                except (AssertionError, ValueError):
                    # A computer that slept misses signs of life: the trial was taken for lost, and is queued
                    # again. Optuna takes its end for an error.
                    if not begun or study.trials[begun[0].number].state != TrialState.FAIL:
                        raise


def load(spec: StudySpec, number: int) -> Study:
    """Open a study with the sampler of one worker.

    The sampler's seed depends on how many trials there are, so that a study that goes on does not draw its
    first trials again.
    """
    study = storages.load_study(storages.open_storage(spec.url), spec.study)
    entropy = [spec.training.plan.seed, len(study.get_trials(deepcopy=False, states=ENDED)), number]
    study.sampler = optuna.samplers.TPESampler(
        multivariate=True,
        group=True,
        n_startup_trials=STARTUP_TRIALS,
        seed=int(np.random.default_rng(entropy).integers(2**31)),
    )
    if len(study.directions) == 1:
        study.pruner = FoldAndEpochPruner()
    return study


ENDED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)


def finished(trials: list[optuna.trial.FrozenTrial], budget: Budget) -> str:
    """Return why a study is over, '' while it is not: a lost trial that waits to run again keeps it open.

    Raises
    ------
    HemoError
        If trials fail one after the other and none ever ended well.
    """
    if any(waits_again(trial) for trial in trials):
        return ""
    if budget.trials is not None and len(storages.counted(trials)) >= budget.trials:
        return "trials"
    if budget.seconds is not None and storages.spent_seconds(trials) >= budget.seconds:
        return "seconds"
    ended = [trial for trial in trials if trial.state in ENDED]
    faults = [trial.user_attrs[FAULT] for trial in ended if FAULT in trial.user_attrs]
    if len(faults) >= MOST_FAULTS and len(faults) == len(ended):
        raise HemoError(f"the first {len(faults)} trials failed, the first by {faults[0]}")
    found = [Result.of(trial) for trial in ended[-MOST_REPEATS:]]
    if len(found) == MOST_REPEATS and all(result and result.same_as is not None for result in found):
        return "settings"
    return ""


def has_room(trials: list[optuna.trial.FrozenTrial], budget: Budget) -> bool:
    """Return whether a trial more is wanted, even if all that run now end with a value."""
    if any(waits_again(trial) for trial in trials):
        return True
    running = sum(trial.state == TrialState.RUNNING for trial in trials)
    return budget.trials is None or len(storages.counted(trials)) + running < budget.trials


def waits_again(trial: optuna.trial.FrozenTrial) -> bool:
    """Return whether a trial is a lost one's second run that has not started."""
    history = optuna.storages.RetryHeartbeatStaleTrialCallback.retry_history(trial)
    return trial.state == TrialState.WAITING and bool(history)
