"""DINOv2's small vision transformer, ViT-S/14, distilled: features of photographs learned without labels.

M. Oquab et al., "DINOv2: learning robust visual features without supervision", 2023;
https://github.com/facebookresearch/dinov2 (code and weights Apache 2.0): `models/vision_transformer.py`,
`layers`, and `dinov2_vits14` of `hub/backbones.py`. Weights are read by the names of the published file,
`dinov2_vits14_pretrain.pth`, or by those that `transformers` gives them
(https://github.com/huggingface/transformers, `models/dinov2/convert_dinov2_to_hf.py`).
"""

import re
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hemo.families._named_weights import Arrays, named

if TYPE_CHECKING:
    import keras

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""ImageNet's, of gray levels 0..1."""

WIDTH, BLOCKS, HEADS = 384, 12, 6
HIDDEN = 4 * WIDTH

NAMES = (
    (r"^embeddings\.patch_embeddings\.projection\.", "patch_embed.proj."),
    (r"^embeddings\.position_embeddings$", "pos_embed"),
    (r"^embeddings\.", ""),
    (r"^encoder\.layer\.", "blocks."),
    (r"\.attention\.output\.dense\.", ".attn.proj."),
    (r"\.layer_scale([12])\.lambda1$", r".ls\1.gamma"),
    (r"^layernorm\.", "norm."),
)
"""What names of `transformers` become."""

QKV = ("query", "key", "value")


def dinov2s() -> Any:
    """Return the untrained network, from gray levels 0..255 (n, side, side, 3) to maps (n, h, h, 384).

    The maps are the patches' tokens behind the last normalisation. Sides that are no multiples of 14 are
    resized to the nearest one. What scales a branch of a block (`ls1`, `ls2`) is a part of the layer before.
    """
    import keras
    from keras import layers

    from hemo.families._token_layers import PATCH, Squared, Tokens, WholePatches

    inputs = keras.Input((None, None, 3))
    x = WholePatches(name="whole_patches")(inputs)
    scale = [1 / (255 * deviation) for deviation in DEVIATION]
    shift = [-mean / deviation for mean, deviation in zip(MEAN, DEVIATION, strict=True)]
    x = layers.Rescaling(scale, shift, name="scaling")(x)
    x = layers.Conv2D(WIDTH, PATCH, PATCH, name="patch_embed.proj")(x)
    x = Tokens(name="tokens")(x)
    for number in range(BLOCKS):
        name, before = f"blocks.{number}", x
        x = layers.LayerNormalization(epsilon=1e-6, name=f"{name}.norm1")(before)
        x = layers.MultiHeadAttention(HEADS, WIDTH // HEADS, name=f"{name}.attn")(x, x)
        before = layers.Add(name=f"{name}.add1")([before, x])
        x = layers.LayerNormalization(epsilon=1e-6, name=f"{name}.norm2")(before)
        x = layers.Dense(HIDDEN, name=f"{name}.mlp.fc1")(x)
        x = layers.Activation(keras.activations.gelu, name=f"{name}.mlp.act")(x)
        x = layers.Dense(WIDTH, name=f"{name}.mlp.fc2")(x)
        x = layers.Add(name=f"{name}.add2")([before, x])
    x = layers.LayerNormalization(epsilon=1e-6, name="norm")(x)
    return keras.Model(inputs, Squared(name="maps")(x))


def set_dinov2_weights(network: "keras.Model", arrays: Arrays) -> None:
    """Give the network the weights of a state dictionary, which must be of ViT-S/14 without registers.

    Raises
    ------
    ValueError
        If an array is missing, of another network, or not as it should be (see `named`).
    """
    given = _Given({_published_name(name): array for name, array in arrays.items()})
    kernel = given.take("patch_embed.proj.weight", WIDTH, 3, 14, 14).transpose(2, 3, 1, 0)
    network.get_layer("patch_embed.proj").set_weights([kernel, given.take("patch_embed.proj.bias", WIDTH)])
    positions = network.get_layer("tokens").pos_embed.shape
    network.get_layer("tokens").set_weights(
        [given.take("cls_token", 1, 1, WIDTH), given.take("pos_embed", *positions)]
    )
    for number in range(BLOCKS):
        block = f"blocks.{number}"
        for name, weights in _block(given, block).items():
            network.get_layer(f"{block}.{name}").set_weights(weights)
    network.get_layer("norm").set_weights(given.normal("norm"))
    other = sorted(given.arrays.keys() - given.taken - {"mask_token"})
    if other:
        raise ValueError(f"it is of another network: it has {other[0]} too")


class _Given:
    """The arrays of a file, of which it is known what was taken."""

    def __init__(self, arrays: Arrays) -> None:
        self.arrays = arrays
        self.taken: set[str] = set()

    def take(self, name: str, *shape: int) -> NDArray[np.float32]:
        self.taken.add(name)
        return named(self.arrays, name, shape)

    def normal(self, name: str) -> list[NDArray[np.float32]]:
        """Return gain and offset of a normalisation."""
        return [self.take(f"{name}.weight", WIDTH), self.take(f"{name}.bias", WIDTH)]

    def linear(self, name: str, after: int, before: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the kernel of a linear layer as (after, before), as PyTorch has it, and its bias."""
        return self.take(f"{name}.weight", after, before), self.take(f"{name}.bias", after)


def _block(given: _Given, block: str) -> dict[str, list[NDArray[np.float32]]]:
    """Return the weights of the layers of a block by their names, as Keras wants them."""
    heads = (HEADS, WIDTH // HEADS)
    attention = []
    for kernel, bias in _query_key_value(given, block):
        attention += [kernel.T.reshape(WIDTH, *heads), bias.reshape(heads)]
    kernel, bias = given.linear(f"{block}.attn.proj", WIDTH, WIDTH)
    gain = given.take(f"{block}.ls1.gamma", WIDTH)
    attention += [(kernel.T * gain).reshape(*heads, WIDTH), bias * gain]
    first, first_bias = given.linear(f"{block}.mlp.fc1", HIDDEN, WIDTH)
    kernel, bias = given.linear(f"{block}.mlp.fc2", WIDTH, HIDDEN)
    gain = given.take(f"{block}.ls2.gamma", WIDTH)
    return {
        "norm1": given.normal(f"{block}.norm1"),
        "attn": attention,
        "norm2": given.normal(f"{block}.norm2"),
        "mlp.fc1": [first.T, first_bias],
        "mlp.fc2": [kernel.T * gain, bias * gain],
    }


def _query_key_value(given: _Given, block: str) -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Return kernel and bias of queries, keys and values: DINOv2 keeps them as one, `transformers` apart."""
    if f"{block}.attention.attention.query.weight" in given.arrays:
        return [given.linear(f"{block}.attention.attention.{one}", WIDTH, WIDTH) for one in QKV]
    kernel, bias = given.linear(f"{block}.attn.qkv", 3 * WIDTH, WIDTH)
    return list(zip(np.split(kernel, 3), np.split(bias, 3), strict=True))


def _published_name(name: str) -> str:
    """Return DINOv2's name of an array, whose name may be of `transformers`.

    Examples
    --------
    >>> _published_name("encoder.layer.3.layer_scale1.lambda1")
    'blocks.3.ls1.gamma'
    """
    for pattern, new in NAMES:
        name = re.sub(pattern, new, name)
    return name
