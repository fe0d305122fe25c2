"""What is served: one classifier, or the panel of all labels, from images to probabilities and decisions.

Preprocessing is the code of `hemo preprocess` (`hemo.imaging.read_reduced` and what it is made of). An image
is decoded once and reduced once for each distinct reduction, however many members look at it.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from mlflow.pyfunc import PythonModel
from numpy.typing import NDArray

from hemo.labels import LABELS, SUBTYPES
from hemo.serving.inputs import in_study_order, read_inputs, reduced, which_answer

if TYPE_CHECKING:
    from hemo.evaluation.calibration import Calibrator
    from hemo.evaluation.study_score import StudyScore
    from hemo.families.base import Classifier, Images, Studies
    from hemo.imaging import RawSlice, Reduction

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


@dataclass(frozen=True)
class Member:
    """A fitted classifier with its preprocessing and operating point.

    Attributes
    ----------
    label, family
        What it says, and how.
    version
        Its version in the registry; empty where it is not registered.
    threshold
        Operating point: positive at or above it.
    reduction
        How its slices are made.
    classifier
        The classifier itself.
    calibrator
        What makes its probabilities calibrated ones; None where they are not calibrated.
    override
        The reason with which a person let it pass although the gate refused it; empty where it passed.
    thickness
        Slice thickness in millimetres that it learned from; None where unknown.
    study
        How it scores and judges whole studies; None of classifiers that were made before there was a way:
        theirs is the largest slice's probability, and the slices' operating point.
    """

    label: str
    family: str
    version: str
    threshold: float
    reduction: "Reduction"
    classifier: "Classifier"
    calibrator: "Calibrator | None" = None
    override: str = ""
    thickness: float | None = None
    study: "tuple[StudyScore, float] | None" = None

    @classmethod
    def load(cls, folder: Path, version: str = "", override: str = "") -> "Member":
        """Read what a training run logged: `served.json` and the fitted classifier."""
        from hemo import families
        from hemo.evaluation.calibration import Calibrator
        from hemo.evaluation.study_score import StudyScore
        from hemo.imaging import Reduction

        facts = json.loads((folder / "served.json").read_text())
        calibrator, study = facts.get("calibrator"), facts.get("study")
        return cls(
            label=facts["label"],
            family=facts["family"],
            version=version,
            threshold=float(facts["threshold"]),
            reduction=Reduction.from_json(facts["reduction"]),
            classifier=families.load(folder / "fitted"),
            calibrator=Calibrator.from_json(calibrator) if calibrator else None,
            override=override,
            thickness=facts.get("thickness"),
            study=(StudyScore.from_json(study["score"]), float(study["threshold"])) if study else None,
        )

    @property
    def warning(self) -> str:
        """What a user must not miss: that it is in production against the gate; empty where it passed."""
        if not self.override:
            return ""
        return f"{self.label} version {self.version} is in production against the gate: {self.override}"

    def raw(self, images: "Images", study: "Studies | None" = None) -> NDArray[np.float64]:
        """Return what the classifier gives for slices as stored, before calibration, float64 (n,).

        `study` is the study of each, where known: its slices follow each other in the order of position.
        """
        from hemo import families

        return families.positive(self.classifier, self.family, images, study)

    def calibrated(self, raw: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the probability of the label, given what `raw` gave."""
        return self.calibrator(raw) if self.calibrator else raw

    def probability(self, images: "Images", study: "Studies | None" = None) -> NDArray[np.float64]:
        """Return the probability of the label for slices as stored, float64 (n,) (see `raw`)."""
        return self.calibrated(self.raw(images, study))

    @property
    def study_threshold(self) -> float:
        """Operating point for studies."""
        return self.study[1] if self.study else self.threshold

    def study_probability(self, raw: NDArray[np.float64], study: NDArray[Any]) -> NDArray[np.float64]:
        """Return the probability of each study, (studies,), in the order in which they appear.

        Parameters
        ----------
        raw, study
            What `raw` gave for slices, and the study of each, (n,): a study's slices follow each other in the
            order of position.
        """
        if self.study:
            return self.study[0](raw, study)
        code, names = pd.factorize(np.asarray(study, object))
        largest = np.zeros(len(names))
        np.maximum.at(largest, code, self.calibrated(raw))
        return largest


class ServedClassifier(PythonModel):
    """One classifier. Input: a table with the column `image`; output: `probability` and `decision`."""

    def load_context(self, context: Any) -> None:
        """Read the classifier and what was fixed when it was fitted."""
        self.member = Member.load(Path(context.artifacts["classifier"]))

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> pd.DataFrame:
        """Return probability and decision of each image."""
        slices = read_inputs(model_input, [self.member.reduction])
        order, study = in_study_order(slices)
        images = reduced([slices[row] for row in order], self.member.reduction)
        probability = self.probability(images, study)[np.argsort(order)]
        return pd.DataFrame({"probability": probability, "decision": probability >= self.member.threshold})

    def probability(self, images: "Images", study: "Studies | None" = None) -> NDArray[np.float64]:
        """Return the probability of the label for slices as stored (see `Member.probability`)."""
        return self.member.probability(images, study)


class ServedPanel(PythonModel):
    """The production classifiers together, one of each label that has one.

    Input: a table with the column `image`, the bytes of a file of one slice (base64 over HTTP);
    in Python also a path or an array (uint8 gray, or int16 or float HU), and optionally `study`, which
    groups slices (DICOM bytes carry it themselves). Output: a row an image; see `tabulate`.
    """

    def load_context(self, context: Any) -> None:
        """Read the members."""
        folder = Path(context.artifacts["panel"])
        facts = json.loads((folder / "panel.json").read_text())
        self.members = [
            Member.load(folder / member["label"], member["version"], member.get("override", ""))
            for member in sorted(facts["members"], key=lambda member: LABELS.index(member["label"]))
        ]
        self.missing: list[str] = facts["missing"]

    @property
    def reductions(self) -> set["Reduction"]:
        """The ways in which the members' slices are made."""
        return {member.reduction for member in self.members}

    @property
    def thickness(self) -> float | None:
        """Slice thickness in millimetres that the members learned from, None where unknown."""
        known = [member.thickness for member in self.members if member.thickness is not None]
        return float(np.median(known)) if known else None

    @property
    def overridden(self) -> list[str]:
        """A sentence for each member that is in production against the gate."""
        return [member.warning for member in self.members if member.warning]

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> pd.DataFrame:
        """Return a row an image: probability and decision of each label, and the study's."""
        table = self.predict_slices(read_inputs(model_input, self.reductions))
        table.index = model_input.index
        return table

    def predict_slices(self, slices: Sequence["RawSlice"]) -> pd.DataFrame:
        """Return a row a slice; what `predict` does after reading."""
        raw = {}
        images: dict[Any, Images] = {}
        order, study = in_study_order(slices)
        ordered = [slices[row] for row in order]
        back = np.argsort(order)
        for member in self.members:
            if member.reduction not in images:
                images[member.reduction] = reduced(ordered, member.reduction)
            raw[member.label] = member.raw(images[member.reduction], study)
        why_not = which_answer(slices, self.thickness)
        table = tabulate(raw, self.members, [one.study for one in ordered], [why_not[row] for row in order])
        return table.iloc[back].reset_index(drop=True)

    def attribution(
        self, label: str, slices: Sequence["RawSlice"], rows: NDArray[np.intp]
    ) -> tuple["Images", NDArray[np.float32]]:
        """Return rows of the slices as a member sees them and where it looked, float32 (n, height, width)."""
        member = next(member for member in self.members if member.label == label)
        images = reduced(slices, member.reduction)[rows]
        return images, member.classifier.attribution(images)


def tabulate(
    raw: dict[str, NDArray[np.float64]],
    members: Sequence[Member],
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
