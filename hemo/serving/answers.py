"""From what the members of a panel give for slices to its answers: a table, and the rules that it keeps."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hemo.labels import SUBTYPES

if TYPE_CHECKING:
    from hemo.serving.models import Member

ANY_RULE = (
    "`any` is never below its subtypes: its probability is the largest of its own and theirs, and its "
    "decision is positive where its own probability reaches its operating point or a subtype is positive."
)
"""The rule by which the panel is consistent."""

OWN_RULE = "What the classifier of `any` says itself is in `any_own_probability`."

STUDY_RULE = (
    "A study's probability comes from its slices' by the way that was chosen for it off-test (the "
    "largest of them, unless another told more); it is positive at or above the classifier's operating point "
    "for studies. Of several stacks one answers; `why_not` says of the others' slices why theirs does not."
)
"""How slices are summed up to studies."""


def tabulate(
    raw: dict[str, NDArray[np.float64]],
    members: "Sequence[Member]",
    studies: Sequence[str],
    why_not: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Put the members' probabilities together, consistently.

    Parameters
    ----------
    raw : dict
        Label to what its member gave for each slice, before calibration, (n,).
    members : sequence of Member
        For calibrations, operating points, scores of studies, and versions.
    studies : sequence of str
        The study of each slice; empty where unknown. A study's slices come in the order of position.
    why_not : sequence of str, optional
        Why a slice's stack does not answer for its study; empty where it does, as all do by default.

    Returns
    -------
    DataFrame
        For each label `LABEL_probability`, `LABEL_decision` and `LABEL_version` (see `ANY_RULE`); where any
        slice has a study also `study` (a short digest of the identifier, or the word given),
        `why_not`, `study_LABEL_probability` and `study_LABEL_decision` (see `STUDY_RULE`).
    """
    own = {member.label: member.calibrated(raw[member.label]) for member in members}
    shown, decisions = _consistent(own, {member.label: member.threshold for member in members})
    columns: dict[str, Any] = {}
    for member in members:
        label = member.label
        columns[f"{label}_probability"] = shown[label]
        columns[f"{label}_decision"] = decisions[label]
        columns[f"{label}_version"] = member.version
    if "any" in own:
        columns["any_own_probability"] = own["any"]
    if any(studies):
        columns["study"] = list(studies)
        columns["why_not"] = list(why_not or [""] * len(studies))
        answers = np.array([not reason for reason in columns["why_not"]])
        named = np.array([bool(study) for study in studies])
        code, names = pd.factorize(np.array(studies, object))
        speaks = np.flatnonzero(answers & named)
        whole = {}
        for member in members:
            whole[member.label] = np.zeros(len(names))  # where no slice answers
            spoken = member.study_probability(raw[member.label][speaks], code[speaks])
            whole[member.label][pd.unique(code[speaks])] = spoken
        judged = _consistent(whole, {member.label: member.study_threshold for member in members})
        for label in own:  # a slice that names no study is one of its own, judged as a slice
            probability, decision = (each[label][code] for each in judged)
            columns[f"study_{label}_probability"] = np.where(named, probability, shown[label])
            columns[f"study_{label}_decision"] = np.where(named, decision, decisions[label])
    return pd.DataFrame(columns)


def _consistent(
    probability: dict[str, NDArray[np.float64]], threshold: dict[str, float]
) -> tuple[dict[str, NDArray[np.float64]], dict[str, NDArray[np.bool_]]]:
    """Return probabilities and decisions of which `any` is never below its subtypes (see `ANY_RULE`)."""
    shown = dict(probability)
    decisions = {label: p >= threshold[label] for label, p in probability.items()}
    subtypes = [label for label in SUBTYPES if label in shown]
    if "any" in shown and subtypes:
        shown["any"] = np.max([shown["any"], *(shown[label] for label in subtypes)], axis=0)
        decisions["any"] = np.any([decisions["any"], *(decisions[label] for label in subtypes)], axis=0)
    return shown, decisions
