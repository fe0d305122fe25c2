"""A study's workers, processes here or on a cluster, replaced when they die."""

import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from multiprocessing.process import BaseProcess

from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from hemo import cluster, console, executors
from hemo.cluster import Cluster
from hemo.errors import HemoError
from hemo.tuning import storage as storages
from hemo.tuning.mirror import Mirror
from hemo.tuning.spec import StudySpec
from hemo.tuning.worker import BEAT, DRIVER, finished, work, work_elsewhere

LOOK = 0.5
"""Seconds between looks at workers and trials."""

MOST_DEATHS = 20
"""So many workers that die one after the other, with no trial ended in between, are no accident."""


def run(spec: StudySpec, study: Study, mirror: Mirror, place: Cluster | None = None) -> Iterator[FrozenTrial]:
    """Run a study to the end of its budget, and yield its trials as they end and are mirrored.

    When the caller stops early (Ctrl-C), workers are ended at once and their trials queued again. Workers are
    processes of this machine, or do their work at a `place`.

    Raises
    ------
    HemoError
        If the database stays away, workers keep dying, or every trial fails.
    """
    try:
        with _crew(spec, study, place) as crew:
            while True:
                trials = storages.patiently(lambda: study.get_trials(deepcopy=False))
                over = finished(trials, spec.budget)
                yield from mirror.sync(trials)
                if over and all(trial.state != TrialState.RUNNING for trial in trials):
                    return
                crew.tend(sum(trial.state.is_finished() for trial in trials), wanted=not over)
                storages.patiently(lambda: storages.recover(study))
                time.sleep(LOOK)
    finally:
        storages.patiently(lambda: storages.recover(study, settled=0))
        mirror.sync(storages.patiently(lambda: study.get_trials(deepcopy=False)))


@contextmanager
def _crew(spec: StudySpec, study: Study, place: Cluster | None) -> Iterator["_Crew | _CrewElsewhere"]:
    """Give the workers of a study; leaving it, they have ended."""
    if place is None:
        crew = _Crew(spec)
        try:
            with executors.surroundings(spec.workers):
                yield crew
        finally:
            crew.end()
        return
    with cluster.pool(place, spec.workers) as executor:
        elsewhere = _CrewElsewhere(spec, study, executor)
        try:
            yield elsewhere
        finally:
            elsewhere.leave()
    elsewhere.end()


class _Deaths:
    """How many workers died one after the other, with no trial ended in between."""

    def __init__(self, study: str) -> None:
        self._study = study
        self._ended = -1
        self.count = 0

    def look(self, ended: int) -> None:
        """Begin to count anew where another trial has ended."""
        if ended != self._ended:
            self._ended, self.count = ended, 0

    def add(self) -> None:
        """Count one more; raise HemoError where they are no accident."""
        self.count += 1
        if self.count > MOST_DEATHS:
            raise HemoError(
                f"study {self._study}: {self.count} workers died before a trial ended: "
                "see what they printed; too little memory kills without a word"
            )


class _CrewElsewhere:
    """A study's workers on a cluster, each called by a name of its own, by which its trials are known."""

    def __init__(self, spec: StudySpec, study: Study, executor: Executor) -> None:
        self._spec = spec
        self._study = study
        self._executor = executor
        self._members: dict[int, tuple[str, Future[None]]] = {}
        self._deaths = _Deaths(spec.study)
        self._seen = 0.0

    def tend(self, ended: int, wanted: bool) -> None:
        """Submit what is missing: workers not there yet, and those that died (or left) too early."""
        self._deaths.look(ended)
        if time.time() - self._seen > BEAT:
            self._seen = time.time()
            storages.patiently(lambda: self._study.set_user_attr(DRIVER, self._seen))
        for number in range(self._spec.workers):
            crew, future = self._members.get(number, ("", None))
            if future is not None and not future.done():
                continue
            if future is not None:
                del self._members[number]
                storages.patiently(partial(storages.give_up, self._study, crew))
                if fault := future.exception():
                    console.err.print(f"a worker of {self._spec.study} died: {fault}", markup=False)
                    self._deaths.add()
            if wanted:
                name = f"{uuid.uuid4().hex[:12]}-{number}"
                task = cluster.elsewhere(partial(work_elsewhere, self._spec, number))
                self._members[number] = name, self._executor.submit(task, name)

    def leave(self) -> None:
        """Say that nobody waits for trials any more: workers that cannot be ended begin no other."""
        storages.patiently(lambda: self._study.set_user_attr(DRIVER, 0))

    def end(self) -> None:
        """Queue again what members had begun, which have ended, or whose trials count no more."""
        for crew, _ in self._members.values():
            storages.patiently(partial(storages.give_up, self._study, crew))


class _Crew:
    """The processes of a study on this machine."""

    def __init__(self, spec: StudySpec, target: Callable[[StudySpec, int], None] = work) -> None:
        self._spec = spec
        self._target = target
        self._context = get_context("spawn")  # TensorFlow does not survive a fork
        self._processes: list[BaseProcess | None] = [None] * spec.workers
        self._deaths = _Deaths(spec.study)

    def tend(self, ended: int, wanted: bool) -> None:
        """Start what is missing: workers not started yet, and those that died (or left) too early."""
        self._deaths.look(ended)
        for number, process in enumerate(self._processes):
            if process is not None and process.is_alive():
                continue
            self._processes[number] = None  # counted once, also where it is not replaced
            if process is not None and process.exitcode:
                self._deaths.add()
            if wanted:
                self._processes[number] = self._context.Process(
                    target=self._target, args=(self._spec, number), name=f"tune-{number}", daemon=True
                )
                self._processes[number].start()  # type: ignore[union-attr]

    def end(self) -> None:
        """End all processes at once."""
        for process in self._processes:
            if process is not None:
                process.kill()
                process.join()
