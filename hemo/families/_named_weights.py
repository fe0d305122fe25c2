"""Arrays of a PyTorch state dictionary, put into layers that bear their names."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import keras

Arrays = Mapping[str, NDArray[Any]]


def named(arrays: Arrays, name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Return the array of a name, float32.

    Raises
    ------
    ValueError
        If there is none, it is of another shape, or has numbers that are none in float32.
    """
    if name not in arrays:
        raise ValueError(f"it has no {name}")
    if arrays[name].shape != shape:
        raise ValueError(f"its {name} is of shape {arrays[name].shape}, not {shape}")
    with np.errstate(over="ignore"):
        array = arrays[name].astype(np.float32)
    if not np.isfinite(array).all():
        raise ValueError(f"its {name} has numbers that are not finite")
    return array


def set_weights(network: "keras.Model", arrays: Arrays) -> None:
    """Give convolutions without bias and batch normalisations the arrays that bear their names.

    PyTorch keeps kernels as (out, in, height, width), Keras as (height, width, in, out); of depthwise ones
    as (channels, 1, height, width) and (height, width, channels, 1).

    Raises
    ------
    ValueError
        If one is missing, or not as it should be (see `named`).
    """
    for layer in network.layers:
        kind = type(layer).__name__
        if kind == "BatchNormalization":
            names = ("weight", "bias", "running_mean", "running_var")
            layer.set_weights([named(arrays, f"{layer.name}.{name}", layer.gamma.shape) for name in names])
        elif kind in ("Conv2D", "DepthwiseConv2D"):
            height, width, first, second = layer.kernel.shape
            order = (second, first) if kind == "Conv2D" else (first, second)
            kernel = named(arrays, f"{layer.name}.weight", (*order, height, width))
            layer.set_weights([kernel.transpose((2, 3, 1, 0) if kind == "Conv2D" else (2, 3, 0, 1))])
