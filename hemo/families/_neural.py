"""What the neural families share: training by Keras with early stopping, prediction, saving."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from hemo.families._augment import augmentation
from hemo.families._checks import check_choices, check_images, check_positive, check_truth
from hemo.families._rowspace import SCALES, pixel_moments
from hemo.families.base import Images, OnEpoch, Truth

if TYPE_CHECKING:
    import optuna

# Read when Keras and TensorFlow are first imported, which happens inside the methods below.
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

BATCH = 64
"""Slices at a time in prediction: the paper's convolutional network needs 2 MB of maps for each."""

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

FIRST_TRAINING: Mapping[str, Any] = {
    "activation": "relu",
    "dropout": 0.0,
    "batch_norm": False,
    "penalty": "none",
    "augmentation": 0.0,
    "optimizer": "sgd",
    "sgd_rate": 0.01,
    "momentum": 0.0,
    "batch_size": 32,
    "scale": "standardise",
    "class_weight": "none",
}
"""The trial parameters for which `suggest_training` gives the defaults."""


def suggest_training(trial: "optuna.Trial") -> dict[str, Any]:
    """Draw what every network has: layers' furniture, penalties, augmentation, optimizer and batch size."""
    params: dict[str, Any] = {
        "activation": trial.suggest_categorical("activation", ("relu", "gelu", "elu")),
        "dropout": trial.suggest_float("dropout", 0.0, 0.6, step=0.1),
        "batch_norm": trial.suggest_categorical("batch_norm", (False, True)),
        "augmentation": trial.suggest_float("augmentation", 0.0, 1.0, step=0.25),
        "batch_size": trial.suggest_categorical("batch_size", (16, 32, 64, 128)),
        "scale": trial.suggest_categorical("scale", ("standardise", "unit")),
        "class_weight": trial.suggest_categorical("class_weight", ("none", "balanced")),
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


class NeuralClassifier:
    """A network with one sigmoid output, trained on binary cross-entropy.

    Parameters
    ----------
    params
        The family's parameters, defaults included.
    seed
        Of initial weights, order of slices, dropout and augmentation.

    Attributes
    ----------
    network_ : keras.Model
        From gray levels (n, height, width, channels) to the probability (n, 1); scaling is inside.
    n_parameters : int
        Weights of the network, trainable or not.
    image_shape_ : tuple of int
        Height, width and channels of the training slices.
    mean_image_ : ndarray of float32, (height, width, channels)
        Mean training slice, the baseline of attributions.
    convergence_ : dict
        `converged` (1 if stopped early), `iterations` (epochs run) and `best_epoch` (from 0).
    """

    jit: ClassVar[bool] = False
    """Whether compiling a large network by XLA pays with optimizers that keep moments."""

    def __init__(self, params: Mapping[str, Any], seed: int = 0) -> None:
        self.params = dict(params)
        self.seed = seed
        check_choices(
            params,
            {
                "scale": SCALES,
                "optimizer": tuple(RATES),
                "activation": ACTIVATIONS,
                "class_weight": ("none", "balanced"),
            },
        )
        if params["learning_rate"] is None:
            self.params["learning_rate"] = RATES[params["optimizer"]]
        check_positive(self.params, ("learning_rate", "batch_size", "epochs", "patience"))

    def _body(self, x: Any) -> Any:
        """Return the tensor before the last layer, from the scaled slices (n, height, width, channels)."""
        raise NotImplementedError

    @property
    def n_parameters(self) -> int:
        """Number of weights of the network, known once it is built."""
        return self.network_.count_params()

    def build_network(self, shape: tuple[int, ...], shift: Any = 0.0, divisor: Any = 1.0) -> None:
        """Make the untrained network for slices of a shape; `shift` and `divisor` scale their channels."""
        import keras

        inputs = keras.Input(shape, name="slices")
        scale = 1 / np.asarray(divisor, float)
        offset = -np.asarray(shift, float) * scale
        x = keras.layers.Rescaling(scale.tolist(), offset.tolist(), name="scaling")(inputs)
        logit = keras.layers.Dense(1, name="logit", **self._penalty())(self._body(x))
        probability = keras.layers.Activation("sigmoid", name="probability")(logit)
        self.network_ = keras.Model(inputs, probability)

    def fit(
        self,
        images: Images,
        y: Truth,
        validation: tuple[Images, Truth] | None = None,
        on_epoch: OnEpoch | None = None,
    ) -> Self:
        """Fit on slices, with early stopping on the loss of `validation`, whose best weights are kept.

        Without `validation` the network is trained for the given epochs, without early stopping.
        """
        import keras

        check_images(images)
        truth = check_truth(y, len(images))
        if validation is not None:
            check_images(validation[0], images.shape[1:])
            validation = (validation[0], check_truth(validation[1], len(validation[0])))
        p = self.params
        keras.backend.clear_session()
        keras.utils.set_random_seed(self.seed)
        self.image_shape_ = tuple(images.shape[1:])
        shift, divisor = self._moments(images)
        self.build_network(self.image_shape_, shift, divisor)
        trainer = self._trainer()
        stopping = keras.callbacks.EarlyStopping(
            "val_loss", patience=p["patience"], restore_best_weights=True
        )
        callbacks = [stopping] if validation else []
        if on_epoch:
            callbacks.append(
                keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: on_epoch(epoch, dict(logs)))
            )
        history = trainer.fit(
            images,
            truth,
            batch_size=p["batch_size"],
            epochs=p["epochs"],
            validation_data=validation,
            class_weight=self._class_weight(truth),
            callbacks=callbacks,
            verbose=0,
        )
        epochs = len(history.epoch)
        self.convergence_ = {
            "converged": float(validation is not None and stopping.stopped_epoch > 0),
            "iterations": float(epochs),
            "best_epoch": float(stopping.best_epoch if validation else epochs - 1),
        }
        return self

    def _moments(self, images: Images) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        channels = images.shape[-1]
        center, deviation = pixel_moments(images)
        self.mean_image_ = center.reshape(images.shape[1:]).astype(np.float32)
        if self.params["scale"] == "none":
            return np.zeros(channels), np.ones(channels)
        if self.params["scale"] == "unit":
            return np.zeros(channels), np.full(channels, 255.0)
        mean = center.reshape(-1, channels).mean(axis=0)
        square = (center**2 + deviation**2).reshape(-1, channels).mean(axis=0)
        return mean, np.maximum(np.sqrt(square - mean**2), 1)

    def _trainer(self) -> Any:
        """Return the compiled model: augmentation before the network, which itself stays uncompiled."""
        import keras

        p = self.params
        inputs = keras.Input(self.image_shape_)
        trainer = keras.Model(inputs, self.network_(augmentation(inputs, p["augmentation"], self.seed)))
        settings = {"learning_rate": p["learning_rate"]}
        if p["optimizer"] in ("sgd", "rmsprop"):
            settings["momentum"] = p["momentum"]
        optimizer = keras.optimizers.get({"class_name": p["optimizer"], "config": settings})
        metrics = [keras.metrics.BinaryAccuracy("accuracy"), keras.metrics.AUC(name="auc")]
        # Compiling fuses the update of an optimizer's moments; it takes seconds, which small networks, SGD
        # without moments and convolutions do not win back. XLA cannot compile the augmentation.
        large = self.n_parameters > 10_000_000
        jit = self.jit and large and p["optimizer"] != "sgd" and not p["augmentation"]
        trainer.compile(optimizer, "binary_crossentropy", metrics=metrics, jit_compile=jit)
        return trainer

    def _penalty(self) -> dict[str, Any]:
        import keras

        l1, l2 = self.params["l1"], self.params["l2"]
        return {"kernel_regularizer": keras.regularizers.L1L2(l1, l2)} if l1 or l2 else {}

    def _class_weight(self, truth: NDArray[np.int8]) -> dict[int, float] | None:
        if self.params["class_weight"] == "none":
            return None
        negatives, positives = np.bincount(truth, minlength=2)
        return {0: len(truth) / (2 * negatives), 1: len(truth) / (2 * positives)}

    def predict_proba(self, images: Images) -> NDArray[np.float64]:
        """Return the probability of class 0 and 1, float64 (n, 2)."""
        check_images(images, self.image_shape_)
        positive = np.empty(len(images))
        for start in range(0, len(images), BATCH):
            batch = images[start : start + BATCH].astype(np.float32)
            positive[start : start + BATCH] = self.network_(batch, training=False).numpy()[:, 0]
        return np.column_stack((1 - positive, positive))

    def save(self, folder: Path) -> None:
        """Write the network in Keras' own format, without the optimizer, and the rest as NumPy and JSON."""
        self.network_.save(folder / "network.keras")
        np.savez(folder / "mean_image.npz", mean_image=self.mean_image_)
        state = {"params": self.params, "seed": self.seed, "convergence": self.convergence_}
        (folder / "neural.json").write_text(json.dumps(state, indent=1))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
        import keras

        state = json.loads((folder / "neural.json").read_text())
        classifier = cls(state["params"], state["seed"])
        classifier.convergence_ = state["convergence"]
        classifier.network_ = keras.saving.load_model(folder / "network.keras", compile=False, safe_mode=True)
        with np.load(folder / "mean_image.npz", allow_pickle=False) as arrays:
            classifier.mean_image_ = arrays["mean_image"]
        classifier.image_shape_ = tuple(classifier.mean_image_.shape)
        return classifier
