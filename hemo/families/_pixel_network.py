"""Networks on pixels, made from nothing: what `ann` and `cnn` share."""

import json
from abc import abstractmethod
from pathlib import Path
from typing import Any, ClassVar, Final, Self

import numpy as np
from numpy.typing import NDArray

from hemo.families._augment import augmentation
from hemo.families._compiled import Compiled, shuffled
from hemo.families._neural import NeuralClassifier
from hemo.families._rowspace import pixel_moments
from hemo.families._saved import load_state, save_state
from hemo.families.base import OnEpoch, Slices

NOT_COMPILED: Final = ("batch_size", "class_weight", "epochs", "patience", "pretrained", "scale")
"""Parameters that say how long and on what a network is trained: what is compiled does not hang on them."""


class PixelNetwork(NeuralClassifier):
    """A network on scaled pixels; a family gives its layers.

    Attributes
    ----------
    mean_image_ : ndarray of float32, (height, width, channels)
        Mean training slice, the baseline of attributions.
    """

    jit: ClassVar[bool] = False
    """Whether compiling a large network by XLA pays with optimizers that keep moments."""

    @abstractmethod
    def _body(self, x: Any) -> Any:
        """Return the tensor before the last layer, from the scaled slices (n, height, width, channels)."""

    def build_network(self, shape: tuple[int, ...], shift: Any = 0.0, divisor: Any = 1.0) -> None:
        """Make the untrained network for slices of a shape; `shift` and `divisor` scale their channels."""
        import keras

        inputs = keras.Input(shape, name="slices")
        scale = 1 / np.asarray(divisor, float)
        offset = -np.asarray(shift, float) * scale
        x = keras.layers.Rescaling(scale.tolist(), offset.tolist(), name="scaling")(inputs)
        logit = keras.layers.Dense(self.n_labels, name="logit", **self._penalty())(self._body(x))
        probability = keras.layers.Activation("sigmoid", name="probability")(logit)
        self.network_ = keras.Model(inputs, probability)

    def _prepare(self, images: Slices, truth: NDArray[np.int8]) -> None:
        shift, divisor = self._moments(images)
        self.build_network(self.image_shape_, shift, divisor)

    def _moments(self, images: Slices) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
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

    def _train(
        self,
        images: Slices,
        truth: NDArray[np.int8],
        validation: tuple[Slices, NDArray[np.int8]] | None,
        on_epoch: OnEpoch | None,
    ) -> None:
        params = {name: value for name, value in self.params.items() if name not in NOT_COMPILED}
        layers = json.dumps(params, sort_keys=True, default=str)
        key = (type(self).__name__, self.image_shape_, truth.shape[1:], layers)
        compiled = Compiled.of(key, lambda: self._compiled(truth))
        compiled.begin(self.network_, self.seed)
        self._weigh(compiled.trainer, truth)
        batches = shuffled(images, truth, self.params["batch_size"], self.seed)
        self._fit_batches(compiled.trainer, batches, truth, validation, on_epoch)
        compiled.end(self.network_)

    def _compiled(self, truth: NDArray[np.int8]) -> Compiled:
        twin = type(self)(self.params, self.seed)
        channels = self.image_shape_[-1]
        twin.image_shape_, twin.n_labels = self.image_shape_, self.n_labels
        twin.build_network(self.image_shape_, np.zeros(channels), np.ones(channels))
        return Compiled(twin.network_, lambda: twin._trainer(truth))

    def _trainer(self, truth: NDArray[np.int8]) -> Any:
        # Augmentation comes before the network, which itself stays uncompiled.
        import keras

        p = self.params
        inputs = keras.Input(self.image_shape_)
        trainer = keras.Model(inputs, self.network_(augmentation(inputs, p["augmentation"], self.seed)))
        # Compiling fuses the update of an optimizer's moments; it takes seconds, which small networks, SGD
        # without moments and convolutions do not win back. XLA cannot compile the augmentation.
        large = self.n_parameters > 10_000_000
        jit = self.jit and large and p["optimizer"] != "sgd" and not p["augmentation"]
        self._compile(trainer, truth, jit)
        return trainer

    def _rebuild(self, other: Self) -> None:
        scaling = other.network_.get_layer("scaling")
        scale = np.asarray(scaling.scale, float)
        self.build_network(self.image_shape_, -np.asarray(scaling.offset, float) / scale, 1 / scale)
        self.mean_image_ = other.mean_image_

    def save(self, folder: Path) -> None:
        """Write the network in Keras' own format, without the optimizer, and the rest as NumPy and JSON."""
        self.network_.save(folder / "network.keras")
        np.savez(folder / "mean_image.npz", mean_image=self.mean_image_)
        save_state(self, folder)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
        import keras

        classifier, _ = load_state(cls, folder)
        classifier.network_ = keras.saving.load_model(folder / "network.keras", compile=False, safe_mode=True)
        with np.load(folder / "mean_image.npz", allow_pickle=False) as arrays:
            classifier.mean_image_ = arrays["mean_image"]
        return classifier
