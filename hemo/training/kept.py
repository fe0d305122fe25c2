"""What a training that is killed has finished: predictions of its folds, and the last epoch of a fit.

They lie in a folder beside the store until the training's run is finished. The same training, started again,
takes them as they are: it becomes what it would have been. They are sealed with the store's key: what whoever
lacks it puts there, or changes, is not taken.
"""

import io
import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Final, Self

import pandas as pd

from hemo import console
from hemo.errors import HemoError
from hemo.sealed import Sealed
from hemo.slices.pseudonyms import key_path, load_or_make_key
from hemo.slices.split import Round
from hemo.slices.store import SliceStore

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
    key
        What the files are sealed with.
    """

    folder: Path | None = None
    key: bytes = field(default=b"", repr=False)

    @classmethod
    def beside(cls, store: SliceStore, key: str) -> Self:
        """Return the folder of a training beside its store; `key` says all that its results follow from.

        Nothing is kept where the key of the store is not at hand: nobody could tell who wrote it.
        """
        try:
            secret = load_or_make_key(key_path(store.folder), make=False)
        except HemoError:
            _say_no_key(key_path(store.folder))
            return cls()
        return cls(store.folder.with_name(f"{store.folder.name}.unfinished") / key, secret)

    def holds(self, repeat: int, fold: int) -> bool:
        """Return whether a file of a finished fold is there, whatever is in it."""
        return self.folder is not None and (self.folder / f"{repeat}_{fold}.parquet").is_file()

    def checkpoint(self, one: Round) -> Sealed | None:
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
            console.err.print(f"{name}: goes on behind its finished folds, {len(found)} of {len(spare)}")
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
        file = self._file(one, ".parquet")
        checkpoint = self.checkpoint(one)
        if file is None or checkpoint is None:
            return
        table = pd.concat(
            [part.assign(label=label) for label, part in done.tables.items()], ignore_index=True
        )
        table.attrs = {"seconds": done.seconds, "epochs": json.dumps(done.epochs, default=float)}
        try:
            file.write(lambda partial: table.to_parquet(partial, index=False))
            checkpoint.path.unlink(missing_ok=True)
        except OSError as fault:
            console.err.print(
                f"{file.path}: the fold cannot be kept ({fault.strerror}): a kill would lose it"
            )

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

    def _file(self, one: Round, ending: str) -> Sealed | None:
        if self.folder is None:
            return None
        return Sealed(self.folder / f"{one.repeat}_{one.fold}{ending}", self.key)

    def _read(self, one: Round) -> Finished | None:
        """Return what was kept of a round; None where there is nothing that can be read."""
        file = self._file(one, ".parquet")
        content = file and file.read()
        if not content:
            return None
        try:
            table = pd.read_parquet(io.BytesIO(content))
            seconds, epochs = float(table.attrs["seconds"]), json.loads(table.attrs["epochs"])
            table.attrs = {}
            each = table.groupby("label", sort=False)
            tables = {str(label): part.drop(columns="label").reset_index(drop=True) for label, part in each}
        except Exception:  # Arrow and pandas raise whatever they like: it is predicted again
            return None
        return Finished(tables, seconds, epochs)


NOTHING: Final = Kept()
"""Of a training of which nothing is kept."""


@lru_cache  # once, not for every label
def _say_no_key(path: Path) -> None:
    console.err.print(
        f"{path}: no key to seal with what a training has finished: one that is killed begins anew"
    )
