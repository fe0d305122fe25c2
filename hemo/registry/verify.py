"""What of a store, a run, a version or the panel is not as it was recorded; nothing is run or changed."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import mlflow
from mlflow.entities.model_registry import ModelVersion

from hemo import tracking
from hemo.digests import Difference
from hemo.errors import HemoError
from hemo.labels import LABELS
from hemo.registry import aliases, chain, ledger, panel
from hemo.registry.names import PANEL, model_name, store_of
from hemo.slices import integrity
from hemo.slices.store import SliceStore
from hemo.tracking import Run, recorded
from hemo.tracking.tags import FILES_DIGEST

AUDIT: Final = "audit"
"""What is named where no file is wrong, but the history of a registered model."""


@dataclass(frozen=True)
class Checked:
    """One thing, compared with what was recorded of it.

    Attributes
    ----------
    what
        `store FOLDER`, `run NAME (ID)`, `hemo-any version 3`, `hemo-any`.
    differences
        What is not as it was recorded.
    unrecorded
        Whether nothing was recorded of it, as by earlier versions of hemo: nothing can be said.
    """

    what: str
    differences: list[Difference] = field(default_factory=list)
    unrecorded: bool = False


def verify(target: str) -> list[Checked]:
    """Compare something with what was recorded of it.

    Parameters
    ----------
    target
        Folder of a store, `runs:/ID`, `models:/...`, `panel`, or `all`.

    Raises
    ------
    HemoError
        If there is no such thing.
    """
    if folder := store_of(target):
        return [_store(folder)]
    if target == "all":
        return list(_everything())
    if target == "panel":
        return _model(PANEL)
    if target.startswith(("runs:/", "run:/")):
        return [_run(tracking.get_run(target.partition(":/")[2].partition("/")[0]))]
    return _of_uri(target)


def _everything() -> Iterator[Checked]:
    """Yield all registered models, all training runs, and the stores that these were made of."""
    known = aliases.all_current()
    for name in (*(model_name(label) for label in LABELS), PANEL):
        if name in known or ledger.records(name):
            yield from _model(name)
    stores: dict[Path, Run] = {}
    for experiment in tracking.client().search_experiments():
        for run in tracking.training_runs(experiment.experiment_id):
            yield _run(run)
            if run.store:
                stores.setdefault(run.store, run)
    for folder, run in stores.items():
        if (folder / "store.json").is_file():
            yield _store(folder, run.tags.get("store_digest", ""))


def _of_uri(uri: str) -> list[Checked]:
    client = tracking.client()
    if uri.startswith("models:/m-"):
        try:
            run_id = client.get_logged_model(uri.removeprefix("models:/")).source_run_id
        except mlflow.MlflowException:
            run_id = None
        if not run_id:
            raise HemoError(f"{uri}: no such model: name a version, as models:/hemo-any@production")
        return [_run(tracking.get_run(run_id))]
    try:
        found = recorded.registered(uri)
        version = client.get_model_version(*found) if found else None
    except mlflow.MlflowException:
        found = version = None
    if not found or version is None:
        raise HemoError(f"{uri}: no such version: `hemo registry` names those in production")
    return [_history(found[0]), _version(version, ledger.files_of(ledger.records(found[0]), found[1]))]


def _model(name: str) -> list[Checked]:
    """Return the history of a registered model, and all its versions."""
    history = ledger.records(name)
    found = sorted(aliases.versions(name).values(), key=lambda one: int(one.version))
    return [_history(name), *(_version(one, ledger.files_of(history, str(one.version))) for one in found)]


def _history(name: str) -> Checked:
    """Compare the aliases of a model with its audit, and the audit with itself."""
    history = ledger.records(name)
    faults = chain.faults(history)
    expected, found = chain.replay(history), aliases.current(name)
    if expected != found and all(record.state != "open" for record in history):
        faults.append(f"aliases are not where the audit left them: {aliases.changes(expected, found)}")
    number = found.get("production")
    if name == PANEL and number and number in aliases.versions(PANEL):
        made, now = panel.members_of(number), panel.production()
        if made != now:
            faults.append(f"the panel in production is of other versions ({made}) than are ({now})")
    return Checked(name, [Difference(AUDIT, fault) for fault in faults])


def _version(version: ModelVersion, known: str) -> Checked:
    """Compare a version with its own tag, its run's, the audit's word, and its files with all of these."""
    what = f"{version.name} version {version.version}"
    tag = version.tags.get(FILES_DIGEST, "")

    def compare() -> list[Difference] | None:
        if known and known != tag:
            return [Difference(AUDIT, f"tag {FILES_DIGEST} is not what the audit has")]
        if not tag:
            return None
        files = recorded.of_run(version.run_id or "", tag)
        return None if files is None else _model_files(f"models:/{version.name}/{version.version}", files)

    return _checked(what, compare)


def _run(run: Run) -> Checked:
    def compare() -> list[Difference] | None:
        files = recorded.of_run(run.run_id)
        if files is None:
            return None
        found = recorded.run_differences(run.run_id, files)
        return found + _model_files(run.model_uri, files)

    return _checked(f"run {run.name} ({run.run_id})", compare)


def _model_files(uri: str, files: recorded.Recorded) -> list[Difference]:
    try:
        with recorded.model_folder(uri) as folder:
            return recorded.model_differences(folder, files.model)
    except (OSError, mlflow.MlflowException):
        return [Difference(f"files of {uri}", "gone")]


def _store(folder: Path, known: str = "") -> Checked:
    return _checked(f"store {folder}", lambda: integrity.differences(SliceStore.open(folder), known))


def _checked(what: str, compare: Callable[[], list[Difference] | None]) -> Checked:
    """Return what a comparison finds; None is that nothing was recorded."""
    try:
        found = compare()
    except HemoError as fault:  # its own file says which one
        return Checked(what, [Difference("", str(fault))])
    return Checked(what, found or [], found is None)


def differing(found: Sequence[Checked]) -> list[Checked]:
    """Return what is not as it was recorded."""
    return [one for one in found if one.differences]
