"""What neighbouring systems do wrong, said in one line: which of them, what it did, and what helps.

The tracking server, MLflow's database and Optuna's, and the disk each have their own exceptions, some of
which wrap those of others with pages of text. `said` makes one sentence of any of them, `answered` wraps what
talks to them.
"""

import errno
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hemo.errors import HemoError

KEPT = "what was finished is kept"

FULL = f"the disk is full: free some space, then run the command again; {KEPT}"

FILE_FAULTS = {
    errno.ENOSPC: FULL,
    errno.EDQUOT: f"the disk's quota is used up: free some space, then run the command again; {KEPT}",
    errno.EFBIG: f"no file may become that large here (`ulimit -f`): raise the limit; {KEPT}",
    errno.EIO: f"reading or writing fails (input/output error): see whether the disk is failing; {KEPT}",
    errno.EROFS: "the disk may only be read: name another place",
    errno.EACCES: "no permission: see who owns it, or name another place",
    errno.EPERM: "no permission: see who owns it, or name another place",
}
"""What is said of a file's fault, by its number."""

SHORT_WRITE = r"No space left on device|File too large|Disk quota exceeded|requested and \d+ written"
"""Texts of libraries that write files and leave the number out."""

SAYINGS = {
    r"No space left on device|disk is full|[Dd]isk quota|File too large": FULL,
    r"Current state is deleted": (
        "the experiment or run was deleted meanwhile: `mlflow experiments restore --experiment-id ID` or "
        "`mlflow runs restore --run-id ID` brings it back"
    ),
    r"disk I/O error": f"cannot be read or written: see whether its disk is full or failing; {KEPT}",
    r"database (table )?is locked|LockNotAvailable|[Ll]ock wait timeout": (
        "locked by another process: wait until that has ended, or end it, then run the command again; " + KEPT
    ),
    r"file is not a database|malformed|unsupported file format|file is encrypted": (
        "damaged, or no database: put a copy of it back, or move it away to start with an empty one"
    ),
    r"unable to open database file": "cannot be opened: see whether its folder exists and may be written to",
    r"readonly database": "may not be written to: see who owns the file and its folder",
    r"out-of-date database schema \(found": (
        "made by another version of MLflow: copy it, then `mlflow db upgrade URI`"
    ),
    r"Can't locate revision|no such (table|column)": (
        "not a database of this version: name another, or install the version that made it"
    ),
    r"error code 401|UNAUTHENTICATED|CUSTOMER_UNAUTHORIZED": (
        "refuses with 401: set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or "
        "MLFLOW_TRACKING_TOKEN"
    ),
    r"error code 403|PERMISSION_DENIED": "refuses with 403: this user may not do that: ask who runs it",
    r"password authentication failed|no password supplied|no pg_hba.conf entry": (
        "refuses user or password: see what HEMO_STORAGE, or MLflow's server, is given (client.env has it)"
    ),
    r'role "[^"]*" does not exist|database "[^"]*" does not exist': (
        "knows no such user or database: see what HEMO_STORAGE, or MLflow's server, is given"
    ),
    r"CERTIFICATE_VERIFY_FAILED|SSLError": (
        "its certificate is not trusted: name the one that signed it in MLFLOW_TRACKING_SERVER_CERT_PATH"
    ),
    r"not in a valid JSON|INTERNAL_ERROR: Response|error code 4(?!0[13]|29)\d\d": (
        "answers, but not as MLflow does: see whether MLFLOW_TRACKING_URI is its address, and whether a "
        "sign-in page stands before it"
    ),
    r"Connection (refused|aborted|reset)|Max retries exceeded|NewConnectionError|NameResolutionError|"
    r"Name or service not known|could not translate host|timed out|timeout expired|server closed the conn": (
        f"does not answer: see whether it runs, and whether its address is right; {KEPT}"
    ),
    r"error code (429|5\d\d)": f"is busy or out of order: see its log, then run the command again; {KEPT}",
}
"""What is said of a text that an exception has somewhere in it; the first that fits counts."""

LASTING = r"disk is full|disk I/O error|file is not a database|malformed|readonly database"
"""Texts of faults of a database that do not pass by themselves."""

LEAST = 2**20
"""Free bytes below which a disk counts as full."""

MOST = 200
"""Letters of a message that no saying fits."""


def shown(uri: str) -> str:
    """Return an address as people may see it: without user name and password.

    Examples
    --------
    >>> shown("postgresql://ann:secret@db.example/mlflow")
    'postgresql://db.example/mlflow'
    """
    return re.sub(r"://(?!/)[^\s]*@", "://", uri)


def said(fault: BaseException, address: str = "") -> HemoError | None:
    """Return what a neighbouring system's fault is to people; None for any other exception.

    Parameters
    ----------
    fault : BaseException
        Of a file, MLflow, Optuna, or what they are made of.
    address : str
        Of the system that was talked to; the tracking store in use where it is empty.
    """
    if isinstance(fault, HemoError):
        return fault
    if isinstance(fault, OSError) and not _is_neighbour(fault):
        return _file_fault(fault)
    if not _is_neighbour(fault):
        return None
    text = " ".join(str(one) for one in _chain(fault))
    words = next((saying for pattern, saying in SAYINGS.items() if re.search(pattern, text)), "")
    return HemoError(f"{_who(fault, address)}: {words or _first_words(fault)}")


def refusal(address: str, status: int) -> HemoError:
    """Return what is said of a server that answers with an HTTP status, and not as MLflow does."""
    text = f"error code {status if status >= 400 else 404}"
    (words,) = [saying for pattern, saying in SAYINGS.items() if re.search(pattern, text)][:1]
    return HemoError(f"the tracking server {shown(address)}: {words}")


def no_model(uri: str, fault: BaseException, remedy: str) -> HemoError:
    """Return what is said where a model cannot be loaded, be it that there is none or that the store fails.

    Parameters
    ----------
    uri : str
        The model's.
    fault : BaseException
        What loading it raised.
    remedy : str
        What to do where there is no such model.
    """
    words = _first_words(fault)
    no_files = re.search(r"No such artifact|No such file", words)
    if no_files and uri.startswith("models:/"):
        return HemoError(f"{uri}: its files are gone: put them back, or name another model")
    unknown = getattr(fault, "error_code", "") in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")
    if unknown or no_files:
        return HemoError(f"{uri}: no such model ({words}): {remedy}")
    return said(fault) or HemoError(f"{uri}: cannot be loaded: {words}")


def lasts(fault: BaseException) -> bool:
    """Return whether a database's fault will not pass by itself."""
    return any(re.search(LASTING, str(one)) for one in _chain(fault))


@contextmanager
def answered(address: str = "") -> Iterator[None]:
    """Raise the faults of neighbouring systems as HemoError; Optuna's only where its address is given."""
    try:
        yield
    except Exception as fault:
        line = said(fault, address) if address or "optuna" not in _packages(fault) else None
        if line is None or line is fault:
            raise
        raise line from fault


def _file_fault(fault: OSError) -> HemoError | None:
    file = f"{fault.filename}: " if fault.filename else ""
    words = FULL if re.search(SHORT_WRITE, str(fault)) else ""
    words = FILE_FAULTS.get(fault.errno or 0, words)
    if not words or (not file and fault.errno in (errno.EROFS, errno.EACCES, errno.EPERM)):
        return None
    return HemoError((file or _full_disk()) + words)


def _full_disk() -> str:
    """Return the folder, of those that are always written to, whose disk has no room."""
    full = [folder for folder in (Path.cwd(), Path(tempfile.gettempdir())) if _free(folder) < LEAST]
    return f"{full[0]}: " if full else ""


def _free(folder: Path) -> int:
    return shutil.disk_usage(folder).free


def _chain(fault: BaseException | None) -> Iterator[BaseException]:
    """Yield a fault and what it came of."""
    seen: set[int] = set()
    while fault is not None and id(fault) not in seen:
        seen.add(id(fault))
        yield fault
        fault = fault.__cause__ or fault.__context__


def _packages(fault: BaseException) -> set[str]:
    return {kind.__module__.partition(".")[0] for kind in type(fault).__mro__}


def _is_neighbour(fault: BaseException) -> bool:
    """Return whether an exception is MLflow's, a database's or a connection's."""
    return bool(_packages(fault) & {"mlflow", "sqlalchemy", "sqlite3", "requests", "urllib3"}) or (
        type(fault).__name__ == "StorageInternalError"
    )


def _who(fault: BaseException, address: str) -> str:
    """Return which system a fault is of, with its address."""
    if not address and "optuna" in _packages(fault):
        return "Optuna's database"
    used = _tracking_uri()
    if address and address != used:
        return f"the database {shown(address)}"
    return f"the tracking {'server' if used.startswith('http') else 'store'} {shown(used)}"


def _tracking_uri() -> str:
    import mlflow

    return str(mlflow.get_tracking_uri())


def _first_words(fault: BaseException) -> str:
    words = " ".join(shown(str(getattr(fault, "message", "") or fault)).split()) or type(fault).__name__
    return words if len(words) <= MOST else words[:MOST].rsplit(" ", 1)[0] + " ..."
