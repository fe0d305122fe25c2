"""What a model family is, and what every classifier it builds can do."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from hemo.sealed import Sealed

if TYPE_CHECKING:
    import optuna

Images = NDArray[np.uint8]
"""Slices as stored: uint8 (n, height, width, channels)."""


class Slices(Protocol):
    """Slices as stored, as an array or read as they are asked for (see `hemo.slices.stored`)."""

    @property
    def shape(self) -> tuple[int, ...]:
        """n, height, width, channels."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """That of uint8."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, rows: Any, /) -> Any:
        """Return those slices as an array, uint8 (rows, height, width, channels)."""
        ...

    def take(self, rows: Any, /, axis: int = 0) -> Any:
        """Return those slices as what they come from is: an array, or read as they are asked for."""
        ...


Truth = NDArray[np.integer]
"""One label of each slice: 0 or 1, (n,)."""

Studies = NDArray[np.integer]
"""The study of each slice as a number, (n,): slices of a study follow each other in the order of position."""

LabelTable = NDArray[np.int8]
"""All labels of each slice, (n, 6) in the order of `hemo.labels.LABELS`: 0, 1, or -1 where unknown."""

OnEpoch = Callable[[int, Mapping[str, float]], None]
"""Called after each epoch with its number (from 0) and `loss`, `val_loss`, ... ."""


class Classifier(Protocol):
    """A binary classifier of slices, in the style of scikit-learn; scaling and flattening are inside.

    Where its family asks for them, `fit` and `predict_proba` take `study`, and `fit` takes `labels`, by name
    (see `Family.study`, `Family.labels`); None: slices stand alone, their other labels are not known. A
    neural family that asks for `study` takes that of the slices of `validation` as `validation_study`.

    Attributes
    ----------
    params : dict
        Its parameters, defaults included; what a default leaves open (a learning rate) is decided in it.
    convergence_ : dict
        After `fit`: `converged` (0 or 1), `iterations` (passes or epochs).
    """

    params: dict[str, Any]
    convergence_: dict[str, float]

    def fit(
        self,
        images: Slices,
        y: Truth,
        validation: tuple[Slices, Truth] | None = None,
        on_epoch: OnEpoch | None = None,
    ) -> Self:
        """Fit on slices; `validation` serves early stopping only, where the family has it."""
        ...

    def predict_proba(self, images: Images) -> NDArray[np.float64]:
        """Return the probability of class 0 and 1, float64 (n, 2)."""
        ...

    def attribution(self, images: Images) -> NDArray[np.float32]:
        """Return where the classifier looked, float32 (n, height, width): positive speaks for blood."""
        ...

    def save(self, folder: Path) -> None:
        """Write the fitted classifier into an existing empty folder, without pickle."""
        ...

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote; the loaded classifier gives the same probabilities."""
        ...


@runtime_checkable
class SharesFits(Protocol):
    """A classifier whose fits on the same slices share what does not depend on its parameters."""

    def fit_predict(
        self, images: Slices, y: Truth, tested: Slices, shared: dict[Any, Any]
    ) -> NDArray[np.float64]:
        """Fit on slices and return the probability of class 1 of others, float64 (n,): a trial of tuning.

        Parameters
        ----------
        images, y
            Slices to learn from, and their truth.
        tested
            Slices to predict.
        shared
            Kept by the caller for these very slices: what does not depend on the parameters.
        """
        ...


@runtime_checkable
class Abridges(Protocol):
    """A classifier that cuts a fit down where all of it would take more memory than was promised."""

    abridged_: str
    """In words how it was cut down, and what that costs; "" where nothing was."""


@runtime_checkable
class CountsParameters(Protocol):
    """A classifier that knows how large it is."""

    @property
    def n_parameters(self) -> int:
        """Number of weights, known once it is fitted."""
        ...


@runtime_checkable
class KeepsEpochs(Protocol):
    """A classifier whose `fit` keeps each epoch that it finishes, and goes on behind the last one.

    What was killed and goes on in the same way gives the same classifier as what was not.
    """

    checkpoint: Sealed | None
    """The file in which the last finished epoch is; None: nothing is kept."""


@runtime_checkable
class KeepsFeatures(Protocol):
    """A classifier of features that follow from a slice alone, and which it keeps in files."""

    def keep_features(self, images: Slices) -> None:
        """Compute and keep the features of slices, before any fit: fits of all labels and folds find them."""
        ...


@runtime_checkable
class LearnsTogether(Protocol):
    """A classifier whose `fit` takes the truth of several labels, (n, labels) with -1 for unknown."""

    def for_label(self, index: int) -> Classifier:
        """Return a classifier of one of the labels that were learnt together, number `index`."""
        ...


@runtime_checkable
class JudgesStudies(Protocol):
    """A classifier that judges whole studies, and says what each slice counted in that."""

    def judge(self, images: Images, study: Studies | None) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return each slice's probability of class 1 and its attention, float64 (n,) each, at one go."""
        ...

    def study_probability(self, images: Images, study: Studies) -> NDArray[np.float64]:
        """Return the probability that a study is positive, float64 (studies,), by rising study numbers."""
        ...

    def attention(self, images: Images, study: Studies) -> NDArray[np.float64]:
        """Return each slice's share in the judgement of its study, float64 (n,): sums to 1 in each study.

        It is a weight and no probability: what speaks against blood can have it too.
        """
        ...


@runtime_checkable
class JudgesAlone(Protocol):
    """A classifier that judges slices with those around them, and also one of which nothing around is known.

    Other classifiers of families that ask for `study` cannot: what they saw in training was never alone.
    """

    def predict_alone(self, images: Images) -> NDArray[np.float64] | None:
        """Return the probability of class 0 and 1 of slices that stand alone, float64 (n, 2).

        Nothing of it may be learned from a slice's neighbours or study; None where nothing is left then.
        """
        ...


@dataclass(frozen=True)
class Family:
    """A registered model family.

    Attributes
    ----------
    name
        The word on the command line and in MLflow; also the module's name, or the entry point's.
    title
        The name for people.
    defaults
        Parameters and their defaults: the seed paper's choices, where it has the family.
    build
        From full parameters (defaults included) and a seed to an unfitted classifier.
    suggest
        Draws parameters from an Optuna trial; returns only what it sets.
    default_trial
        Trial parameters for which `suggest` gives the defaults: to be enqueued, so that no study ends below
        the paper's settings.
    load
        Reads back from a folder what a classifier of this family wrote: its class's `load`.
    neural
        Trained in epochs: wants validation slices for early stopping, reports `on_epoch`.
    together
        One fit learns all labels, and each gets a classifier of it: `build` gives what `LearnsTogether`.
    tensorflow
        Predicts with TensorFlow, as every neural family does: a served model needs it installed.
    study
        Learns from whole studies at natural prevalence, and judges a slice by those around it too: of a slice
        alone its classifiers say nothing, unless they are made for it (see `JudgesAlone`).
    labels
        Learns from the slices' other labels too.
    slice_bytes
        For a family whose `fit` reads slices as they are asked for: how many bytes learning from each takes,
        given full parameters and a slice's (height, width, channels). None: it takes arrays, and copies them.
    study_labels
        Learns from what is known of studies, also where nothing is known of their slices: `fit` takes
        `study_truth` and `validation_study_truth`.
    modern_trial
        Trial parameters of what is usual today, where that is something else: an early trial of each study.
    tiny
        Parameters under which the contract tests train in a second.
    """

    name: str
    title: str
    defaults: Mapping[str, Any]
    build: Callable[[Mapping[str, Any], int], Classifier]
    suggest: Callable[["optuna.Trial"], dict[str, Any]]
    load: Callable[[Path], Classifier]
    default_trial: Mapping[str, Any]
    neural: bool = False
    together: bool = False
    tensorflow: bool = False
    study: bool = False
    labels: bool = False
    study_labels: bool = False
    slice_bytes: Callable[[Mapping[str, Any], tuple[int, ...]], int] | None = None
    modern_trial: Mapping[str, Any] = field(default_factory=dict)
    tiny: Mapping[str, Any] = field(default_factory=dict)
