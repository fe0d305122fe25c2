"""How networks are trained: the options that they share, their defaults, and how tuning draws them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from hemo.families._estimators import CLASS_WEIGHTS

if TYPE_CHECKING:
    import optuna

RATES = {"sgd": 0.01, "adam": 0.001, "adamw": 0.001, "rmsprop": 0.001}
"""The optimizers and their learning rates in Keras, which stand where none is given."""

ACTIVATIONS = ("relu", "gelu", "silu", "elu", "tanh")

TRAINING_DEFAULTS: Mapping[str, Any] = {
    "activation": "relu",
    "dropout": 0.0,
    "batch_norm": False,
    "l1": 0.0,
    "l2": 0.0,
    "augmentation": 0.0,
    "optimizer": "sgd",
    "learning_rate": None,
    "momentum": 0.0,
    "batch_size": 32,
    "epochs": 50,
    "patience": 3,
    "scale": "standardise",
    "class_weight": "none",
}
"""The seed paper's training: plain SGD at Keras' rate (0.01), early stopping with patience 3, no penalties.

The paper names neither batch size nor scaling: 32 is Keras' default; standardising here is by one mean and
deviation a channel.
"""

DEFAULT_TRAINING: Mapping[str, Any] = {
    "activation": "relu",
    "dropout": 0.0,
    "batch_norm": False,
    "penalty": "none",
    "augmentation": 0.0,
    "optimizer": "sgd",
    "sgd_rate": 0.01,
    "momentum": 0.0,
    "batch_size": 32,
    "patience": 3,
    "scale": "standardise",
    "class_weight": "none",
}
"""The trial parameters for which `suggest_training` gives the defaults."""

MODERN_TRAINING: Mapping[str, Any] = {
    **{name: value for name, value in DEFAULT_TRAINING.items() if name not in ("sgd_rate", "momentum")},
    "activation": "gelu",
    "dropout": 0.1,
    "augmentation": 0.75,
    "optimizer": "adam",
    "adam_rate": 5e-4,
    "patience": 8,
}
"""How such networks are usually trained since the paper's: Adam, augmentation, and more patience.

Out-of-fold AUC on CT-ICH, means of one to three seeds, at Adam's rate of 0.001 with patience 3, and so:
`ann`, `any`, 64 px 0.69 and 0.73; `cnn`, `any`, 64 px 0.773 and 0.779, 128 px 0.760 (two of four folds
stopped after their first epoch) and 0.781; `cnn`, `epidural`, 64 px 0.787 and 0.772.
"""


def suggest_training(trial: "optuna.Trial") -> dict[str, Any]:
    """Draw what networks share: layers' furniture, penalties, augmentation, optimizer, batches, patience."""
    params: dict[str, Any] = {
        "activation": trial.suggest_categorical("activation", ("relu", "gelu", "elu")),
        "dropout": trial.suggest_float("dropout", 0.0, 0.6, step=0.1),
        "batch_norm": trial.suggest_categorical("batch_norm", (False, True)),
        "augmentation": trial.suggest_float("augmentation", 0.0, 1.0, step=0.25),
        "batch_size": trial.suggest_categorical("batch_size", (16, 32, 64, 128)),
        "patience": trial.suggest_categorical("patience", (3, 8)),
        "scale": trial.suggest_categorical("scale", ("standardise", "unit")),
        "class_weight": trial.suggest_categorical("class_weight", CLASS_WEIGHTS),
    }
    penalty = trial.suggest_categorical("penalty", ("none", "l1", "l2"))
    if penalty != "none":
        params[penalty] = trial.suggest_float(f"{penalty}_strength", 1e-7, 1e-2, log=True)
    params["optimizer"] = trial.suggest_categorical("optimizer", ("sgd", "adam", "adamw"))
    if params["optimizer"] == "sgd":
        params["learning_rate"] = trial.suggest_float("sgd_rate", 1e-4, 1e-1, log=True)
        params["momentum"] = trial.suggest_float("momentum", 0.0, 0.95)
    else:
        params["learning_rate"] = trial.suggest_float("adam_rate", 1e-5, 1e-2, log=True)
    return params
