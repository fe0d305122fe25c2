"""Models and runs that are as they were recorded, by the audit's word: what may be registered and loaded."""

from mlflow.pyfunc import PyFuncModel

from hemo import digests, tracking
from hemo.digests import DiffersError
from hemo.registry import ledger
from hemo.tracking import Run, recorded


def known(uri: str) -> str:
    """Return the digest that the audit has of a registered version's files; empty where it has none."""
    found = recorded.registered(uri)
    return ledger.files_of(ledger.records(found[0]), found[1]) if found else ""


def load(uri: str) -> PyFuncModel:
    """Load a model of which every file is as it was recorded.

    Raises
    ------
    DiffersError
        If one is not. Nothing of the model was run.
    """
    return tracking.load_model(uri, known(uri))


def check(uri: str) -> None:
    """Raise DiffersError where a file of a registered version is not as it was recorded."""
    recorded.check_model(uri, known(uri))


def check_run(run: Run) -> None:
    """Raise DiffersError where a file of a training run, or of its model, is not as it was recorded."""
    files = recorded.of_run(run.run_id)
    if files and (found := recorded.run_differences(run.run_id, files)):
        raise DiffersError(
            f"run {run.name} ({run.run_id}): not what was recorded: {digests.words(found)}: {recorded.REMEDY}"
        )
    recorded.check_model(run.model_uri)
