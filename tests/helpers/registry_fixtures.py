"""Fixtures of a tracking store: with runs, with versions in production. Imports wait until they are used."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.helpers.registry_world import Runs


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> "tuple[Path, Runs]":
    """A store with training runs of `any` and `epidural` in the experiment `made up`, made once a session.

    Returns the folder with `mlflow.db`, and (label, name) to run: `good`, `better` and `bad`.
    """
    from tests.helpers.registry_world import train_all

    folder = tmp_path_factory.mktemp("trained")
    return folder, train_all(folder)


@pytest.fixture
def store(trained: "tuple[Path, Runs]", tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> "Runs":
    """A copy of the store of `trained` as the tracking store in use; returns the runs."""
    from tests.helpers.registry_world import empty_store

    folder, runs = trained
    empty_store(folder / "mlflow.db", tmp_path, monkeypatch)
    return runs


@pytest.fixture(scope="session")
def promoted_once(trained: "tuple[Path, Runs]", tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of `trained` with a panel: `any` promoted, `epidural` against the gate. Returns its folder."""
    from tests.helpers.registry_world import case, decide, empty_store

    folder = tmp_path_factory.mktemp("promoted")
    with pytest.MonkeyPatch.context() as patch:
        empty_store(trained[0] / "mlflow.db", folder, patch)
        decide(case(trained[1], "any"))
        decide(case(trained[1], "epidural", sound=False), "for the <b>demonstration</b>")
    return folder


@pytest.fixture
def promoted(
    promoted_once: Path, trained: "tuple[Path, Runs]", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> "Runs":
    """A copy of the store with a panel as the tracking store in use; returns the runs."""
    from tests.helpers.registry_world import empty_store

    empty_store(promoted_once / "mlflow.db", tmp_path, monkeypatch)
    return trained[1]
