"""How large backbones are: their features, their maps, and what a step of training takes of memory."""

from functools import lru_cache

import numpy as np

from hemo.families._architectures import ARCHITECTURES
from hemo.families._backbones import build, first_of_last_blocks
from hemo.families._channels import on_input


@lru_cache
def width(name: str) -> int:
    """Return how many maps a backbone ends in."""
    return int(build(name).output_shape[-1])


@lru_cache
def map_bytes(name: str, blocks: int, size: int) -> int:
    """Return the bytes of the maps that go into the last blocks of a backbone, of a slice of a size."""
    import keras

    network = build(name)
    cut = first_of_last_blocks(name, network, blocks).input if blocks else network.output
    shape = keras.Model(network.input, cut).compute_output_shape((1, size, size, 3))
    return 4 * int(np.prod(shape))


@lru_cache
def step_bytes(name: str, size: int) -> int:
    """Return the bytes that a training step of a backbone takes for each slice of a size."""
    import keras

    layers = on_input(build(name), keras.Input((size, size, 3))).layers
    return int(4 * ARCHITECTURES[name].step * sum(np.prod(layer.output.shape[1:]) for layer in layers))
