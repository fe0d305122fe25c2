"""Who judges what: a classifier, and the slices of patients that it has not learned from."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hemo import families
from hemo.evaluation.calibration import Calibrator
from hemo.families.base import Classifier
from hemo.imaging import Reduction
from hemo.slices.context import neighbour_rows
from hemo.stress.pictures import Seen


@dataclass(frozen=True)
class Judge:
    """A fitted classifier with the slices that it judges.

    Attributes
    ----------
    folder
        Where `hemo.families.save` wrote it.
    table
        Prediction table of the slices, whose probabilities are not used: truth, thresholds, fold and deal.
    calibrator
        What makes its probabilities calibrated ones, as JSON; "" where they are not calibrated.
    """

    folder: Path
    table: pd.DataFrame
    calibrator: str = ""

    def judged(
        self, index: pd.DataFrame, stack: NDArray[np.integer], found: Seen, made: Reduction
    ) -> pd.DataFrame:
        """Return the prediction table of its slices that are seen, with what it says of them now.

        Parameters
        ----------
        index, stack
            The store's: ids and stacks of all slices.
        found
            What is seen of them.
        made
            The reduction that `found` was made by.
        """
        family, classifier = _loaded(self.folder)
        ids = index["slice_id"].to_numpy()
        own = np.isin(stack, np.unique(stack[np.isin(ids, self.table["slice_id"])]))[found.rows]
        rows = found.rows[own]
        images = _with_neighbours(found.images[own], stack[rows], made)
        if not len(rows):
            return self.table.iloc[:0]
        raw = families.scores(classifier, family, images, stack[rows]).probability
        if self.calibrator:
            raw = Calibrator.from_json(json.loads(self.calibrator))(raw)
        score = pd.Series(raw, ids[rows])
        known = self.table[self.table["slice_id"].isin(score.index)]
        return known.assign(probability=score.loc[known["slice_id"]].to_numpy())


@lru_cache(maxsize=16)  # a process judges change after change with the same ones
def _loaded(folder: Path) -> tuple[str, Classifier]:
    return json.loads((folder / "family.json").read_text())["family"], families.load(folder)


def _with_neighbours(images: NDArray[np.uint8], stack: NDArray[Any], made: Reduction) -> NDArray[np.uint8]:
    """Return images with the slices around them as channels, where the reduction asks for it."""
    if not made.neighbours or not len(images):
        return images
    around = neighbour_rows(stack, np.arange(len(images)), made.neighbours)
    joined = np.moveaxis(images[around], 1, 3)
    return np.ascontiguousarray(joined).reshape(len(images), made.size, made.size, made.channels)


def all_judged(
    judges: Sequence[Judge], index: pd.DataFrame, stack: NDArray[np.integer], found: Seen, made: Reduction
) -> pd.DataFrame:
    """Return the prediction table of all judges' slices."""
    return pd.concat([one.judged(index, stack, found, made) for one in judges], ignore_index=True)


def wanted(judges: Sequence[Judge], index: pd.DataFrame) -> NDArray[np.bool_]:
    """Return which slices of a store are judged by any, bool (n,)."""
    ids = set().union(*(one.table["slice_id"] for one in judges))
    return index["slice_id"].isin(ids).to_numpy()


def sample(judges: Sequence[Judge], patients: int, seed: int) -> list[Judge]:
    """Return judges of the slices of so many patients, drawn; as many of them positive as their share is.

    Where there are no more than that, of all.
    """
    table = pd.concat([one.table for one in judges])
    positive = table.groupby("patient")["truth"].max()
    if len(positive) <= patients:
        return list(judges)
    rng = np.random.default_rng(seed)
    share = max(round(patients * float(positive.mean())), 1)
    kept: list[str] = []
    for value, count in ((1, share), (0, patients - share)):
        names = positive.index[positive == value].to_numpy()
        kept += rng.permutation(np.sort(names))[:count].tolist()
    of = [(one, one.table["patient"].isin(kept)) for one in judges]
    return [Judge(one.folder, one.table[part], one.calibrator) for one, part in of if part.any()]
