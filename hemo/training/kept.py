"""What a training that is killed has finished: predictions of its folds, and the last epoch of a fit.

They lie in a folder beside the store until the training's run is finished. The same training, started again,
takes them as they are: it becomes what it would have been.
"""

import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import pandas as pd

from hemo import console
from hemo.slices.split import Round
from hemo.slices.store import SliceStore
from hemo.whole import replacing

Epochs = list[dict[str, float]]
"""One each: `repeat`, `fold` (-1: the classifier to keep), `epoch`, `loss`, ..."""

FORGOTTEN: Final = 30 * 24 * 3600
"""Seconds after which nobody is taken to go on with what was killed."""


@dataclass(frozen=True)
class Finished:
    """What a round gave that is predicted, and whose classifier is not the one to keep.

    Attributes
    ----------
    tables
        Predictions by label.
    seconds
        Of the fit.
    epochs
        As they were noted.
    """

    tables: Mapping[str, pd.DataFrame]
    seconds: float
    epochs: Epochs


@dataclass(frozen=True)
class Kept:
    """The folder of a training, or of those that are one fit, until it is finished.

    Attributes
    ----------
    folder
        Made when something is kept; None: nothing is.
    """

    folder: Path | None = None

    @classmethod
    def beside(cls, store: SliceStore, key: str) -> Self:
        """Return the folder of a training beside its store; `key` says all that its results follow from."""
        return cls(store.folder.with_name(f"{store.folder.name}.unfinished") / key)

    def checkpoint(self, one: Round) -> Path | None:
        """Return where the last finished epoch of a round's fit is kept."""
        return self._file(one, ".npz")

    def through(
        self,
        rounds: Sequence[Round],
        name: str,
        epochs: Epochs,
        made: Callable[[Round], tuple[Mapping[str, pd.DataFrame], float]],
        *,
        last: bool,
    ) -> Iterator[Finished]:
        """Yield what each round gives: what is finished as it was kept, the others made, and kept.

        Parameters
        ----------
        rounds
            In order.
        name
            Of the training, for the line that says how many are finished.
        epochs
            Where epochs are noted; those of what is finished are noted again.
        made
            Fits and predicts a round: tables by label, and the seconds of the fit.
        last
            Whether the last round's classifier is the one to keep: it is fitted whatever was finished.
        """
        spare = rounds[:-1] if last else rounds
        found = {id(one): done for one in spare if (done := self._read(one))}
        if found:
            console.err.print(
                f"{name}: {len(found)} of {len(spare)} folds were finished when it was ended: they are taken "
                "as they are"
            )
        for number, one in enumerate(rounds):
            if done := found.get(id(one)):
                for epoch in done.epochs:
                    epochs.append(epoch)  # one by one: they may be logged as they come
            else:
                before = len(epochs)
                tables, seconds = made(one)
                done = Finished(tables, seconds, epochs[before:])
                if number < len(spare):
                    self._keep(one, done)
            yield done

    def _keep(self, one: Round, done: Finished) -> None:
        """Keep a finished round, whole or not at all; where that cannot be, say so and go on."""
        path = self._file(one, ".parquet")
        if path is None:
            return
        table = pd.concat(
            [part.assign(label=label) for label, part in done.tables.items()], ignore_index=True
        )
        table.attrs = {"seconds": done.seconds, "epochs": json.dumps(done.epochs, default=float)}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(path) as partial:
                table.to_parquet(partial, index=False)
            path.with_suffix(".npz").unlink(missing_ok=True)
        except OSError as fault:
            console.err.print(f"{path}: the fold cannot be kept ({fault.strerror}): a kill would lose it")

    def drop(self) -> None:
        """Remove the folder, and what nobody has gone on with for a month."""
        if self.folder is None:
            return
        shutil.rmtree(self.folder, ignore_errors=True)
        with suppress(OSError):  # it is gone, or others are at work in it
            for other in self.folder.parent.iterdir():
                if time.time() - other.stat().st_mtime > FORGOTTEN:
                    shutil.rmtree(other, ignore_errors=True)
            self.folder.parent.rmdir()

    def _file(self, one: Round, ending: str) -> Path | None:
        return self.folder and self.folder / f"{one.repeat}_{one.fold}{ending}"

    def _read(self, one: Round) -> Finished | None:
        """Return what was kept of a round; None where there is nothing that can be read."""
        path = self._file(one, ".parquet")
        if path is None or not path.is_file():
            return None
        try:
            table = pd.read_parquet(path)
            seconds, epochs = float(table.attrs["seconds"]), json.loads(table.attrs["epochs"])
            table.attrs = {}
            each = table.groupby("label", sort=False)
            tables = {str(label): part.drop(columns="label").reset_index(drop=True) for label, part in each}
        except Exception:  # Arrow and pandas raise whatever they like: it is predicted again
            return None
        return Finished(tables, seconds, epochs)


NOTHING: Final = Kept()
"""Of a training of which nothing is kept."""
