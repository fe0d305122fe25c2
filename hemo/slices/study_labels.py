"""Which row of a table of studies each slice answers to, and what studies' labels say of their slices."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hemo.errors import HemoError
from hemo.labels import LABELS, STUDY_LABELS, UNLABELLED, LabelTable
from hemo.slices.arrays import matrix
from hemo.slices.files import slice_name
from hemo.slices.matching import Lookup, Records, Rows
from hemo.slices.names import bare, normalized, without_zeros
from hemo.slices.pseudonyms import keyed_hash
from hemo.slices.records import VOLUMES

Labels = NDArray[np.int8]
"""A row a slice, a column a label: 0, 1 or -1 (unlabelled)."""

AMBIGUOUS: Final = (
    "label rows fit studies of several names once spaces, hyphens and zeros are left out: unused"
)
OF_SEVERAL: Final = "positive label rows fit several studies: which of them is meant is unknown"
CLEAR_BUT_POSITIVE: Final = "studies are labelled 0 and have a slice that is labelled 1: each label stays"
POSITIVE_BUT_CLEAR: Final = "studies are labelled 1 and every slice of theirs 0: each label stays"

FILE: Final = VOLUMES[0]
"""That a row names its study by the file: a volume's."""

SPELLINGS: Final[tuple[Callable[[str], str], ...]] = (normalized, without_zeros, bare)
"""How names are compared: as they are, without zeros, or bare, all rows of a table in one way.

The order is that of `hemo.slices.records.VOLUMES`' hashes, and of preference.
"""


def match_studies(records: Records, labels: LabelTable, key: bytes) -> tuple[Rows, int]:
    """Return the row of a table of studies that each slice answers to, and how many rows are ambiguous.

    A row names its study by a folder, a volume's file, PatientID, StudyInstanceUID or SeriesInstanceUID: all
    rows by the same, in one spelling; the one is taken by which most rows have slices. A row that fits
    several names, since they differ by nothing but spelling, is left out.

    Raises
    ------
    HemoError
        If studies are named as in two places (folders and PatientIDs, say), differently; or if the rows are
        no studies', but slices'.
    """
    named = [normalized(name).rstrip("/").rpartition("/")[2] for name in labels.ids]
    names = [slice_name(name) for name in named]
    none = np.empty((0, len(SPELLINGS), len(VOLUMES)), np.int64)
    hashes = np.concatenate([none, *_hashes(records)])  # of each slice
    best: tuple[int, int] = (0, 0)
    found: list[tuple[str, Rows, int]] = []
    for spelling, spelled in enumerate(SPELLINGS):
        lookup = _lookup([spelled(name) for name in names], key)
        if lookup is None:
            continue
        for kind, place in enumerate(VOLUMES):
            rows = lookup.find(hashes[:, spelling, kind]).astype(np.int32)
            doubtful = _ambiguous(rows, hashes[:, 0, kind]) if spelling else np.empty(0, np.int32)
            rows[np.isin(rows, doubtful)] = -1
            score = (len(np.unique(rows[rows >= 0])), -spelling)
            if score > best:
                best, found = score, []
            if score == best and score[0]:
                found.append((place, rows, len(doubtful)))
    if not found:
        return np.full(len(hashes), -1, np.int32), 0
    found.sort(key=lambda one: -int((one[1] >= 0).sum()))
    place, rows, ambiguous = found[0]
    for other, others, _ in found[1:]:
        if ((rows >= 0) & (others >= 0) & (rows != others)).any():
            raise HemoError(
                f"its studies are named as in {place} and as in {other}, differently: name them by "
                "StudyInstanceUID"
            )
    if place == FILE and _names_slices(records, rows):
        raise HemoError(
            "its rows name slices, a file each, and not studies: call the column that names them filename, "
            "or give a row a study"
        )
    return rows, ambiguous


def _names_slices(records: Records, rows: Rows) -> bool:
    """Tell whether rows that name files name several of a study, none of which is a volume."""
    tables = list(records.read(["study", "many"]))
    study = np.concatenate([table["study"].to_numpy() for table in tables])[rows >= 0]
    many = np.concatenate([table["many"].to_numpy() for table in tables])[rows >= 0]
    rows_of_study = pd.Series(rows[rows >= 0]).groupby(study).nunique()
    return not many.any() and bool((rows_of_study > 1).any())


def _hashes(records: Records) -> Iterator[NDArray[np.int64]]:
    """Yield what slices' studies are called, (slices, spellings, kinds); 0 for what there is not."""
    for table in records.read(["volumes"]):
        if len(table):
            found = matrix(table["volumes"])
            result = np.zeros((len(found), len(SPELLINGS) * len(VOLUMES)), np.int64)
            result[:, : found.shape[1]] = found
            yield result.reshape(len(found), len(SPELLINGS), len(VOLUMES))


def _lookup(names: Sequence[str], key: bytes) -> Lookup | None:
    """Return rows by the hashes of their names; None where two have the same."""
    if len(set(names)) < len(names):
        return None
    hashes = np.fromiter((keyed_hash(key, name) for name in names), np.int64, len(names))
    return Lookup.of(hashes, np.arange(len(names)))


def _ambiguous(rows: Rows, own: NDArray[np.int64]) -> NDArray[np.int32]:
    """Return the rows whose slices have several names, as these are written."""
    pairs = np.unique(np.stack([rows[rows >= 0], own[rows >= 0]], axis=1), axis=0)
    row, count = np.unique(pairs[:, 0], return_counts=True)
    return row[count > 1].astype(np.int32)


def answered_by_another(rows: Rows, studies: pd.Series, kept: NDArray[np.intp]) -> Rows:
    """Return the rows of slices whose stack answers for its study, where the table may name another stack.

    Parameters
    ----------
    rows
        The table's row of each record.
    studies
        The study of each slice, by its record, those of stacks that do not answer among them.
    kept
        The records of the slices that are kept.

    Returns
    -------
    array
        The row of each kept slice; of a study whose kept slices no row names, that of its other stacks, if
        it is but one.

    Examples
    --------
    >>> studies = pd.Series(["a", "a", "b"])
    >>> answered_by_another(np.array([7, -1, -1], np.int32), studies, np.array([1, 2])).tolist()
    [7, -1]
    """
    result = rows[kept]
    own = studies.reindex(kept).to_numpy()
    unnamed = ~np.isin(own, own[result >= 0])
    found = pd.Series(rows[studies.index], index=studies.to_numpy())
    by_study = found[found >= 0].groupby(level=0).agg(["min", "max"])
    single = by_study.loc[by_study["min"] == by_study["max"], "min"]
    result[unnamed] = pd.Series(own[unnamed]).map(single).fillna(-1).astype(np.int32)
    return result


def given_to_slices(rows: Rows, study: NDArray[np.integer], values: Labels) -> tuple[Labels, int]:
    """Return what a table says of each slice's study, and how many of its rows are of several.

    A row that is of several studies (a patient's, say) is true of each where it says 0; where it says 1, of
    none that is known.

    Parameters
    ----------
    rows
        The table's row of each slice, -1 for none.
    study
        The number of each slice's study.
    values
        The table's labels, (rows, labels).
    """
    result = np.full((len(rows), len(LABELS)), UNLABELLED, np.int8)
    matched = rows >= 0
    result[matched] = values[rows[matched]]
    pairs = np.unique(np.stack([rows[matched], study[matched]], axis=1), axis=0)
    row, count = np.unique(pairs[:, 0], return_counts=True)
    several = row[count > 1]
    positive = several[(values[several] == 1).any(axis=1)]
    here = np.isin(rows, several)[:, None] & (result == 1)
    result[here] = UNLABELLED
    return result, len(positive)


def joined(slices: Labels, before: Labels, now: Labels) -> tuple[Labels, Labels]:
    """Return the labels of slices and of their studies, once a table has said more of the studies.

    A study labelled 0 has no slice that is positive: each without a label becomes 0. One labelled 1 says
    nothing of any slice.

    Parameters
    ----------
    slices
        Labels of slices.
    before, now
        Labels of each slice's study, as they were, and as a table has them: what it leaves out stays.

    Examples
    --------
    >>> slices = np.array([[-1], [1], [-1], [0]], np.int8)
    >>> before, now = np.full((4, 1), -1, np.int8), np.array([[0], [0], [1], [1]], np.int8)
    >>> joined(slices, before, now)[0].ravel().tolist()
    [0, 1, -1, 0]
    """
    of_study = np.where(now == UNLABELLED, before, now)
    # What was 0 since its study was, and the study is no more.
    result = np.where((before == 0) & (of_study == 1) & (slices == 0), UNLABELLED, slices)
    return np.where((of_study == 0) & (result == UNLABELLED), 0, result).astype(np.int8), of_study


def contradictions(study: NDArray[np.integer], slices: Labels, of_study: Labels) -> dict[str, int]:
    """Return what to say of studies whose label is not that of their slices, with how many they are."""
    if not len(study):
        return {}
    said, highest, lowest = (
        pd.DataFrame(values).groupby(study).agg(how).to_numpy()
        for values, how in ((of_study, "max"), (slices, "max"), (slices, "min"))
    )
    counts = {
        CLEAR_BUT_POSITIVE: int(((said == 0) & (highest == 1)).any(axis=1).sum()),
        POSITIVE_BUT_CLEAR: int(((said == 1) & (highest == 0) & (lowest == 0)).any(axis=1).sum()),
    }
    return {sentence: count for sentence, count in counts.items() if count}


def studies_of(index: pd.DataFrame) -> pd.DataFrame:
    """Return what is known of each study of an index.

    Parameters
    ----------
    index
        `study`, `patient`, the labels, and the `STUDY_LABELS` where a table of studies was given.

    Returns
    -------
    DataFrame
        A row a study in the order of the index: `study`, `patient`, and each label (int8). It is that of the
        table of studies where this says one; else 1 where a slice is labelled 1, 0 where all slices are
        labelled 0, and -1 (unknown) otherwise.
    """
    grouped = index.groupby("study", sort=False)
    result = grouped["patient"].first().reset_index()
    for label, column in zip(LABELS, STUDY_LABELS, strict=True):
        highest, lowest = grouped[label].max().to_numpy(), grouped[label].min().to_numpy()
        truth = np.where(highest == 1, 1, np.where(lowest == 0, 0, UNLABELLED))
        if column in index:
            said = grouped[column].max().to_numpy()
            truth = np.where(said == UNLABELLED, truth, said)
        result[label] = truth.astype(np.int8)
    return result


def study_counts(studies: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Return positive, negative and unknown studies of each label."""
    names = {"positive": 1, "negative": 0, "unknown": UNLABELLED}
    return {
        label: {name: int((studies[label] == value).sum()) for name, value in names.items()}
        for label in LABELS
    }
