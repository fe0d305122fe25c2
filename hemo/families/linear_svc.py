"""Linear support vector machine by liblinear's coordinate descent, run to convergence."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from hemo.errors import HemoError
from hemo.families._estimators import class_weight
from hemo.families._linear import DEFAULT_SCALING, LinearClassifier, suggest_scaling
from hemo.families.base import Family

if TYPE_CHECKING:
    import optuna

LOSSES = ("squared_hinge", "hinge")
PENALTIES = ("l2", "l1")


class LinearSVC(LinearClassifier):
    """Linear support vector machine; Platt's sigmoid gives its probabilities."""

    choices: ClassVar = {"loss": LOSSES, "penalty": PENALTIES}
    above_zero = ("C", "tol", "max_iter")
    # At the paper's scale: half the time, and the sigmoid's two numbers differ in the fourth digit.
    cross_fit_slack = 100.0

    def __init__(self, params: Mapping[str, Any], seed: int = 0) -> None:
        super().__init__(params, seed)
        if params["penalty"] == "l1" and params["loss"] == "hinge":
            raise HemoError("loss hinge: it cannot take the penalty 'l1': choose squared_hinge")

    def _entry_bytes(self) -> int:
        return 28  # in float64, and once more with a number beside each, as liblinear takes it

    def _estimator(self, n: int, k: int) -> Any:
        from sklearn.svm import LinearSVC as Estimator

        p = self.params
        # The dual's variables are the slices, the primal's the features; the hinge has only the dual.
        dual = p["penalty"] == "l2" and (p["loss"] == "hinge" or n <= k)
        return Estimator(
            loss=p["loss"],
            penalty=p["penalty"],
            C=p["C"],
            dual=dual,
            tol=p["tol"],
            max_iter=p["max_iter"],
            class_weight=class_weight(p),
            random_state=self.seed,
        )


def suggest(trial: "optuna.Trial") -> dict[str, Any]:
    """Draw loss and penalty, strength, scaling and number of principal components."""
    params = suggest_scaling(trial)
    loss = trial.suggest_categorical("loss", LOSSES)
    sparse = params["components"] and loss == "squared_hinge"
    params["penalty"] = trial.suggest_categorical("penalty", PENALTIES) if sparse else "l2"
    return {**params, "loss": loss, "C": trial.suggest_float("C", 1e-8, 1e1, log=True)}


FAMILY = Family(
    name="linear_svc",
    title="Linear SVM",
    defaults={
        "loss": "squared_hinge",
        "penalty": "l2",
        "C": 1.0,
        "scale": "standardise",
        "components": 0,
        "class_weight": "none",
        "tol": 1e-4,
        "max_iter": 10_000,
    },
    build=LinearSVC,
    suggest=suggest,
    default_trial={**DEFAULT_SCALING, "loss": "squared_hinge", "C": 1.0},
    load=LinearSVC.load,
    slice_bytes=lambda params, shape: 0,  # it counts for itself
    tiny={},
)
