"""The logged form of a trained classifier: written, and loaded back before its run counts as good."""

import json
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
from mlflow.models import ModelSignature
from mlflow.models.model import ModelInfo
from mlflow.types import ColSpec, DataType, Schema
from numpy.typing import NDArray

from hemo import families, tracking
from hemo.digests import Digest
from hemo.errors import HemoError
from hemo.families import FeatureClassifier
from hemo.serving import member as models
from hemo.serving import unlike
from hemo.slices.split import rounds
from hemo.slices.store import SliceStore
from hemo.synthetic import PHANTOM
from hemo.training import Trained, Training, pretrained

MODEL_REQUIREMENTS = ("mlflow", "numpy", "pandas", "pydantic", "rich", "click", "pyyaml")
IMAGING_REQUIREMENTS = (
    "pydicom", "pylibjpeg", "pylibjpeg-libjpeg", "pylibjpeg-openjpeg", "pyjpegls", "nibabel",
    "opencv-python-headless", "imagecodecs", "simplejpeg", "pillow", "scipy", "pyarrow", "xxhash",
)  # fmt: skip
ROUNDTRIP_SLICES = 16
"""Slices from all over the store, and as many that follow each other, by which a logged model is checked."""

ROUNDTRIP_TOLERANCE = 1e-6


def log(scratch: Path, trained: Trained, training: Training) -> ModelInfo:
    """Log a trained classifier to the active run, with all that it decides by; return what MLflow says.

    Parameters
    ----------
    scratch
        An existing folder to write into first.
    trained
        Classifier, calibrator and operating point.
    training
        What was trained on what; the logged model has the family's name, and the reduction of the slices
        travels with it.
    """
    family, store = training.family, training.store
    folder = scratch / "classifier"
    folder.mkdir()
    families.save(trained.classifier, family, folder / "fitted")
    tested = _tested(trained, training)
    pretrained.record(training, tested, folder / "fitted")
    learned = unlike.of_store(store.folder, store.digest, tested.tobytes())
    facts = {
        "label": training.label,
        "family": family,
        "threshold": trained.threshold,
        "negative_below": trained.negative_below,
        "calibrator": trained.calibrator.to_json() if trained.calibrator else None,
        "reduction": store.reduction.to_json(),
        "thickness": store.thickness,
        "synthetic": store.synthetic or training.dataset == PHANTOM,
        "study": trained.studies.served() if trained.studies else None,
        "learned": learned.to_json() if learned else None,
    }
    (folder / "served.json").write_text(json.dumps(facts, indent=2))
    models.keep_digests(folder)
    package = Path(__file__).parents[1]
    return mlflow.pyfunc.log_model(
        name=family,
        python_model=str(package / "serving" / "classifier_code.py"),
        artifacts={"classifier": str(folder)},
        code_paths=[str(package)],
        pip_requirements=requirements(family, trained.classifier.params),
        signature=ModelSignature(
            Schema([ColSpec(DataType.binary, "image"), ColSpec(DataType.string, "study", required=False)]),
            Schema(
                [
                    ColSpec(DataType.double, "probability"),
                    ColSpec(DataType.boolean, "decision"),
                    ColSpec(DataType.string, "unsure"),
                    ColSpec(DataType.boolean, "slice_only"),
                    ColSpec(DataType.string, "unanswered"),
                    ColSpec(DataType.boolean, "synthetic"),
                    ColSpec(DataType.string, "error"),
                ]
            ),
        ),
        metadata={"label": training.label, "data_digest": store.digest},
    )


def _tested(trained: Trained, training: Training) -> NDArray[np.bool_]:
    """Return which rows of the store are of tested patients (slices, under `paper`), bool (n,)."""
    plan, index = training.plan, training.store.index
    if plan.protocol.refits:
        return np.zeros(len(index), bool)
    tested = trained.predictions[trained.predictions["part"] == "test"]
    name = "patient" if plan.protocol.by_patient else "slice_id"
    found: NDArray[np.bool_] = index[name].isin(tested[name]).to_numpy(copy=True)
    if plan.split:
        found[rounds(plan.split, index)[0].test] = True
    return found


def requirements(family: str, params: Mapping[str, Any]) -> list[str]:
    """Return what a served classifier of a family needs, pinned to the versions it was fitted with.

    What is made of other families (parameter `members`) needs what they need: trees and linear models of an
    ensemble are served without TensorFlow. hemo's code travels with the model, that of a family from another
    package does not: the package is needed.
    """
    packages = [*MODEL_REQUIREMENTS, *IMAGING_REQUIREMENTS, "scikit-learn"]
    installed = tracking.versions()
    parts = params.get("members", (family,))
    built = [families.build(name) for name in parts]
    packages += sorted({name for one in built if isinstance(one, FeatureClassifier) for name in one.requires})
    if any(families.get(name).tensorflow for name in parts):
        packages += [name for name in ("tensorflow", "tensorflow-cpu", "keras") if name in installed]
    providers = {families.provider(name) for name in (family, *parts)} - {""}
    return [*(f"{name}=={version(name)}" for name in packages), *sorted(providers)]


def write_answers(trained: Trained, store: SliceStore, folder: Path) -> None:
    """Write some slices and what the classifier says of them: its logged form is judged by that."""
    spread = np.linspace(0, len(store) - 1, min(ROUNDTRIP_SLICES, len(store))).astype(int)
    together = np.arange(min(ROUNDTRIP_SLICES, len(store)))
    rows = np.union1d(spread, together)
    images, study = store.images(rows), store.stack[rows]
    known: dict[str, Any] = {"probability": trained.probability(images, study)}
    attention = trained.scores(images, study).attention
    known |= {} if attention is None else {"attention": attention}
    path = folder / tracking.ANSWERS
    path.parent.mkdir()
    np.savez_compressed(path, images=images, study=study, **known)


def check(model: ModelInfo, answers: Path) -> dict[str, Digest]:
    """Compare the logged model, loaded back, with the classifier: formats that log well can fail at load.

    Parameters
    ----------
    model
        What `log` returned.
    answers
        What `write_answers` wrote.

    Returns
    -------
    dict
        The digests of the logged model's files.

    Raises
    ------
    HemoError
        If it does not give the classifier's own probabilities.
    """
    with tracking.model_copy(model.model_uri) as folder:
        files = tracking.model_files(folder)
        gap = models.gap(mlflow.pyfunc.load_model(str(folder)).unwrap_python_model().member, answers)
    mlflow.log_metric("model/loaded_back_gap", gap)
    if not gap <= ROUNDTRIP_TOLERANCE:
        raise HemoError(f"{model.model_uri}: loaded back, its probabilities differ by {gap:.2g}: not kept")
    return files
