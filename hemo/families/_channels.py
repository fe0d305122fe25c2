"""Backbones for slices of more than three channels: windows and neighbouring slices, all of them seen.

The first kernels, which know red, green and blue, are repeated for each further three channels and divided
by how often they are there, so that a slice whose channels repeat three gives what the three give (as `timm`
does: R. Wightman, `timm.models._manipulate.adapt_input_conv`, 2019). Before them each three channels are
scaled as photographs are.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hemo.errors import HemoError

if TYPE_CHECKING:
    import keras


def taken(asked: int, given: int) -> NDArray[np.intp]:
    """Return which of the `given` channels a network that asks for so many is shown: the last is repeated.

    Examples
    --------
    >>> taken(3, 1).tolist(), taken(6, 5).tolist()
    ([0, 0, 0], [0, 1, 2, 3, 4, 4])
    """
    return np.minimum(np.arange(asked), given - 1).astype(np.intp)


def threes(channels: int) -> int:
    """Return how many times three channels hold all of a slice's.

    Examples
    --------
    >>> threes(1), threes(3), threes(9)
    (1, 1, 3)
    """
    return -(-channels // 3)


def check_channels(asked: int, given: int, whose: str) -> None:
    """Refuse slices of another number of channels than a backbone learned from, where these were over three.

    One that asks for three takes the first three of more, or is inflated.
    """
    if asked not in (3, 3 * threes(given)):
        raise HemoError(
            f"{whose}: its network learned from {asked - 2} to {asked} channels, the slices have {given}: "
            "give a store of the same windows and neighbours"
        )


def asked_channels(arrays: Sequence[NDArray[Any]]) -> int:
    """Return how many channels a backbone of these weights asks for: its first kernels say it."""
    return next(int(array.shape[2]) for array in arrays if array.ndim == 4)


def inflated_weights(arrays: Sequence[NDArray[Any]], times: int) -> list[NDArray[Any]]:
    """Return a backbone's weights with its first kernels repeated so many times, and divided by that."""
    first = next(number for number, array in enumerate(arrays) if array.ndim == 4)
    kernel = np.tile(arrays[first], (1, 1, times, 1)) / np.float32(times)
    return [*arrays[:first], kernel.astype(np.float32), *arrays[first + 1 :]]


def inflated(network: "keras.Model", times: int) -> Any:
    """Return a backbone of the same layers, untrained, that asks for so many times three channels.

    Parameters
    ----------
    network : keras.Model
        From gray levels (n, height, width, 3) to maps.
    times
        How many times three; 1 gives the network itself.
    """
    if times == 1:
        return network
    import keras

    first = next(layer.name for layer in network.layers if layer.weights)
    scaled = False  # whether what is in front of the first kernels has been passed

    def call(layer: Any, *given: Any, **more: Any) -> Any:
        nonlocal scaled
        scaled = scaled or layer.name == first
        if scaled:
            return layer(*given, **more)
        x = given[0]
        each = [layer(x[..., start : start + 3], **more) for start in range(0, 3 * times, 3)]
        return keras.ops.concatenate(each, axis=-1)

    return on_input(network, keras.Input((None, None, 3 * times)), call)


def on_input(network: "keras.Model", inputs: Any, call: Any = None) -> Any:
    """Return the network's layers anew, untrained, on an input of another shape."""
    import keras

    def anew(layer: Any) -> Any:
        if isinstance(layer, keras.Sequential):  # whose configuration knows the channels
            return keras.Sequential([anew(each) for each in layer.layers], name=layer.name)
        return layer.__class__.from_config(layer.get_config())

    given = [inputs] if isinstance(network.input, list) else inputs
    made = keras.models.clone_model(network, given, clone_function=anew, call_function=call)
    return keras.Model(inputs, made.output, name=network.name)
