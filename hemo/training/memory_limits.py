"""What a training is given of its slices, so that learning holds to the memory that is promised."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo import families, memory
from hemo.families.base import Slices
from hemo.slices import stored
from hemo.slices.split import Rows
from hemo.training.plan import Training


def that_fit(training: Training, rows: Rows, held: Rows) -> tuple[Rows, Rows, str]:
    """Return the rows to learn from and to stop by that the promised memory holds, and what is left out.

    Whole patients are left out, drawn; families that read slices by batches learn from all.
    """
    params = {**families.get(training.family).defaults, **training.params}
    each = families.slice_bytes(training.family, params, training.store.image_shape)
    asked = len(rows) + len(held)
    if each * asked <= memory.room():
        return rows, held, ""
    patients = training.store.index["patient"].to_numpy()
    drawn = np.random.default_rng([training.plan.seed, asked])
    fewer = [
        _patients_of(patients, some, memory.room() * len(some) // (each * asked), drawn)
        for some in (rows, held)
    ]
    words = (
        f"learned from {len(fewer[0]):,} of {len(rows):,} slices, those of patients that were drawn: all "
        "would take more memory than was promised"
    )
    return fewer[0], fewer[1], words


def _patients_of(patients: NDArray[Any], rows: Rows, most: int, rng: np.random.Generator) -> Rows:
    """Return those of the rows that belong to patients drawn, at most so many."""
    names, code, counts = np.unique(patients[rows], return_inverse=True, return_counts=True)
    order = rng.permutation(len(names))
    chosen = np.zeros(len(names), bool)
    chosen[order[np.cumsum(counts[order]) <= most]] = True
    return rows[chosen[code]]


def shown(training: Training, rows: Rows) -> Slices:
    """Return slices as the training's family takes them: many as they are asked for, where it can that."""
    if families.get(training.family).slice_bytes is None:
        return training.store.images(rows)
    return stored.slices(training.store, rows)


def abridged(classifier: object, left_out: str) -> str:
    """Return how a fit was cut down: by leaving slices out, and by the classifier itself."""
    own = classifier.abridged_ if isinstance(classifier, families.Abridges) else ""
    return "; ".join(words for words in (left_out, own) if words)
