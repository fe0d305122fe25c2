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

from hemo.labels import LABELS
from hemo.serving.answers import tabulate
from hemo.serving.inputs import in_study_order, read_inputs, reduced, which_answer

if TYPE_CHECKING:
    from hemo.evaluation.calibration import Calibrator
    from hemo.evaluation.study_score import StudyScore
    from hemo.families.base import Classifier, Images, Studies
    from hemo.imaging import RawSlice, Reduction


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
