"""From what the members of a panel give for slices to its answers: a table, and the rules that it keeps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hemo.labels import SUBTYPES

if TYPE_CHECKING:
    from hemo.serving.member import Member

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

ATTENTION_RULE = (
    "`LABEL_attention` is a slice's share in what the classifier says of its stack: where the network "
    "looked, not where blood is. A slice that speaks against blood can have it too."
)
"""What attention is, of classifiers that judge studies."""

ALONE_RULE = (
    "A slice of which nothing around is known (of no study, or the only one of its stack) is marked "
    "`slice_only`: it is judged without neighbours, and a study of it alone as a slice. What judges slices "
    "only together says nothing then (`unanswered`); an ensemble leaves such parts out, at an operating "
    "point that was fitted with them: in its study the same slice can get another decision."
)
"""What is said of a slice that is sent alone."""

SPEAKING = 5
"""Slices that are named of a study: enough to look at."""

BETWEEN = "; "
"""Stands between the names of slices."""

Decisions = NDArray[np.bool_]


def attention_rule(table: pd.DataFrame) -> list[str]:
    """Return `ATTENTION_RULE` where a table of answers has any attention."""
    return [ATTENTION_RULE] if any(name.endswith("_attention") for name in map(str, table)) else []


@dataclass(frozen=True)
class Sent:
    """What is known of slices beside their pictures: those of a stack in the order of position, (n,) each.

    Attributes
    ----------
    studies
        The study of each; "" where unknown.
    stack
        The stack of each as a number; by default the study, and one of its own where unknown.
    why_not
        Why a slice's stack does not answer for its study; "" where it does, as all do by default.
    read
        In words, what of its study was read and why.
    names
        What slices are called; by default their number, from 0.
    excluded
        Of each study, how many slices could not be read.
    others
        Of each study, how many were sent that are not judged.
    """

    studies: Sequence[str]
    stack: NDArray[np.intp] = field(default_factory=lambda: np.empty(0, np.intp))
    why_not: Sequence[str] = ()
    read: Sequence[str] = ()
    names: Sequence[str] = ()
    excluded: Mapping[str, int] = field(default_factory=dict)
    others: Mapping[str, int] = field(default_factory=dict)

    @property
    def alone(self) -> Decisions:
        """Whether nothing around a slice is known, (n,)."""
        own = [study or row for row, study in enumerate(self.studies)]
        return stands_alone(self.stack if len(self.stack) else pd.factorize(np.array(own, object))[0])


def stands_alone(stack: NDArray[np.integer]) -> Decisions:
    """Tell of each slice whether it is the only one of its stack, (n,).

    >>> stands_alone(np.array([0, 0, 1])).tolist()
    [False, False, True]
    """
    return np.bincount(stack)[stack] == 1


def tabulate(
    raw: Mapping[str, NDArray[np.float64]],
    members: "Sequence[Member]",
    sent: Sent,
    attention: Mapping[str, NDArray[np.float64]] | None = None,
) -> pd.DataFrame:
    """Put the members' probabilities together, consistently.

    Parameters
    ----------
    raw : dict
        Label to what its member gave for each slice, before calibration, (n,); NaN where it says nothing.
    members : sequence of Member
        For calibrations, operating points, scores of studies, and versions.
    sent : Sent
        What else is known of the slices.
    attention : dict, optional
        Of labels whose member judges studies itself, its attention to each slice, (n,); NaN where it stands
        alone.

    Returns
    -------
    DataFrame
        A row a slice. For each label `LABEL_probability`, `LABEL_decision` and `LABEL_version` (see
        `ANY_RULE`), NaN and None where its member says nothing, as `unanswered` then does; `slice_only` (see
        `ALONE_RULE`) and `synthetic`: whether a member is made of synthetic data. Where any slice has a study
        also `study` (its number in the request, or the word given), `why_not`,
        `study_LABEL_probability` and `study_LABEL_decision` (see `STUDY_RULE`), `study_LABEL_slices`: the
        names of the slices that speak for it, highest first; `study_seen`, `study_of`, `study_excluded`: how
        many slices answer, of how many that were sent, and how many could not be read; `study_stack`: what
        was read and why. `LABEL_attention` where a member has any (see `ATTENTION_RULE`).
    """
    attention = attention or {}
    own = {member.label: member.calibrated(raw[member.label]) for member in members}
    shown, decisions = _consistent(own, {member.label: member.threshold for member in members})
    columns: dict[str, Any] = {}
    for member in members:
        label = member.label
        columns[f"{label}_probability"] = shown[label]
        columns[f"{label}_decision"] = _decided(decisions[label], shown[label])
        columns[f"{label}_version"] = member.version
    if "any" in own:
        columns["any_own_probability"] = own["any"]
    if any(sent.studies):
        columns |= _by_study(raw, members, sent, shown, decisions, attention)
    columns |= {f"{label}_attention": attended for label, attended in attention.items()}
    columns["slice_only"] = sent.alone
    columns["unanswered"] = _unanswered(own)
    columns["synthetic"] = any(member.synthetic for member in members)
    return pd.DataFrame(columns)


def _by_study(
    raw: Mapping[str, NDArray[np.float64]],
    members: "Sequence[Member]",
    sent: Sent,
    shown: Mapping[str, NDArray[np.float64]],
    decisions: Mapping[str, Decisions],
    attention: Mapping[str, NDArray[np.float64]],
) -> dict[str, Any]:
    """Return the columns of studies. A slice that names none is one of its own, judged as a slice."""
    n = len(sent.studies)
    named = np.array([bool(study) for study in sent.studies])
    own = [study or row for row, study in enumerate(sent.studies)]
    code, studies = pd.factorize(np.array(own, object))
    why_not = list(sent.why_not) or [""] * n
    answers = np.array([not reason for reason in why_not])
    names = list(sent.names) or [str(row) for row in range(n)]
    seen = np.bincount(code[answers], minlength=len(studies))
    excluded = np.array([sent.excluded.get(study, 0) for study in studies])
    others = np.array([sent.others.get(study, 0) for study in studies])
    of = np.bincount(code, minlength=len(studies)) + others + excluded
    speak = answers & named & ~sent.alone
    whole, judged = _studies(raw, members, code, speak, attention)
    lone = np.bincount(code[speak], minlength=len(studies)) == 0
    columns: dict[str, Any] = {"study": list(sent.studies), "why_not": why_not}
    for label in shown:
        # What has no stack of several slices is judged by the highest of its slices, as slices are.
        highest, positive = np.full(len(studies), np.nan), np.zeros(len(studies), bool)
        np.fmax.at(highest, code[answers], shown[label][answers])
        np.logical_or.at(positive, code[answers], decisions[label][answers])
        probability = np.where(lone, highest, whole[label])
        decision = np.where(lone, positive, judged[label])
        columns[f"study_{label}_probability"] = probability[code]
        columns[f"study_{label}_decision"] = _decided(decision, probability)[code]
        speaking = _speaking(shown[label], decisions[label], decision, code, answers)
        told = np.array([BETWEEN.join(names[row] for row in rows) for rows in speaking], object)
        columns[f"study_{label}_slices"] = told[code]
    columns |= {"study_seen": seen[code], "study_of": of[code], "study_excluded": excluded[code]}
    columns["study_stack"] = list(sent.read) or [""] * n
    return columns


def _studies(
    raw: Mapping[str, NDArray[np.float64]],
    members: "Sequence[Member]",
    code: NDArray[np.intp],
    speak: Decisions,
    attention: Mapping[str, NDArray[np.float64]],
) -> tuple[dict[str, NDArray[np.float64]], dict[str, Decisions]]:
    """Return probability and decision of each study, (studies,), by the slices that speak for it."""
    rows = np.flatnonzero(speak)
    whole = {}
    for member in members:
        whole[member.label] = np.full(code.max(initial=-1) + 1, np.nan)  # where no slice answers
        if len(rows):
            attended = attention.get(member.label)
            heeded = None if attended is None else attended[rows]
            spoken = member.study_probability(raw[member.label][rows], code[rows], heeded)
            whole[member.label][pd.unique(code[rows])] = spoken
    return _consistent(whole, {member.label: member.study_threshold for member in members})


def _speaking(
    probability: NDArray[np.float64],
    positive: Decisions,
    study_positive: Decisions,
    code: NDArray[np.intp],
    answers: Decisions,
) -> list[list[int]]:
    """Return the slices that speak for each study, highest first: the positive ones, at most `SPEAKING`.

    Of a positive study without one it is the highest.
    """
    result: list[list[int]] = [[] for _ in study_positive]
    for row in np.argsort(-probability, kind="stable"):  # NaN come last
        rows = result[code[row]]
        first = study_positive[code[row]] and not rows and np.isfinite(probability[row])
        if answers[row] and (positive[row] or first) and len(rows) < SPEAKING:
            rows.append(int(row))
    return result


def _unanswered(own: Mapping[str, NDArray[np.float64]]) -> list[str]:
    """Return for each slice which labels are not answered and why; "" where all are."""
    missing = {label: np.isnan(p) for label, p in own.items()}
    lacking = [
        [label for label in own if missing[label][row]] for row in range(len(next(iter(own.values()))))
    ]
    return [
        f"{', '.join(labels)}: judged only with the slices around: send the whole study" if labels else ""
        for labels in lacking
    ]


def _decided(decision: Decisions, probability: NDArray[np.float64]) -> NDArray[Any]:
    """Return decisions, None where there is no probability."""
    known = np.isfinite(probability)
    if known.all():
        return decision
    result = decision.astype(object)
    result[~known] = None
    return result


def _consistent(
    probability: Mapping[str, NDArray[np.float64]], threshold: Mapping[str, float]
) -> tuple[dict[str, NDArray[np.float64]], dict[str, Decisions]]:
    """Return probabilities and decisions of which `any` is never below its subtypes (see `ANY_RULE`).

    Where the classifier of `any` says nothing (NaN), it is positive where a subtype is, else unknown.
    """
    shown = dict(probability)
    decisions = {label: p >= threshold[label] for label, p in probability.items()}
    subtypes = [label for label in SUBTYPES if label in shown]
    if "any" in shown and subtypes:
        silent = np.isnan(shown["any"])
        decisions["any"] = np.any([decisions["any"], *(decisions[label] for label in subtypes)], axis=0)
        shown["any"] = np.fmax.reduce([shown["any"], *(shown[label] for label in subtypes)])
        shown["any"][silent & ~decisions["any"]] = np.nan
    return shown, decisions
