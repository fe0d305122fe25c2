"""Linear model by stochastic gradient descent: with the hinge, a support vector machine."""

from typing import TYPE_CHECKING, Any, ClassVar

from hemo.families._estimators import class_weight
from hemo.families._linear import DEFAULT_SCALING, LinearClassifier, suggest_scaling
from hemo.families.base import Family

if TYPE_CHECKING:
    import optuna

LOSSES = ("hinge", "squared_hinge", "modified_huber", "log_loss")
PENALTIES = ("l2", "l1", "elasticnet", "none")
SCHEDULES = ("optimal", "invscaling", "adaptive", "constant")


class SGDClassifier(LinearClassifier):
    """Stochastic gradient descent; Platt's sigmoid gives its probabilities."""

    choices: ClassVar = {
        "loss": LOSSES,
        "penalty": PENALTIES,
        "schedule": SCHEDULES,
        "average": (False, True),
    }
    above_zero = ("alpha", "eta0", "tol", "max_iter")

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
            class_weight=class_weight(p),
            random_state=self.seed,
        )


def suggest(trial: "optuna.Trial") -> dict[str, Any]:
    """Draw loss, penalty and its strength, schedule, scaling and number of principal components."""
    params = suggest_scaling(trial)
    if params["components"]:
        params["penalty"] = trial.suggest_categorical("penalty", ("l2", "l1", "elasticnet"))
        if params["penalty"] == "elasticnet":
            params["l1_ratio"] = trial.suggest_float("l1_ratio", 0.1, 0.9)
    params["schedule"] = trial.suggest_categorical("schedule", SCHEDULES)
    if params["schedule"] != "optimal":
        params["eta0"] = trial.suggest_float("eta0", 1e-6, 1e-1, log=True)
    return {
        **params,
        "loss": trial.suggest_categorical("loss", LOSSES),
        "alpha": trial.suggest_float("alpha", 1e-6, 1e2, log=True),
        "average": trial.suggest_categorical("average", (False, True)),
    }


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
    default_trial={
        **DEFAULT_SCALING,
        "schedule": "optimal",
        "loss": "hinge",
        "alpha": 1e-4,
        "average": False,
    },
    load=SGDClassifier.load,
    tiny={},
)
