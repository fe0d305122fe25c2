"""Gradient boosting on what a reader of head CT looks for: dense spots, their place, differences of sides."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from hemo.families._estimators import CLASS_WEIGHTS, class_weight
from hemo.families._features import EstimatorClassifier
from hemo.families._old_trees import OldTrees
from hemo.families.base import Family

if TYPE_CHECKING:
    import optuna


class Boosted(EstimatorClassifier):
    """Gradient-boosted trees on radiological features; their sum is a logit, so nothing is calibrated."""

    choices: ClassVar = {"class_weight": CLASS_WEIGHTS}
    above_zero = ("trees", "learning_rate", "leaves", "samples_in_leaf", "share_of_features")
    trusted = ("sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",)

    def estimator(self) -> Any:
        """Return scikit-learn's histogram boosting; all trees are grown, none is waited for."""
        from sklearn.ensemble import HistGradientBoostingClassifier

        p = self.params
        return HistGradientBoostingClassifier(
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

    def logit(self, features: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the sum of the leaves that each row of features falls into, (n,)."""
        return self.estimator_.decision_function(features)

    def read(self, folder: Path, state: Mapping[str, Any]) -> None:
        """Read the trees: as skops, or as the arrays that hemo 0.1 wrote."""
        if OldTrees.are_in(folder):
            self.estimator_ = OldTrees.load(folder, state["baseline"])
        else:
            super().read(folder, state)


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
    tiny={"trees": 20, "learning_rate": 0.2, "samples_in_leaf": 5},
)
