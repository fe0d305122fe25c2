"""How far readers of the same studies agree: kappas, and each reader against the others.

Votes are int8 (studies, readers): 0, 1, or -1 where a reader said nothing. All that is measured follows from
sums over studies, so that a bootstrap over patients needs no more than these sums by patient.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hemo.evaluation.bounds import Scale, interval
from hemo.evaluation.resampling import patient_counts

UNKNOWN: Final = -1
"""A vote that was not given, and a truth that votes do not settle."""

RULE: Final = "a study has what more than half of its readers say; a tie, or too few votes, leaves it unknown"
"""How readers' votes become one truth, for people (see `majority`)."""

COLUMNS: Final = ["label", "measure", "readers", "value", "low", "high", "studies", "patients"]
"""Of the table of `agreement`."""

Votes = NDArray[np.int8]
Sums = NDArray[np.float64]


@dataclass(frozen=True)
class _Measure:
    """One thing that is measured.

    Attributes
    ----------
    name
        Its name in the table.
    readers
        Whose it is.
    parts
        What each study adds, (studies, k).
    counted
        Which studies carry it, bool (studies,).
    of
        Makes the measure, (...), of sums of parts, (..., k).
    scale
        Where it lives.
    """

    name: str
    readers: str
    parts: Sums
    counted: NDArray[np.bool_]
    of: Callable[[Sums], Sums]
    scale: Scale


def majority(votes: Votes) -> NDArray[np.int8]:
    """Return what more than half of all readers say of each study, -1 where neither 0 nor 1 has that.

    A missing vote is one for neither, so that no vote that is still to come could change the answer.

    Parameters
    ----------
    votes
        (studies, readers): 0, 1 or -1.

    Returns
    -------
    array
        int8 (studies,): 0, 1 or -1.

    Examples
    --------
    >>> majority(np.array([[1, 1, 0], [1, 0, -1], [0, 0, -1]], np.int8)).tolist()
    [1, -1, 0]
    """
    half = votes.shape[1] / 2
    positive, negative = (votes == 1).sum(axis=1) > half, (votes == 0).sum(axis=1) > half
    return np.where(positive, 1, np.where(negative, 0, UNKNOWN)).astype(np.int8)


def fleiss_kappa(votes: Votes) -> float:
    """Return Fleiss' kappa of all readers.

    Parameters
    ----------
    votes
        (studies, readers): 0, 1 or -1. Studies with fewer than two votes are left out.

    Returns
    -------
    float
        1 where all agree, 0 as by chance, down to -1; NaN where all votes are the same.

    Notes
    -----
    (P - P_e) / (1 - P_e), P being the mean over studies of the share of pairs of votes that agree, P_e the
    sum of squares of the shares of 0 and 1 among all votes (Fleiss, "Measuring nominal scale agreement among
    many raters", Psychological Bulletin 76:378, 1971). Where votes are missing, a study's pairs are those of
    the votes that it has, as Fleiss, Levin and Paik do ("Statistical methods for rates and proportions",
    3rd edition, 2003, section 18.3).

    Examples
    --------
    >>> round(fleiss_kappa(np.array([[1, 1, 0], [0, 0, 0], [1, 1, 1], [0, 1, 0]], np.int8)), 3)
    0.333
    """
    measure = _fleiss(votes, "")
    return float(measure.of(measure.parts.sum(axis=0)))


def cohen_kappa(first: Votes, second: Votes) -> float:
    """Return Cohen's kappa of two readers, of the studies on which both have voted.

    Parameters
    ----------
    first, second
        (studies,): 0, 1 or -1.

    Returns
    -------
    float
        1 where both agree, 0 as by chance, down to -1; NaN where all votes are the same.

    Notes
    -----
    (p_o - p_e) / (1 - p_e), p_o being the share of studies on which they agree, p_e what it would be were
    they independent, each with a share of 1 as it is (Cohen, "A coefficient of agreement for nominal
    scales", Educational and Psychological Measurement 20:37, 1960).

    Examples
    --------
    >>> cohen_kappa(np.array([1, 1, 0, 0], np.int8), np.array([1, 0, 0, 0], np.int8))
    0.5
    """
    measure = _cohen(first, second, "")
    return float(measure.of(measure.parts.sum(axis=0)))


def reader_against_others(votes: Votes, reader: int) -> tuple[float, float]:
    """Return a reader's sensitivity and specificity against the majority of the others.

    Studies that the reader has not voted on, or on which the others have no majority (see `majority`), are
    left out.

    Parameters
    ----------
    votes
        (studies, readers): 0, 1 or -1.
    reader
        A column of `votes`.

    Returns
    -------
    sensitivity, specificity
        NaN where the others call no study positive (negative).

    Examples
    --------
    >>> votes = np.array([[1, 1, 1], [0, 1, 1], [0, 0, 0], [1, 0, 1]], np.int8)
    >>> reader_against_others(votes, 0)
    (0.5, 1.0)
    """
    sensitivity, specificity = (
        float(measure.of(measure.parts.sum(axis=0))) for measure in _against_others(votes, reader, "")
    )
    return sensitivity, specificity


def agreement(
    votes: Mapping[str, Votes],
    readers: Mapping[str, Sequence[str]],
    patients: Sequence[str],
    draws: int = 2000,
    seed: int = 0,
) -> pd.DataFrame:
    """Return how far readers agree on each label, with 95% intervals by cluster bootstrap over patients.

    Parameters
    ----------
    votes
        For each label (studies, readers): 0, 1 or -1.
    readers
        For each label its readers, in the order of the columns.
    patients
        The patient of each study, (studies,).
    draws, seed
        Of the bootstrap; the same seed gives the same intervals.

    Returns
    -------
    DataFrame
        A row a label and measure: `label`; `measure`: `fleiss_kappa` of all readers, `cohen_kappa` of each
        pair, `sensitivity` and `specificity` of each reader against the majority of the others; `readers`;
        `value`, `low`, `high`, NaN where undefined; `studies` and `patients` that carry it.

    Notes
    -----
    Intervals are those of `hemo.evaluation.bounds.interval`: Student's on the draws' standard error, on
    the log odds of shares, within [-1, 1] for kappas. Draws are stratified by whether a patient has a study
    that the majority calls positive, where such patients are few.

    Examples
    --------
    >>> votes = np.array([[1, 1, 0], [0, 0, 0], [1, 1, 1], [0, 1, 0]] * 5, np.int8)
    >>> patients = [f"p{number}" for number in range(20)]
    >>> found = agreement({"any": votes}, {"any": ["R1", "R2", "R3"]}, patients)
    >>> found[["measure", "readers", "value"]].round(2).head(3)
            measure     readers  value
    0  fleiss_kappa  R1, R2, R3   0.33
    1   cohen_kappa      R1, R2   0.50
    2   cohen_kappa      R1, R3   0.50
    """
    code, names = pd.factorize(np.asarray(patients, object))
    rows = []
    for label, given in votes.items():
        counts = _draws(given, code, len(names), draws, seed)
        for measure in _measures(given, readers[label]):
            rows.append((label, measure.name, measure.readers, *_estimated(measure, code, counts)))
    return pd.DataFrame(rows, columns=COLUMNS)


def _measures(votes: Votes, readers: Sequence[str]) -> list[_Measure]:
    """Return all that is measured of one label's readers; nothing of a single one."""
    if len(readers) < 2:
        return []
    found = [_fleiss(votes, ", ".join(readers))]
    for first, second in combinations(range(len(readers)), 2):
        found.append(_cohen(votes[:, first], votes[:, second], f"{readers[first]}, {readers[second]}"))
    for place, reader in enumerate(readers):
        found += _against_others(votes, place, reader)
    return found


def _draws(votes: Votes, code: NDArray[np.int64], patients: int, draws: int, seed: int) -> NDArray[np.int32]:
    """Return how often each patient was drawn, (draws, patients)."""
    positive = np.bincount(code, weights=majority(votes) == 1, minlength=patients) > 0
    chunks = list(patient_counts(positive, len(votes), draws, seed)) if patients else []
    return np.concatenate([np.empty((0, patients), np.int32), *chunks])


def _estimated(
    measure: _Measure, code: NDArray[np.int64], counts: NDArray[np.int32]
) -> tuple[float, float, float, int, int]:
    """Return a measure with its interval, and the studies and patients that carry it."""
    sums = np.zeros((counts.shape[1], measure.parts.shape[1]))
    np.add.at(sums, code, measure.parts)
    value = float(measure.of(sums.sum(axis=0)))
    carrying = int(np.unique(code[measure.counted]).size)
    low, high = interval(value, measure.of(counts @ sums), carrying, measure.scale)
    return value, low, high, int(measure.counted.sum()), carrying


def _fleiss(votes: Votes, readers: str) -> _Measure:
    given, positive = (votes >= 0).sum(axis=1).astype(float), (votes == 1).sum(axis=1).astype(float)
    counted = given >= 2
    pairs = np.where(counted, given * (given - 1), 1.0)
    agreeing = (positive**2 + (given - positive) ** 2 - given) / pairs
    parts = np.stack([np.ones(len(votes)), agreeing, positive, given], axis=1) * counted[:, None]
    return _Measure("fleiss_kappa", readers, parts, counted, _fleiss_of, "difference")


def _fleiss_of(sums: Sums) -> Sums:
    studies, agreeing, positive, given = np.moveaxis(sums, -1, 0)
    share = _ratio(positive, given)
    return _beyond_chance(_ratio(agreeing, studies), share**2 + (1 - share) ** 2)


def _cohen(first: Votes, second: Votes, readers: str) -> _Measure:
    counted = (first >= 0) & (second >= 0)
    parts = np.stack([counted, first == second, first == 1, second == 1], axis=1) * counted[:, None]
    return _Measure("cohen_kappa", readers, parts.astype(float), counted, _cohen_of, "difference")


def _cohen_of(sums: Sums) -> Sums:
    studies, same, *positive = np.moveaxis(sums, -1, 0)
    first, second = (_ratio(one, studies) for one in positive)
    return _beyond_chance(_ratio(same, studies), first * second + (1 - first) * (1 - second))


def _against_others(votes: Votes, reader: int, name: str) -> list[_Measure]:
    own, others = votes[:, reader], majority(np.delete(votes, reader, axis=1))
    found = []
    for measure, truth in (("sensitivity", 1), ("specificity", 0)):
        counted = (own >= 0) & (others == truth)
        parts = np.stack([counted & (own == truth), counted], axis=1).astype(float)
        found.append(_Measure(measure, name, parts, counted, _share_of, "share"))
    return found


def _share_of(sums: Sums) -> Sums:
    return _ratio(sums[..., 0], sums[..., 1])


def _ratio(part: Sums, whole: Sums) -> Sums:
    """Return shares, NaN of nothing."""
    return np.divide(part, whole, out=np.full(np.shape(part), np.nan), where=whole > 0)


def _beyond_chance(observed: Sums, expected: Sums) -> Sums:
    """Return agreement beyond chance, NaN where chance alone agrees always."""
    room = 1 - expected
    return np.divide(observed - expected, room, out=np.full(np.shape(room), np.nan), where=room > 1e-12)
