"""Training in epochs: stopped early, told of as they end, and gone on with where a fit was killed.

Keras' own BackupAndRestore keeps weights and optimizer, but neither the early stopping's best weights and
patience nor the seeds of dropout and augmentation: a fit that goes on from these alone becomes another one.
"""

import io
import json
import time
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from hemo import console
from hemo.families.base import OnEpoch
from hemo.sealed import Sealed

STOPPING: Final = ("wait", "best", "best_epoch", "stopped_epoch")
"""What early stopping knows beside the best weights."""


@dataclass(frozen=True)
class Checkpoint:
    """A fit as it was behind its last finished epoch.

    Attributes
    ----------
    logs
        Metrics of each epoch.
    seconds
        They took.
    stopped
        Whether it was the last epoch.
    stopping
        What early stopping knew, by the names in `STOPPING`.
    variables
        Weights, seeds and the optimizer's state.
    best
        The best weights; None where they are those of the last epoch, or nothing is stopped early.
    """

    logs: Sequence[Mapping[str, float]] = ()
    seconds: float = 0.0
    stopped: bool = False
    stopping: Mapping[str, Any] | None = None
    variables: Sequence[NDArray[Any]] = ()
    best: Sequence[NDArray[Any]] | None = None

    @classmethod
    def read(cls, file: Sealed | None) -> Self:
        """Return what was kept in a file, or the beginning where there is none that can be read."""
        content = file and file.read()
        if not content:
            return cls()
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
                facts = json.loads(arrays["facts"].tobytes())
                counts = facts.pop("variables"), facts.pop("best")
                variables, best = (
                    None if count is None else [arrays[f"{name}_{number}"] for number in range(count)]
                    for name, count in zip(("variable", "best"), counts, strict=True)
                )
                return cls(**facts, variables=variables or (), best=best)
        except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
            return cls()

    def write(self, file: Sealed) -> None:
        """Write it, whole or not at all; where that cannot be, say so: the fit goes on."""
        best = [] if self.best is None else self.best
        facts = {
            "logs": self.logs,
            "seconds": self.seconds,
            "stopped": self.stopped,
            "stopping": self.stopping,
            "variables": len(self.variables),
            "best": None if self.best is None else len(best),
        }
        arrays: dict[str, Any] = {f"variable_{number}": one for number, one in enumerate(self.variables)}
        arrays |= {f"best_{number}": one for number, one in enumerate(best)}
        arrays["facts"] = np.frombuffer(json.dumps(facts, default=float).encode(), np.uint8)
        try:
            file.write(lambda partial: np.savez(partial, **arrays))
        except OSError as fault:
            console.err.print(
                f"{file.path}: the epoch cannot be kept ({fault.strerror}): a kill would lose it"
            )


def begun(file: Sealed | None) -> tuple[int, float]:
    """Return how many epochs of a fit are kept in a file, and the seconds that they took."""
    kept = Checkpoint.read(file)
    return len(kept.logs), kept.seconds


def fit_epochs(
    trainer: Any,
    batches: Any,
    params: Mapping[str, Any],
    *,
    validation: Any = None,
    on_epoch: OnEpoch | None = None,
    checkpoint: Sealed | None = None,
    class_weight: Mapping[int, float] | None = None,
    average: Any = None,
) -> dict[str, float]:
    """Train a compiled model, by early stopping on the loss of `validation`, and return how it converged.

    Parameters
    ----------
    trainer : keras.Model
        Compiled.
    batches : keras.utils.PyDataset
        What it learns from; what is drawn for an epoch hangs on a seed and the calls of its hooks alone.
    params
        `epochs` at most, and `patience`, in epochs.
    validation
        What decides about stopping; None: as many epochs as `params` say.
    on_epoch
        Told each epoch's metrics, also of those that were finished before.
    checkpoint
        Where each finished epoch is kept, and gone on from; None: nowhere.
    class_weight
        What slices of a class weigh in the loss.
    average : keras.callbacks.Callback
        What averages the weights meanwhile (see `hemo.families._average`); None: nothing does.
    """
    import keras

    begin = Checkpoint.read(checkpoint)
    start = time.perf_counter() - begin.seconds
    stopping = keras.callbacks.EarlyStopping(
        "val_loss", patience=params["patience"], restore_best_weights=True
    )
    logs = [*begin.logs]

    def variables() -> list[Any]:
        measured = {id(one) for one in trainer.metrics_variables}
        own = [one for one in trainer.variables if id(one) not in measured]
        return [*own, *trainer.optimizer.variables, *(average.variables if average else [])]

    def go_on(_: Any = None) -> None:
        for variable, value in zip(variables(), begin.variables, strict=True):
            variable.assign(value)
        for name, value in (begin.stopping or {}).items():
            setattr(stopping, name, value)
        if begin.stopping:
            stopping.best_weights = trainer.get_weights() if begin.best is None else [*begin.best]
        if average:  # an epoch that was judged ended with them
            average.shown = bool(validation)

    def ended(epoch: int, metrics: Mapping[str, float]) -> None:
        logs.append(dict(metrics))
        if on_epoch:
            on_epoch(epoch, dict(metrics))
        if checkpoint is None:
            return
        newest = not validation or stopping.best_epoch == epoch
        Checkpoint(
            logs,
            time.perf_counter() - start,
            bool(trainer.stop_training),
            {name: getattr(stopping, name) for name in STOPPING} if validation else None,
            [np.asarray(variable) for variable in variables()],
            None if newest else stopping.best_weights,
        ).write(checkpoint)

    callbacks = [average] if average else []
    callbacks += [stopping] if validation else []
    if begin.logs:
        trainer.optimizer.build(trainer.trainable_variables)
        for epoch, metrics in enumerate(begin.logs):
            batches.on_epoch_begin()
            batches.on_epoch_end()
            if on_epoch:
                on_epoch(epoch, dict(metrics))
        callbacks.append(keras.callbacks.LambdaCallback(on_train_begin=go_on))
    trainer.fit(
        batches,
        initial_epoch=params["epochs"] if begin.stopped else len(begin.logs),
        epochs=params["epochs"],
        validation_data=validation,
        class_weight=class_weight,
        callbacks=[*callbacks, keras.callbacks.LambdaCallback(on_epoch_end=ended)],
        shuffle=False,
        verbose=0,
    )
    return {
        "converged": float(bool(validation) and stopping.stopped_epoch > 0),
        "iterations": float(len(logs)),
        "best_epoch": float(stopping.best_epoch if validation else len(logs) - 1),
    }
