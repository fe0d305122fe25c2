"""What marks blood in a slice, place by place: trees on what surrounds a place, taught by drawn blood."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from hemo.families._canonical import SIDE, Canonical, Gray, Mask, canonical
from hemo.families._cells import CELLS, halved, surroundings
from hemo.families._drawn_blood import KINDS, draw
from hemo.families.base import Images

NOWHERE: Final = -12.0
"""Log odds outside the brain."""

SUSPECT: Final = -4.0
"""Log odds from which a cell is asked what type of blood it might be."""

SHOWN: Final = 0.7
"""Share of the slices without blood into which some is drawn; the others teach what has none."""

WITH_BLOOD: Final = 40
WITHOUT: Final = 60
"""Cells of a slice that are learned from, at most."""


@dataclass(frozen=True)
class Marker:
    """Trees that say of each cell of a slice whether it is blood, and of which type.

    Attributes
    ----------
    blood
        Trees of the log odds of blood.
    kind
        Trees of the margins of `KINDS`, where it is blood; None where too little was drawn to tell which.
    parts
        Both in treelite's own format; no bytes stand for None.
    """

    blood: Any
    kind: Any
    parts: tuple[bytes, bytes]

    @classmethod
    def from_parts(cls, parts: Sequence[bytes]) -> Self:
        """Return the marker of which `learned` gave the parts."""
        import treelite

        blood, kind = (treelite.Model.deserialize_bytes(part) if part else None for part in parts)
        return cls(blood, kind, (parts[0], parts[1]))

    @property
    def digest(self) -> str:
        """Of its trees."""
        import xxhash

        return xxhash.xxh3_128_hexdigest(b"".join(self.parts))

    def maps(self, values: Gray, inside: Mask) -> Gray:
        """Return log odds of blood of any type, then of each of `KINDS`, float32 (CELLS, CELLS, 6).

        `values` and `inside` are what `surroundings` gives of a slice.
        """
        from treelite import gtil

        found = np.full((CELLS, CELLS, 1 + len(KINDS)), NOWHERE, np.float32)
        rows = values[inside].astype(np.float64)
        if not len(rows):
            return found
        odds = gtil.predict(self.blood, rows, nthread=1, pred_margin=True).reshape(len(rows))
        each = np.full((len(rows), len(KINDS)), NOWHERE)
        asked = np.flatnonzero(odds > SUSPECT)
        if self.kind is not None and len(asked):
            margin = gtil.predict(self.kind, rows[asked], nthread=1, pred_margin=True)
            share = _softmax(margin.reshape(len(asked), len(KINDS)))
            positive = share / (1 + np.exp(-odds[asked, None]))
            each[asked] = np.maximum(np.log(positive) - np.log1p(-positive), NOWHERE)
        found[inside] = np.column_stack((odds, each))
        return found


def learned(triples: Iterable[Images], trees: int, seed: int) -> list[bytes]:
    """Return the parts of a marker (see `Marker.from_parts`) that learned from slices without blood.

    Into most of them some is drawn.

    Parameters
    ----------
    triples
        The slices between their neighbours, each uint8 (height, width, 3).
    trees
        Number of trees of the first question (is it blood?); the second (which?) has a quarter as many.
    seed
        Of what is drawn.
    """
    import treelite
    from sklearn.ensemble import HistGradientBoostingClassifier
    from threadpoolctl import threadpool_limits

    cells, kinds = (np.concatenate(parts) for parts in zip(*_examples(triples, seed), strict=True))

    def grown(count: int, truth: NDArray[Any], asked: Mask | slice) -> bytes:
        model = HistGradientBoostingClassifier(
            max_iter=count, learning_rate=0.15, max_leaf_nodes=31, min_samples_leaf=60, l2_regularization=5.0,
            max_features=0.5, early_stopping=False, random_state=seed,
        )  # fmt: skip
        with threadpool_limits(1, "openmp"):  # threads of a busy machine spin while they wait: 43 s against 9
            model.fit(cells[asked], truth[asked])
        return treelite.sklearn.import_model(model).serialize_bytes()

    blood = kinds >= 0
    told = len(np.unique(kinds[blood])) == len(KINDS)
    return [grown(trees, blood, slice(None)), grown(max(trees // 4, 1), kinds, blood) if told else b""]


def _examples(triples: Iterable[Images], seed: int) -> Iterator[tuple[Gray, NDArray[np.int64]]]:
    """Yield surroundings of cells of each slice, (k, features), and the type of blood there, -1 for none."""
    rng = np.random.default_rng(seed)
    for triple in triples:
        seen, kind, covered = canonical(triple), -1, np.zeros((CELLS, CELLS), bool)
        if rng.random() < SHOWN:
            kind = int(rng.integers(len(KINDS)))
            drawn = draw(rng, seen, KINDS[kind])
            if drawn is not None:
                seen = replace(seen, gray=drawn[0])
                covered = halved(drawn[1][1]) > 0.4
        values, inside = surroundings(seen)
        with_, without = (rng.permutation(np.flatnonzero(inside & part)) for part in (covered, ~covered))
        rows = np.r_[with_[:WITH_BLOOD], without[:WITHOUT]]
        yield values.reshape(-1, values.shape[-1])[rows], np.where(covered.ravel()[rows], kind, -1)


def _softmax(margin: NDArray[np.float64]) -> NDArray[np.float64]:
    raised = np.exp(margin - margin.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)


BANDS: Final = ((0.0, 0.03), (0.03, 0.08), (0.08, 0.16), (0.16, 1.0))
"""Bands of depth under the skull, in sides of the slice."""

LEVELS: Final = (-2.0, 0.0, 2.0)
"""Log odds above which cells are marked."""


TOPS: Final = (1, 8, 30)
"""Highest cells whose mean is told: a spot of 3 mm, of 1 cm, and what is 2 cm wide."""

NUMBERS: Final = 3 * (len(TOPS) + 1) + 3 * len(TOPS) * len(KINDS) + 2 * len(BANDS) + 6 * len(LEVELS) + 1
"""How many numbers describe what is marked in a slice."""


def marked(triple: Images, markers: Sequence[Marker]) -> NDArray[np.float32]:
    """Return numbers that describe what is marked in a slice, the mean of several markers', (`NUMBERS`,).

    `triple` is the slice between its neighbours, uint8 (height, width, 3).
    """
    seen = canonical(triple)
    values, inside = surroundings(seen)
    return np.mean([described(one.maps(values, inside), seen) for one in markers], axis=0)


def odds(triple: Images, markers: Sequence[Marker]) -> Gray:
    """Return log odds of blood at each place of a slice, (height, width): the mean of several markers'."""
    import cv2

    seen = canonical(triple)
    values, inside = surroundings(seen)
    found = np.mean([one.maps(values, inside)[..., 0] for one in markers], axis=0)
    back = cv2.WARP_INVERSE_MAP | cv2.INTER_LINEAR
    return np.asarray(
        cv2.warpAffine(
            cv2.resize(found, (SIDE, SIDE)), seen.matrix, triple.shape[1::-1], flags=back, borderValue=NOWHERE
        ),
        np.float32,
    )


def described(maps: Gray, seen: Canonical) -> NDArray[np.float32]:
    """Return numbers that sum up the maps of a slice, float32 (`NUMBERS`,).

    The highest log odds and the means of the highest cells, of blood of any type and of each type, at three
    scales; by bands of depth; and for three levels how much is marked, in how many pieces, and how large, how
    deep, how far from the middle and how compact the largest is.
    """
    import cv2

    depth = halved(seen.depth[1])
    inside = halved(seen.brain[1]) > 0.5
    parts: list[float] = []
    for kind in range(maps.shape[-1]):
        for scale in (0, 1, 2):
            field = np.ascontiguousarray(maps[..., kind])
            field = cv2.GaussianBlur(field, (0, 0), scale) if scale else field
            highest = np.sort(field, axis=None)[-100:][::-1]  # most are equal, where a partition is slow
            parts += [float(highest[:count].mean()) for count in (TOPS if kind else (*TOPS, 100))]
    field = cv2.GaussianBlur(np.ascontiguousarray(maps[..., 0]), (0, 0), 1)
    for low, high in BANDS:
        band = np.sort(field[inside & (depth > low) & (depth <= high)])[::-1]
        parts += [float(band[0]), float(band[:10].mean())] if band.size else [NOWHERE, NOWHERE]
    for level in LEVELS:
        parts += _largest(field > level, depth)
    return np.array([*parts, float(inside.mean())], np.float32)


def _largest(marked: Mask, depth: Gray) -> list[float]:
    import cv2

    count, pieces, stats, centres = cv2.connectedComponentsWithStats(marked.astype(np.uint8))
    if count < 2:
        return [0.0] * 6
    areas = stats[1:, cv2.CC_STAT_AREA]
    number = 1 + int(areas.argmax())
    box = stats[number, cv2.CC_STAT_WIDTH] * stats[number, cv2.CC_STAT_HEIGHT]
    return [
        float(np.log1p(marked.sum())),
        float(np.log1p(areas.max())),
        count - 1.0,
        float(depth[pieces == number].mean()),
        abs(centres[number][0] / CELLS - 0.5),
        float(areas.max() / box),
    ]
