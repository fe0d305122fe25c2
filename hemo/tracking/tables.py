"""The tables of a fresh SQLite store, made whole or not at all."""

import shutil
import tempfile
from pathlib import Path

from mlflow.store.db import utils
from sqlalchemy import create_engine

from hemo.whole import replacing


def make(database: Path) -> None:
    """Make MLflow's tables in a database that does not exist yet; leave one that does as it is.

    MLflow makes them one by one, and can do nothing any more with what was killed in between.
    """
    if database.exists():
        return
    with tempfile.TemporaryDirectory() as scratch:
        made = Path(scratch) / database.name
        engine = create_engine(f"sqlite:///{made}")
        utils._initialize_tables(engine)  # nobody else knows of the file: no lock, which would be left over
        engine.dispose()
        with replacing(database) as partial:
            shutil.copyfile(made, partial)
