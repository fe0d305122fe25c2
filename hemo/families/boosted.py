"""Gradient boosting on what a reader of head CT looks for: dense spots, their place, differences of sides."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from hemo.families._estimators import CLASS_WEIGHTS, class_weight
from hemo.families._features import FeatureClassifier
from hemo.families._old_trees import OldTrees
from hemo.families._radiology import feature_bytes, keep_radiological_features
from hemo.families.base import Family, Slices

if TYPE_CHECKING:
    import optuna


class Boosted(FeatureClassifier):
    """Gradient-boosted trees on radiological features; their sum is a logit, so nothing is calibrated.

    Attributes
    ----------
    trees_ : treelite.Model or OldTrees
        What scikit-learn has grown, in a form made for prediction: a slice takes it 0.1 ms, the estimator
        1 ms, and many times that where its threads wait for each other.
    """

    choices: ClassVar = {"class_weight": CLASS_WEIGHTS}
    above_zero = ("trees", "learning_rate", "leaves", "samples_in_leaf", "share_of_features")
    requires = ("treelite",)

    trees_: Any

    def keep_features(self, images: Slices) -> None:
        """Compute and keep the features of slices, where they are many."""
        keep_radiological_features(images)

    def learn(self, features: NDArray[np.floating], truth: NDArray[np.int8]) -> dict[str, float]:
        """Grow the trees: all of them, none is waited for."""
        import treelite
        from sklearn.ensemble import HistGradientBoostingClassifier

        p = self.params
        model = HistGradientBoostingClassifier(
            max_iter=p["trees"],
            learning_rate=p["learning_rate"],
            max_leaf_nodes=p["leaves"],
            min_samples_leaf=p["samples_in_leaf"],
            l2_regularization=p["l2"],
            max_features=p["share_of_features"],
            class_weight=class_weight(p),
            early_stopping=False,
            random_state=self.seed,
        )
        self.trees_ = treelite.sklearn.import_model(model.fit(features, truth))
        return {"converged": 1.0, "iterations": float(model.n_iter_)}

    def logit(self, features: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the sum of the leaves that each row of features falls into, (n,)."""
        if isinstance(self.trees_, OldTrees):
            return self.trees_.logit(features)
        from treelite import gtil

        found = gtil.predict(self.trees_, features.astype(np.float64), nthread=1, pred_margin=True)
        return found.reshape(len(features))

    def write(self, folder: Path) -> dict[str, Any]:
        """Write the trees in treelite's own format."""
        self.trees_.serialize(folder / "trees.treelite")
        return {}

    def read(self, folder: Path, state: Mapping[str, Any]) -> None:
        """Read the trees: in treelite's format, or as the arrays that hemo 0.1 wrote."""
        if OldTrees.are_in(folder):
            self.trees_ = OldTrees.load(folder, state["baseline"])
        else:
            import treelite

            self.trees_ = treelite.Model.deserialize(folder / "trees.treelite")


def suggest(trial: "optuna.Trial") -> dict[str, Any]:
    """Draw number and size of trees, their rate and penalties, and weights of the classes."""
    return {
        "trees": trial.suggest_int("trees", 30, 500, log=True),
        "learning_rate": trial.suggest_float("learning_rate", 0.01, 0.3, log=True),
        "leaves": trial.suggest_int("leaves", 3, 32, log=True),
        "samples_in_leaf": trial.suggest_int("samples_in_leaf", 5, 60, log=True),
        "l2": trial.suggest_float("l2", 1e-2, 1e2, log=True),
        "share_of_features": trial.suggest_float("share_of_features", 0.05, 1.0, log=True),
        "class_weight": trial.suggest_categorical("class_weight", CLASS_WEIGHTS),
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
    load=Boosted.load,
    default_trial=DEFAULTS,
    # Features in float32, in float64 as the trees' estimator takes them, and in classes of a byte.
    slice_bytes=lambda params, shape: 3 * feature_bytes(shape),
    tiny={"trees": 20, "learning_rate": 0.2, "samples_in_leaf": 5},
)
