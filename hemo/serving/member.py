"""A fitted classifier as it is served: with its preprocessing, calibration and operating points."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hemo import digests
from hemo.digests import DiffersError
from hemo.evaluation.triage import Thresholds
from hemo.serving.answers import stands_alone

if TYPE_CHECKING:
    from hemo.evaluation.calibration import Calibrator
    from hemo.evaluation.study_score import StudyScore
    from hemo.families import Scores
    from hemo.families.base import Classifier, Images, Slices, Studies
    from hemo.imaging import Reduction
    from hemo.serving.unlike import Learned


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
    synthetic
        Whether it learned from slices that a program drew.
    study
        How it scores and judges whole studies; None of classifiers that were made before there was a way:
        theirs is the largest slice's probability, and the slices' operating point.
    learned
        What the slices look like that it learned from; None where nobody kept it.
    negative_below, study_negative_below
        Of triage: below it a slice, or a study, is negative, and from it to the operating point unsure; None
        where all is decided.
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
    synthetic: bool = False
    study: "tuple[StudyScore, float] | None" = None
    learned: "Learned | None" = None
    negative_below: float | None = None
    study_negative_below: float | None = None

    @classmethod
    def load(
        cls, folder: Path, version: str = "", override: str = "", *, synthetic: bool = False, files: str = ""
    ) -> "Member":
        """Read what a training run logged: `served.json` and the fitted classifier.

        Raises
        ------
        DiffersError
            If a file is not what it was when the classifier was logged.
        """
        from hemo import families
        from hemo.evaluation.calibration import Calibrator
        from hemo.evaluation.study_score import StudyScore
        from hemo.imaging import Reduction
        from hemo.serving.unlike import Learned

        _check_files(folder, files)
        facts = json.loads((folder / "served.json").read_text())
        calibrator, study, learned = (facts.get(name) for name in ("calibrator", "study", "learned"))
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
            synthetic=synthetic or facts.get("synthetic", False),
            study=(StudyScore.from_json(study["score"]), float(study["threshold"])) if study else None,
            learned=Learned.from_json(learned) if learned else None,
            negative_below=facts.get("negative_below"),
            study_negative_below=study.get("negative_below") if study else None,
        )

    @property
    def warning(self) -> str:
        """What a user must not miss: that it is in production against the gate; empty where it passed."""
        if not self.override:
            return ""
        return f"{self.label} version {self.version} is in production against the gate: {self.override}"

    def raw(self, images: "Slices", study: "Studies | None" = None) -> NDArray[np.float64]:
        """Return what the classifier gives for slices as stored, before calibration, float64 (n,).

        `study` is the study of each, where known: its slices follow each other in the order of position.
        """
        return self.scores(images, study).probability

    def scores(self, images: "Slices", study: "Studies | None" = None) -> "Scores":
        """Return what `raw` does, with the attention of classifiers that judge whole studies."""
        from hemo import families

        return families.scores(self.classifier, self.family, images, study)

    def scores_of_request(self, images: "Images", stack: "Studies") -> "Scores":
        """Return what the classifier gives for slices that were sent, before calibration.

        Parameters
        ----------
        images, stack
            Slices as stored, and the stack of each: its slices follow each other in the order of position.

        Returns
        -------
        Scores
            A slice that is the only one of its stack is judged as one of which nothing around is known; NaN
            where the classifier cannot, or was given neighbours as channels. It has no attention (NaN), since
            there is nothing to share it with.
        """
        from hemo import families

        alone = stands_alone(stack)
        if not alone.any():
            return self.scores(images, stack)
        probability, attention = np.full((2, len(stack)), np.nan)
        heeds = False
        if not alone.all():
            found = self.scores(images[~alone], stack[~alone])
            probability[~alone] = found.probability
            if found.attention is not None:
                heeds, attention[~alone] = True, found.attention
        by_itself = self.alone(images[alone])
        probability[alone] = np.nan if by_itself is None else by_itself
        return families.Scores(probability, attention if heeds else None)

    def alone(self, images: "Slices") -> NDArray[np.float64] | None:
        """Return the probability of slices of which nothing around is known, not calibrated, float64 (n,).

        None where the classifier cannot judge them, or was given neighbours as channels.
        """
        from hemo import families

        if self.reduction.neighbours:
            return None
        return families.alone(self.classifier, self.family, images)

    def calibrated(self, raw: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the probability of the label, given what `raw` gave."""
        return self.calibrator(raw) if self.calibrator else raw

    def probability(self, images: "Slices", study: "Studies | None" = None) -> NDArray[np.float64]:
        """Return the probability of the label for slices as stored, float64 (n,) (see `raw`)."""
        return self.calibrated(self.raw(images, study))

    @property
    def study_threshold(self) -> float:
        """Operating point for studies."""
        return self.study[1] if self.study else self.threshold

    @property
    def at(self) -> Thresholds:
        """Where decisions of slices change."""
        return Thresholds.of(self.threshold, self.negative_below)

    @property
    def study_at(self) -> Thresholds:
        """Where decisions of studies change."""
        below = self.study_negative_below if self.study else self.negative_below
        return Thresholds.of(self.study_threshold, below)

    def study_probability(
        self, raw: NDArray[np.float64], study: NDArray[Any], attention: NDArray[np.float64] | None = None
    ) -> NDArray[np.float64]:
        """Return the probability of each study, (studies,), in the order in which they appear.

        Parameters
        ----------
        raw, study
            What `raw` gave for slices, and the study of each, (n,): a study's slices follow each other in the
            order of position.
        attention
            The classifier's attention to each, where it has one (see `scores`).
        """
        if self.study:
            return self.study[0](raw, study, attention)
        code, names = pd.factorize(np.asarray(study, object))
        largest = np.zeros(len(names))
        np.maximum.at(largest, code, self.calibrated(raw))
        return largest


def keep_digests(folder: Path) -> str:
    """Write the digests of a classifier's files beside them, for who serves it and has no registry to ask.

    Returns
    -------
    str
        The digest of what was written.
    """
    files = digests.of_files(folder, (name for name in digests.files_below(folder) if name != digests.FILE))
    (folder / digests.FILE).write_text(digests.to_text(files))
    return digests.of_file(folder / digests.FILE).sha256


def _check_files(folder: Path, known: str) -> None:
    """Raise DiffersError where a classifier's files are not those that were logged.

    Those that were logged before digests lay beside them are taken as they are. `known` is what
    `keep_digests` returned.
    """
    path = folder / digests.FILE
    if not (path.is_file() or known):
        return
    if known and not (path.is_file() and digests.of_file(path).sha256 == known):
        raise DiffersError(f"{path}: not what was logged: `hemo verify` says what differs")
    recorded = digests.from_text(path.read_text())
    there = [name for name in digests.files_below(folder) if name != digests.FILE]
    if found := digests.compare(folder, recorded, there):
        raise DiffersError(
            f"{folder}: not what was logged: {digests.words(found)}: `hemo verify` says what differs"
        )


def gap(member: Member, answers: Path) -> float:
    """Return how far a member is from what its training gave for some slices (see `hemo.runs.logged_model`).

    Parameters
    ----------
    member
        As it was loaded.
    answers
        File with `images`, `study`, `probability` and, of what judges studies, `attention`.

    Returns
    -------
    float
        Largest difference of probability, or of attention where there is any.
    """
    with np.load(answers, allow_pickle=False) as kept:
        known = dict(kept)
    found = member.scores(known["images"], known["study"])
    pairs = [(member.calibrated(found.probability), known["probability"])]
    if "attention" in known and found.attention is not None:
        pairs.append((found.attention, known["attention"]))
    return float(np.max([np.abs(one - other).max() for one, other in pairs]))
