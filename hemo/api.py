"""What `import hemo` offers in a notebook: from scans to trainings, compared and drawn, without MLflow.

`hemo` hands these names on (`hemo.train` is `hemo.api.train`) and imports this module when one is first used.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from hemo import families
from hemo.config import Experiment
from hemo.config import load as load_experiment
from hemo.errors import HemoError
from hemo.evaluation import paired, predictions
from hemo.evaluation.summary import DRAWS, Summary, summarize
from hemo.imaging import Reduction
from hemo.labels import LABELS
from hemo.phantom import files
from hemo.runs.planning import make_plan
from hemo.slices.preprocess import preprocess
from hemo.slices.store import SliceStore
from hemo.training import Trained, Training, train_label

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "LABELS",
    "Experiment",
    "HemoError",
    "Reduction",
    "SliceStore",
    "Trained",
    "compare",
    "load_experiment",
    "make_phantom",
    "open_store",
    "plot",
    "preprocess",
    "train",
]

COLUMNS: Final = ("recall_at_specificity_80", "auc", "recall", "specificity", "precision")
"""Metrics of a comparison, the one that it is sorted by first."""


def make_phantom(
    folder: str | Path,
    patients: int = 24,
    *,
    slices: int = 16,
    size: int = 256,
    seed: int = 0,
    workers: int = 1,
) -> Path:
    """Make synthetic head-CT studies as DICOM, and return the path of their label table.

    Parameters
    ----------
    folder
        Made where it is missing.
    patients, slices, size
        How many patients, slices a study, and pixels a side.
    seed
        Everything follows from it.
    workers
        Parallel processes.

    Raises
    ------
    HemoError
        If the folder holds a phantom already.
    """
    table = Path(folder) / "labels.csv"
    if table.exists():
        raise HemoError(f"{table}: holds a phantom already: go on with it, or give another folder")
    files.write(Path(folder), patients=patients, slices=slices, size=size, seed=seed, workers=workers)
    return table


def open_store(folder: str | Path) -> SliceStore:
    """Open a finished slice store whose files are what was written (see `SliceStore.open_checked`)."""
    return SliceStore.open_checked(folder)


def train(
    store: SliceStore,
    family: str,
    label: str = "any",
    experiment: Experiment | None = None,
    **params: Any,
) -> Trained:
    """Train a family on one label of a store; nothing is logged.

    Parameters
    ----------
    store
        Slices and labels.
    family
        Name of a registered family.
    label
        One of `LABELS`.
    experiment
        Protocol, folds, sampling, operating point, seed and so on; its defaults where None. Trainings of one
        store with equal ones are tested on the same patients.
    **params
        Parameters of the family that differ from its defaults.

    Returns
    -------
    Trained
        The classifier, its operating point, and the prediction table.

    Raises
    ------
    HemoError
        If there is no such family, label or parameter, or the store holds too few patients with the label.
    """
    if label not in LABELS:
        raise HemoError(f"unknown label '{label}': choose one of {', '.join(LABELS)}")
    families.check_params(family, params)
    return train_label(Training(store, make_plan(experiment or Experiment(), store), family, label, params))


def compare(trained: Mapping[str, Trained], draws: int = 2000, seed: int = 0) -> pd.DataFrame:
    """Return trainings of one label side by side, on the same slices, or studies where no slice is judged.

    Parameters
    ----------
    trained
        Trainings by the name that each is to have.
    draws, seed
        Of the cluster bootstrap over patients.

    Returns
    -------
    DataFrame
        A row a training, best first: each of `COLUMNS` with the bounds of its 95% interval as `..._low` and
        `..._high`. Differences between two of them, with intervals of their own, are
        `hemo.evaluation.paired.compare`'s.

    Raises
    ------
    HemoError
        If there are none, or they were not tested on the same slices, patients and truths.
    """
    if not trained:
        raise HemoError("nothing to compare: give trainings by name, such as {'logreg': train(...)}")
    tested = {name: _judged(one, draws, seed) for name, one in trained.items()}
    paired.require_same_slices({name: predictions.sort(one.table) for name, one in tested.items()})
    rows = {
        name: {
            f"{metric}{suffix}": number
            for metric in COLUMNS
            for suffix, number in zip(("", "_low", "_high"), one[metric], strict=True)
        }
        for name, one in tested.items()
    }
    board = pd.DataFrame.from_dict(rows, orient="index").rename_axis("family")
    return board.sort_values(list(COLUMNS[:2]), ascending=False)


def plot(trained: Trained, figure: str = "roc", name: str = "") -> "Figure":
    """Return a Matplotlib figure of a training.

    Parameters
    ----------
    trained
        What `train` returned.
    figure
        `roc`, `precision_recall`, `confusion_matrix`, `calibration`, `patients` or `epochs` (of families
        that are trained in epochs).
    name
        What its title says it is of; the family where empty.

    Raises
    ------
    HemoError
        If there is no such figure.
    """
    from hemo.display import run_plots

    known: dict[str, Callable[[Summary, str], Figure]] = {
        "roc": run_plots.roc,
        "precision_recall": run_plots.precision_recall,
        "confusion_matrix": run_plots.confusion_matrix,
        "calibration": run_plots.reliability,
        "patients": run_plots.patient_strip,
        "epochs": lambda _, title: run_plots.learning_curves(trained.epochs, title),
    }
    if figure not in known:
        raise HemoError(f"unknown figure '{figure}': choose one of {', '.join(known)}")
    return known[figure](_judged(trained), name or families.title(trained.family))


def _judged(trained: Trained, draws: int = DRAWS, seed: int = 0) -> Summary:
    """Return the summary of tested slices; of studies where labels are of studies, and no slice is judged."""
    by_study = trained.studies.table if trained.studies else None
    return summarize(trained.predictions, draws, seed, by_study=by_study).judged
