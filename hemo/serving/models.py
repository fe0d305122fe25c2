"""What is served: one classifier, or the panel of all labels, from images to probabilities and decisions.

Preprocessing is the code of `hemo preprocess` (`hemo.imaging.read_reduced` and what it is made of). An image
is decoded once and reduced once for each distinct reduction, however many members look at it.
"""

import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import yaml
from mlflow.pyfunc import PythonModel
from numpy.typing import NDArray

from hemo import console, digests
from hemo.labels import LABELS
from hemo.serving.inputs import Unread, in_server, read_inputs, reduced
from hemo.serving.limits import protect_server
from hemo.serving.member import Member
from hemo.serving.request import answer
from hemo.serving.unsure import BETWEEN_THRESHOLDS
from hemo.synthetic import synthetic_warning

if TYPE_CHECKING:
    from hemo.families.base import Images, Studies
    from hemo.imaging import RawSlice, Reduction

AT_ONCE = 8
"""Slices whose maps are made together: each takes about a second, and who waits is told how many are left."""


class ServedClassifier(PythonModel):
    """One classifier. Input: a table with the column `image`; output: `probability` and `decision`.

    And beside these `unsure`, `slice_only`, `unanswered`, `synthetic` and `error`, as the panel's.
    """

    def load_context(self, context: Any) -> None:
        """Read the classifier and what was fixed when it was fitted."""
        protect_server()
        self.member = Member.load(Path(context.artifacts["classifier"]))

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> pd.DataFrame:
        """Return probability and decision of each image."""
        parts = read_inputs(model_input, [self.member.reduction])
        table = answer([self.member], parts)
        label = self.member.label
        if f"{label}_unsure" in table:
            between = table.pop(f"{label}_unsure").eq(True) & table["unsure"].eq("")
            table["unsure"] = table["unsure"].mask(between, BETWEEN_THRESHOLDS)
        table = table.rename(columns=lambda name: str(name).removeprefix(f"{label}_"))
        table = table[["probability", "decision", "unsure", "slice_only", "unanswered", "synthetic", "error"]]
        return _as_asked(table, model_input)

    def probability(self, images: "Images", study: "Studies | None" = None) -> NDArray[np.float64]:
        """Return the probability of the label for slices as stored (see `Member.probability`)."""
        return self.member.probability(images, study)


class ServedPanel(PythonModel):
    """The production classifiers together, one of each label that has one.

    Input: a table with the column `image`, the bytes of a file of one slice (base64 over HTTP);
    in Python also a path or an array (uint8 gray, or int16 or float HU), and optionally `study`, which
    groups slices (DICOM bytes carry it themselves), and `name`, what a slice is called. Output: a row an
    image; see `predict`.
    """

    version = ""
    """The registered version; whoever serves it goes on with it after a promotion, and answers say so."""

    def load_context(self, context: Any) -> None:
        """Read the members."""
        folder = Path(context.artifacts["panel"])
        protect_server()
        facts = json.loads((folder / "panel.json").read_text())
        self.version = _version(folder)
        self.members = [
            Member.load(
                folder / member["label"],
                member["version"],
                member.get("override", ""),
                synthetic=member.get("synthetic", False),
                files=member.get("files", ""),
            )
            for member in sorted(facts["members"], key=lambda member: LABELS.index(member["label"]))
        ]
        self.missing: list[str] = facts["missing"]
        # Panels that were built before knew nothing of it: who loads them from the registry looks there.
        self.tells_synthetic = all("synthetic" in member for member in facts["members"])

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

    @property
    def synthetic(self) -> list[str]:
        """Labels whose classifiers learned from synthetic slices."""
        return [member.label for member in self.members if member.synthetic]

    @property
    def warnings(self) -> list[str]:
        """What a user must not miss: members that are made of synthetic data, or there against the gate."""
        return [*([synthetic_warning(self.synthetic)] if self.synthetic else []), *self.overridden]

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> pd.DataFrame:
        """Return a row an image: the columns of `predict_slices`, and what an answer must not go without.

        That is `name` (by default the row's number), `research_use_only`, and of each label `LABEL_family`
        and its operating points, `LABEL_threshold` and, of studies, `study_LABEL_threshold`.
        """
        parts = read_inputs(model_input, self.reductions)
        called = model_input.get("name", model_input.index)
        names = [str(name) for name in called]
        table = self.predict_slices(parts, names)
        told: dict[str, Any] = {"name": names, "research_use_only": True}
        for member in self.members:
            told[f"{member.label}_family"] = member.family
            told[f"{member.label}_threshold"] = member.threshold
            if "study" in table:
                told[f"study_{member.label}_threshold"] = member.study_threshold
        return _as_asked(table.assign(**told), model_input)

    def predict_slices(
        self,
        parts: Sequence["RawSlice | Unread"],
        names: Sequence[str] = (),
        *,
        every_stack: bool = True,
    ) -> pd.DataFrame:
        """Return a row a slice; what `predict` does after reading.

        Parameters
        ----------
        parts
            Slices of any studies, in any order, and what could not be read.
        names
            What each is called where slices are named; by default its number, from 0.
        every_stack
            Whether also the stacks are judged that do not answer for their study.

        Returns
        -------
        DataFrame
            In the order of `parts`: the columns of `tabulate`, and `error`: why a slice could not be read,
            "" where it was. Where it was not, or was not judged, its answers are empty (NaN and None).
        """
        table = answer(self.members, parts, self.thickness, names, every_stack=every_stack)
        table["panel_version"] = self.version
        return table

    def attribution(
        self, label: str, slices: Sequence["RawSlice"], rows: NDArray[np.intp]
    ) -> tuple["Images", NDArray[np.float32]]:
        """Return rows of the slices as a member sees them and where it looked, float32 (n, height, width)."""
        member = next(member for member in self.members if member.label == label)
        images = reduced(slices, member.reduction)[rows]
        parts = [images[start : start + AT_ONCE] for start in range(0, len(images), AT_ONCE)]
        shown = console.track(parts, f"where the classifier of {label} looked", len(parts))
        return images, np.concatenate([member.classifier.attribution(part) for part in shown])


def _version(folder: Path) -> str:
    """Return the registered version of a panel; where it was loaded by its path, a digest of `panel.json`.

    MLflow writes the version beside a model that it loads from the registry.
    """
    with suppress(FileNotFoundError):
        loaded = yaml.safe_load((folder.parents[1] / "registered_model_meta").read_text())
        return str(loaded["model_version"])
    return f"sha256:{digests.of_file(folder / 'panel.json').sha256[:12]}"


def _as_asked(table: pd.DataFrame, model_input: pd.DataFrame) -> pd.DataFrame:
    """Return answers under the request's own index; over HTTP what is empty is null, as JSON knows no NaN."""
    table.index = model_input.index
    return table.astype(object).where(table.notna(), None) if in_server() else table
