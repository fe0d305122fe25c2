"""Convolutional network, as the seed paper's: 3×3 convolutions with pooling between them."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hemo.errors import HemoError
from hemo.families._checks import check_choices, check_images
from hemo.families._grad_cam import grad_cam
from hemo.families._pixel_network import PixelNetwork
from hemo.families._training_options import (
    DEFAULT_TRAINING,
    MODERN_TRAINING,
    TRAINING_DEFAULTS,
    suggest_training,
)
from hemo.families.base import Family, Images, Slices

if TYPE_CHECKING:
    import optuna


POOLINGS = ("flatten", "average", "max")
"""The last maps as they are (the paper's), or each one's mean or maximum over the slice."""


class ConvolutionalNetwork(PixelNetwork):
    """3×3 convolutions of the given filters, 2×2 max-pooling between them, and one sigmoid."""

    def __init__(self, params: Mapping[str, Any], seed: int = 0) -> None:
        super().__init__(params, seed)
        check_choices(params, {"pooling": POOLINGS})

    def _prepare(self, images: Slices, truth: NDArray[np.int8]) -> None:
        super()._prepare(images, truth)
        if self.params["pretrained"]:
            self._take_trunk(Path(self.params["pretrained"]))

    def _take_trunk(self, folder: Path) -> None:
        """Start from the convolutions of another network of this family, trained on the phantom say."""
        import keras

        files = sorted(folder.rglob("network.keras"))
        if not files:
            raise HemoError(f"pretrained '{folder}': no network.keras in it: give a folder of a saved model")
        other = keras.saving.load_model(files[0], compile=False, safe_mode=True)
        theirs = [array for layer in other.layers if layer.name != "logit" for array in layer.get_weights()]
        ours = [layer for layer in self.network_.layers if layer.name != "logit" and layer.weights]
        shapes = [array.shape for layer in ours for array in layer.get_weights()]
        if shapes != [array.shape for array in theirs]:
            raise HemoError(f"pretrained '{folder}': another network: give one with the same layers")
        for layer in ours:
            layer.set_weights([theirs.pop(0) for _ in layer.weights])

    def _body(self, x: Any) -> Any:
        from keras import layers

        p = self.params
        for depth, filters in enumerate(p["filters"]):
            if depth:
                x = layers.MaxPooling2D(2)(x)
            if min(x.shape[1:3]) < 3:
                raise HemoError(
                    f"filters: {len(p['filters'])} convolutions are too many for the slices: give fewer"
                )
            x = layers.Conv2D(filters, 3, **self._penalty())(x)
            if p["batch_norm"]:
                x = layers.BatchNormalization()(x)
            x = layers.Activation(p["activation"], name=f"maps_{depth}")(x)
        if p["pooling"] == "average":
            x = layers.GlobalAveragePooling2D()(x)
        elif p["pooling"] == "max":
            x = layers.GlobalMaxPooling2D()(x)
        else:
            x = layers.Flatten()(x)
        return layers.Dropout(p["dropout"])(x) if p["dropout"] else x

    def attribution(self, images: Images) -> NDArray[np.float32]:
        """Return Grad-CAM of the logit at the last convolution (see `hemo.families._grad_cam`)."""
        check_images(images, self.image_shape_)
        maps, logit = (
            self.network_.get_layer(name).output
            for name in (f"maps_{len(self.params['filters']) - 1}", "logit")
        )
        return grad_cam(self.network_.input, maps, logit, images)


def suggest(trial: "optuna.Trial") -> dict[str, Any]:
    """Draw depth, filters of the first convolution and their growth, pooling, and how they are trained."""
    depth = trial.suggest_int("depth", 2, 4)
    filters = trial.suggest_categorical("filters", (8, 16, 32))
    growth = trial.suggest_categorical("growth", (1, 2))
    return {
        "filters": tuple(filters * growth**layer for layer in range(depth)),
        "pooling": trial.suggest_categorical("pooling", POOLINGS),
        **suggest_training(trial),
    }


FAMILY = Family(
    name="cnn",
    title="Convolutional network",
    defaults={"filters": (32, 64, 128), "pooling": "flatten", "pretrained": "", **TRAINING_DEFAULTS},
    build=ConvolutionalNetwork,
    suggest=suggest,
    default_trial={"depth": 3, "filters": 32, "growth": 2, "pooling": "flatten", **DEFAULT_TRAINING},
    modern_trial={"depth": 3, "filters": 32, "growth": 1, "pooling": "average", **MODERN_TRAINING},
    load=ConvolutionalNetwork.load,
    neural=True,
    slice_bytes=lambda params, shape: 0,
    tensorflow=True,
    tiny={"filters": (4, 8), "epochs": 8, "learning_rate": 0.05},
)
