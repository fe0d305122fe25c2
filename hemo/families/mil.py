"""Attention over a study's slices: one small network for all labels, from labels of studies, slices or both.

It works on features of slices that are computed once; see `hemo.families._attention` for the model.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from hemo.families import _attention, _study
from hemo.families._architectures import ARCHITECTURES
from hemo.families._attention_training import learned_from, train
from hemo.families._backbone_sizes import width
from hemo.families._backbones import Backbone, backbone, load_backbone, save_backbone
from hemo.families._checks import (
    check_choices,
    check_counts,
    check_images,
    check_positive,
    check_range,
    check_truth,
    check_truths,
)
from hemo.families._embedding import embed
from hemo.families._estimators import CLASS_WEIGHTS, both_classes, standardisation
from hemo.families._feature_cache import Features
from hemo.families._occlusion import occlusion_map
from hemo.families._radiology import (
    cached_radiological_features,
    feature_bytes,
    keep_radiological_features,
)
from hemo.families._saved import load_arrays, load_state, save_state
from hemo.families.base import Family, Images, LabelTable, OnEpoch, Slices, Studies, Truth
from hemo.sealed import Sealed

if TYPE_CHECKING:
    import keras
    import optuna

FEATURES = ("radiology", "frozen")
LEARN_FROM = ("studies", "slices", "both")

FARTHEST = 8.0
"""Deviations from the mean at which a feature is cut: one that nearly never varies would drown the others."""


class Mil:
    """Gated attention over the slices of a study, of which each has a probability of its own.

    A slice is seen as its features and the mean of its neighbours', as in `sequence`. What of the truth is
    learned from, the parameter `learn_from` says:

    - `studies`: a study's truth alone, which is the largest known label of its slices, or is given. Where a
      study is without blood, so is each of its slices: that much is known of slices too.
    - `slices`: the slices' own labels. The attention learns from the studies' truth that follows from them.
    - `both`: all of it, as a sum of the losses of studies and of slices.

    Parameters
    ----------
    params
        The family's parameters, defaults included.
    seed
        Of initial weights, order of studies, dropout, and the backbone's weights where none are given.

    Attributes
    ----------
    network_ : keras.Model
        From standardised features to logits and scores of slices (see `_attention.slice_network`).
    scaling_ : tuple of ndarrays of float64, (k,) each
        Mean and deviation of the features.
    backbone_ : Backbone or None
        The frozen network, where features are `frozen`.
    n_labels : int
        Labels that were learned together.
    image_shape_ : tuple of int
        Height, width and channels of the training slices.
    convergence_ : dict
        `converged` (1 if stopped early), `iterations` (epochs run) and `best_epoch` (from 0).
    checkpoint : Sealed or None
        Where `fit` keeps its last finished epoch, and goes on from (see `hemo.families.base.KeepsEpochs`).
    """

    network_: "keras.Model"
    checkpoint: Sealed | None = None
    backbone_: Backbone | None = None

    _on_disk = False
    """Whether frozen features are kept in files, as by `transfer`: where it was fitted, not where loaded."""

    def __init__(self, params: Mapping[str, Any], seed: int = 0) -> None:
        self.params = dict(params)
        self.seed = seed
        self.n_labels = 1
        choices = {"features": FEATURES, "learn_from": LEARN_FROM, "class_weight": CLASS_WEIGHTS}
        check_choices(params, {**choices, "backbone": tuple(ARCHITECTURES), "mirrored": (False, True)})
        check_positive(params, ("hidden", "size", "learning_rate", "batch_size", "epochs", "patience"))
        check_counts(params, ("hidden", "batch_size", "epochs", "patience"))
        check_range(params, {"dropout": 0.9, "slice_dropout": 0.9, "weight_decay": np.inf, "slice_weight": 1})

    @property
    def n_parameters(self) -> int:
        """Number of weights of network and backbone, known once it is fitted."""
        frozen = self.backbone_.network.count_params() if self.backbone_ else 0
        return self.network_.count_params() + frozen

    def fit(
        self,
        images: Slices,
        y: Truth | LabelTable,
        validation: tuple[Slices, Truth | LabelTable] | None = None,
        on_epoch: OnEpoch | None = None,
        study: Studies | None = None,
        validation_study: Studies | None = None,
        study_truth: LabelTable | None = None,
        validation_study_truth: LabelTable | None = None,
    ) -> Self:
        """Fit on slices of whole studies, with early stopping on the loss of `validation`.

        Parameters
        ----------
        images, y
            Slices, and their truth: (n,) of one label, or (n, labels) with -1 where it is not known.
        validation
            Other slices and their truth; None: as many epochs as the parameter says.
        on_epoch
            Told each epoch's `loss` and `accuracy`, which is that of what is learned from.
        study, validation_study
            The study of each slice, (n,); None: each slice is a study of its own.
        study_truth, validation_study_truth
            What is known of each study whatever its slices' labels say, int8 (studies, labels) in the order
            of rising study numbers, -1 where nothing is.

        Raises
        ------
        HemoError
            If what is learned from lacks a class of a label, or says that a study of a positive slice is
            negative.
        """
        import keras

        check_images(images)
        truth = _checked(y, len(images))
        held = None
        if validation is not None:
            check_images(validation[0], images.shape[1:])
            held = _checked(validation[1], len(validation[0]), least=1)
        p = self.params
        self.n_labels = truth.shape[1]
        self.image_shape_ = tuple(images.shape[1:])
        self._begin()
        features = self._features(images, study)
        self.scaling_ = standardisation(features)
        how = p["learn_from"]
        bags = learned_from(how, self._standard(features), truth, study, study_truth, least=2)
        stops = None
        if validation is not None and held is not None:
            seen = self._standard(self._features(validation[0], validation_study))
            stops = learned_from(how, seen, held, validation_study, validation_study_truth, least=1)
        keras.backend.clear_session()
        keras.utils.set_random_seed(self.seed)
        self._build(features.shape[1])
        self.convergence_ = train(self.network_, p, self.seed, bags, stops, on_epoch, self.checkpoint)
        return self

    def _begin(self) -> None:
        p = self.params
        if p["features"] == "frozen":
            self.backbone_ = backbone(p["backbone"], p["weights"], self.seed)
            self._on_disk = p["weights"] != "none"

    def keep_features(self, images: Slices) -> None:
        """Compute and keep the features of slices, as `transfer` and `boosted` do."""
        if self.params["features"] != "frozen":
            keep_radiological_features(images)
        elif self.params["weights"] != "none":
            self._begin()
            self._each(images)

    def _each(self, images: Slices) -> Features:
        p = self.params
        if self.backbone_ is None:
            return cached_radiological_features(images)
        return embed(self.backbone_, images, p["size"], self._on_disk, p["mirrored"])

    def _features(self, images: Slices, study: Studies | None) -> NDArray[np.float64]:
        """Return the features of each slice and the mean of its neighbours', float64 (n, 2 k)."""
        each = self._each(images).astype(float)
        return _study.with_neighbours(each, _study.numbers(study, len(images)))

    def _standard(self, features: NDArray[np.float64]) -> NDArray[np.float32]:
        center, deviation = self.scaling_
        return np.clip((features - center) / deviation, -FARTHEST, FARTHEST).astype(np.float32)

    def _build(self, k: int) -> None:
        p = self.params
        self.network_ = _attention.slice_network(k, self.n_labels, p["hidden"], p["dropout"])

    def for_label(self, index: int) -> Self:
        """Return a classifier of one of the labels that were learned together, number `index`."""
        one = type(self)(self.params, self.seed)
        one.image_shape_, one.convergence_ = self.image_shape_, self.convergence_
        one.scaling_, one.backbone_, one._on_disk = self.scaling_, self.backbone_, self._on_disk
        one._build(len(self.scaling_[0]))
        *trunk, kernel, bias, score_kernel, score_bias = self.network_.get_weights()
        heads = [kernel[:, [index]], bias[[index]], score_kernel[:, [index]], score_bias[[index]]]
        one.network_.set_weights([*trunk, *heads])
        return one

    def _judged(
        self, images: Images, study: Studies | None
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.intp]]:
        """Return logits and attention of slices for the first label, and their studies from 0, (n,) each."""
        check_images(images, self.image_shape_)
        numbers = _study.numbers(study, len(images))
        rows = np.unique(numbers, return_inverse=True)[1]
        logit, score = _attention.run(self.network_, self._standard(self._features(images, numbers)))
        return logit[:, 0], _attention.attention(score[:, 0], rows), rows

    def judge(self, images: Images, study: Studies | None) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return each slice's probability, of its own logit, and its attention, float64 (n,) each."""
        from scipy.special import expit

        logit, attention, _ = self._judged(images, study)
        return expit(logit), attention

    def predict_proba(self, images: Images, study: Studies | None = None) -> NDArray[np.float64]:
        """Return the probability of class 0 and 1 of each slice, float64 (n, 2): of its own logit."""
        return both_classes(self.judge(images, study)[0])

    def study_probability(self, images: Images, study: Studies) -> NDArray[np.float64]:
        """Return the probability that a study is positive, float64 (studies,), by rising study numbers."""
        from scipy.special import expit

        logit, attention, rows = self._judged(images, study)
        return expit(_attention.summed(attention * logit, rows))

    def attention(self, images: Images, study: Studies) -> NDArray[np.float64]:
        """Return how much each slice counts in its study's logit, float64 (n,): sums to 1 in each study.

        It is a weight, no probability: high too where a slice without blood speaks against it.
        """
        return self._judged(images, study)[1]

    def attribution(self, images: Images) -> NDArray[np.float32]:
        """Return how much the logit falls when a place is covered, float32 (n, height, width)."""
        check_images(images, self.image_shape_)
        return occlusion_map(images, lambda covered: self._judged(covered, None)[0])

    def save(self, folder: Path) -> None:
        """Write network, scaling and backbone as NumPy arrays, and the rest as JSON."""
        np.savez(folder / "network.npz", *self.network_.get_weights())
        np.savez(folder / "scaling.npz", *self.scaling_)
        if self.backbone_ is not None:
            save_backbone(self.backbone_, folder / "backbone.npz")
        save_state(self, folder, labels=self.n_labels)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
        classifier, state = load_state(cls, folder)
        classifier.n_labels = state["labels"]
        center, deviation = load_arrays(folder / "scaling.npz")
        classifier.scaling_ = center, deviation
        if classifier.params["features"] == "frozen":
            classifier.backbone_ = load_backbone(classifier.params["backbone"], folder / "backbone.npz")
        classifier._build(len(center))
        classifier.network_.set_weights(load_arrays(folder / "network.npz"))
        return classifier


def _checked(y: Truth | LabelTable, n: int, least: int = 2) -> NDArray[np.int8]:
    """Return the truth as (n, labels); that of one label, (n,), must be known and have `least` classes."""
    return check_truths(y, n, least=0) if np.ndim(y) == 2 else check_truth(y, n, least)[:, None]


def suggest(trial: "optuna.Trial") -> dict[str, Any]:
    """Draw width, dropout, how it is trained, and what slices weigh beside their study."""
    return {
        "hidden": trial.suggest_categorical("hidden", (16, 32, 64)),
        "dropout": trial.suggest_float("dropout", 0.0, 0.6, step=0.1),
        "weight_decay": trial.suggest_float("weight_decay", 1e-4, 1.0, log=True),
        "learning_rate": trial.suggest_float("learning_rate", 1e-4, 1e-2, log=True),
        "slice_weight": trial.suggest_float("slice_weight", 0.0, 1.0),
        "class_weight": trial.suggest_categorical("class_weight", CLASS_WEIGHTS),
    }


# Slice AUC, mean of the labels, from 500 phantom studies' labels alone (`benchmarks/bench_mil.py`), a seed
# or two each: 0.84 with no weight on slices, 0.87 with half, 0.88 with 0.2; with more dropout 0.89; with
# half of the slices hidden 0.90; as here 0.893 and 0.902, where slice labels give 0.934 (0.940 with nothing
# hidden and less dropout). On 150 other patients that chose none of it: 0.897 and 0.937. Attention tied to
# logits, noisy-or, and logits linear in the features gained nothing. From both, slices have 0.91 as here,
# and had 0.93 with half the weight and nothing hidden.
DEFAULTS: Mapping[str, Any] = {
    "features": "radiology",
    "backbone": "lite0",
    "weights": "imagenet",
    "size": 256,
    "mirrored": False,
    "learn_from": "both",
    "slice_weight": 0.2,
    "hidden": 32,
    "dropout": 0.3,
    "slice_dropout": 0.7,
    "weight_decay": 0.01,
    "learning_rate": 2e-3,
    "batch_size": 16,
    "epochs": 60,
    "patience": 10,
    "class_weight": "none",
}


def _slice_bytes(params: Mapping[str, Any], shape: tuple[int, ...]) -> int:
    """Return what features, their neighbours' beside them and both standardised take of a slice."""
    frozen = params["features"] == "frozen"
    return 12 * (8 * 2 * width(params["backbone"]) if frozen else feature_bytes(shape))


FAMILY = Family(
    name="mil",
    title="Attention over a study's slices",
    defaults=DEFAULTS,
    build=Mil,
    suggest=suggest,
    load=Mil.load,
    default_trial={
        name: DEFAULTS[name]
        for name in ("hidden", "dropout", "weight_decay", "learning_rate", "slice_weight", "class_weight")
    },
    neural=True,
    together=True,
    tensorflow=True,
    study=True,
    study_labels=True,
    slice_bytes=_slice_bytes,
    tiny={"epochs": 30, "learning_rate": 0.005, "dropout": 0.3},
)
