"""A study's worker processes, replaced when they die."""

import time
from collections.abc import Callable, Iterator
from multiprocessing import get_context
from multiprocessing.process import BaseProcess

from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from hemo import executors
from hemo.errors import HemoError
from hemo.tuning import storage as storages
from hemo.tuning.mirror import Mirror
from hemo.tuning.spec import StudySpec
from hemo.tuning.worker import finished, work

LOOK = 0.5
"""Seconds between looks at workers and trials."""

MOST_DEATHS = 20
"""So many workers that die one after the other, with no trial ended in between, are no accident."""


def run(spec: StudySpec, study: Study, mirror: Mirror) -> Iterator[FrozenTrial]:
    """Run a study to the end of its budget, and yield its trials as they end and are mirrored.

    When the caller stops early (Ctrl-C), workers are ended at once and their trials queued again.

    Raises
    ------
    HemoError
        If the database stays away, workers keep dying, or every trial fails.
    """
    crew = _Crew(spec)
    try:
        with executors.threads_shared_by(spec.workers):
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
        crew.end()
        storages.patiently(lambda: storages.recover(study, settled=0))
        mirror.sync(storages.patiently(lambda: study.get_trials(deepcopy=False)))


class _Crew:
    """The processes of a study."""

    def __init__(self, spec: StudySpec, target: Callable[[StudySpec, int], None] = work) -> None:
        self._spec = spec
        self._target = target
        self._context = get_context("spawn")  # TensorFlow does not survive a fork
        self._processes: list[BaseProcess | None] = [None] * spec.workers
        self._ended = -1
        self._deaths = 0

    def tend(self, ended: int, wanted: bool) -> None:
        """Start what is missing: workers not started yet, and those that died (or left) too early."""
        if ended != self._ended:
            self._ended, self._deaths = ended, 0
        for number, process in enumerate(self._processes):
            if process is not None and process.is_alive():
                continue
            if process is not None and process.exitcode:
                self._deaths += 1
            self._processes[number] = None  # counted once, also where it is not replaced
            if self._deaths > MOST_DEATHS:
                raise HemoError(
                    f"study {self._spec.study}: {self._deaths} workers died before a trial ended: "
                    "see what they printed; too little memory kills without a word"
                )
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
