from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import optuna
import pytest

from hemo.config import Experiment
from hemo.config.tuning import Tuning
from hemo.slices.store import SliceStore
from hemo.tuning import search
from hemo.tuning import storage as storages
from hemo.tuning.spec import StudySpec
from tests.helpers.stores import bright_blood, write_store


@pytest.fixture(autouse=True)
def _quiet():
    optuna.logging.set_verbosity(optuna.logging.ERROR)


@pytest.fixture(scope="session")
def blood(tmp_path_factory) -> SliceStore:
    """Forty patients with six slices of 16x16, too noisy to be told apart without fault."""
    images, patients, labels = bright_blood(40, 6)
    noisy = images + np.random.default_rng(0).integers(-100, 101, images.shape)
    return write_store(tmp_path_factory.mktemp("tuning") / "store", np.clip(noisy, 0, 255), patients, labels)


@pytest.fixture(scope="session")
def migrated(tmp_path_factory) -> Path:
    """A migrated, empty MLflow database: making one takes seconds."""
    folder = tmp_path_factory.mktemp("mlflow")
    mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
    mlflow.search_experiments()
    return folder / "mlflow.db"


@pytest.fixture
def world(blood, migrated, tmp_path, monkeypatch) -> Experiment:
    """An experiment on the store, in a folder of its own with its own databases."""
    (tmp_path / "mlflow.db").write_bytes(migrated.read_bytes())
    monkeypatch.chdir(tmp_path)
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/mlflow.db")
    mlflow.set_registry_uri(f"sqlite:///{tmp_path}/mlflow.db")
    return Experiment(name="bleeding", store=str(blood.folder), workers=1, draws=100)


def spec_of_study(world: Experiment, family: str = "logreg", label: str = "any", **words: Any) -> StudySpec:
    """Return what the workers of a study have to know, and make the study."""
    tuning = Tuning.model_validate({"budget": {"trials": 6}, **words})
    store = SliceStore.open(world.store)
    url = storages.default_url(mlflow.get_tracking_uri())
    spec = search.make_spec(world, tuning, store, url, family, label)
    search.begin(spec, storages.open_storage(url))
    return spec
