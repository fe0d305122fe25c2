"""What the neural families share: training by Keras with early stopping, and prediction."""

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from hemo.families._checks import check_choices, check_images, check_positive, check_truth, check_truths
from hemo.families._compiled import JUDGED, in_order, shuffled
from hemo.families._epochs import fit_epochs
from hemo.families._estimators import CLASS_WEIGHTS, both_classes
from hemo.families._feature_cache import cached_features
from hemo.families._graph import Graph
from hemo.families._losses import MaskedCrossEntropy
from hemo.families._rowspace import SCALES
from hemo.families._training_options import ACTIVATIONS, RATES
from hemo.families.base import Images, OnEpoch, Slices, Truth
from hemo.sealed import Sealed

if TYPE_CHECKING:
    import keras

# Read when Keras and TensorFlow are first imported, which happens inside the methods below.
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


TRUNKS: Final = 512
"""Slices whose outputs of a shared trunk are held at a time."""


class NeuralClassifier(ABC):
    """A network with a sigmoid output for each label it learns, trained on binary cross-entropy.

    Parameters
    ----------
    params
        The family's parameters, defaults included.
    seed
        Of initial weights, order of slices, dropout and augmentation.

    Attributes
    ----------
    network_ : keras.Model
        From gray levels (n, height, width, channels) to probabilities (n, labels); scaling is inside.
    n_parameters : int
        Weights of the network, trainable or not.
    image_shape_ : tuple of int
        Height, width and channels of the training slices.
    convergence_ : dict
        `converged` (1 if stopped early), `iterations` (epochs run) and `best_epoch` (from 0).
    checkpoint : Sealed or None
        Where `fit` keeps its last finished epoch, and goes on from (see `hemo.families.base.KeepsEpochs`).
    """

    network_: "keras.Model"
    checkpoint: Sealed | None = None
    _graph: Graph | None = None
    _judged: int = JUDGED

    def __init__(self, params: Mapping[str, Any], seed: int = 0) -> None:
        self.params = dict(params)
        self.seed = seed
        self.n_labels = 1
        choices = {
            "scale": SCALES,
            "optimizer": tuple(RATES),
            "activation": ACTIVATIONS,
            "class_weight": CLASS_WEIGHTS,
        }
        check_choices(params, {name: allowed for name, allowed in choices.items() if name in params})
        if params["learning_rate"] is None:
            self.params["learning_rate"] = RATES[params["optimizer"]]
        check_positive(self.params, ("learning_rate", "batch_size", "epochs", "patience"))

    @property
    def n_parameters(self) -> int:
        """Number of weights of the network, known once it is built."""
        return self.network_.count_params()

    def fit(
        self,
        images: Slices,
        y: Truth,
        validation: tuple[Slices, Truth] | None = None,
        on_epoch: OnEpoch | None = None,
    ) -> Self:
        """Fit on slices, with early stopping on the loss of `validation`, whose best weights are kept.

        Without `validation` the network is trained for the given epochs, without early stopping.
        """
        import keras

        check_images(images)
        truth = _checked(y, len(images))
        if validation is not None:
            check_images(validation[0], images.shape[1:])
            known = _checked(validation[1], len(validation[0]), least=1)
            validation = (validation[0], known)
        self.n_labels = truth.shape[1] if truth.ndim == 2 else 1
        keras.backend.clear_session(free_memory=False)
        keras.utils.set_random_seed(self.seed)
        self.image_shape_ = tuple(images.shape[1:])
        self._prepare(images, truth)
        self._train(images, truth, validation, on_epoch)
        return self

    @abstractmethod
    def _prepare(self, images: Slices, truth: NDArray[np.int8]) -> None:
        """Make `network_`, to be trained on slices of `image_shape_`."""

    @abstractmethod
    def _trainer(self, truth: NDArray[np.int8]) -> Any:
        """Return the compiled model that is trained in the place of `network_`, whose weights it shares."""

    @abstractmethod
    def _rebuild(self, other: Self) -> None:
        """Make `network_` for one label, untrained, as that of another classifier of this class."""

    @abstractmethod
    def attribution(self, images: Images) -> NDArray[np.float32]:
        """Return where the classifier looked, float32 (n, height, width): positive speaks for blood."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write the fitted classifier into an existing empty folder, without pickle."""

    @classmethod
    @abstractmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""

    def _train(
        self,
        images: Slices,
        truth: NDArray[np.int8],
        validation: tuple[Slices, NDArray[np.int8]] | None,
        on_epoch: OnEpoch | None,
    ) -> None:
        """Train on slices."""
        batches = shuffled(images, truth, self.params["batch_size"], self.seed)
        self._fit_batches(self._trainer(truth), batches, truth, validation, on_epoch)

    def _fit_batches(
        self,
        trainer: Any,
        batches: Any,
        truth: NDArray[np.int8],
        validation: tuple[Any, NDArray[np.int8]] | None,
        on_epoch: OnEpoch | None,
        average: Any = None,
    ) -> None:
        """Train a compiled model on a `keras.utils.PyDataset` of batches with truth."""
        held: Any = validation
        if validation is not None and not (self._judged == JUDGED and isinstance(validation[0], np.ndarray)):
            held = in_order(*validation, self._judged)
        self.convergence_ = fit_epochs(
            trainer,
            batches,
            self.params,
            validation=held,
            on_epoch=on_epoch,
            checkpoint=self.checkpoint,
            class_weight=self._class_weight(truth) if truth.ndim == 1 else None,
            average=average,
        )

    def _compile(self, trainer: Any, truth: NDArray[np.int8], jit: bool = False, rate: Any = None) -> None:
        """Compile a model; `rate` is a schedule of learning rates in place of the parameter."""
        import keras

        p = self.params
        settings = {"learning_rate": p["learning_rate"] if rate is None else rate}
        if p["optimizer"] in ("sgd", "rmsprop"):
            settings["momentum"] = p["momentum"]
        optimizer = keras.optimizers.get({"class_name": p["optimizer"], "config": settings})
        if truth.ndim == 2:
            trainer.compile(optimizer, MaskedCrossEntropy(truth.shape[1]), jit_compile=jit)
            self._weigh(trainer, truth)
            return
        metrics = [keras.metrics.BinaryAccuracy("accuracy"), keras.metrics.AUC(name="auc")]
        trainer.compile(optimizer, "binary_crossentropy", metrics=metrics, jit_compile=jit)

    def _weigh(self, trainer: Any, truth: NDArray[np.int8]) -> None:
        """Let the loss of labels that are learnt together weigh them as `class_weight` says."""
        if truth.ndim == 2:
            trainer.loss.weigh(truth if self.params["class_weight"] == "balanced" else None)

    def for_label(self, index: int) -> Self:
        """Return a classifier of one of the labels that were learnt together, number `index`."""
        one = type(self)(self.params, self.seed)
        one.image_shape_, one.convergence_ = self.image_shape_, self.convergence_
        one._rebuild(self)
        *trunk, kernel, bias = self.network_.get_weights()
        one.network_.set_weights([*trunk, kernel[:, [index]], bias[[index]]])
        return one

    def _penalty(self) -> dict[str, Any]:
        import keras

        l1, l2 = self.params["l1"], self.params["l2"]
        return {"kernel_regularizer": keras.regularizers.L1L2(l1, l2)} if l1 or l2 else {}

    def _class_weight(self, truth: NDArray[np.int8]) -> dict[int, float] | None:
        if self.params["class_weight"] == "none":
            return None
        negatives, positives = np.bincount(truth, minlength=2)
        return {0: len(truth) / (2 * negatives), 1: len(truth) / (2 * positives)}

    def predict_proba(self, images: Images) -> NDArray[np.float64]:
        """Return the probability of class 0 and 1, float64 (n, 2)."""
        from scipy.special import expit

        check_images(images, self.image_shape_)
        last = self._last()
        if self._shares_trunk:  # learnt with other labels, whose classifiers have the same trunk
            kernel, bias = self.network_.get_layer("logit").get_weights()
            positive = np.empty(len(images))
            for start in range(0, len(images), TRUNKS):  # a slice's may take 130 kB
                outputs = cached_features(images[start : start + TRUNKS], f"trunk-{last.digest}", last)
                logit = outputs @ kernel[:, 0] + bias[0]
                positive[start : start + TRUNKS] = expit(logit.astype(float))
        else:
            positive = last(images)[:, 0].astype(float)
        return both_classes(positive)

    @property
    def _shares_trunk(self) -> bool:
        return "trunk" in self.params

    def _last(self) -> Graph:
        """Return `network_`, or its trunk where labels share it, as one graph, made once for each network."""
        if self._graph is None or self._graph.network is not self.network_:
            self._graph = Graph(self.network_, self._output(), self.params)
        return self._graph

    def _output(self) -> Any:
        """Return the tensor of `network_` that prediction asks for."""
        return self.network_.get_layer("logit").input if self._shares_trunk else self.network_.output


def _checked(y: Truth, n: int, least: int = 2) -> NDArray[np.int8]:
    """Return the truth of one label, (n,), or of several, (n, labels)."""
    return check_truths(y, n, least) if np.ndim(y) == 2 else check_truth(y, n, least)
