"""A whole backbone trained end to end for all labels at once: how competitions on head CT were won.

Every layer learns, on slices augmented in the graph, by steps that warm up and shrink along a cosine
(I. Loshchilov and F. Hutter, "SGDR", 2017); what is kept is the average of the weights over the steps, and a
slice is judged together with its mirror image. All channels of a store are seen: windows and neighbouring
slices. Slices are read a batch at a time, so that memory holds the network and its batches, however many
there are. On several graphics processors each batch is shared among them.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from hemo import memory
from hemo.errors import HemoError
from hemo.families._architectures import ARCHITECTURES
from hemo.families._augment import augmentation
from hemo.families._average import weight_average
from hemo.families._backbone_sizes import step_bytes
from hemo.families._backbones import LEAST_SIZE, backbone, build
from hemo.families._channels import asked_channels, check_channels, inflated_weights, taken, threes
from hemo.families._checks import check_choices, check_counts, check_images, check_range
from hemo.families._compiled import JUDGED, shuffled
from hemo.families._devices import PRECISIONS, devices, layers_in, precision, strategy
from hemo.families._estimators import CLASS_WEIGHTS
from hemo.families._grad_cam import grad_cam
from hemo.families._neural import NeuralClassifier
from hemo.families._saved import load_parts, load_state, save_parts, save_state
from hemo.families.base import Family, Images, OnEpoch, Slices

if TYPE_CHECKING:
    import keras
    import optuna

HEAD = 2
"""Arrays of the network's weights that are the head's: kernel and bias."""

STATISTICS_MOMENTUM = 0.9
"""Of batch normalisation, as in PyTorch: at Keras' 0.99 its statistics trail the weights by hundreds of
steps, which small stores have not."""

BEGUN_ON = 32
"""Slices whose statistics batch normalisation begins with."""

COPIES = 8
"""How often weights are in memory: of two networks, gradients, two moments, average, best, and a copy."""


class EndToEnd(NeuralClassifier):
    """A backbone all of whose layers are trained, with a linear head on each map's mean and maximum.

    Parameters
    ----------
    params
        The family's parameters, defaults included.
    seed
        Of the backbone's weights where none are given, head, augmentation, dropout and the order of slices.
    """

    _shares_trunk = True
    _twin: "keras.Model"

    def __init__(self, params: Mapping[str, Any], seed: int = 0) -> None:
        super().__init__(params, seed)
        choices = {"backbone": tuple(ARCHITECTURES), "precision": PRECISIONS, "mirrored": (False, True)}
        check_choices(params, choices)
        check_range(params, {"dropout": 0.9, "warmup": 1, "average": 0.9999, "augmentation": np.inf})
        check_counts(params, ("size", "batch_size", "epochs"))
        if params["size"] < LEAST_SIZE:
            raise HemoError(f"parameter size: {params['size']} is too small: give {LEAST_SIZE} or more")

    def _prepare(self, images: Slices, truth: NDArray[np.int8]) -> None:
        import keras

        p = self.params
        p["precision"] = precision(p["precision"])
        self._check_memory()
        start = backbone(p["backbone"], p["weights"], self.seed).network
        given = self.image_shape_[-1]
        check_channels(start.input_shape[-1], given, f"weights '{p['weights']}'")
        weights = start.get_weights()
        if asked_channels(weights) < given:
            weights = inflated_weights(weights, threes(given))
        keras.utils.set_random_seed(self.seed)  # a backbone that is not at hand yet draws as it is made
        self._assemble(asked_channels(weights))
        self.network_.set_weights([*weights, *self.network_.get_weights()[-HEAD:]])
        self._begin_statistics(images)

    def _begin_statistics(self, images: Slices) -> None:
        """Let batch normalisation begin with the statistics of slices, in place of photographs' or none.

        Of weights drawn at random they are 1, where variances of 0.001 are found: hundreds of steps would
        pass until a network judges as it was trained (Y. Li et al., "Adaptive batch normalization", 2018).
        """
        some = images[np.unique(np.linspace(0, len(images) - 1, BEGUN_ON).astype(np.intp))]
        if self._normalisations(0.0):
            self.network_(some.astype(np.float32), training=True)
        self._normalisations(STATISTICS_MOMENTUM)

    def _normalisations(self, momentum: float) -> list[Any]:
        """Let the layers of batch normalisation follow a batch's statistics so slowly, and return them."""
        from keras.layers import BatchNormalization

        layers = self.network_.get_layer("backbone").layers
        found = [layer for layer in layers if isinstance(layer, BatchNormalization)]
        for layer in found:
            layer.momentum = momentum
        return found

    def _check_memory(self) -> None:
        """Refuse batches whose steps would take more memory than was promised; a GPU has its own."""
        p = self.params
        if devices():
            return
        each = step_bytes(p["backbone"], p["size"])
        room = memory.room() - COPIES * 4 * build(p["backbone"]).count_params()
        if p["batch_size"] * each > room:
            fits = max(room // each, 0)
            remedy = f"give batch_size={fits} or less, a smaller size," if fits else "give a smaller size"
            raise HemoError(
                f"parameter batch_size: a step with {p['batch_size']} slices of size {p['size']} takes "
                f"{p['batch_size'] * each / 1e9:.1f} GB, where {memory.words()} are promised: {remedy} or "
                "more memory"
            )

    def _assemble(self, channels: int, synchronized: bool = False) -> None:
        """Make the network, untrained, around a backbone that asks for so many channels."""
        import keras
        from keras import layers

        p = self.params
        body = build(p["backbone"], channels=channels)
        body.name = "backbone"
        inputs = keras.Input(self.image_shape_, name="slices")
        x = keras.ops.take(inputs, taken(channels, self.image_shape_[-1]), axis=-1)
        if self.image_shape_[:2] != (p["size"], p["size"]):
            x = layers.Resizing(p["size"], p["size"])(x)
        maps = body(x)
        pooled = [layers.GlobalAveragePooling2D()(maps), layers.GlobalMaxPooling2D()(maps)]
        x = layers.Dropout(p["dropout"], seed=self.seed)(layers.Concatenate(name="features")(pooled))
        logit = layers.Dense(self.n_labels, name="logit", dtype="float32")(x)
        probability = layers.Activation("sigmoid", dtype="float32", name="probability")(logit)
        self._channels, self._looked_at = channels, (maps, logit)
        self.network_ = keras.Model(inputs, probability)
        for layer in self._normalisations(STATISTICS_MOMENTUM):
            layer.synchronized = synchronized

    def _trainer(self, truth: NDArray[np.int8]) -> Any:
        """Return the compiled model around `_twin`, a network of the same weights in training's precision."""
        import keras

        p = self.params
        twin = type(self)(p, self.seed)
        twin.image_shape_, twin.n_labels = self.image_shape_, self.n_labels
        inputs = keras.Input(self.image_shape_)
        x = augmentation(inputs, p["augmentation"], self.seed)
        with layers_in(p["precision"]):
            twin._assemble(self._channels, synchronized=len(devices()) > 1)
            self._twin = twin.network_
            self._twin.set_weights(self.network_.get_weights())
            trainer = keras.Model(inputs, self._twin(x))
        steps = p["epochs"] * -(-len(truth) // p["batch_size"])
        warm = int(p["warmup"] * steps)
        rate = keras.optimizers.schedules.CosineDecay(
            0.0, max(steps - warm, 1), warmup_target=p["learning_rate"], warmup_steps=warm
        )
        self._compile(trainer, truth, rate=rate)
        trainer.optimizer.build(trainer.trainable_variables)  # else the step is traced twice
        return trainer

    def _train(
        self,
        images: Slices,
        truth: NDArray[np.int8],
        validation: tuple[Slices, NDArray[np.int8]] | None,
        on_epoch: OnEpoch | None,
    ) -> None:
        p, shared = self.params, len(devices())
        if shared > 1 and (p["batch_size"] % shared or p["batch_size"] > len(truth)):
            raise HemoError(
                f"parameter batch_size: {p['batch_size']} cannot be shared among {shared} devices: give a "
                f"multiple of {shared}, and no more than the {len(truth)} slices that are learned from"
            )
        if validation is not None and shared > 1:
            judged = len(validation[0]) // shared * shared
            validation = validation[0].take(np.arange(judged), axis=0), validation[1][:judged]
            self._judged = JUDGED // shared * shared
        # Statistics of a batch are those of all devices' slices: each must have as many.
        batches = shuffled(images, truth, p["batch_size"], self.seed, whole=shared > 1)
        with strategy(devices()).scope():
            trainer = self._trainer(truth)
        average = weight_average(self._twin, p["average"]) if p["average"] else None
        self._fit_batches(trainer, batches, truth, validation, on_epoch, average)
        self.network_.set_weights(self._twin.get_weights())
        del self._twin

    def _output(self) -> Any:
        """Return the mean of what the head is given of a slice and of its mirror image: so are the logits."""
        import keras

        own = super()._output()
        if not self.params["mirrored"]:
            return own
        inputs = self.network_.input
        other = keras.Model(inputs, own)(keras.ops.flip(inputs, axis=2))
        return keras.ops.multiply(keras.ops.add(own, other), 0.5)

    def attribution(self, images: Images) -> NDArray[np.float32]:
        """Return Grad-CAM of the logit at the last maps (see `hemo.families._grad_cam`)."""
        check_images(images, self.image_shape_)
        maps, logit = self._looked_at
        looked = grad_cam(self.network_.input, maps, logit, images)
        if self.params["mirrored"]:
            other = grad_cam(self.network_.input, maps, logit, images[:, :, ::-1])
            looked = np.float32(0.5) * (looked + other[:, :, ::-1])
        return looked

    def _rebuild(self, other: Self) -> None:
        self._assemble(other._channels)

    def save(self, folder: Path) -> None:
        """Write the weights as NumPy arrays, those of the whole backbone apart, and the rest as JSON."""
        save_parts(self.network_.get_weights(), HEAD, folder)
        save_state(self, folder)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
        classifier, _ = load_state(cls, folder)
        weights, head = load_parts(folder)
        classifier._assemble(asked_channels(weights))
        classifier.network_.set_weights([*weights, *head])
        return classifier


def suggest(trial: "optuna.Trial") -> dict[str, Any]:
    """Draw how the network is trained: rate, augmentation, dropout, and weights of the classes."""
    return {
        "learning_rate": trial.suggest_float("learning_rate", 1e-5, 1e-2, log=True),
        "augmentation": trial.suggest_float("augmentation", 0.0, 1.0, step=0.25),
        "dropout": trial.suggest_float("dropout", 0.0, 0.6, step=0.1),
        "average": trial.suggest_categorical("average", (0.0, 0.99, 0.999)),
        "class_weight": trial.suggest_categorical("class_weight", CLASS_WEIGHTS),
    }


DEFAULTS: Mapping[str, Any] = {
    "backbone": "lite0",
    "weights": "imagenet",
    "size": 192,
    "augmentation": 0.5,
    "dropout": 0.2,
    "precision": "auto",
    "average": 0.99,
    "mirrored": True,
    "optimizer": "adam",
    "learning_rate": 1e-3,
    "warmup": 0.1,
    "momentum": 0.0,
    "batch_size": 16,
    "epochs": 12,
    "patience": 12,
    "class_weight": "none",
}

FAMILY = Family(
    name="end_to_end",
    title="Whole backbone, end to end",
    defaults=DEFAULTS,
    build=EndToEnd,
    suggest=suggest,
    default_trial={
        name: DEFAULTS[name]
        for name in ("learning_rate", "augmentation", "dropout", "average", "class_weight")
    },
    load=EndToEnd.load,
    neural=True,
    together=True,
    tensorflow=True,
    slice_bytes=lambda params, shape: 0,
    tiny={
        "backbone": "conv4",
        "weights": "none",
        "size": 32,
        "epochs": 3,
        "batch_size": 8,
        "average": 0.5,
        "augmentation": 0.0,
    },
)
