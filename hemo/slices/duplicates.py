"""Slices that are the same picture again: as it was, moved by a pixel or two, in another window, or noisier.

Head CT looks alike by nature: thumbnails of different patients correlate up to 0.96, those of neighbouring
slices up to 0.99, and perceptual hashes of them collide. What tells a copy from a look-alike is fine detail:
noise, vessels, the edge of each sulcus. So thumbnails only propose pairs, and the correlation of detail at
full size decides.
"""

from collections.abc import Iterator, Sequence
from typing import Final

import cv2
import numpy as np
import pandas as pd
import xxhash
from numpy.typing import NDArray

from hemo.slices.store import SliceStore

LEAST: Final = 0.82
"""Correlation of detail from which a pair counts as near-duplicates.

On 1,871 slices of 62 patients (CT-ICH) and 5,664 phantom slices the closest pairs of different patients
reached 0.62 and 0.79, and 3% of neighbouring 5 mm slices 0.82. Copies moved by up to two pixels or shown in
another window lay above 0.91, with noise of 10 gray levels 95% of them above 0.85.
"""

LEAST_THUMBNAIL: Final = 0.8
"""Correlation of thumbnails below which a pair is not looked at closer."""

THUMBNAIL: Final = 32
DETAIL: Final = 128
REACH: Final = 3
"""Pixels, of `DETAIL`, by which one of the two may be moved."""

CLOSEST_OTHERS: Final = 4
CLOSEST_OWN: Final = 2
"""How many of each slice's closest thumbnails of other patients, and of its own, are looked at closer."""

ALL: Final = 4_096
"""Slices up to which each is compared with every other.

On 13,097 (CT-ICH, and its slices turned, scaled, mirrored and made noisier) the search by cells found each of
1,500 copies that were moved, noisier, compressed or shown in another window, and 97% of all pairs that
comparing all with all proposes, in a tenth of the time.
"""

IN_A_CELL: Final = 256
"""Slices of a cell, on average, where there are more."""

PROBED: Final = 6
"""Cells that a slice is compared with."""

COMPONENTS: Final = 128
"""Principal components by which it is."""

COLUMNS: Final = ("first", "second", "similarity", "exact", "same_patient")

_CELLS: Final = 32_000_000
"""Correlations held at a time: 128 MB."""

_PAIRS: Final = 256
_SLICES: Final = 2048

Detail = NDArray[np.float32]
Pairs = NDArray[np.intp]
"""(pairs, 2)."""

Closest = tuple[NDArray[np.float32], NDArray[np.intp]]
"""Of each row its highest correlations, and the rows they are with, (rows, most) each."""


def find(store: SliceStore, least: float = LEAST) -> pd.DataFrame:
    """Search a store for slices that are the same picture again.

    Parameters
    ----------
    store
        Its first channel is looked at; slices of one gray level are left out.
    least
        Correlation of detail from which a pair is reported.

    Returns
    -------
    DataFrame
        A row a pair: `first` and `second`, row numbers of the store's index; `similarity`, of detail;
        `exact`, equal pixel by pixel; `same_patient`. The most similar first. Of many copies of one slice
        not every pair is named, but each copy is in one.

    Notes
    -----
    Of more than `ALL` slices a few copies are missed: each is compared with those that look most like it.
    """
    patient = pd.factorize(store.index["patient"])[0]
    thumbnails, digests = _thumbnails(store)
    exact = _equal(digests)
    proposed = np.concatenate(
        [exact, _closest_others(thumbnails, patient), _closest_own(thumbnails, patient)]
    )
    pairs = np.unique(np.sort(proposed, axis=1), axis=0)
    table = pd.DataFrame(pairs, columns=["first", "second"])
    table["exact"] = [digests[a] == digests[b] for a, b in pairs]
    unlike = pairs[~table["exact"].to_numpy(bool)]
    similarities = [
        similarity(*(store.images(rows)[..., 0] for rows in unlike[start : start + _PAIRS].T))
        for start in range(0, len(unlike), _PAIRS)
    ]
    table["similarity"] = 1.0
    table.loc[~table["exact"], "similarity"] = np.concatenate([np.zeros(0), *similarities])
    table["same_patient"] = patient[pairs[:, 0]] == patient[pairs[:, 1]]
    table = table[(table["similarity"] >= least) | table["exact"]]
    return table.sort_values(
        ["similarity", "first", "second"], ascending=[False, True, True], ignore_index=True
    )


def similarity(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the correlation of detail of pairs, at the best of all moves by up to `REACH` pixels.

    Parameters
    ----------
    first, second
        Gray images, uint8 (n, height, width).
    """
    from scipy.fft import irfft2, rfft2

    one, other = _detail(first), _detail(second)
    correlation = irfft2(rfft2(one) * np.conj(rfft2(other)), s=one.shape[1:])
    moves = np.arange(-REACH, REACH + 1)
    return correlation[:, moves[:, None], moves[None, :]].reshape(len(one), -1).max(axis=1).astype(float)


def _detail(images: NDArray[np.uint8]) -> Detail:
    """Return what is finer than 2 pixels but not a single one, in equal strength everywhere, of norm 1.

    Equal strength makes it indifferent to windows, and keeps the skull's edge from drowning the brain's.
    """
    result = np.empty((len(images), min(DETAIL, images.shape[1]), min(DETAIL, images.shape[2])), np.float32)
    for number, image in enumerate(images):
        gray = cv2.resize(image, result.shape[:0:-1], interpolation=cv2.INTER_AREA).astype(np.float32)
        fine = cv2.GaussianBlur(gray, (0, 0), 0.7) - cv2.GaussianBlur(gray, (0, 0), 2.0)
        # Two gray levels: below that there is nothing but rounding.
        fine /= np.sqrt(cv2.GaussianBlur(fine * fine, (0, 0), 6.0)) + 2
        fine -= fine.mean()
        result[number] = fine / (np.linalg.norm(fine) or 1.0)
    return result


def _thumbnails(store: SliceStore) -> tuple[NDArray[np.float32], list[bytes]]:
    """Return thumbnails less their mean over the store, of norm 1, (n, 1024), and digests of the pixels.

    What all heads have in common says nothing of copies. A slice of one gray level has a thumbnail of zeros
    and no digest.
    """
    thumbnails = np.zeros((len(store), THUMBNAIL**2), np.float32)
    digests = []
    for start in range(0, len(store), _SLICES):
        rows = np.arange(start, min(start + _SLICES, len(store)))
        for row, image in zip(rows, store.images(rows), strict=True):
            constant = image.min() == image.max()
            digests.append(b"" if constant else xxhash.xxh3_128_digest(image.tobytes()))
            small = cv2.resize(image[..., 0], (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA)
            # Blurred, so that a move by a pixel or two changes little.
            small = cv2.GaussianBlur(small.astype(np.float32), (0, 0), 1.0).ravel()
            thumbnails[row] = (small - small.mean()) / max(float(small.std()), 1.0)
    blank = np.array([not digest for digest in digests])
    thumbnails -= thumbnails[~blank].mean(axis=0) if not blank.all() else 0
    thumbnails[blank] = 0
    thumbnails /= np.maximum(np.linalg.norm(thumbnails, axis=1, keepdims=True), 1e-6)
    return thumbnails, digests


def _equal(digests: list[bytes]) -> Pairs:
    """Pair each slice that repeats another's pixels with the first that has them."""
    first: dict[bytes, int] = {}
    pairs = [
        (first[digest], row)
        for row, digest in enumerate(digests)
        if digest and first.setdefault(digest, row) != row
    ]
    return np.array(pairs, np.intp).reshape(-1, 2)


def _closest_others(thumbnails: NDArray[np.float32], patient: NDArray[np.intp]) -> Pairs:
    """Pair each slice with the closest ones of other patients: of all, or of many nearly so."""
    seen = np.flatnonzero(thumbnails.any(axis=1))
    if not len(seen):
        return np.empty((0, 2), np.intp)
    search = _closest_of_all if len(seen) <= ALL else _closest_of_cells
    correlation, where = search(thumbnails[seen], patient[seen])
    return _paired(correlation, seen[where], seen)


def _closest_of_all(thumbnails: NDArray[np.float32], patient: NDArray[np.intp]) -> Closest:
    """Compare all with all."""
    everyone = np.arange(len(thumbnails))
    return _joined(
        [_closest_others_of(thumbnails, patient, rows, everyone) for rows in _blocks(len(everyone))]
    )


def _closest_of_cells(thumbnails: NDArray[np.float32], patient: NDArray[np.intp]) -> Closest:
    """Compare each with those of a few cells: all with all would take days for a million.

    Drawn slices are the middles of cells; each slice is of the cell whose middle it is closest to, and is
    compared with those of the `PROBED` closest cells (the "inverted file" of searches for neighbours).
    """
    count, short = len(thumbnails), _components(thumbnails)
    middles = short[np.random.default_rng(0).choice(count, count // IN_A_CELL, replace=False)]
    cells = [_highest(short[rows] @ middles.T, np.arange(len(middles)), PROBED)[1] for rows in _blocks(count)]
    cell = np.concatenate(cells)
    correlation = np.full((count, PROBED, CLOSEST_OTHERS), -1, np.float32)
    where = np.zeros(correlation.shape, np.intp)
    asking, number = np.divmod(np.argsort(cell, axis=None, kind="stable"), PROBED)
    for some in np.split(np.arange(cell.size), np.flatnonzero(np.diff(np.sort(cell, axis=None))) + 1):
        members = asking[some][number[some] == 0]
        for part in np.array_split(some, 1 + len(some) * len(members) // _CELLS):
            rows, place = asking[part], number[part]
            correlation[rows, place], where[rows, place] = _closest_others_of(short, patient, rows, members)
    blocks = (
        _highest(correlation[rows].reshape(len(rows), -1), where[rows].reshape(len(rows), -1), CLOSEST_OTHERS)
        for rows in _blocks(count)
    )
    return _joined([*blocks])


def _components(thumbnails: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the principal components of thumbnails, of norm 1 again, (n, `COMPONENTS`): they are blurred."""
    _, axes = np.linalg.eigh(thumbnails.T @ thumbnails)
    short: NDArray[np.float32] = thumbnails @ axes[:, -COMPONENTS:]
    return short / np.maximum(np.linalg.norm(short, axis=1, keepdims=True), 1e-6)


def _closest_own(thumbnails: NDArray[np.float32], patient: NDArray[np.intp]) -> Pairs:
    """Pair each slice with the closest ones of its own patient."""
    found = [np.empty((0, 2), np.intp)]
    order = np.argsort(patient, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(patient[order])) + 1):
        correlation = thumbnails[rows] @ thumbnails[rows].T
        np.fill_diagonal(correlation, -1)
        found.append(_paired(*_highest(correlation, rows, CLOSEST_OWN), rows))
    return np.concatenate(found)


def _closest_others_of(
    thumbnails: NDArray[np.float32], patient: NDArray[np.intp], rows: NDArray, columns: NDArray
) -> Closest:
    """Return those of the columns that are closest to each row, and of other patients."""
    correlation = thumbnails[rows] @ thumbnails[columns].T
    correlation[patient[rows][:, None] == patient[columns]] = -1
    return _highest(correlation, columns, CLOSEST_OTHERS)


def _highest(correlation: NDArray[np.float32], columns: NDArray[np.intp], most: int) -> Closest:
    """Return each row's highest correlations, the highest first, and which columns they are with."""
    if lacking := max(most - correlation.shape[1], 0):
        correlation = np.pad(correlation, ((0, 0), (0, lacking)), constant_values=-1)
        columns = np.pad(columns, (0, lacking))
    best = np.argpartition(-correlation, most - 1, axis=1)[:, :most]
    best = np.take_along_axis(best, np.argsort(-np.take_along_axis(correlation, best, 1), axis=1), 1)
    named = np.take_along_axis(columns, best, 1) if columns.ndim == 2 else columns[best]
    return np.take_along_axis(correlation, best, 1), named


def _joined(parts: Sequence[Closest]) -> Closest:
    return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])


def _paired(correlation: NDArray[np.float32], where: NDArray[np.intp], rows: NDArray) -> Pairs:
    """Return the pairs of rows with others that are alike enough."""
    high = correlation >= LEAST_THUMBNAIL
    return np.stack([np.repeat(rows, high.sum(axis=1)), where[high]], axis=1)


def _blocks(n: int) -> Iterator[NDArray[np.intp]]:
    size = max(1, _CELLS // max(n, 1))
    for start in range(0, n, size):
        yield np.arange(start, min(start + size, n))
