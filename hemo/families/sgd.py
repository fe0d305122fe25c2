"""Linear model by stochastic gradient descent: with the hinge, a support vector machine."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from hemo.families._checks import check_choices, check_positive
from hemo.families._linear import LinearClassifier
from hemo.families.base import Family

if TYPE_CHECKING:
    import optuna

LOSSES = ("hinge", "squared_hinge", "modified_huber", "log_loss")
PENALTIES = ("l2", "l1", "elasticnet", "none")
SCHEDULES = ("optimal", "invscaling", "adaptive", "constant")


class SGDClassifier(LinearClassifier):
    """Stochastic gradient descent; Platt's sigmoid gives its probabilities."""

    def __init__(self, params: Mapping[str, Any], seed: int = 0) -> None:
        super().__init__(params, seed)
        check_choices(
            params,
            {
                "loss": LOSSES,
                "penalty": PENALTIES,
                "schedule": SCHEDULES,
                "average": (False, True),
                "class_weight": ("none", "balanced"),
            },
        )
        check_positive(params, ("alpha", "eta0", "tol", "max_iter"))

    def _estimator(self, n: int, k: int) -> Any:
        from sklearn.linear_model import SGDClassifier as Estimator

        p = self.params
        return Estimator(
            loss=p["loss"],
            penalty=None if p["penalty"] == "none" else p["penalty"],
            l1_ratio=p["l1_ratio"],
            alpha=p["alpha"],
            learning_rate=p["schedule"],
            eta0=p["eta0"],
            average=p["average"],
            tol=p["tol"],
            max_iter=p["max_iter"],
            class_weight=None if p["class_weight"] == "none" else p["class_weight"],
            random_state=self.seed,
        )


def suggest(trial: "optuna.Trial") -> dict[str, Any]:
    """Draw loss, penalty and its strength, schedule, scaling and number of principal components."""
    return {}


FAMILY = Family(
    name="sgd",
    title="Linear SVM by SGD",
    defaults={
        "loss": "hinge",
        "penalty": "l2",
        "l1_ratio": 0.15,
        "alpha": 1e-4,
        "schedule": "optimal",
        "eta0": 0.01,
        "average": False,
        "scale": "standardise",
        "components": 0,
        "class_weight": "none",
        "tol": 1e-3,
        "max_iter": 1000,
    },
    build=SGDClassifier,
    suggest=suggest,
    classifier=lambda: SGDClassifier,
    tiny={},
)
