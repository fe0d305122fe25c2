"""Linear models of more slices than memory holds: on principal components, or a batch at a time."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hemo.families._rowspace import Scaling
from hemo.families.base import Images, Slices

COMPONENTS: Final = 256
"""Principal components, where no number of them is asked for: as many as tuning draws at most."""

SEEN: Final = 10_240
"""Slices that the components are found on; the others are told in them."""

TRIED: Final = 3_000
"""Slices on which it is measured what is lost: a third of them judge what is learned from the others."""

BATCH: Final = 1024
"""Slices at a time."""

ENOUGH: Final = 1_000_000
"""Slices that stochastic gradient descent is shown, as scikit-learn's guide advises (1.5.5, "Tips on
Practical Use"): it has converged behind as many."""


LOSSES: Final[Mapping[str, Callable[[NDArray[np.float64]], NDArray[np.float64]]]] = {
    "hinge": lambda z: np.maximum(1 - z, 0),
    "squared_hinge": lambda z: np.maximum(1 - z, 0) ** 2,
    "modified_huber": lambda z: np.where(z >= -1, np.maximum(1 - z, 0) ** 2, -4 * z),
    "log_loss": lambda z: np.logaddexp(0, -z),
}
"""Losses of scikit-learn's SGDClassifier, of the decision times the truth's sign (its guide, 1.5.8.1)."""


@dataclass(frozen=True)
class Components:
    """Principal components of scaled pixels.

    To find k of p pixels' takes some 48 k p bytes: a batch of 2 k, the last components, and their SVD.

    Attributes
    ----------
    scaling
        Of the pixels.
    axes
        Of unit length, (k, p).
    mean
        Scaled pixels where all components are 0, (p,).
    kept
        Share of the pixels' variance.
    seen
        How many slices they were found on.
    """

    scaling: Scaling
    axes: NDArray[np.float32]
    mean: NDArray[np.float32]
    kept: float
    seen: int

    @classmethod
    def of(cls, images: Slices, scaling: Scaling, count: int, seed: int) -> "Components":
        """Find them, a batch at a time, on as many slices as `SEEN`, drawn."""
        from sklearn.decomposition import IncrementalPCA

        batch = 2 * count
        order = np.random.default_rng([seed, len(images)]).permutation(len(images))[:SEEN]
        pca = IncrementalPCA(count)
        for start in range(0, len(order), batch):
            if len(order) - start >= count:  # fewer would be refused
                pca.partial_fit(scaling(images[np.sort(order[start : start + batch])]))
        kept = float(pca.explained_variance_ratio_.sum())
        axes, mean = (values.astype(np.float32) for values in (pca.components_, pca.mean_))
        return cls(scaling, axes, mean, kept, int(pca.n_samples_seen_))

    def __call__(self, images: Slices) -> NDArray[np.float32]:
        """Return the components of slices, float32 (n, k)."""
        result = np.empty((len(images), len(self.axes)), np.float32)
        for start in range(0, len(images), BATCH):
            pixels = self.scaling(images[start : start + BATCH])
            result[start : start + BATCH] = (pixels - self.mean) @ self.axes.T
        return result


def passes(n: int, most: int) -> int:
    """Return how often n slices are gone through, so that `ENOUGH` are seen; at most so often.

    Examples
    --------
    >>> passes(752_803, 1000), passes(20_000, 1000)
    (2, 50)
    """
    return min(-(-ENOUGH // n), most)


def descend(
    estimator: Any, images: Slices, truth: NDArray[np.int8], scaling: Scaling, times: int, seed: int
) -> tuple[Any, int]:
    """Fit scikit-learn's SGDClassifier a batch at a time, in an order drawn anew each time.

    Its steps grow shorter from slice to slice through all batches, as in one fit. As there, it ends where the
    mean loss, here that of each batch before it is learned from, has not fallen by `tol` for
    `n_iter_no_change` times; at the latest behind `times`.

    Parameters
    ----------
    estimator
        Unfitted; its `class_weight` may be `balanced`, which is then that of all slices.
    images, truth
        Slices and their truth, 0 or 1.
    scaling
        Of the pixels.
    times
        How often all slices are gone through at most.
    seed
        Of the orders.

    Returns
    -------
    The fitted estimator, and how often all slices were gone through.
    """
    if estimator.class_weight == "balanced":
        count = np.bincount(truth, minlength=2)
        estimator.set_params(class_weight={one: len(truth) / (2 * count[one]) for one in (0, 1)})
    estimator.set_params(shuffle=False)
    least, waited = np.inf, 0
    for number in range(times):
        order = np.random.default_rng([seed, number]).permutation(len(truth))
        lost = 0.0
        for start in range(0, len(order), BATCH):
            rows = order[start : start + BATCH]
            # In float64: scikit-learn rounds the weights behind each batch, so that batches would be told.
            pixels = scaling(images[rows]).astype(np.float64)
            if number:
                sign = 2 * truth[rows].astype(float) - 1
                lost += float(LOSSES[estimator.loss](sign * estimator.decision_function(pixels)).sum())
            estimator.partial_fit(pixels, truth[rows], classes=[0, 1])
        if not number:
            continue
        waited = waited + 1 if lost / len(truth) > least - estimator.tol else 0
        least = min(least, lost / len(truth))
        if waited == estimator.n_iter_no_change:
            return estimator, number + 1
    return estimator, times


def loss_of_auc(
    images: Slices,
    truth: NDArray[np.int8],
    seed: int,
    *fits: Callable[[Images, NDArray[np.int8]], Callable[[Images], NDArray[np.float64]]],
) -> str:
    """Return in words by how much the AUC of a second way to fit is lower than that of a first.

    Both learn from two thirds of `TRIED` slices, and judge the last third: slices of a study stand together,
    so that one study at most is on both sides.
    """
    from sklearn.metrics import roc_auc_score

    rows = np.sort(np.random.default_rng([seed, 1]).permutation(len(truth))[:TRIED])
    learn, held = np.split(rows, [2 * len(rows) // 3])
    if len(np.unique(truth[learn])) < 2 or len(np.unique(truth[held])) < 2:
        return "what it costs in AUC cannot be told: too few slices have the label"
    known, judged = images[learn], images[held]
    whole, part = (float(roc_auc_score(truth[held], fit(known, truth[learn])(judged))) for fit in fits)
    return (
        f"learned so from {len(learn):,} slices it has an AUC of {part:.3f} on {len(held):,} others, "
        f"learned from all at once {whole:.3f}"
    )
