"""Logistic regression on pixels, with a choice of solver."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from hemo.errors import HemoError
from hemo.families._estimators import class_weight
from hemo.families._linear import DEFAULT_SCALING, LinearClassifier, suggest_scaling
from hemo.families.base import Family

if TYPE_CHECKING:
    import optuna

SOLVERS = ("lbfgs", "newton-cg", "newton-cholesky", "sag", "saga")
PENALTIES = ("l2", "l1", "elasticnet", "none")


class LogisticRegression(LinearClassifier):
    """Logistic regression; its decision is the logit itself, so nothing is calibrated."""

    choices: ClassVar = {"solver": SOLVERS, "penalty": PENALTIES}
    above_zero = ("C", "tol", "max_iter")
    calibrated = False

    def __init__(self, params: Mapping[str, Any], seed: int = 0) -> None:
        super().__init__(params, seed)
        if params["penalty"] in ("l1", "elasticnet") and params["solver"] != "saga":
            raise HemoError(
                f"solver {params['solver']}: it cannot take the penalty '{params['penalty']}': choose saga"
            )

    def _entry_bytes(self) -> int:
        return 16 if self.params["solver"] == "newton-cholesky" else 4  # a copy and the Hessian in float64

    def _solve(
        self, matrix: NDArray[np.floating], y: NDArray[np.int8], slack: float = 1.0
    ) -> tuple[Any, bool]:
        if self.params["solver"] == "newton-cholesky":
            # In float32 the Hessian passes for singular, and scikit-learn turns to lbfgs.
            matrix = matrix.astype(np.float64)
        return super()._solve(matrix, y, slack)

    def _estimator(self, n: int, k: int) -> Any:
        from sklearn.linear_model import LogisticRegression as Estimator

        p = self.params
        l1_ratio = {"l1": 1.0, "elasticnet": p["l1_ratio"]}.get(p["penalty"], 0.0)
        return Estimator(
            C=float("inf") if p["penalty"] == "none" else p["C"],
            l1_ratio=l1_ratio,
            solver=p["solver"],
            tol=p["tol"],
            max_iter=p["max_iter"],
            class_weight=class_weight(p),
            random_state=self.seed,
        )


def suggest(trial: "optuna.Trial") -> dict[str, Any]:
    """Draw solver and penalty, strength, scaling and number of principal components.

    Sparse weights are sought among principal components only: on pixels, saga would take minutes a fit.
    """
    params = suggest_scaling(trial)
    penalty = (
        trial.suggest_categorical("penalty", ("l2", "l1", "elasticnet")) if params["components"] else "l2"
    )
    if penalty == "l2":
        params["solver"] = trial.suggest_categorical("solver", ("lbfgs", "newton-cg"))
    else:
        params["solver"] = "saga"
    if penalty == "elasticnet":
        params["l1_ratio"] = trial.suggest_float("l1_ratio", 0.1, 0.9)
    return {**params, "penalty": penalty, "C": trial.suggest_float("C", 1e-7, 1e2, log=True)}


FAMILY = Family(
    name="logreg",
    title="Logistic regression",
    defaults={
        "solver": "lbfgs",
        "penalty": "l2",
        "l1_ratio": 0.5,
        "C": 1.0,
        "scale": "standardise",
        "components": 0,
        "class_weight": "none",
        "tol": 1e-4,
        "max_iter": 1000,
    },
    build=LogisticRegression,
    suggest=suggest,
    default_trial={**DEFAULT_SCALING, "solver": "lbfgs", "C": 1.0},
    load=LogisticRegression.load,
    slice_bytes=lambda params, shape: 0,  # it counts for itself
    tiny={},
)
