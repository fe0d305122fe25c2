"""`hemo stress`: a classifier under changes of its data, and what is left of it in MLflow."""

import io
import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import mlflow
import pandas as pd

from hemo import console, digests, executors, tracking
from hemo.errors import HemoError
from hemo.imaging import Reduction
from hemo.imaging.windows import window as known_window
from hemo.registry.stressed import COMPLETE, EXPERIMENT, REPORT, TABLE
from hemo.sealed import Sealed
from hemo.stress import changes, judging, measure, page, pictures, subjects
from hemo.stress.changes import Change
from hemo.stress.judging import Judge
from hemo.stress.measure import Judged
from hemo.stress.pictures import Shown
from hemo.stress.subjects import Subject
from hemo.tracking import CHANGED
from hemo.training.kept import Kept

UNCHANGED: Final = "unchanged"


@dataclass(frozen=True)
class Stressed:
    """What came of it.

    Attributes
    ----------
    found
        A row a label, change and metric: `label`, and the columns of `hemo.stress.measure.differences`.
    warnings
        What a reader must not miss.
    run_id
        The run that holds it.
    """

    found: pd.DataFrame
    warnings: list[str]
    run_id: str


@dataclass(frozen=True)
class Task:
    """All that judging under a change needs, in another process too."""

    of: Shown
    index: pd.DataFrame
    made: Reduction
    judges: Mapping[str, Sequence[Judge]]
    seed: int
    kept: Kept


def stress(
    model: str,
    images: Path,
    labels: Path,
    *,
    only: str = "",
    patients: int = 0,
    window: str = "brain",
    store: Path | None = None,
    dataset: str = "",
    labels_format: str | None = None,
    workers: int = 1,
    draws: int = 2000,
    seed: int = 0,
) -> Stressed:
    """Judge a classifier under changes of its data, and log it as a run with one below it for each label.

    Of a run under `cv` each fold's classifier is fitted again, and judges the patients that it has not
    learned from; one under `holdout` judges its tested patients. A registered version is judged so where the
    data are its own, and else as it is served.

    Parameters
    ----------
    model : str
        Id of a training run, or MLflow model URI of a registered version or the panel.
    images, labels : Path
        The data; of a run the scans that its store was made of.
    only : str
        Changes by kind or name, after commas (see `hemo.stress.changes.chosen`); all where empty.
    patients : int
        How many of the patients are judged, drawn; all where 0.
    window : str
        What pictures show: a window's name, or level and width in HU.
    store : Path, optional
        The run's slice store, where it lies elsewhere now.
    dataset : str
        Name of the data for people.
    labels_format : str, optional
        Form of the label table; told from its header where None.
    workers : int
        Processes.
    draws, seed : int
        Of the bootstrap over patients; the seed is also that of noise, and of the patients drawn.

    Raises
    ------
    HemoError
        If model or data cannot be read, a change is unknown, or no slice can be judged.
    """
    asked = changes.chosen(only)
    shows = known_window(window)
    if model.startswith(("models:", "runs:", "http:", "https:")):
        given = subjects.of_model(model)
    else:
        given = [subjects.of_run(model.rpartition("/")[2], store)]
    if len({one.reduction for one in given}) > 1:
        raise HemoError(
            f"{model}: its classifiers see slices of several kinds: give one of them by its own URI"
        )
    experiment = tracking.experiment_id(EXPERIMENT)
    with tempfile.TemporaryDirectory() as scratch:
        place, made = Path(scratch), given[0].reduction
        key = subjects.key_of(next(filter(None, map(subjects.own_store, given)), None), images)
        of = pictures.shown(
            images, labels, place / "store", made,
            labels_format=labels_format, workers=workers, key=key, window=shows,
        )  # fmt: skip
        given = [subjects.on_own_data(one, of) for one in given]
        own = next((one.store for one in given if one.store), None)
        judges = {
            one.label: judging.sample(subjects.judges(one, of, place / one.label), patients, seed)
            if patients
            else subjects.judges(one, of, place / one.label)
            for one in given
        }
        index = of.called_as_in(own) if own else of.store.index
        task = Task(of, index, made, judges, seed, _kept(given, of, judges, seed))
        judged = _judge_all(task, asked, workers)
        task.kept.drop()
    plain = judged[0]
    tables = {
        label: measure.differences(unchanged.table, [one[label] for one in judged[1:]], draws, seed)
        for label, unchanged in plain.items()
    }
    warnings = _warnings(given, plain)
    complete = not patients and not only
    run_id = _record(experiment, model, given, tables, plain, warnings, dataset, complete, patients)
    found = pd.concat([table.assign(label=label) for label, table in tables.items()], ignore_index=True)
    return Stressed(found[["label", *found.columns.drop("label")]], warnings, run_id)


def _kept(given: Sequence[Subject], of: Shown, judges: Mapping[str, Sequence[Judge]], seed: int) -> Kept:
    """Return where tables of finished changes lie until all are; nowhere where none can be told apart."""
    store = next((one.store for one in given if one.store), None)
    if store is None or tracking.git_commit().endswith(CHANGED):
        return Kept()
    ids = {
        label: sorted(set().union(*(one.table["slice_id"] for one in each))) for label, each in judges.items()
    }
    facts = [
        [one.run.run_id if one.run else "" for one in given], of.store.digest, str(of.shown), seed, ids,
        tracking.git_commit(), tracking.versions(),
    ]  # fmt: skip
    return Kept.beside(store, "stress-" + digests.of_bytes(json.dumps(facts).encode()).sha256[:24])


def _judge_all(task: Task, asked: Sequence[Change], workers: int) -> list[dict[str, Judged]]:
    """Return what each label's judges say of the unchanged, and under each change."""
    whole: list[Change | None] = [None, *asked]
    outcomes = executors.run_all(partial(_judge, task), whole, workers)
    done: dict[str, dict[str, Judged]] = {}
    for change, outcome in console.track(outcomes, "changes", len(whole)):
        if isinstance(outcome, Exception):
            raise outcome
        done[_name(change)] = outcome
    return [done[_name(change)] for change in whole]


def _name(change: Change | None) -> str:
    return change.name if change else UNCHANGED


def _judge(task: Task, change: Change | None) -> dict[str, Judged]:
    """Return what each label's judges say under a change, or of the unchanged."""
    console.step(_name(change))
    nothing = Change(())
    name = digests.of_bytes(_name(change).encode()).sha256[:24]
    file = Sealed(task.kept.folder / f"{name}.parquet", task.kept.key) if task.kept.folder else None
    content = file.read() if file else None
    if content:
        table = pd.read_parquet(io.BytesIO(content))
        refused = json.loads(table.attrs["refused"])
        each = {str(label): part.drop(columns="label") for label, part in table.groupby("label")}
        return {
            label: Judged(change or nothing, each.get(label, table.iloc[:0].drop(columns="label")), refused)
            for label in task.judges
        }
    stack = task.of.store.stack
    everyone = [one for each in task.judges.values() for one in each]
    found = pictures.seen(task.of, change, task.made, judging.wanted(everyone, task.index), task.seed)
    refused = {str(reason): int(count) for reason, count in found.refused.items()}
    tables = {
        label: judging.all_judged(each, task.index, stack, found, task.made)
        for label, each in task.judges.items()
    }
    if file:
        together = pd.concat([table.assign(label=label) for label, table in tables.items()])
        together.attrs = {"refused": json.dumps(refused)}
        file.write(lambda partial_: together.to_parquet(partial_, index=False))
    return {label: Judged(change or nothing, table, refused) for label, table in tables.items()}


def _warnings(given: Sequence[Subject], plain: Mapping[str, Judged]) -> list[str]:
    """Return what must be said of folds that do not say what the run's said."""
    words = []
    for one in given:
        if one.store is None or one.run is None:
            continue
        table = tracking.load_predictions(one.run.run_id)
        both = plain[one.label].table.merge(table, on=["slice_id", "repeat"], suffixes=("", "_run"))
        gap = (both["probability"] - both["probability_run"]).abs().max()
        if gap > subjects.GAP:
            words.append(
                f"{one.name}: unchanged, its probabilities differ from the run's by up to {gap:.2g}: "
                "pictures are kept smaller before they are judged, or its code has changed."
            )
    return words


def _record(
    experiment: str,
    model: str,
    given: Sequence[Subject],
    tables: Mapping[str, pd.DataFrame],
    plain: Mapping[str, Judged],
    warnings: list[str],
    dataset: str,
    complete: bool,
    patients: int,
) -> str:
    """Log a run, one below it for each label, and the report beside the run that trained a classifier."""
    tags = {
        "stage": "stress", "model": model, "dataset": dataset or "unnamed data",
        "git_commit": tracking.git_commit(), COMPLETE: str(complete).lower(),
    }  # fmt: skip
    with tracking.root_run(experiment, f"stress {model}", tags) as parent:
        for subject in given:
            found = tables[subject.label]
            own = {
                **tags, "label": subject.label, "family": subject.family, "version": subject.version,
                "run": subject.run.run_id if subject.run else "",
                "out_of_sample": str(subject.store is not None).lower(),
            }  # fmt: skip
            with (
                tracking.start_run(experiment, subject.name, own, parent) as run_id,
                tempfile.TemporaryDirectory() as scratch,
            ):
                about = page.about(subject, plain[subject.label].table, patients)
                page.write(Path(scratch), subject.name, found, about, warnings)
                tracking.log_folder(run_id, Path(scratch))
                mlflow.log_metrics(page.metrics(found))
                tracking.set_note(run_id, page.note(found, warnings))
                tracking.record(run_id, digests.of_folder(Path(scratch)), {})
                if subject.run and subject.store:
                    for path in (REPORT, TABLE):
                        tracking.log_file(subject.run.run_id, Path(scratch) / path, "stress")
    return parent
