"""What every classifier writes and reads of itself, without pickle: JSON, and NumPy arrays beside it."""

import json
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

STATE = "classifier.json"

Saved = TypeVar("Saved")


def save_state(classifier: Any, folder: Path, **more: Any) -> None:
    """Write a fitted classifier's parameters, seed, image shape and convergence, and more that is its own."""
    state = {
        "params": classifier.params,
        "seed": classifier.seed,
        "image_shape": classifier.image_shape_,
        "convergence": classifier.convergence_,
        **more,
    }
    (folder / STATE).write_text(json.dumps(state, indent=1))


def load_state(kind: type[Saved], folder: Path) -> tuple[Saved, dict[str, Any]]:
    """Return a classifier with the state that `save_state` wrote, and that state."""
    state = read_state(folder)
    classifier: Any = kind(state["params"], state["seed"])  # type: ignore[call-arg]
    classifier.image_shape_ = tuple(state["image_shape"])
    classifier.convergence_ = state["convergence"]
    return classifier, state


def read_state(folder: Path) -> dict[str, Any]:
    """Return what `save_state` wrote."""
    return json.loads((folder / STATE).read_text())


def load_arrays(path: Path) -> list[NDArray[Any]]:
    """Return the arrays that `numpy.savez` was given without names, in their order."""
    with np.load(path, allow_pickle=False) as arrays:
        return [arrays[f"arr_{index}"] for index in range(len(arrays.files))]


def save_parts(weights: list[NDArray[Any]], head: int, folder: Path) -> None:
    """Write a network's weights, those of its backbone apart from the last so many, which are its head's.

    `backbone.npz` can be the `weights` of another classifier.
    """
    np.savez(folder / "backbone.npz", *weights[:-head])
    np.savez(folder / "head.npz", *weights[-head:])


def load_parts(folder: Path) -> tuple[list[NDArray[Any]], list[NDArray[Any]]]:
    """Return the weights of backbone and head that `save_parts` wrote."""
    return load_arrays(folder / "backbone.npz"), load_arrays(folder / "head.npz")
