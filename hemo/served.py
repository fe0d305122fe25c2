"""One classifier as an MLflow model: images as bytes in, probability and decision out.

MLflow takes this file up as code (no pickle); what it needs lies beside it as artifacts: the classifier and
`served.json` with label, threshold and reduction. Preprocessing is the code of `hemo preprocess`.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mlflow
import numpy as np
import pandas as pd
from mlflow.models import set_model
from numpy.typing import NDArray

if TYPE_CHECKING:
    from hemo.families.base import Images


class ServedClassifier(mlflow.pyfunc.PythonModel):
    """A classifier with its preprocessing and operating point.

    Input: a table with the column `image`: the bytes of a DICOM, PNG or JPEG file. Output: a row an image
    with `probability` (of the label) and `decision` (probability at or above the operating point).
    """

    def load_context(self, context: Any) -> None:
        """Read the classifier and what was fixed when it was fitted."""
        from hemo import families
        from hemo.imaging import Reduction

        folder = Path(context.artifacts["classifier"])
        facts = json.loads((folder / "served.json").read_text())
        self.label: str = facts["label"]
        self.threshold: float = facts["threshold"]
        self.reduction = Reduction.from_json(facts["reduction"])
        self.classifier = families.load(folder / "fitted")

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> pd.DataFrame:
        """Return probability and decision of each image."""
        from hemo import imaging

        slices = [imaging.reduce(imaging.read_one(data), self.reduction) for data in model_input["image"]]
        probability = self.probability(np.stack(slices))
        return pd.DataFrame({"probability": probability, "decision": probability >= self.threshold})

    def probability(self, images: "Images") -> NDArray[np.float64]:
        """Return the probability of the label for slices as stored, float64 (n,)."""
        return self.classifier.predict_proba(images)[:, 1]


set_model(ServedClassifier())
