"""Deal patients, never slices, to parts or folds.

A split is made once per store and seed, saved, and checked whenever it is used. It depends on what the
slices are (their digests and labels), not on the pseudonyms of patients, so that the same data gives the
same split under any key.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hemo.errors import HemoError
from hemo.evaluation.protocols import Protocol
from hemo.labels import LABELS, STUDY_LABELS
from hemo.whole import csv_text

PARTS = ("train", "validation", "test")

BOTH_LABELS = tuple(zip(LABELS, STUDY_LABELS, strict=True))
"""Columns of each label: of slices, and of studies."""

Rows = NDArray[np.intp]
"""Row numbers in a store's index."""


@dataclass(frozen=True)
class Round:
    """One training: rows of a store to learn from, to stop early on, and to predict.

    Attributes
    ----------
    fold
        Number of the fold that is tested; -1 where there is a single round.
    train, validation, test
        Row numbers in the store, at natural prevalence. No patient is in two of them, except under the
        `paper` protocol, which splits by slice.
    repeat
        Number of the deal that it is of, from 0.
    """

    fold: int
    train: Rows
    validation: Rows
    test: Rows
    repeat: int = field(default=0, kw_only=True)


@dataclass(frozen=True)
class Split:
    """Patients dealt to train, validation and test (`holdout`) or to folds (`cv`).

    Attributes
    ----------
    protocol
        `holdout` or `cv`.
    seed
        What the dealing was drawn with.
    patients
        One row a patient: `patient`, `part` (`holdout`) or `fold` (`cv`); where patients were dealt anew,
        also the fold of each further deal, `fold_2`, `fold_3`, ...
    digest
        SHA-256 over the slices' digests and where each was dealt, in every deal: equal for equal data,
        options and seed.
    repeats
        How often patients were dealt to folds.
    """

    protocol: Protocol
    seed: int
    patients: pd.DataFrame
    digest: str
    repeats: int = 1

    @property
    def folds(self) -> int:
        """Number of folds of each deal, under `cv`."""
        return int(self.patients["fold"].nunique())

    def save(self, folder: Path) -> list[Path]:
        """Write `split.csv` (patients) and `split.json` (protocol, seed, digest) into a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        table, facts = folder / "split.csv", folder / "split.json"
        table.write_text(csv_text(self.patients))
        facts.write_text(
            json.dumps({"protocol": self.protocol, "seed": self.seed, "digest": self.digest}, indent=2)
        )
        return [table, facts]


def deal(
    index: pd.DataFrame, fractions: Sequence[float], seed: int, order_by: str = "digest"
) -> pd.DataFrame:
    """Deal patients to parts of the given fractions, stratified on the rarest labels first.

    Iterative stratification (Sechidis, Tsoumakas and Vlahavas, 2011) on the labels that a patient has in
    any slice, or in any study as a table says: the patients of the rarest label that is still to be dealt go
    one by one to the part that lacks it most; ties go to the part that lacks slices most, then by lot. The
    rest balance the slices.

    Parameters
    ----------
    index : DataFrame
        A store's index: `patient`, `digest` and the six labels (1 positive; 0 or -1 not), of slices and where
        it has them of studies.
    fractions : sequence of float
        Share of each part; sums to one.
    seed : int
        Decides ties and the order of patients.
    order_by : str
        Column whose smallest value orders a patient before the lot is drawn.

    Returns
    -------
    DataFrame
        `patient` and `part` (0, 1, ...), one row a patient.
    """
    share = np.asarray(fractions)
    grouped = index.groupby("patient")
    said = [(label, [name for name in (label, study) if name in index]) for label, study in BOTH_LABELS]
    facts = pd.DataFrame({label: (grouped[names].max() == 1).any(axis=1) for label, names in said})
    facts["slices"] = grouped.size()
    facts["key"] = grouped[order_by].min()
    facts = facts.sort_values(["key", "slices"])
    rng = np.random.default_rng(seed)
    facts = facts.iloc[rng.permutation(len(facts))]

    has = facts[list(LABELS)].to_numpy()
    slices = facts["slices"].to_numpy()
    wanted = has.sum(axis=0)[:, None] * share  # (labels, parts) positive patients still wanted
    wanted_slices = slices.sum() * share
    part = np.full(len(facts), -1)
    while (part < 0).any():
        open_ = part < 0
        left = (has & open_[:, None]).sum(axis=0)
        if left.any():
            label = int(np.argmin(np.where(left > 0, left, np.iinfo(int).max)))
            patients = np.flatnonzero(open_ & has[:, label])
        else:
            label = -1
            patients = np.flatnonzero(open_)
        # The patient with most slices first: it is the hardest to place.
        for patient in patients[np.argsort(-slices[patients], kind="stable")]:
            need = wanted[label] if label >= 0 else wanted_slices
            best = np.flatnonzero(np.isclose(need, need.max()))
            best = best[np.isclose(wanted_slices[best], wanted_slices[best].max())]
            chosen = int(rng.choice(best))
            part[patient] = chosen
            wanted[has[patient], chosen] -= 1
            wanted_slices[chosen] -= slices[patient]
    return pd.DataFrame({"patient": facts.index.to_numpy(), "part": part})


def check_enough(patients: int, protocol: Protocol, folds: int) -> None:
    """Raise HemoError, with a number of folds that works, where there are fewer patients than parts."""
    parts = folds if protocol == Protocol.CV else len(PARTS)
    if patients < parts:
        fewer = f" or use --set 'protocol=cv folds={patients}'" if protocol != Protocol.CV else ""
        fewer = f" or fewer folds, --set folds={patients}" if protocol == Protocol.CV else fewer
        raise HemoError(
            f"{patients} patient{'s' * (patients != 1)} cannot be dealt to {parts} parts: give more patients"
            + (fewer if patients > 1 else "")
        )


def make_split(
    index: pd.DataFrame,
    protocol: Protocol,
    seed: int,
    *,
    folds: int = 5,
    repeats: int = 1,
    fractions: Sequence[float] = (0.6, 0.2, 0.2),
) -> Split:
    """Split a store's patients for a protocol.

    Parameters
    ----------
    index : DataFrame
        A store's index.
    protocol : Protocol
        `holdout` (train, validation and test) or `cv` (folds).
    seed : int
        What the dealing is drawn with.
    folds : int
        Number of folds under `cv`.
    repeats : int
        How often patients are dealt to them, each time anew (see `repeat_seed`); once under `holdout`.
    fractions : sequence of float
        Shares of train, validation and test under `holdout`.

    Raises
    ------
    HemoError
        If there are fewer patients than parts.

    Examples
    --------
    >>> labels = dict.fromkeys(LABELS, [1, 0] * 10)
    >>> patients = [f"p{row // 2}" for row in range(20)]
    >>> index = pd.DataFrame({"patient": patients, "digest": range(20), **labels})
    >>> split = make_split(index, "cv", seed=0, folds=5)
    >>> split.patients["fold"].value_counts().tolist()  # patients in each
    [2, 2, 2, 2, 2]
    """
    check_enough(index["patient"].nunique(), protocol, folds)
    if protocol == Protocol.CV:
        each = [
            _none_empty(deal(index, [1 / folds] * folds, repeat_seed(seed, repeat)), index, folds)["part"]
            for repeat in range(repeats)
        ]
        names = ["fold", *(f"fold_{number}" for number in range(2, repeats + 1))]
        dealt = pd.concat(each, axis=1, keys=names)
    else:
        dealt = _none_empty(deal(index, fractions, seed), index, len(PARTS))
        dealt["part"] = [PARTS[part] for part in dealt["part"]]
    where = dealt.astype(str).agg(" ".join, axis=1)
    lines = sorted(
        f"{digest} {where[patient]}"
        for digest, patient in zip(index["digest"], index["patient"], strict=True)
    )
    digest = hashlib.sha256("\n".join([protocol, *lines]).encode()).hexdigest()
    dealt = dealt.sort_index().reset_index()
    return Split(protocol, seed, dealt, digest, repeats if protocol == Protocol.CV else 1)


def _none_empty(dealt: pd.DataFrame, index: pd.DataFrame, parts: int) -> pd.DataFrame:
    """Return the part of each patient, by patient; each part has one, where of few it had got none."""
    dealt = dealt.set_index("patient")
    for part in range(parts):
        if not (dealt["part"] == part).any():
            most = dealt["part"].value_counts(sort=False).sort_index().idxmax()
            in_order = index["patient"].drop_duplicates()
            dealt.loc[in_order[dealt.loc[in_order, "part"].to_numpy() == most].iloc[-1], "part"] = part
    return dealt


def repeat_seed(seed: int, repeat: int) -> int:
    """Return the seed of a repeat: of its deal, its samples and its classifiers.

    That of the first repeat is the seed itself, so that it is what a run without repeats is; the others' are
    drawn from it, so that the repeats of neighbouring seeds share no deal.

    Examples
    --------
    >>> repeat_seed(7, 0), repeat_seed(7, 1) != repeat_seed(8, 0)
    (7, True)
    """
    return int(np.random.SeedSequence([seed, repeat]).generate_state(1)[0]) if repeat else seed


def rounds(split: Split, index: pd.DataFrame) -> list[Round]:
    """Return the trainings that a split asks for, as rows of the store, checked to be disjoint by patient.

    Repeat by repeat, fold by fold. Under `cv` a share of each round's training patients is set apart as
    `validation`, for early stopping: the tested fold is never looked at.
    """
    known = index["patient"].isin(split.patients["patient"])
    if not known.all():
        raise HemoError("the split does not know all patients of the store: make the split again")
    dealt = split.patients.set_index("patient").loc[index["patient"]]
    result = []
    for repeat, (_, where) in enumerate(dealt.items()):
        if split.protocol == Protocol.HOLDOUT:
            result.append(Round(-1, *(np.flatnonzero(where == part) for part in PARTS)))
            continue
        for fold in sorted(where.unique()):
            learn = np.flatnonzero(where != fold)
            seed = repeat_seed(split.seed, repeat) + 1 + int(fold)
            train, validation = set_apart(index, learn, seed)
            result.append(Round(int(fold), train, validation, np.flatnonzero(where == fold), repeat=repeat))
    for one in result:
        check_disjoint(one, index)
    return result


def set_apart(index: pd.DataFrame, rows: Rows, seed: int, share: float = 0.15) -> tuple[Rows, Rows]:
    """Divide rows by patient into training rows and a share for early stopping."""
    dealt = deal(index.iloc[rows], [1 - share, share], seed).set_index("patient")["part"]
    part = index["patient"].iloc[rows].map(dealt).to_numpy()
    return rows[part == 0], rows[part == 1]


def check_disjoint(one: Round, index: pd.DataFrame) -> None:
    """Raise ValueError if a patient, or a slice, is in two parts of a round."""
    patient = index["patient"].to_numpy()
    parts = {"train": one.train, "validation": one.validation, "test": one.test}
    names = list(parts)
    for position, name in enumerate(names):
        for other in names[position + 1 :]:
            shared = set(patient[parts[name]]) & set(patient[parts[other]])
            if shared:
                raise ValueError(f"fold {one.fold}: {len(shared)} patients are in {name} and in {other}")
