"""Fine-tuning: the last blocks of a pretrained backbone learn to see blood.

What stays frozen is run once for each slice and each augmented copy of it; only the tail is trained, on the
maps that this gives. The head starts as logistic regression on the frozen features, since training the blocks
below a head drawn at random would spoil them first (A. Kumar et al., "Fine-tuning can distort pretrained
features and underperform out-of-distribution", 2022); what does not lower the validation loss is not kept.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from hemo.families._architectures import ARCHITECTURES
from hemo.families._backbone_sizes import map_bytes, width
from hemo.families._backbones import backbone, build, split
from hemo.families._channels import asked_channels, check_channels, taken
from hemo.families._checks import check_choices, check_counts, check_images, check_positive
from hemo.families._estimators import CLASS_WEIGHTS, class_weight, standardisation
from hemo.families._grad_cam import grad_cam
from hemo.families._neural import NeuralClassifier
from hemo.families._saved import load_parts, load_state, save_parts, save_state
from hemo.families._stem_maps import augmented_copies, stem_maps
from hemo.families.base import Family, Images, OnEpoch, Slices

if TYPE_CHECKING:
    import keras
    import optuna


RATE = 1e-4
"""Small: what photographs taught is to be bent, not replaced."""

HEAD = 4
"""Arrays of the network's weights that are the head's: the features' means and variances, kernel and bias."""


class FineTuned(NeuralClassifier):
    """A backbone whose last blocks are trained, with a linear head on each map's mean and maximum.

    Parameters
    ----------
    params
        The family's parameters, defaults included.
    seed
        Of the backbone's weights where none are given, augmentation, dropout and the order of slices.
    """

    def __init__(self, params: Mapping[str, Any], seed: int = 0) -> None:
        if params["learning_rate"] is None:
            params = {**params, "learning_rate": RATE}
        super().__init__(params, seed)
        check_choices(params, {"backbone": tuple(ARCHITECTURES)})
        check_positive(params, ("size", "C"))
        check_counts(params, ("blocks", "copies"))

    def _prepare(self, images: Slices, truth: NDArray[np.int8]) -> None:
        import keras

        p = self.params
        start = backbone(p["backbone"], p["weights"], self.seed)
        keras.utils.set_random_seed(self.seed)  # a backbone that is not at hand yet draws as it is made
        self._assemble(start.network)
        self._digest = start.digest

    def _assemble(self, network: "keras.Model") -> None:
        """Make the network from a backbone, whose last blocks are copied before they are trained."""
        import keras

        p = self.params
        check_channels(network.input_shape[-1], self.image_shape_[-1], f"weights '{p['weights']}'")
        self.stem_, self.tail_ = split(p["backbone"], network, p["blocks"])
        inputs = keras.Input(self.image_shape_, name="slices")
        x = keras.ops.take(inputs, taken(network.input_shape[-1], self.image_shape_[-1]), axis=-1)
        if self.image_shape_[:2] != (p["size"], p["size"]):
            x = keras.layers.Resizing(p["size"], p["size"])(x)
        maps = self.stem_(x, training=False)
        self.front_ = keras.Model(inputs, maps)
        self._pooling = keras.layers.Concatenate(name="features")
        self._standard = keras.layers.BatchNormalization(
            center=False, scale=False, epsilon=0, trainable=False, name="standardised"
        )
        self._logit = keras.layers.Dense(self.n_labels, name="logit", **self._penalty())
        self._looked_at = self._head(maps)
        self.network_ = keras.Model(inputs, self._looked_at[-1])

    def _head(self, maps: Any) -> tuple[Any, Any, Any]:
        """Return the last maps, the logit and the probability, from the maps of the frozen part."""
        from keras import layers

        last = self.tail_(maps)
        means, maxima = layers.GlobalAveragePooling2D()(last), layers.GlobalMaxPooling2D()(last)
        # Standardised, since dropout and steps of the optimizer take all features to be of one size.
        x = self._standard(self._pooling([means, maxima]))
        if self.params["dropout"]:
            x = layers.Dropout(self.params["dropout"])(x)
        logit = self._logit(x)
        return last, logit, layers.Activation("sigmoid", name="probability")(logit)

    def _trainer(self, truth: NDArray[np.int8]) -> Any:
        import keras

        inputs = keras.Input(self.front_.output.shape[1:])
        trainer = keras.Model(inputs, self._head(inputs)[-1])
        self._compile(trainer, truth)
        return trainer

    def _train(
        self,
        images: Any,
        truth: NDArray[np.int8],
        validation: tuple[Any, NDArray[np.int8]] | None,
        on_epoch: OnEpoch | None,
    ) -> None:
        import keras

        p = self.params
        kind = f"{self._digest}-{p['size']}-{p['blocks']}"
        maps = stem_maps(self.front_, images, kind)
        self._start_head(keras.Model(self.tail_.input, self._pool()), maps, truth)
        copies = [maps]
        for number in range(p["copies"] if p["augmentation"] else 0):
            copies.append(stem_maps(self.front_, images, "", p["augmentation"], self.seed + 1 + number))
        stream = augmented_copies(copies, truth, p["batch_size"], self.seed)
        trainer = self._trainer(truth)
        if validation is None:
            self._fit_batches(trainer, stream, truth, None, on_epoch)
            return
        held = stem_maps(self.front_, validation[0], kind)
        before, loss = self.network_.get_weights(), _loss(trainer, held, validation[1])
        self._fit_batches(trainer, stream, truth, (held, validation[1]), on_epoch)
        if loss <= _loss(trainer, held, validation[1]):
            self.network_.set_weights(before)
            self.convergence_["best_epoch"] = -1.0

    def _pool(self) -> Any:
        from keras import layers

        last = self.tail_.output
        return self._pooling([layers.GlobalAveragePooling2D()(last), layers.GlobalMaxPooling2D()(last)])

    def _start_head(self, features: Any, maps: NDArray[np.float32], truth: NDArray[np.int8]) -> None:
        """Fit the head on the frozen features."""
        from sklearn.linear_model import LogisticRegression

        x = np.concatenate([features(maps[i : i + 64], training=False) for i in range(0, len(maps), 64)])
        x = x.astype(float)
        center, deviation = standardisation(x)
        weight = class_weight(self.params)
        self._standard.set_weights([center, deviation**2])
        kernel, bias = np.zeros((x.shape[1], self.n_labels)), np.zeros(self.n_labels)
        for label, column in enumerate(truth.reshape(len(truth), -1).T):
            known = column >= 0
            head = LogisticRegression(C=self.params["C"], max_iter=1000, class_weight=weight)
            head.fit((x[known] - center) / deviation, column[known])
            kernel[:, label], bias[label] = head.coef_[0], head.intercept_[0]
        self._logit.set_weights([kernel, bias])

    def _rebuild(self, other: Self) -> None:
        self._assemble(build(self.params["backbone"], channels=other.stem_.input_shape[-1]))

    def attribution(self, images: Images) -> NDArray[np.float32]:
        """Return Grad-CAM of the logit at the last maps (see `hemo.families._grad_cam`)."""
        check_images(images, self.image_shape_)
        maps, logit, _ = self._looked_at
        return grad_cam(self.network_.input, maps, logit, images)

    def save(self, folder: Path) -> None:
        """Write the weights as NumPy arrays, those of the whole backbone apart, and the rest as JSON."""
        save_parts(self.network_.get_weights(), HEAD, folder)
        save_state(self, folder)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
        classifier, state = load_state(cls, folder)
        weights, head = load_parts(folder)
        classifier._assemble(build(state["params"]["backbone"], channels=asked_channels(weights)))
        classifier.network_.set_weights([*weights, *head])
        return classifier


def _loss(trainer: "keras.Model", maps: NDArray[np.float32], truth: NDArray[np.int8]) -> float:
    """Return the validation loss by which epochs are judged."""
    return float(trainer.evaluate(maps, truth, batch_size=64, verbose=0, return_dict=True)["loss"])


def suggest(trial: "optuna.Trial") -> dict[str, Any]:
    """Draw how many blocks are trained and how: rate, augmentation, dropout, and weights of the classes."""
    return {
        "blocks": trial.suggest_int("blocks", 1, 4),
        "learning_rate": trial.suggest_float("learning_rate", 1e-5, 1e-3, log=True),
        "augmentation": trial.suggest_float("augmentation", 0.0, 1.0, step=0.25),
        "dropout": trial.suggest_float("dropout", 0.0, 0.6, step=0.1),
        "C": trial.suggest_float("C", 1e-5, 1e-1, log=True),
        "class_weight": trial.suggest_categorical("class_weight", CLASS_WEIGHTS),
    }


def slice_bytes(params: Mapping[str, Any], shape: tuple[int, ...]) -> int:
    """Return what maps of a slice and of its augmented copies take, and the features that a head begins on.

    These are there three times, in float64.
    """
    copies = params["copies"] if params["augmentation"] else 0
    maps = (copies + 2) * map_bytes(params["backbone"], params["blocks"], params["size"])
    return maps + 3 * 8 * 2 * width(params["backbone"])


DEFAULTS: Mapping[str, Any] = {
    "backbone": "lite0",
    "weights": "imagenet",
    "size": 192,
    "blocks": 3,
    "copies": 4,
    "augmentation": 0.5,
    "dropout": 0.2,
    "C": 1e-3,
    "l1": 0.0,
    "l2": 0.0,
    "optimizer": "adam",
    "learning_rate": None,
    "momentum": 0.0,
    "batch_size": 32,
    "epochs": 12,
    "patience": 3,
    "class_weight": "none",
}

FAMILY = Family(
    name="finetune",
    title="Fine-tuned backbone",
    defaults=DEFAULTS,
    build=FineTuned,
    suggest=suggest,
    default_trial={
        name: DEFAULTS[name] for name in ("blocks", "augmentation", "dropout", "C", "class_weight")
    }
    | {"learning_rate": RATE},
    load=FineTuned.load,
    neural=True,
    tensorflow=True,
    slice_bytes=slice_bytes,
    # Maps of a network drawn at random are next to nothing: no block below the head could be trained on them.
    tiny={"weights": "none", "size": 96, "blocks": 0, "copies": 1, "epochs": 2, "C": 1.0},
)
