import mlflow
import pytest

from hemo import tracking
from hemo.tracking import runs


@pytest.fixture
def experiment(tmp_path, monkeypatch):
    """Give the id of an experiment in a tracking store of its own."""
    monkeypatch.chdir(tmp_path)
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/mlflow.db")
    runs._launched_run.cache_clear()
    yield tracking.experiment_id("made up")
    runs._launched_run.cache_clear()
