"""One network for all labels: what sees one type of hemorrhage helps with the others, in one training.

The trunk is a small convolutional network on pixels, or a pretrained backbone (see `hemo.families.finetune`);
each label has an output of its own. Labels that are not known of a slice do not count in its loss. Once
trained, each label is a classifier of its own, like any family's.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hemo.families._checks import check_choices
from hemo.families._neural import NeuralClassifier
from hemo.families._saved import read_state
from hemo.families._training_options import TRAINING_DEFAULTS
from hemo.families.base import Family
from hemo.families.cnn import FAMILY as CNN
from hemo.families.cnn import ConvolutionalNetwork
from hemo.families.finetune import FAMILY as FINETUNE
from hemo.families.finetune import FineTuned, slice_bytes

if TYPE_CHECKING:
    import optuna

TRUNKS = ("backbone", "cnn")


def build(params: Mapping[str, Any], seed: int = 0) -> NeuralClassifier:
    """Return the unfitted network of the trunk that `params` name."""
    check_choices(params, {"trunk": TRUNKS})
    return _trunk(params)(params, seed)


def load(folder: Path) -> NeuralClassifier:
    """Read what a network of this family, or a label's classifier of it, wrote, whatever its trunk."""
    return _trunk(read_state(folder)["params"]).load(folder)


def _trunk(params: Mapping[str, Any]) -> type[NeuralClassifier]:
    return ConvolutionalNetwork if params["trunk"] == "cnn" else FineTuned


def suggest(trial: "optuna.Trial") -> dict[str, Any]:
    """Draw what fine-tuning draws: the trunk is the backbone."""
    return FINETUNE.suggest(trial)


FAMILY = Family(
    name="multilabel",
    title="One network for all labels",
    defaults={
        **TRAINING_DEFAULTS,
        **CNN.defaults,
        **FINETUNE.defaults,
        "trunk": "backbone",
        "class_weight": "balanced",
    },
    build=build,
    suggest=suggest,
    default_trial={**FINETUNE.default_trial, "class_weight": "balanced"},
    load=load,
    neural=True,
    together=True,
    slice_bytes=lambda params, shape: 0 if params["trunk"] == "cnn" else slice_bytes(params, shape),
    tensorflow=True,
    tiny={"trunk": "cnn", **CNN.tiny, "optimizer": "sgd", "dropout": 0.0, "augmentation": 0.0},
)
