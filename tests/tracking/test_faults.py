"""Every neighbour's fault is one line: who, what, and what helps; other faults are not touched."""

import errno
import resource
import sqlite3

import optuna
import pytest
import sqlalchemy.exc
from hypothesis import given
from hypothesis import strategies as st
from mlflow.exceptions import MlflowException, RestException

from hemo.errors import HemoError
from hemo.tracking import faults


def of_sqlite(text):
    return sqlalchemy.exc.OperationalError("SELECT 1", {}, sqlite3.OperationalError(text))


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (MlflowException("API request failed with exception: Connection refused"), "does not answer"),
        (MlflowException("API request to endpoint /x failed with error code 401 != 200"), "refuses with 401"),
        (MlflowException("API request to endpoint /x failed with error code 502 != 200"), "out of order"),
        (MlflowException("successful but the response body was not in a valid JSON format"), "not as MLflow"),
        (RestException({"detail": "?"}), "not as MLflow"),
        (MlflowException("The run 1 must be in the 'active' state. Current state is deleted."), "restore"),
        (MlflowException(of_sqlite("database is locked")), "locked by another process"),
        (of_sqlite("database or disk is full"), "the disk is full: free some space"),
        (of_sqlite("disk I/O error"), "cannot be read or written"),
        (of_sqlite("unable to open database file"), "cannot be opened"),
        (of_sqlite("attempt to write a readonly database"), "may not be written to"),
        (sqlite3.DatabaseError("database disk image is malformed"), "damaged"),
        (MlflowException("Something else\nof two lines"), "Something else of two lines"),
    ],
)
def test_a_fault_of_the_tracking_store_is_one_line_with_its_address_and_remedy(fault, words):
    line = str(faults.said(fault))
    assert line.startswith("the tracking store ")
    assert words in line
    assert "\n" not in line


def test_a_fault_is_said_by_what_it_came_of():
    fault = optuna.exceptions.StorageInternalError("An exception is raised during the commit.")
    fault.__cause__ = of_sqlite("database or disk is full")
    assert "the database sqlite:///o.db: the disk is full" in str(faults.said(fault, "sqlite:///o.db"))
    assert faults.lasts(fault)
    assert not faults.lasts(of_sqlite("database is locked"))


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO])
def test_a_disk_without_room_or_that_fails_is_said_with_or_without_the_files_name(number):
    assert str(faults.said(OSError(number, "x", "out/a.csv"))).startswith("out/a.csv: ")
    assert faults.said(OSError(number, "x")) is not None


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS])
def test_a_file_that_may_not_be_written_is_said_with_its_name(number):
    assert "name another place" in str(faults.said(OSError(number, "x", "out/a.csv")))


def test_a_library_that_forgets_the_number_is_understood():
    assert "disk is full" in str(faults.said(OSError("9216 requested and 4096 written")))
    assert "disk is full" in str(
        faults.said(OSError("With tag (7FE0,0010): [Errno 28] No space left on device"))
    )


@pytest.mark.parametrize(
    "fault", [ValueError("x"), KeyError("a"), FileNotFoundError(2, "x", "y"), OSError("?")]
)
def test_a_fault_of_the_program_keeps_its_traceback(fault):
    fault.__context__ = MlflowException("Connection refused")
    assert faults.said(fault) is None
    with pytest.raises(type(fault)), faults.answered():
        raise fault


def test_what_is_said_already_is_not_said_again():
    fault = HemoError("a.csv: no such file")
    with pytest.raises(HemoError, match=r"a\.csv: no such file") as found, faults.answered():
        raise fault
    assert found.value is fault


def test_a_file_that_the_system_lets_grow_no_further_is_a_full_disk(tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(HemoError, match="no file may become that large here"), faults.answered():
            (tmp_path / "large").write_bytes(bytes(5000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@given(st.from_regex(r"[a-z]{1,8}", fullmatch=True), st.from_regex(r"[!-.0-~]{4,}", fullmatch=True))
def test_no_password_is_shown(user, password):
    shown = faults.shown(f"postgresql://{user}:9{password}9@db.example/mlflow")
    assert shown == "postgresql://db.example/mlflow"


def test_a_file_with_an_at_sign_is_shown_as_it_is():
    assert faults.shown("sqlite:////home/a@b/mlflow.db") == "sqlite:////home/a@b/mlflow.db"


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (
            RestException({"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no m"}),
            "no such model .*: promote",
        ),
        (MlflowException("No such artifact: ''"), "its files are gone: put them back"),
        (MlflowException("failed with error code 401"), "refuses with 401"),
        (OSError("No such file or directory: 'x'"), "its files are gone"),
    ],
)
def test_why_a_model_cannot_be_loaded_is_said_as_it_is(fault, words):
    with pytest.raises(HemoError, match=words):
        raise faults.no_model("models:/m@production", fault, "promote first")
