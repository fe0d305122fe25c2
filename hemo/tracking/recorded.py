"""Digests of what runs leave: recorded at their end, compared before files and models of them are used.

A run that made a model keeps `digests.json`: a digest of each file of the run and of the model. The digest
of that file is a tag of the run, of the version that is registered of it, and in the registry's audit. What
was written before there were digests has neither tag nor file, and is taken as it lies.
"""

import errno
import json
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import mlflow
from mlflow.exceptions import MlflowException
from mlflow.pyfunc import PyFuncModel
from mlflow.store.artifact.utils.models import get_model_name_and_version
from mlflow.tracking import MlflowClient
from mlflow.utils.file_utils import local_file_uri_to_path
from mlflow.utils.uri import is_local_uri

from hemo import digests
from hemo.digests import Difference, DiffersError, Manifest
from hemo.errors import HemoError
from hemo.tracking.runs import get_run
from hemo.tracking.tags import FILES_DIGEST

LATER: Final = "registered_model_meta"
"""What MLflow writes beside a model when it loads it; Python leaves bytecode, which is never loaded here."""

NO_FILE: Final = r"No such artifact|No such file"
"""In the texts of what MLflow raises where an artifact is not there."""

ADDRESS: Final = re.compile(r"models:/(m-[\w-]+|[^/@]+(/[^/@]+|@[^/@]+))|runs:/[^/]+/.+")
"""Addresses of models in MLflow: logged ones, versions by number or alias, those of a run."""

NO_ADDRESS: Final = (
    "no address of a model: write models:/NAME/VERSION, models:/NAME@production or runs:/ID/model"
)

REMEDY: Final = "put the file back as it was, or train again; `hemo verify` says more"


@dataclass(frozen=True)
class Recorded:
    """What was recorded of a run.

    Attributes
    ----------
    files, model
        Digests of its files and of its model's; either may have none.
    """

    files: Manifest
    model: Manifest


def record(run_id: str, files: Manifest, model: Manifest) -> str:
    """Record digests with the run that left the files, and return the digest of them all."""
    parts = {"files": digests.to_text(files), "model": digests.to_text(model)}
    text = json.dumps(parts, indent=1)
    client = MlflowClient()
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / digests.FILE
        path.write_text(text)
        client.log_artifact(run_id, str(path))
    known = digests.of_bytes(text.encode()).sha256
    client.set_tag(run_id, FILES_DIGEST, known)  # last: a run with the tag has the file
    return known


def of_run(run_id: str, known: str = "") -> Recorded | None:
    """Return what was recorded of a run; None where nothing was, as before there were digests.

    Parameters
    ----------
    run_id
        The run.
    known
        Digest of the record as a version or the audit has it.

    Raises
    ------
    DiffersError
        If the record is gone or another one.
    """
    try:
        run = MlflowClient().get_run(run_id)
    except MlflowException as fault:
        if fault.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        if known:
            get_run(run_id)  # says so
        return None  # nor did its version record anything
    tag = run.data.tags.get(FILES_DIGEST, "")
    if not (tag or known):
        return None
    if known and known != tag:
        raise DiffersError(f"run {run_id}: its tag {FILES_DIGEST} is not what was registered of it: {REMEDY}")
    try:
        with _folder(f"{run.info.artifact_uri}/{digests.FILE}") as path:
            content = path.read_bytes()
    except (OSError, MlflowException) as fault:
        if not (isinstance(fault, FileNotFoundError) or re.search(NO_FILE, str(fault))):
            raise
        raise DiffersError(f"run {run_id}: {digests.FILE} is gone: {REMEDY}") from None
    if digests.of_bytes(content).sha256 != tag:
        raise DiffersError(f"run {run_id}: {digests.FILE} changed: {REMEDY}")
    parts = json.loads(content)
    return Recorded(*(digests.from_text(parts[name]) for name in ("files", "model")))


def run_differences(run_id: str, recorded: Recorded) -> list[Difference]:
    """Return which files of a run are not as they were recorded; reports that came later do not count."""
    with _folder(MlflowClient().get_run(run_id).info.artifact_uri) as folder:
        kept = {name.partition("/")[0] for name in recorded.files}
        there = [name for name in digests.files_below(folder) if name.partition("/")[0] in kept]
        return digests.compare(folder, recorded.files, there)


def model_differences(folder: Path, recorded: Manifest) -> list[Difference]:
    """Return which files of a model are not as they were recorded."""
    there = [name for name in digests.files_below(folder) if not _comes_later(name)]
    return digests.compare(folder, recorded, there)


def check_file(run_id: str, path: str, file: Path) -> bool:
    """Tell whether a run's file counts: False where its run recorded files, and not this one.

    Raises
    ------
    DiffersError
        If it is not as it was recorded.
    """
    recorded = of_run(run_id)
    if recorded is None:
        return True
    if path not in recorded.files:
        return False
    if digests.of_file(file) != recorded.files[path]:
        raise DiffersError(f"run {run_id}: {path} changed since it was written: {REMEDY}")
    return True


def model_files(folder: Path) -> dict[str, digests.Digest]:
    """Return the digests of a model's files, as `record` takes them."""
    names = [name for name in digests.files_below(folder) if not _comes_later(name)]
    return digests.of_files(folder, names)


def check_model(uri: str, known: str = "") -> None:
    """Raise DiffersError where a file of a model is not as it was recorded (see `model_copy`)."""
    recorded = _of_model(uri, known)
    if recorded is None:
        return
    with model_folder(uri) as folder:
        _require_same(uri, folder, recorded)


@contextmanager
def model_copy(uri: str, known: str = "") -> Iterator[Path]:
    """Give a copy of a model's files that are as they were recorded, and nothing beside them.

    Parameters
    ----------
    uri
        As MLflow has it: `models:/NAME/VERSION`, `models:/NAME@ALIAS`, `models:/m-ID`, `runs:/ID/NAME`.
    known
        Digest of the record of its run, as the audit has it.

    Raises
    ------
    DiffersError
        If a file is not as it was recorded. Nothing of it was run.
    """
    recorded = _of_model(uri, known)
    with model_folder(uri) as there, tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for name in digests.files_below(there):
            if _comes_later(name) or not (there / name).is_file():
                continue
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes((there / name).read_bytes())
        if recorded is not None:
            _require_same(uri, folder, recorded)
        if version := registered(uri):
            facts = dict(zip(("model_name", "model_version"), version, strict=True))
            (folder / LATER).write_text(json.dumps(facts))
        yield folder


@contextmanager
def model_folder(uri: str) -> Iterator[Path]:
    """Give the folder of a model's files, compared with nothing: where they lie, or a download."""
    client = MlflowClient()
    if name := registered(uri):
        location = client.get_model_version_download_uri(*name)
    elif uri.startswith("models:/"):
        location = client.get_logged_model(uri.removeprefix("models:/")).artifact_location
    else:
        location = uri
    with _folder(location) as folder:
        yield folder


@contextmanager
def _folder(location: str) -> Iterator[Path]:
    """Give a folder of artifacts, or a file of them, to read: where it lies, or a download."""
    if is_local_uri(location):
        path = Path(local_file_uri_to_path(location))
        if not path.exists():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
        yield path
        return
    with tempfile.TemporaryDirectory() as scratch:
        yield Path(mlflow.artifacts.download_artifacts(location, dst_path=scratch))


def load_model(uri: str, known: str = "") -> PyFuncModel:
    """Load a model of which every file is as it was recorded (see `model_copy`): only then its code runs.

    Raises
    ------
    HemoError
        If the address can be no model's.
    DiffersError
        If a file differs.
    """
    if uri.startswith(("models:", "runs:", "http:", "https:")) and not ADDRESS.fullmatch(uri):
        raise HemoError(f"{uri}: {NO_ADDRESS}")
    with model_copy(uri, known) as folder:
        return mlflow.pyfunc.load_model(str(folder))


def _of_model(uri: str, known: str) -> Recorded | None:
    """Return what was recorded of a model's run, by the word of the audit and of the model's version."""
    run_id, tag = _run_of(uri)
    if known and tag and known != tag:
        raise DiffersError(f"{uri}: its tag {FILES_DIGEST} is not what the audit has of it: {REMEDY}")
    return of_run(run_id, known or tag) if run_id else None


def _require_same(uri: str, folder: Path, recorded: Recorded) -> None:
    if found := model_differences(folder, recorded.model):
        raise DiffersError(f"{uri}: not what was recorded: {digests.words(found)}: {REMEDY}")


def _comes_later(name: str) -> bool:
    return name == LATER or "__pycache__" in name.split("/")


def registered(uri: str) -> tuple[str, str] | None:
    """Return name and version that a model's URI means; None where it means no registered one.

    Raises
    ------
    HemoError
        If it names no version.
    MlflowException
        If there is none.
    """
    if not uri.startswith("models:/") or uri.startswith("models:/m-"):
        return None
    if not ADDRESS.fullmatch(uri):
        raise HemoError(f"{uri}: {NO_ADDRESS}")
    name, version = get_model_name_and_version(MlflowClient(), uri)
    return name, str(version)


def _run_of(uri: str) -> tuple[str, str]:
    """Return the run that made a model and the digest that its version carries; empty where unknown."""
    client = MlflowClient()
    if uri.startswith("runs:/"):
        return uri.removeprefix("runs:/").partition("/")[0], ""
    if name := registered(uri):
        version = client.get_model_version(*name)
        return version.run_id or "", version.tags.get(FILES_DIGEST, "")
    if uri.startswith("models:/"):
        return client.get_logged_model(uri.removeprefix("models:/")).source_run_id or "", ""
    return "", ""
