"""Whether the tracking store answers, asked once before a command works for hours.

MLflow's own calls wait four minutes for a server that is not there, and 100 seconds for a database: patience
that is right in the middle of a training, and wrong at its start.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mlflow

from hemo.errors import HemoError
from hemo.tracking import faults

PATIENCE = 4.0
"""Seconds within which a connection has to be made, tried twice; an answer may take longer."""

SERVED = ("http", "https", "postgresql", "mysql", "mssql")
"""Schemes of tracking stores that several machines can use at the same time."""

ENDPOINT = "/api/2.0/mlflow/experiments/get"


def check() -> None:
    """Raise HemoError if the tracking store in use is absent, refuses, or is something else.

    An SQLite database that does not exist yet is well, where it can be made.
    """
    uri = str(mlflow.get_tracking_uri())
    scheme = uri.partition(":")[0].partition("+")[0]
    if scheme in ("http", "https"):
        _check_server(uri)
    elif scheme == "sqlite":
        _check_file(uri)
    elif scheme in ("postgresql", "mysql", "mssql"):
        _check_database(uri, {"connect_timeout": int(PATIENCE)} if scheme != "mssql" else {})


def is_shared() -> bool:
    """Return whether several machines can use the tracking store in use at the same time."""
    return str(mlflow.get_tracking_uri()).partition(":")[0].partition("+")[0] in SERVED


def check_shared() -> None:
    """Raise HemoError if the tracking store in use is a file of one machine, which a cluster cannot share.

    SQLite locks nothing that holds between machines, and two that write at once damage the file.
    """
    if not is_shared():
        uri = faults.shown(str(mlflow.get_tracking_uri()))
        raise HemoError(
            f"the tracking store {uri}: a file of one machine, which a cluster cannot share: "
            "start an MLflow server, and set MLFLOW_TRACKING_URI to it (docs/cluster.md)"
        )


def _check_server(uri: str) -> None:
    """Ask a server for MLflow's default experiment: only MLflow answers that, if with a refusal."""
    from mlflow.utils.credentials import get_default_host_creds
    from mlflow.utils.rest_utils import http_request

    try:
        with faults.answered(uri):
            response = http_request(
                get_default_host_creds(uri), ENDPOINT, "GET", params={"experiment_id": "0"},
                max_retries=1, timeout=PATIENCE, raise_on_status=False,
            )  # fmt: skip
    except HemoError as fault:
        if "Read timed out" in str(fault.__cause__):
            return  # it is there, and slow: MLflow's own patience is for that
        raise
    answer = _as_object(response.text)
    found = answer.get("experiment")
    known = isinstance(found, dict) and found.get("experiment_id") == "0"
    if response.status_code == 401 or not (known or "error_code" in answer):
        raise faults.refusal(uri, response.status_code)


def _check_file(uri: str) -> None:
    from sqlalchemy.engine import make_url

    name = make_url(uri).database
    if not name or name == ":memory:":
        return
    file = Path(name).absolute()
    if file.exists():
        _check_database(uri, {"timeout": PATIENCE})
        return
    folder = next(folder for folder in file.parents if folder.exists())
    if not (folder.is_dir() and os.access(folder, os.W_OK)):
        raise HemoError(
            f"the tracking store {uri}: cannot be made in {folder}: name a folder that may be written to"
        )


def _check_database(uri: str, patience: Mapping[str, float]) -> None:
    from sqlalchemy import create_engine, inspect

    try:
        with faults.answered(uri):
            engine = create_engine(uri, connect_args=dict(patience))
            inspect(engine).get_table_names()
            engine.dispose()
    except ModuleNotFoundError as fault:
        raise HemoError(
            f"the tracking store {faults.shown(uri)}: its driver is not installed: `pip install {fault.name}`"
        ) from None


def _as_object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
