"""Gradient boosting on what a reader of head CT looks for: dense spots, their place, differences of sides."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from hemo.families._checks import check_choices, check_images, check_positive, check_truth
from hemo.families._occlusion import occlusion_map
from hemo.families._radiology import remembered_features
from hemo.families._saved import load_state, save_state
from hemo.families.base import Family, Images, OnEpoch, Truth

if TYPE_CHECKING:
    import optuna

NODE = (("feature", "feature_idx"), ("threshold", "num_threshold"), ("left", "left"), ("right", "right"))
"""What is kept of a tree's nodes, and its name in scikit-learn; beside these, `value` and `leaf`."""


class Boosted:
    """Gradient-boosted trees on radiological features; its decision is a logit, so nothing is calibrated.

    Parameters
    ----------
    params
        The family's parameters, defaults included.
    seed
        Of the features that each split may use.

    Attributes
    ----------
    nodes_ : dict of ndarray
        All trees' nodes, one after the other: `feature`, `threshold`, `left`, `right` (numbers of nodes),
        `value` and `leaf`.
    roots_ : ndarray of int64, (trees,)
        Number of each tree's first node.
    baseline_ : float
        The logit before the first tree.
    image_shape_ : tuple of int
        Height, width and channels of the training slices.
    convergence_ : dict
        `iterations`, the trees grown; `converged`, always 1: all are grown, none is waited for.
    """

    def __init__(self, params: Mapping[str, Any], seed: int = 0) -> None:
        self.params = dict(params)
        self.seed = seed
        check_choices(params, {"class_weight": ("none", "balanced")})
        names = ("trees", "learning_rate", "leaves", "samples_in_leaf", "share_of_features")
        check_positive(params, names)

    def fit(
        self,
        images: Images,
        y: Truth,
        validation: tuple[Images, Truth] | None = None,
        on_epoch: OnEpoch | None = None,
    ) -> Self:
        """Fit on slices; `validation` and `on_epoch` are not used: the number of trees is given."""
        from sklearn.ensemble import HistGradientBoostingClassifier

        check_images(images)
        truth = check_truth(y, len(images))
        p = self.params
        model = HistGradientBoostingClassifier(
            max_iter=p["trees"],
            learning_rate=p["learning_rate"],
            max_leaf_nodes=p["leaves"],
            min_samples_leaf=p["samples_in_leaf"],
            l2_regularization=p["l2"],
            max_features=p["share_of_features"],
            class_weight=None if p["class_weight"] == "none" else p["class_weight"],
            early_stopping=False,
            random_state=self.seed,
        )
        model.fit(remembered_features(images), truth)
        # scikit-learn offers its trees for pickling only; their arrays are all that prediction needs.
        trees = [step[0].nodes for step in model._predictors]
        self.roots_ = np.cumsum([0, *(len(tree) for tree in trees)])[:-1].astype(np.int64)
        nodes = np.concatenate(trees)
        offset = np.repeat(self.roots_, [len(tree) for tree in trees])
        self.nodes_ = {name: nodes[word].copy() for name, word in NODE}
        self.nodes_["left"] = self.nodes_["left"].astype(np.int64) + offset
        self.nodes_["right"] = self.nodes_["right"].astype(np.int64) + offset
        self.nodes_ |= {"value": nodes["value"].copy(), "leaf": nodes["is_leaf"].astype(bool)}
        self.baseline_ = float(np.ravel(model._baseline_prediction)[0])
        self.image_shape_ = tuple(images.shape[1:])
        self.convergence_ = {"converged": 1.0, "iterations": float(len(trees))}
        return self

    def _logit(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the sum of the leaves that each row of features falls into."""
        rows = np.arange(len(features))[:, None]
        place = np.tile(self.roots_, (len(features), 1))
        nodes = self.nodes_
        while not nodes["leaf"][place].all():
            goes_left = features[rows, nodes["feature"][place]] <= nodes["threshold"][place]
            following = np.where(goes_left, nodes["left"][place], nodes["right"][place])
            place = np.where(nodes["leaf"][place], place, following)
        return self.baseline_ + nodes["value"][place].sum(axis=1)

    def predict_proba(self, images: Images) -> NDArray[np.float64]:
        """Return the probability of class 0 and 1, float64 (n, 2)."""
        from scipy.special import expit

        check_images(images, self.image_shape_)
        positive = expit(self._logit(remembered_features(images)))
        return np.column_stack((1 - positive, positive))

    def attribution(self, images: Images) -> NDArray[np.float32]:
        """Return how much the logit falls when a place is covered, float32 (n, height, width)."""
        check_images(images, self.image_shape_)
        return occlusion_map(images, lambda covered: self._logit(remembered_features(covered)))

    def save(self, folder: Path) -> None:
        """Write the trees, as NumPy arrays and JSON."""
        arrays: dict[str, Any] = {"roots": self.roots_, **self.nodes_}
        np.savez(folder / "trees.npz", **arrays)
        save_state(self, folder, baseline=self.baseline_)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
        classifier, state = load_state(cls, folder)
        with np.load(folder / "trees.npz", allow_pickle=False) as arrays:
            classifier.nodes_ = {name: arrays[name] for name in arrays.files if name != "roots"}
            classifier.roots_ = arrays["roots"]
        classifier.baseline_ = state["baseline"]
        return classifier


def suggest(trial: "optuna.Trial") -> dict[str, Any]:
    """Draw number and size of trees, their rate and penalties, and weights of the classes."""
    return {
        "trees": trial.suggest_int("trees", 30, 500, log=True),
        "learning_rate": trial.suggest_float("learning_rate", 0.01, 0.3, log=True),
        "leaves": trial.suggest_int("leaves", 3, 32, log=True),
        "samples_in_leaf": trial.suggest_int("samples_in_leaf", 5, 60, log=True),
        "l2": trial.suggest_float("l2", 1e-2, 1e2, log=True),
        "share_of_features": trial.suggest_float("share_of_features", 0.05, 1.0, log=True),
        "class_weight": trial.suggest_categorical("class_weight", ("none", "balanced")),
    }


DEFAULTS = {
    "trees": 150,
    "learning_rate": 0.05,
    "leaves": 12,
    "samples_in_leaf": 15,
    "l2": 5.0,
    "share_of_features": 0.2,
    "class_weight": "none",
}

FAMILY = Family(
    name="boosted",
    title="Gradient boosting on radiological features",
    defaults=DEFAULTS,
    build=Boosted,
    suggest=suggest,
    classifier=lambda: Boosted,
    default_trial=DEFAULTS,
    tiny={"trees": 20, "learning_rate": 0.2, "samples_in_leaf": 5},
)
