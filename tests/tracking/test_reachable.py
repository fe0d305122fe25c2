"""The tracking store is asked once, at the start, whether it is there and is one."""

import os
import sqlite3
import time

import mlflow
import pytest

from hemo.errors import HemoError
from hemo.tracking import reachable
from tests.helpers.mlflow_default import forget_stores
from tests.helpers.wrong_servers import closed_port, serving


@pytest.fixture
def store():
    """Return what sets the address of the tracking store; it is unset in the end."""
    yield mlflow.set_tracking_uri
    forget_stores()


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("refuses", "refuses with 401: set MLFLOW_TRACKING_USERNAME"),
        ("refuses in JSON", "refuses with 401: set MLFLOW_TRACKING_USERNAME"),
        ("forbids", "refuses with 403"),
        ("is a web page", "answers, but not as MLflow does"),
        ("is another service", "answers, but not as MLflow does"),
        ("knows no such page", "answers, but not as MLflow does"),
        ("talks nonsense", "answers, but not as MLflow does"),
        ("is out of order", "is busy or out of order: see its log"),
    ],
)
def test_a_server_that_is_not_ours_is_said_to_be_so_with_its_address(store, kind, words):
    with serving(kind) as address:
        store(address)
        with pytest.raises(HemoError, match=f"the tracking server {address}: {words}"):
            reachable.check()


def test_a_server_that_is_not_there_is_said_at_once_and_without_the_password(store):
    port = closed_port()
    store(f"http://ann:secret@127.0.0.1:{port}")
    start = time.monotonic()
    with pytest.raises(HemoError, match=f"the tracking server http://127.0.0.1:{port}: does not answer"):
        reachable.check()
    assert time.monotonic() - start < 10


def test_the_users_own_settings_of_patience_stay(store, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "5")
    before = dict(os.environ)
    store(f"http://127.0.0.1:{closed_port()}")
    with pytest.raises(HemoError):
        reachable.check()
    assert {**os.environ, "MLFLOW_TRACKING_URI": ""} == {**before, "MLFLOW_TRACKING_URI": ""}


def test_a_database_that_is_not_there_yet_is_well_and_is_not_made(store, tmp_path):
    store(f"sqlite:///{tmp_path}/below/mlflow.db")
    reachable.check()
    assert list(tmp_path.iterdir()) == []


def test_a_database_that_cannot_be_made_is_said(store, tmp_path):
    (tmp_path / "file").touch()
    store(f"sqlite:///{tmp_path}/file/mlflow.db")
    with pytest.raises(HemoError, match=r"mlflow.db: cannot be made in .*file: name a folder"):
        reachable.check()


def test_a_file_that_is_no_database_is_said_to_be_damaged(store, tmp_path):
    (tmp_path / "mlflow.db").write_bytes(os.urandom(5000))
    store(f"sqlite:///{tmp_path}/mlflow.db")
    with pytest.raises(HemoError, match=r"mlflow.db: damaged, or no database: put a copy of it back"):
        reachable.check()


def test_a_locked_database_is_said_to_be_locked(store, tmp_path):
    holder = sqlite3.connect(tmp_path / "mlflow.db")
    holder.execute("CREATE TABLE runs (id INTEGER)")
    holder.execute("BEGIN EXCLUSIVE")
    store(f"sqlite:///{tmp_path}/mlflow.db")
    with pytest.raises(HemoError, match=r"mlflow.db: locked by another process: wait"):
        reachable.check()
    holder.close()


def test_a_good_database_passes(store, tmp_path):
    with sqlite3.connect(tmp_path / "mlflow.db") as made:
        made.execute("CREATE TABLE runs (id INTEGER)")
    store(f"sqlite:///{tmp_path}/mlflow.db")
    reachable.check()
