import mlflow
import pytest
from registry_world import classifier, empty_store, table, train


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """A store with training runs of `any` and `epidural` in the experiment `made up`, made once a session.

    Returns the folder with `mlflow.db`, and (label, name) to run: `good`, `better` and `bad`.
    """
    folder = tmp_path_factory.mktemp("trained")
    mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
    experiment = mlflow.create_experiment("made up", f"{folder}/mlruns")
    runs = {}
    for place, label in enumerate(("any", "epidural")):
        fitted = classifier(place)
        # The newest run of a family and label is the candidate: the good one last.
        for name, quality in (("bad", 0.2), ("better", 5.0), ("good", 1.8)):
            run_id = train(experiment, label, table(quality), fitted, folder / f"{label}-{name}")
            runs[label, name] = run_id
    return folder, runs


@pytest.fixture
def store(trained, tmp_path, monkeypatch):
    """A copy of the store of `trained` as the tracking store in use; returns the runs."""
    folder, runs = trained
    empty_store(folder / "mlflow.db", tmp_path, monkeypatch)
    return runs
