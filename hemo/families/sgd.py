"""Linear model by stochastic gradient descent: with the hinge, a support vector machine."""

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from hemo.families._beyond_memory import ENOUGH, descend, passes
from hemo.families._estimators import class_weight
from hemo.families._feature_cache import in_blocks
from hemo.families._linear import DEFAULT_SCALING, LinearClassifier, suggest_scaling
from hemo.families._platt import fit_sigmoid
from hemo.families._rowspace import Scaling
from hemo.families.base import Family, Slices

if TYPE_CHECKING:
    import optuna

LOSSES = ("hinge", "squared_hinge", "modified_huber", "log_loss")
PENALTIES = ("l2", "l1", "elasticnet", "none")
FOLDS = 3
"""Of the slices, the last of which the sigmoid is fitted on."""

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

    def _fit_beyond(self, images: Slices, truth: NDArray[np.int8]) -> None:
        """Fit on pixels a batch at a time; on components as the other linear families do."""
        if self.params["components"]:
            super()._fit_beyond(images, truth)
            return
        scaling = Scaling.of(images, self.params["scale"])

        def learn(one: "SGDClassifier", some: Slices, y: NDArray[np.int8]) -> None:
            one._descend(some, y, scaling)

        learn(self, images, truth)
        self.abridged_ = (
            f"a batch at a time, {self.convergence_['iterations']:.0f} times through {len(truth):,} slices: "
            f"all at once would take more memory than was promised; "
            f"{self._lost(images, truth, learn)}"
        )

    def _descend(self, images: Slices, truth: NDArray[np.int8], scaling: Scaling) -> None:
        """Fit a batch at a time; the sigmoid on the last third of the slices, by a fit on the others.

        The schedule `adaptive`, which waits for the loss of all slices, stays at its first rate.
        """
        from sklearn.model_selection import StratifiedKFold

        def fitted(rows: NDArray[np.intp]) -> tuple[Any, int]:
            times = passes(len(rows), self.params["max_iter"])
            some = images.take(rows, axis=0)
            return descend(self._estimator(*images.shape[:2]), some, truth[rows], scaling, times, self.seed)

        def scores(estimator: Any, rows: NDArray[np.intp]) -> NDArray[np.float64]:
            some = images.take(rows, axis=0)
            return in_blocks(some, lambda block: estimator.decision_function(scaling(block)))

        estimator, times = fitted(np.arange(len(truth)))
        self.sigmoid_ = (1.0, 0.0)
        if np.bincount(truth).min() >= FOLDS:
            *_, (learn, held) = StratifiedKFold(FOLDS).split(np.zeros(len(truth)), truth)
            self.sigmoid_ = fit_sigmoid(scores(fitted(learn)[0], held), truth[held])
        most = passes(len(truth), self.params["max_iter"])
        converged = times < most or times * len(truth) >= ENOUGH
        self.convergence_ = {"converged": float(converged), "iterations": float(times)}
        self._take(
            scaling, estimator.coef_[0].astype(np.float64), float(estimator.intercept_[0]), images.shape[1:]
        )

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
    slice_bytes=lambda params, shape: 0,  # it counts for itself
    tiny={},
)
