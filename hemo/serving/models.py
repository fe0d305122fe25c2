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
    from hemo.families.base import Classifier, Images, Studies
    from hemo.imaging import RawSlice, Reduction

ANY_RULE = (
    "`any` is never below its subtypes: its probability is the largest of its own and theirs, and its "
    "decision is positive where its own probability reaches its operating point or a subtype is positive."
)
"""The rule by which the panel is consistent."""

OWN_RULE = "What the classifier of `any` says itself is in `any_own_probability`."

STUDY_RULE = (
    "A study's probability is the largest of its slices'; it is positive where any of its slices is. Of "
    "several stacks one answers; `why_not` says of the others' slices why theirs does not."
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

    @classmethod
    def load(cls, folder: Path, version: str = "", override: str = "") -> "Member":
        """Read what a training run logged: `served.json` and the fitted classifier."""
        from hemo import families
        from hemo.evaluation.calibration import Calibrator
        from hemo.imaging import Reduction

        facts = json.loads((folder / "served.json").read_text())
        calibrator = facts.get("calibrator")
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
        )

    @property
    def warning(self) -> str:
        """What a user must not miss: that it is in production against the gate; empty where it passed."""
        if not self.override:
            return ""
        return f"{self.label} version {self.version} is in production against the gate: {self.override}"

    def probability(self, images: "Images", study: "Studies | None" = None) -> NDArray[np.float64]:
        """Return the probability of the label for slices as stored, float64 (n,).

        `study` is the study of each, where known: its slices follow each other in the order of position.
        """
        from hemo import families

        raw = families.positive(self.classifier, self.family, images, study)
        return self.calibrator(raw) if self.calibrator else raw


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
        probabilities = {}
        images: dict[Any, Images] = {}
        order, study = in_study_order(slices)
        ordered = [slices[row] for row in order]
        back = np.argsort(order)
        for member in self.members:
            if member.reduction not in images:
                images[member.reduction] = reduced(ordered, member.reduction)
            probabilities[member.label] = member.probability(images[member.reduction], study)[back]
        why_not = which_answer(slices, self.thickness)
        return tabulate(probabilities, self.members, [one.study for one in slices], why_not)

    def attribution(
        self, label: str, slices: Sequence["RawSlice"], rows: NDArray[np.intp]
    ) -> tuple["Images", NDArray[np.float32]]:
        """Return rows of the slices as a member sees them and where it looked, float32 (n, height, width)."""
        member = next(member for member in self.members if member.label == label)
        images = reduced(slices, member.reduction)[rows]
        return images, member.classifier.attribution(images)


def tabulate(
    probabilities: dict[str, NDArray[np.float64]],
    members: Sequence[Member],
    studies: Sequence[str],
    why_not: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Put the members' probabilities together, consistently.

    Parameters
    ----------
    probabilities : dict
        Label to probability of each slice, (n,).
    members : sequence of Member
        For operating points and versions.
    studies : sequence of str
        The study of each slice; empty where unknown.
    why_not : sequence of str, optional
        Why a slice's stack does not answer for its study; empty where it does, as all do by default.

    Returns
    -------
    DataFrame
        For each label `LABEL_probability`, `LABEL_decision` and `LABEL_version` (see `ANY_RULE`); where any
        slice has a study also `study` (a short digest of the identifier, or the word given),
        `why_not`, `study_LABEL_probability` and `study_LABEL_decision` (see `STUDY_RULE`).
    """
    threshold = {member.label: member.threshold for member in members}
    decisions = {label: p >= threshold[label] for label, p in probabilities.items()}
    shown = dict(probabilities)
    subtypes = [label for label in SUBTYPES if label in probabilities]
    if "any" in shown and subtypes:
        shown["any"] = np.max([shown["any"], *(shown[label] for label in subtypes)], axis=0)
        decisions["any"] = np.any([decisions["any"], *(decisions[label] for label in subtypes)], axis=0)
    columns: dict[str, Any] = {}
    for member in members:
        label = member.label
        columns[f"{label}_probability"] = shown[label]
        columns[f"{label}_decision"] = decisions[label]
        columns[f"{label}_version"] = member.version
    if "any" in probabilities:
        columns["any_own_probability"] = probabilities["any"]
    if any(studies):
        columns["study"] = list(studies)
        columns["why_not"] = list(why_not or [""] * len(studies))
        answers = np.array([not reason for reason in columns["why_not"]])
        # A slice that names no study is one of its own.
        one = pd.factorize(np.array([study or row for row, study in enumerate(studies)], object))[0]
        for label in probabilities:
            columns[f"study_{label}_probability"] = _largest(shown[label], one, answers)
            columns[f"study_{label}_decision"] = _largest(decisions[label], one, answers)
    return pd.DataFrame(columns)


def _largest(values: NDArray[Any], group: NDArray[np.intp], answers: NDArray[np.bool_]) -> NDArray[Any]:
    """Return for each value the largest of its group among those that answer."""
    largest = np.zeros(group.max() + 1, values.dtype)  # neither probabilities nor decisions are below 0
    np.maximum.at(largest, group[answers], values[answers])
    return largest[group]
