"""Kinds of backbones by the words that name them, and where their ImageNet weights lie."""

from dataclasses import dataclass
from pathlib import Path

from hemo.errors import HemoError
from hemo.families._lite0 import published_weights

ADDRESS = "https://storage.googleapis.com/tensorflow/keras-applications/"
"""Where Keras fetches the weights of its networks from."""


@dataclass(frozen=True)
class Architecture:
    """A kind of backbone.

    Attributes
    ----------
    title
        The name for people.
    block
        Regular expression at the start of the names of a block's layers; its groups tell blocks apart.
    application
        The function of `keras.applications` that builds it; empty for those that are built here.
    file
        Its ImageNet weights without the classes, below `ADDRESS`.
    step
        How many times the outputs of its layers a training step takes in memory, as measured with batches of
        8 to 32 slices of 96 to 160 pixels (TensorFlow 2.21, one processor), and some more.
    """

    title: str
    block: str
    application: str = ""
    file: str = ""
    step: float = 1.7


ARCHITECTURES = {
    "lite0": Architecture("EfficientNet-Lite0", r"_blocks\.(\d+)"),
    "conv4": Architecture("Conv-4", r"block(\d)_"),
    "resnet50": Architecture(
        "ResNet50",
        r"conv(\d)_block(\d+)",
        "ResNet50",
        "resnet/resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5",
        1.9,
    ),
    "efficientnetv2b0": Architecture(
        "EfficientNetV2-B0",
        r"block(\d)([a-z])_",
        "EfficientNetV2B0",
        "efficientnet_v2/efficientnetv2-b0_notop.h5",
        3.6,
    ),
    "mobilenetv3": Architecture(
        "MobileNetV3-Large",
        r"expanded_conv(?:_(\d+))?_",
        "MobileNetV3Large",
        "mobilenet_v3/weights_mobilenet_v3_large_224_1.0_float_no_top_v2.h5",
        2.9,
    ),
    "convnexttiny": Architecture(
        "ConvNeXt-Tiny",
        r"convnext_tiny_stage_(\d)_block_(\d)",
        "ConvNeXtTiny",
        "convnext/convnext_tiny_notop.h5",
        6.0,
    ),
}
"""The backbones by the word that names them."""


def weights_file(name: str) -> Path:
    """Return the file of a backbone's ImageNet weights on this machine.

    Raises
    ------
    HemoError
        If it is not here, or nobody publishes any.
    """
    architecture = ARCHITECTURES[name]
    if name == "lite0":
        return published_weights()
    if not architecture.file:
        raise HemoError(
            f"weights 'imagenet': nobody publishes any of {architecture.title}: give none, a file or a folder"
        )
    file = Path.home() / ".keras" / "models" / Path(architecture.file).name
    if not file.is_file():
        raise HemoError(
            f"{file.name}: the ImageNet weights of {architecture.title} are not in {file.parent}: download "
            f"{ADDRESS}{architecture.file} and put it there, or give `weights` its path"
        )
    return file
