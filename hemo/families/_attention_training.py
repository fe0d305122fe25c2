"""What `mil` learns from, of studies' truth and slices' labels, and how it is trained."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hemo.errors import HemoError
from hemo.families import _attention, _study
from hemo.families._attention import Bags
from hemo.families._checks import check_truths
from hemo.families._epochs import fit_epochs
from hemo.families.base import LabelTable, OnEpoch, Studies
from hemo.sealed import Sealed

if TYPE_CHECKING:
    import keras


def learned_from(
    how: str,
    features: NDArray[np.float32],
    truth: NDArray[np.int8],
    study: Studies | None,
    given: LabelTable | None,
    least: int,
) -> Bags:
    """Return studies with what of the truth is learned from, which must have `least` classes a label."""
    names, rows = np.unique(_study.numbers(study, len(features)), return_inverse=True)
    from_slices = _attention.study_truth(truth, rows)
    studies = from_slices if given is None else _merged(from_slices, given, names)
    # A study that is negative has only negative slices: its truth is theirs.
    implied = np.where(studies[rows] == 0, np.int8(0), np.int8(-1))
    if how == "slices":
        bags = Bags(features, rows, truth, from_slices)
        learned = truth
    elif how == "studies":
        bags = Bags(features, rows, implied, studies)
        learned = studies
    else:
        bags = Bags(features, rows, np.maximum(truth, implied), studies)
        learned = np.concatenate((truth, studies))
    check_truths(learned, len(learned), least)
    return bags


def _merged(from_slices: NDArray[np.int8], given: LabelTable, names: Studies) -> NDArray[np.int8]:
    """Return the truth of studies as given, and where nothing is, as it follows from their slices."""
    truth = np.asarray(given)
    if truth.shape != from_slices.shape:
        raise HemoError(
            f"study truth: expected shape {from_slices.shape}, got {truth.shape}: give one row a study"
        )
    truth = check_truths(truth, len(truth), least=0)
    against = ((truth == 0) & (from_slices == 1)).any(axis=1)
    if against.any():
        raise HemoError(
            f"study truth: study {names[against][0]} is given as 0, but has a slice of 1: correct one of them"
        )
    return np.where(truth >= 0, truth, from_slices)


def train(
    network: "keras.Model",
    params: Mapping[str, Any],
    seed: int,
    bags: Bags,
    stops: Bags | None,
    on_epoch: OnEpoch | None,
    checkpoint: Sealed | None,
) -> dict[str, float]:
    """Train a network of slices in place by its studies' and slices' losses; return how it converged.

    Parameters
    ----------
    network
        From features of slices to their logits and scores (see `_attention.slice_network`).
    params, seed
        Of the family `mil`, and of the order of studies.
    bags, stops
        What is learned from, and by whose loss it is stopped early; None: as many epochs as `params` say.
    on_epoch
        Told each epoch's metrics.
    checkpoint
        Where each finished epoch is kept, and gone on from; None: nowhere.
    """
    import keras

    p, how = params, params["learn_from"]
    # Where only slices teach the logits, the study's loss does not compete with theirs.
    weight = 0.5 if how == "slices" else p["slice_weight"]
    trainer = _attention.study_network(network, p["slice_dropout"], apart=how == "slices")
    balanced = p["class_weight"] == "balanced"
    trainer.compile(
        keras.optimizers.AdamW(p["learning_rate"], p["weight_decay"]),
        {
            "slices": _attention.slice_loss(bags.slices if balanced and how != "studies" else None),
            "studies": _attention.masked_cross_entropy(bags.studies if balanced else None),
        },
        loss_weights={"slices": weight, "studies": 1 - weight},
        metrics={"slices": _attention.known_accuracy(), "studies": _attention.known_accuracy()},
        jit_compile=False,
    )
    return fit_epochs(
        trainer,
        _attention.batches(bags, p["batch_size"], seed),
        p,
        validation=_attention.batches(stops, p["batch_size"], None) if stops else None,
        on_epoch=(lambda epoch, logs: on_epoch(epoch, _told(logs, how))) if on_epoch else None,
        checkpoint=checkpoint,
    )


def _told(logs: Mapping[str, float], how: str) -> dict[str, float]:
    """Return an epoch's metrics with the accuracy of what is learned from as `accuracy`."""
    own = "slices" if how == "slices" else "studies"
    return {name.replace(f"{own}_accuracy", "accuracy"): float(value) for name, value in logs.items()}
