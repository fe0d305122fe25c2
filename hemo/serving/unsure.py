"""What is left unsure, of slices and studies: unlike those learned from, or between thresholds."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hemo.evaluation.triage import Thresholds
from hemo.labels import SUBTYPES
from hemo.serving.answers import SPEAKING
from hemo.serving.unlike import describe, of_study

if TYPE_CHECKING:
    from hemo.families.base import Images
    from hemo.serving.member import Member

UNSURE_RULE = (
    "`unsure` says why an answer should not be believed: the slice is unlike those that the classifiers "
    "learned from; a study, where more than half of its slices are, or of those that speak for a label. It "
    "is answered all the same. Under triage `LABEL_unsure` says that a probability lies between the "
    "thresholds: it is neither positive nor negative."
)
"""When not to believe an answer."""

BETWEEN_THRESHOLDS = "between the thresholds of triage"

Flags = NDArray[np.bool_]


def unlike(members: "Sequence[Member]", images: "Mapping[Any, Images]", count: int) -> list[str]:
    """Return for each slice why it is unlike what a member learned from, "" where it is like it, (n,).

    Parameters
    ----------
    members
        Those that do not know what they learned from say nothing.
    images
        Reduction to slices as stored, uint8 (n, height, width, channels).
    count
        Of slices.
    """
    result = [""] * count
    described = {}
    seen = set()
    for member in members:
        learned, reduction = member.learned, member.reduction
        if learned is None or (reduction, learned.limit) in seen:  # members of one store share it
            continue
        seen.add((reduction, learned.limit))
        if reduction not in described:
            described[reduction] = describe(images[reduction], reduction)
        reasons = learned.reasons(described[reduction])
        result = [before or reason for before, reason in zip(result, reasons, strict=True)]
    return result


def with_unsure(table: pd.DataFrame, members: "Sequence[Member]", reasons: Sequence[str]) -> pd.DataFrame:
    """Return a panel's table with what is unsure.

    Parameters
    ----------
    table
        As `hemo.serving.answers.tabulate` makes it.
    members
        For their thresholds.
    reasons
        Why each slice is unlike what was learned from; "" where it is not.

    Returns
    -------
    DataFrame
        With `unsure`, and `study_unsure` where any slice has a study; and for labels under triage
        `LABEL_unsure` and `study_LABEL_unsure` (see `UNSURE_RULE`). `any` is unsure where a subtype is and
        none is positive.
    """
    columns: dict[str, Any] = {"unsure": list(reasons)}
    columns |= _between(table, "", {member.label: member.at for member in members})
    if "study" in table:
        answers = (table["why_not"] == "").to_numpy()
        alone = ~(answers & ~table["slice_only"].to_numpy()) | (table["study"] == "").to_numpy()
        study = np.where(table["study"] == "", [f"\0{row}" for row in range(len(table))], table["study"])
        lone = pd.Series(alone).groupby(study).transform("all").to_numpy()
        whole = _between(table, "study_", {member.label: member.study_at for member in members})
        single = _between(table, "study_", {member.label: member.at for member in members})
        for name in {**whole, **single}:
            none = np.zeros(len(table), bool)
            columns[name] = np.where(lone, single.get(name, none), whole.get(name, none))
        columns["study_unsure"] = _of_studies(table, members, np.array(reasons, object), study, answers)
    return table.assign(**columns)


def _between(table: pd.DataFrame, prefix: str, at: Mapping[str, Thresholds]) -> dict[str, Flags]:
    """Return, for labels under triage, which probabilities lie between the thresholds."""
    found: dict[str, Flags] = {}
    for label, (negative_below, threshold) in at.items():
        if negative_below < threshold:
            probability = table[f"{prefix}{label}_probability"].to_numpy(float)
            found[label] = (probability >= negative_below) & ~_positive(table, f"{prefix}{label}_decision")
    subtypes = [found[label] for label in SUBTYPES if label in found]
    if "any" in at and subtypes:
        own = [found["any"]] if "any" in found else []
        found["any"] = np.any([*own, *subtypes], axis=0) & ~_positive(table, f"{prefix}any_decision")
    return {f"{prefix}{label}_unsure": flags for label, flags in found.items()}


def _positive(table: pd.DataFrame, name: str) -> Flags:
    return np.array([bool(one) for one in table[name]], bool)  # None is no decision


def _of_studies(
    table: pd.DataFrame,
    members: "Sequence[Member]",
    reasons: NDArray[np.object_],
    study: NDArray[np.object_],
    answers: Flags,
) -> list[str]:
    """Return why each slice's study is unsure; "" where it is not."""
    result = np.full(len(table), "", object)
    for rows in pd.Series(np.arange(len(table))).groupby(study).groups.values():
        own = np.asarray(rows)[answers[rows]]
        said = of_study(reasons[own].tolist())
        for label in () if said else [member.label for member in members]:
            if not _positive(table.iloc[own], f"study_{label}_decision").any():
                continue
            probability = table[f"{label}_probability"].to_numpy(float)[own]
            order = own[np.argsort(-probability, kind="stable")][:SPEAKING]
            speaking = order[_positive(table.iloc[order], f"{label}_decision")]
            said = said or of_study(reasons[speaking if len(speaking) else order[:1]].tolist(), label)
        result[rows] = said
    return result.tolist()
