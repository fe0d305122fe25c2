"""MLflow's tables in an empty database: migrated once, then written as they came out."""

import sqlite3
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session", autouse=True)
def _migrated_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Make fresh SQLite stores of this process without MLflow's migrations since 2019: they take seconds."""
    if "mlflow" not in sys.modules:  # no test that was collected needs it
        yield
        return
    from mlflow.store.db import utils
    from mlflow.store.model_registry import sqlalchemy_store as registry
    from sqlalchemy import create_engine

    migrate = utils._initialize_tables

    @cache
    def statements() -> list[str]:
        file: Path = tmp_path_factory.mktemp("migrated") / "mlflow.db"
        engine = create_engine(f"sqlite:///{file}")
        migrate(engine)
        engine.dispose()
        with sqlite3.connect(file) as made:
            return [line for line in made.iterdump() if line not in ("BEGIN TRANSACTION;", "COMMIT;")]

    def write_tables(engine: Any) -> None:
        if engine.dialect.name != "sqlite" or not utils._is_empty_database(engine):
            migrate(engine)
            return
        with engine.begin() as connection:
            for statement in statements():
                connection.exec_driver_sql(statement)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(utils, "_initialize_tables", write_tables)
        patch.setattr(registry, "_initialize_tables", write_tables)
        yield
