"""Trees of `boosted` as hemo 0.1 saved them, up to November 2026: read, never written.

It kept the nodes of scikit-learn's trees in `trees.npz` and the first logit in `classifier.json`. Models
registered then must be served as they were, in an environment that does not have treelite.
"""

from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

FILE = "trees.npz"


class OldTrees:
    """Boosted trees as arrays.

    Parameters
    ----------
    nodes
        All trees' nodes, one after the other: `feature`, `threshold`, `left`, `right` (numbers of nodes),
        `value` and `leaf`.
    roots
        Number of each tree's first node, int64 (trees,).
    baseline
        The logit before the first tree.
    """

    def __init__(
        self, nodes: dict[str, NDArray[np.generic]], roots: NDArray[np.int64], baseline: float
    ) -> None:
        self.nodes, self.roots, self.baseline = nodes, roots, baseline

    @staticmethod
    def are_in(folder: Path) -> bool:
        """Say whether a saved classifier is of this form."""
        return (folder / FILE).is_file()

    @classmethod
    def load(cls, folder: Path, baseline: float) -> Self:
        """Read the arrays."""
        with np.load(folder / FILE, allow_pickle=False) as arrays:
            nodes = {name: arrays[name] for name in arrays.files if name != "roots"}
            return cls(nodes, arrays["roots"], baseline)

    def logit(self, features: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the sum of the leaves that each row of features falls into, (n,)."""
        rows = np.arange(len(features))[:, None]
        place = np.tile(self.roots, (len(features), 1))
        nodes = self.nodes
        while not nodes["leaf"][place].all():
            goes_left = features[rows, nodes["feature"][place]] <= nodes["threshold"][place]
            following = np.where(goes_left, nodes["left"][place], nodes["right"][place])
            place = np.where(nodes["leaf"][place], place, following)
        return self.baseline + nodes["value"][place].sum(axis=1)
